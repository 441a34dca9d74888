"""The room as an aggregate: who gets in, what is published, who receives it, and how it ends."""

import pytest
from contract.errors import Refused
from contract.rooms import (
    LeaveReason,
    ParticipantStatus,
    ResumeSession,
    RoomStatus,
    RoomType,
    TrackPriority,
    UpdateParticipant,
    UpdateSession,
)
from rooms_api.core.change import Happening
from rooms_api.core.room import Room, StaleLease
from rooms_api.core.rules import EXCLUDE_ALL, Rule
from rooms_api.core.settings import RoomSettings

from tests.kit.rooms import ACCOUNT, RoomUnderTest, audio, data, video


def update(participant_sid: str, revision: int, *tracks, epoch: int = 1) -> UpdateParticipant:
    return UpdateParticipant(
        participant_sid=participant_sid, lease_epoch=epoch, client_revision=revision, tracks=tracks
    )


def resume(identity: str, revision: int = 1, *tracks, gateway: str = "gateway-2") -> ResumeSession:
    return ResumeSession(
        session="secret",
        account_sid=ACCOUNT,
        identity=identity,
        gateway_id=gateway,
        client_revision=revision,
        tracks=tracks,
    )


def happened(change) -> list[Happening]:
    return [entry.event for entry in change.happened]


@pytest.fixture
def test() -> RoomUnderTest:
    return RoomUnderTest()


def refused(code: int):
    return pytest.raises(Refused, match=f"^{code} ")


# -- joining -------------------------------------------------------------------------------------------------------------------------


def test_a_new_room_is_revision_one(test):
    assert test.created.event.revision == 1
    assert test.created.event.room.name == "standup"
    assert happened(test.created) == [Happening.ROOM_CREATED]


def test_a_room_without_a_name_is_called_by_its_sid():
    assert Room.create("RM7", ACCOUNT, None, RoomSettings(), "api", 0.0).name == "RM7"


def test_who_joins_is_told_of_everybody_and_receives_their_tracks(test):
    test.join("alice", audio(), video(name="front"))
    test.room.take_change()
    test.join("bob")
    test.room.take_change()

    snapshot = test.room.snapshot(["PA-bob"])

    assert [p.identity for p in snapshot.participants] == ["alice", "bob"]
    assert [track.name for track in snapshot.participants[0].tracks] == [
        snapshot.participants[0].tracks[0].sid,
        "front",
    ]
    (session,) = snapshot.sessions
    assert session.node_id == "node-1"
    assert session.published_revision == session.subscribed_revision == 3
    assert [s.track_sid for s in session.subscriptions] == [t.sid for t in snapshot.participants[0].tracks]
    assert all(s.id == f"{s.track_sid}-3" for s in session.subscriptions)


def test_those_in_the_room_receive_the_tracks_of_who_joins(test):
    test.join("alice")
    test.room.take_change()
    test.join("bob", audio())

    change = test.room.take_change()

    (subscribed,) = change.event.subscribed
    assert subscribed.participant_sid == "PA-alice"
    assert [s.publisher_sid for s in subscribed.added] == ["PA-bob"]
    assert happened(change) == [Happening.PARTICIPANT_CONNECTED, Happening.TRACK_ADDED]


def test_without_automatic_subscription_nothing_is_received(test):
    test.join("alice", audio())
    bob = test.join("bob", automatic_subscription=False)

    assert bob.subscriptions == {}


def test_the_same_identity_disconnects_the_older_participant_in_the_same_change(test):
    test.join("alice", audio(), sid="PA-older")
    test.room.take_change()
    test.join("alice", sid="PA-newer")

    change = test.room.take_change()

    assert [(e.participant_sid, e.reason) for e in change.event.ended] == [("PA-older", LeaveReason.DUPLICATE_IDENTITY)]
    assert [p.status for p in change.event.participants] == [
        ParticipantStatus.DISCONNECTED,
        ParticipantStatus.CONNECTED,
    ]
    assert list(test.room.participants) == ["PA-newer"]


def test_the_last_seat_can_be_taken_over_by_the_same_identity_only():
    test = RoomUnderTest(RoomSettings(max_participants=1))
    test.join("alice")

    with refused(53105):
        test.join("bob")
    test.join("alice", sid="PA-newer")


@pytest.mark.parametrize(("identity", "code"), [("", 53200), ("x" * 129, 53201), ("a\0b", 53202)])
def test_a_bad_identity_is_refused(test, identity, code):
    with refused(code):
        test.join(identity)


def test_an_ended_room_admits_nobody(test):
    test.room.complete("room_ended_via_api", 1001.0)

    with refused(53118):
        test.join("alice")


