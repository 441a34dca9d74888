"""Following a room: snapshot plus events equals the room."""

import pytest
from contract.rooms import (
    Ended,
    LeaveReason,
    MissedEvents,
    ParticipantState,
    ParticipantStatus,
    RoomEvent,
    RoomSnapshot,
    RoomState,
    RoomStatus,
    RoomType,
    SessionState,
    SubscribedChanged,
    Subscription,
    TrackKind,
    apply_event,
)

ROOM = RoomState(
    sid="RM1",
    account_sid="AC1",
    name="standup",
    type=RoomType.GROUP,
    status=RoomStatus.IN_PROGRESS,
    media_region="us1",
    audio_only=False,
    video_codecs=("VP8",),
    session_timeout_s=30,
    is_recording=False,
    recording_revision=1,
)


def participant(
    sid: str, status: ParticipantStatus = ParticipantStatus.CONNECTED, revision: int = 1
) -> ParticipantState:
    return ParticipantState(sid=sid, identity=sid.lower(), status=status, revision=revision, tracks=())


def session(sid: str) -> SessionState:
    return SessionState(
        participant_sid=sid,
        gateway_id="g1",
        lease_epoch=1,
        node_id="n1",
        peer_connection_ids=("pc",),
        client_revision=1,
        published=(),
        published_revision=1,
        subscriptions=(),
        subscribed_revision=1,
        media_signaling=(),
        media_warnings=(),
        bandwidth_profile=None,
    )


SNAPSHOT = RoomSnapshot(revision=4, room=ROOM, participants=(participant("PA1"),), sessions=(session("PA1"),))


def test_an_event_already_included_changes_nothing() -> None:
    event = RoomEvent(room_sid="RM1", revision=4, participants=(participant("PA2"),))

    assert apply_event(SNAPSHOT, event) is SNAPSHOT


def test_a_gap_is_noticed() -> None:
    with pytest.raises(MissedEvents):
        apply_event(SNAPSHOT, RoomEvent(room_sid="RM1", revision=6))


def test_a_new_subscription_raises_the_subscribed_revision() -> None:
    new = Subscription(id="MT1-5", track_sid="MT1", publisher_sid="PA2", kind=TrackKind.AUDIO)
    event = RoomEvent(room_sid="RM1", revision=5, subscribed=(SubscribedChanged(participant_sid="PA1", added=(new,)),))

    after = apply_event(SNAPSHOT, event)

    assert after.revision == 5
    assert after.sessions[0].subscriptions == (new,)
    assert after.sessions[0].subscribed_revision == 5
    assert after.sessions[0].published_revision == 1


def test_a_participant_that_ended_is_gone_with_its_session() -> None:
    event = RoomEvent(
        room_sid="RM1",
        revision=5,
        participants=(participant("PA1", ParticipantStatus.DISCONNECTED, 5),),
        ended=(Ended(participant_sid="PA1", reason=LeaveReason.REMOVED),),
    )

    after = apply_event(SNAPSHOT, event)

    assert after.participants == ()
    assert after.sessions == ()
