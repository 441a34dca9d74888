"""What of a room is recorded, and what becomes of recordings."""

import pytest
from contract.errors import Refused
from contract.recordings import FailedOperation
from contract.rooms import RoomType
from rooms_api.core.recording import whole_seconds
from rooms_api.core.rules import INCLUDE_ALL, Rule
from rooms_api.core.settings import RoomSettings

from tests.kit.recordings import NodeRecording
from tests.kit.rooms import RoomUnderTest, audio, data, video


@pytest.fixture
def test() -> RoomUnderTest:
    return RoomUnderTest()


def chosen(test: RoomUnderTest) -> list[tuple[str, str]]:
    return [(track.identity, track.track_name) for track in test.room.tracks_to_record()]


def test_nothing_is_recorded_unless_rules_say_so(test):
    test.join("alice", audio(), video())

    assert test.room.tracks_to_record() == []


def test_rules_choose_among_what_everybody_publishes(test):
    test.join("alice", audio(name="mic"), video(name="front"), video("screen", name="screen"), data(name="chat"))
    test.join("bob", audio(name="mic"), video("second", name="n" * 200))

    test.room.set_recording_rules(INCLUDE_ALL, 1000)
    assert chosen(test) == [("alice", "mic"), ("alice", "front"), ("alice", "screen"), ("bob", "mic")]

    test.room.set_recording_rules((*INCLUDE_ALL, Rule("exclude", publisher="alice", track="screen")), 1000)
    assert chosen(test) == [("alice", "mic"), ("alice", "front"), ("bob", "mic")]


def test_a_track_that_ends_is_no_longer_recorded():
    test = RoomUnderTest(RoomSettings(recording_rules=INCLUDE_ALL))
    test.join("alice", audio(name="mic"))
    test.join("bob", audio(name="mic"))
    test.room.remove("PA-alice", 1001)

    assert chosen(test) == [("bob", "mic")]


def test_new_rules_are_a_change_of_the_room(test):
    test.room.set_recording_rules(INCLUDE_ALL, 1005)

    change = test.room.take_change()
    assert change.event.revision == 2
    assert (change.event.room.is_recording, change.event.room.recording_revision) == (False, 1)
    assert change.happened == ()
    assert test.room.recording_rules_updated_at == 1005


def test_rules_of_a_room_without_media_server_or_over_are_refused(test):
    for kind in (RoomType.GO, RoomType.PEER_TO_PEER):
        with pytest.raises(Refused, match=r"^53122 "):
            RoomUnderTest(RoomSettings(type=kind)).room.set_recording_rules(INCLUDE_ALL, 1000)
    test.room.complete("room_ended_via_api", 1000)
    with pytest.raises(Refused, match=r"^53118 "):
        test.room.set_recording_rules(INCLUDE_ALL, 1000)


# -- what becomes of recordings --------------------------------------------------------------------------------------------------------


def steps(change) -> list[tuple[str, str]]:
    return [(step.event, step.recording.track.sid) for step in change.recordings]


def test_a_room_is_being_recorded_while_anything_of_it_is(test):
    test.join("alice", audio(name="mic"), video())
    test.room.take_change()
    one, two = NodeRecording("RM1"), NodeRecording("RM1")

    test.room.receive_recording(one.started(), 1001)
    begun = test.room.take_change()
    test.room.receive_recording(two.started(), 1002)
    more = test.room.take_change()
    test.room.receive_recording(one.completed(), 1003)
    fewer = test.room.take_change()
    test.room.receive_recording(two.completed(), 1004)
    over = test.room.take_change()

    assert (begun.event.room.is_recording, begun.event.room.recording_revision) == (True, begun.event.revision)
    assert (more.event.room, fewer.event.room) == (None, None)
    assert (over.event.room.is_recording, over.event.room.recording_revision) == (False, over.event.revision)
    assert [steps(change) for change in (begun, more, fewer, over)] == [
        [("recording-started", one.sid)],
        [("recording-started", two.sid)],
        [("recording-completed", one.sid)],
        [("recording-completed", two.sid)],
    ]


def test_a_fact_that_comes_again_changes_nothing(test):
    recording = NodeRecording("RM1")
    test.room.receive_recording(recording.started(), 1001)
    test.room.take_change()

    test.room.receive_recording(recording.started(), 1002)

    assert test.room.take_change() is None