@pytest.mark.parametrize("kind", [RoomType.PEER_TO_PEER, RoomType.GO])
def test_between_browsers_a_track_is_received_under_its_publishers_own_id(kind):
    test = RoomUnderTest(RoomSettings(type=kind))
    test.join("alice", video("cam"))

    bob = test.join("bob")

    assert [subscribed.message.id for subscribed in bob.subscriptions.values()] == ["cam"]


def test_between_browsers_everything_is_received_whatever_was_wished():
    test = RoomUnderTest(RoomSettings(type=RoomType.PEER_TO_PEER))
    test.join("alice", video("cam"))

    assert len(test.join("bob", automatic_subscription=False).subscriptions) == 1


def test_what_is_refused_changes_nothing(test):
    test.room.complete("room_ended_via_api", 1001.0)
    test.room.take_change()
    with refused(53118):
        test.join("alice")

    assert test.room.take_change() is None


# -- tracks --------------------------------------------------------------------------------------------------------------------------


def test_publishing_leaves_the_sids_of_other_tracks_alone(test):
    alice = test.join("alice", audio())
    sid = alice.tracks["mic"].sid
    test.room.update_participant(update("PA-alice", 2, audio(), video()), 1001.0, test.new_sid)

    assert alice.tracks["mic"].sid == sid
    assert alice.tracks["camera"].sid not in (None, sid)


def test_muting_changes_the_track_and_no_publication(test):
    test.join("alice", audio())
    test.join("bob")
    test.room.take_change()
    test.room.update_participant(update("PA-alice", 2, audio(enabled=False)), 1001.0, test.new_sid)

    change = test.room.take_change()

    assert change.event.participants[0].tracks[0].enabled is False
    assert change.event.published == ()
    assert change.event.subscribed == ()
    assert happened(change) == [Happening.TRACK_DISABLED]


def test_a_new_priority_is_told_to_everybody(test):
    test.join("alice", audio())
    test.room.take_change()
    test.room.update_participant(update("PA-alice", 2, audio(priority=TrackPriority.HIGH)), 1001.0, test.new_sid)

    assert test.room.take_change().event.participants[0].tracks[0].priority is TrackPriority.HIGH


def test_an_older_client_revision_is_no_error_and_changes_nothing(test):
    test.join("alice", audio(), client_revision=4)
    test.room.take_change()
    test.room.update_participant(update("PA-alice", 4), 1001.0, test.new_sid)

    assert test.room.take_change() is None


def test_unpublishing_takes_the_track_from_its_subscribers(test):
    test.join("alice", audio())
    bob = test.join("bob")
    (subscription,) = [s.message.id for s in bob.subscriptions.values()]
    test.room.take_change()
    test.room.update_participant(update("PA-alice", 2), 1001.0, test.new_sid)

    change = test.room.take_change()

    assert [(s.participant_sid, s.removed) for s in change.event.subscribed] == [("PA-bob", (subscription,))]
    assert change.event.published[0].published == ()
    assert happened(change) == [Happening.TRACK_REMOVED]


def test_a_track_published_again_has_a_new_sid_and_subscription(test):
    alice = test.join("alice", audio())
    bob = test.join("bob")
    before = alice.tracks["mic"].sid
    test.room.take_change()
    test.room.update_participant(update("PA-alice", 2), 1001.0, test.new_sid)
    test.room.take_change()
    test.room.update_participant(update("PA-alice", 3, audio()), 1002.0, test.new_sid)

    assert alice.tracks["mic"].sid != before
    assert list(bob.subscriptions) == [alice.tracks["mic"].sid]


@pytest.mark.parametrize(
    ("settings", "track", "code"),
    [
        (RoomSettings(), audio("second", name="taken"), 53304),
        (RoomSettings(), audio("second", name="n" * 129), 53302),
        (RoomSettings(), audio("second", name="a\0b"), 53303),
        (RoomSettings(audio_only=True), video(), 53125),
        (RoomSettings(), video(has_codec=False), 53404),
    ],
)
def test_a_track_that_cannot_be_published_becomes_a_failed_publication(settings, track, code):
    test = RoomUnderTest(settings)
    test.join("alice", audio("first", name="taken"), track, audio("last"))

    session = test.room.take_change().event.sessions[0]

    assert [p.error_code for p in session.published] == [None, code, None]
    assert session.published[1].sid is None
    assert len(test.room.snapshot().participants[0].tracks) == 2


def test_the_room_takes_a_bounded_number_of_tracks(test):
    test.join("alice", *[audio(f"a{n}") for n in range(170)])
    bob = test.join("bob", audio())

    assert bob.tracks["mic"].error_code == 53203


def test_a_failed_subscription_stays_with_its_code(test):
    test.join("alice", video())
    bob = test.join("bob")
    (subscription,) = bob.subscriptions.values()
    test.room.take_change()
    test.room.fail_subscription("PA-bob", subscription.message.id, 53404, 1001.0)

    change = test.room.take_change()

    assert change.event.subscribed[0].added[0].error_code == 53404
    assert change.event.subscribed[0].removed == ()


def test_a_track_that_the_node_cannot_take_fails_and_leaves_its_subscribers(test):
    alice = test.join("alice", video())
    bob = test.join("bob")
    test.room.take_change()
    test.room.fail_publication("PA-alice", alice.tracks["camera"].sid, 53404, 1001.0)

    change = test.room.take_change()

    assert [(p.sid, p.error_code) for p in change.event.published[0].published] == [(None, 53404)]
    assert bob.subscriptions == {}


# -- rules ---------------------------------------------------------------------------------------------------------------------------


def test_new_rules_act_at_once_and_an_entering_track_gets_a_fresh_id(test):
    test.join("alice", audio(), data())
    bob = test.join("bob")
    test.room.take_change()
    test.room.set_subscribe_rules("PA-bob", EXCLUDE_ALL, 1001.0)
    without = test.room.take_change()
    test.room.set_subscribe_rules("PA-bob", (Rule("include", publisher="alice"),), 1002.0)
    again = test.room.take_change()

    assert len(without.event.subscribed[0].removed) == 2
    assert [s.id for s in again.event.subscribed[0].added] == [f"{sid}-4" for sid in bob.subscriptions]


# -- sessions ------------------------------------------------------------------------------------------------------------------------


def test_a_lost_socket_makes_reconnecting_and_a_resume_connected_again(test):
    test.join("alice")
    test.room.take_change()
    test.room.detach("PA-alice", 1, None, now=1001.0)
    lost = test.room.take_change()
    deadline = test.room.next_timeout()
    alice = test.room.resume("PA-alice", resume("alice"), 1005.0, test.new_sid)
    back = test.room.take_change()

    assert lost.event.participants[0].status is ParticipantStatus.RECONNECTING
    assert deadline == 1031.0
    assert back.event.participants[0].status is ParticipantStatus.CONNECTED
    assert (back.event.leased[0].gateway_id, back.event.leased[0].lease_epoch) == ("gateway-2", 2)
    assert alice.deadline is None


def test_a_resume_publishes_what_came_up_meanwhile(test):
    test.join("alice", audio())
    alice = test.room.resume("PA-alice", resume("alice", 2, audio(), video()), 1005.0, test.new_sid)

    assert alice.tracks["camera"].sid is not None


def test_commands_of_an_older_lease_are_refused(test):
    test.join("alice")
    test.room.resume("PA-alice", resume("alice"), 1005.0, test.new_sid)

    with pytest.raises(StaleLease):
        test.room.update_participant(update("PA-alice", 9), 1006.0, test.new_sid)
    with pytest.raises(StaleLease):
        test.room.leave("PA-alice", 1, LeaveReason.LEFT, 1006.0)
    with pytest.raises(StaleLease):
        test.room.detach("PA-alice", 1, None, 1006.0)


def test_a_session_of_somebody_else_or_one_that_is_over_cannot_be_resumed(test):
    test.join("alice")
    with refused(53001):
        test.room.resume("PA-alice", resume("mallory"), 1001.0, test.new_sid)
    test.room.leave("PA-alice", 1, LeaveReason.LEFT, 1002.0)
    with refused(53001):
        test.room.resume("PA-alice", resume("alice"), 1003.0, test.new_sid)


def test_a_session_that_is_not_resumed_in_time_expires(test):
    test.join("alice")
    test.room.detach("PA-alice", 1, 2.0, now=1001.0)
    test.room.handle_timeout(1002.9)
    assert "PA-alice" in test.room.participants
    test.room.take_change()
    test.room.handle_timeout(1003.0)

    change = test.room.take_change()

    assert [e.reason for e in change.event.ended] == [LeaveReason.SESSION_EXPIRED]
    assert happened(change) == [Happening.PARTICIPANT_DISCONNECTED]
    assert change.happened[0].duration_s == 3


def test_the_earlier_of_two_deadlines_holds(test):
    test.join("alice")
    test.room.detach("PA-alice", 1, None, now=1001.0)
    test.room.detach("PA-alice", 1, 2.0, now=1001.0)
    test.room.detach("PA-alice", 1, None, now=1002.0)

    assert test.room.next_timeout() == 1003.0