def test_any_one_fact_suffices(test):
    over, broken, never = NodeRecording("RM1"), NodeRecording("RM1"), NodeRecording("RM1")
    test.room.receive_recording(over.completed(size_bytes=7, duration_ms=2499), 1001)
    test.room.receive_recording(broken.failed(FailedOperation.UPLOAD), 1001)
    test.room.receive_recording(never.failed(FailedOperation.START), 1001)

    change = test.room.take_change()

    assert steps(change) == [
        ("recording-started", over.sid),
        ("recording-completed", over.sid),
        ("recording-started", broken.sid),
        ("recording-failed", broken.sid),
        ("recording-failed", never.sid),
    ]
    assert (change.recordings[1].recording.size_bytes, change.recordings[1].recording.duration_s) == (7, 2)
    assert [step.failed_operation for step in change.recordings[3:]] == [FailedOperation.UPLOAD, FailedOperation.START]
    assert change.event.room is None  # nothing is being recorded, before and after


def test_a_recording_keeps_the_name_that_its_track_had(test):
    alice = test.join("alice", audio(name="mic"))
    (track,) = alice.published_tracks()
    test.room.receive_recording(NodeRecording("RM1", "PA-alice", track.sid).started(), 1001)
    test.room.remove("PA-alice", 1002)
    late = NodeRecording("RM1", "PA-alice", track.sid)
    test.room.receive_recording(late.started(), 1003)

    change = test.room.take_change()

    assert [step.recording.track_name for step in change.recordings] == ["mic", late.track.track_sid]


def test_a_recording_may_end_after_its_room(test):
    recording = NodeRecording("RM1")
    test.room.receive_recording(recording.started(), 1001)
    test.room.complete("room_ended_via_api", 1002)
    test.room.take_change()

    test.room.receive_recording(recording.completed(), 1003)

    assert steps(test.room.take_change()) == [("recording-completed", recording.sid)]


@pytest.mark.parametrize(
    ("duration_ms", "duration_s"), [(0, 1), (1, 1), (1499, 1), (1500, 2), (2499, 2), (2500, 3), (60_000, 60)]
)
def test_durations_are_rounded_and_never_zero(duration_ms: int, duration_s: int):
    assert whole_seconds(duration_ms) == duration_s


def test_an_empty_recording_has_no_duration(test):
    test.room.receive_recording(NodeRecording("RM1").completed(size_bytes=0, duration_ms=10), 1001)

    assert test.room.take_change().recordings[-1].recording.duration_s == 0


def test_a_recording_whose_node_does_not_come_back_has_failed_an_hour_after_its_participant_left(test):
    alice, bob = test.join("alice", audio()), test.join("bob", audio())
    of_alice, of_bob = (NodeRecording("RM1", one.sid, one.published_tracks()[0].sid) for one in (alice, bob))
    test.room.receive_recording(of_alice.started(), 1001)
    test.room.receive_recording(of_bob.started(), 1001)
    test.room.remove("PA-alice", 1002)
    test.room.take_change()
    test.room.handle_timeout(4601)
    assert test.room.take_change() is None

    test.room.handle_timeout(4602)

    change = test.room.take_change()
    assert steps(change) == [("recording-failed", of_alice.sid)]
    assert change.recordings[0].failed_operation is FailedOperation.COMPLETE
    assert test.room.is_recording  # of Bob


def test_an_ended_room_still_waits_for_its_recordings(test):
    alice = test.join("alice", audio())
    recording = NodeRecording("RM1", alice.sid, alice.published_tracks()[0].sid)
    test.room.receive_recording(recording.started(), 1001)
    test.room.complete("room_ended_via_api", 1002)
    assert test.room.next_timeout() == 4602
    test.room.take_change()

    test.room.handle_timeout(4602)

    change = test.room.take_change()
    assert steps(change) == [("recording-failed", recording.sid)]
    assert change.event.room.is_recording is False
    assert test.room.next_timeout() is None


def test_a_recording_that_begins_after_its_participant_has_left_is_waited_for_from_then_on(test):
    test.room.receive_recording(NodeRecording("RM1", "PA-gone").started(), 1005)

    assert test.room.recordings.next_timeout() == 4605