def test_a_closed_transport_of_a_detached_client_ends_it_at_once(test):
    test.join("alice")
    test.room.lose_peer("PA-alice", 1, 1000.5)
    assert "PA-alice" in test.room.participants
    test.room.detach("PA-alice", 1, None, 1001.0)
    test.room.lose_peer("PA-alice", 1, 1001.5)

    assert test.room.participants == {}


def test_a_dead_gateway_loses_its_own_participants_only(test):
    test.join("alice")
    test.join("bob", gateway_id="gateway-2")
    test.room.lose_gateway("gateway-1", 1001.0)

    assert [p.status for p in test.room.participants.values()] == [
        ParticipantStatus.RECONNECTING,
        ParticipantStatus.CONNECTED,
    ]


def test_a_new_bandwidth_profile_is_kept_for_a_resume(test):
    test.join("alice")
    test.room.take_change()
    test.room.update_session(
        UpdateSession(participant_sid="PA-alice", lease_epoch=1, bandwidth_profile={"video": {"mode": "grid"}})
    )

    assert test.room.take_change().event.sessions[0].bandwidth_profile == {"video": {"mode": "grid"}}


# -- the end -------------------------------------------------------------------------------------------------------------------------


def test_who_leaves_keeps_its_tracks_in_what_others_are_told(test):
    test.join("alice", audio())
    bob = test.join("bob")
    test.room.take_change()
    test.room.leave("PA-alice", 1, LeaveReason.LEFT, 1005.0)

    change = test.room.take_change()

    gone = change.event.participants[0]
    assert gone.status is ParticipantStatus.DISCONNECTED
    assert len(gone.tracks) == 1
    assert bob.subscriptions == {}
    assert happened(change) == [Happening.TRACK_REMOVED, Happening.PARTICIPANT_DISCONNECTED]


def test_leaving_twice_is_no_error(test):
    test.join("alice")
    test.room.leave("PA-alice", 1, LeaveReason.LEFT, 1001.0)
    test.room.take_change()
    test.room.leave("PA-alice", 1, LeaveReason.LEFT, 1002.0)

    assert test.room.take_change() is None


def test_completing_disconnects_everybody(test):
    test.join("alice")
    test.join("bob")
    test.room.take_change()
    test.room.complete("room_ended_via_api", 1010.0)

    change = test.room.take_change()

    assert change.event.room.status is RoomStatus.COMPLETED
    assert {e.reason for e in change.event.ended} == {LeaveReason.ROOM_COMPLETED}
    assert happened(change) == [
        Happening.PARTICIPANT_DISCONNECTED,
        Happening.PARTICIPANT_DISCONNECTED,
        Happening.ROOM_ENDED,
    ]
    assert test.room.next_timeout() is None
    with refused(53112):
        test.room.complete("room_ended_via_api", 1011.0)


def test_an_unused_room_ends_after_its_timeout(test):
    assert test.room.next_timeout() == 1300.0
    test.room.handle_timeout(1300.0)

    assert test.room.end_reason == "timeout"


def test_an_empty_room_ends_after_its_timeout_unless_somebody_comes(test):
    test.join("alice", now=1001.0)
    test.room.leave("PA-alice", 1, LeaveReason.LEFT, 1100.0)
    assert test.room.next_timeout() == 1400.0
    test.join("bob", now=1399.0)
    test.room.handle_timeout(1400.0)
    assert test.room.status is RoomStatus.IN_PROGRESS
    test.room.leave("PA-bob", 1, LeaveReason.LEFT, 1500.0)
    test.room.handle_timeout(1800.0)

    assert test.room.status is RoomStatus.COMPLETED


def test_an_ad_hoc_room_ends_with_its_last_participant():
    test = RoomUnderTest(RoomSettings(empty_room_timeout_min=0))
    test.join("alice", sid="PA-older")
    test.join("alice")
    assert test.room.status is RoomStatus.IN_PROGRESS
    test.room.leave("PA-alice", 1, LeaveReason.LEFT, 1005.0)

    assert test.room.status is RoomStatus.COMPLETED
    assert happened(test.room.take_change())[-2:] == [Happening.PARTICIPANT_DISCONNECTED, Happening.ROOM_ENDED]


def test_a_participant_may_stay_for_the_longest_duration_only():
    test = RoomUnderTest(RoomSettings(max_participant_duration_s=600))
    test.join("alice", now=1000.0)
    test.room.take_change()
    test.room.handle_timeout(1600.0)

    assert test.room.take_change().event.ended[0].reason is LeaveReason.DURATION_EXCEEDED


def test_a_room_lives_for_a_day_at_most():
    test = RoomUnderTest(RoomSettings(max_participant_duration_s=10**6))
    test.join("alice")
    test.room.handle_timeout(1000.0 + 86400)

    assert test.room.status is RoomStatus.COMPLETED
