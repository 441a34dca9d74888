"""What of a room is recorded."""

import pytest
from contract.errors import Refused
from contract.rooms import RoomType
from rooms_api.core.rules import INCLUDE_ALL, Rule
from rooms_api.core.settings import RoomSettings

from tests.kit.rooms import RoomUnderTest, audio, data, video


@pytest.fixture
def test() -> RoomUnderTest:
    return RoomUnderTest()


def recorded(test: RoomUnderTest) -> list[tuple[str, str]]:
    return [(track.identity, track.track_name) for track in test.room.tracks_to_record()]


def test_nothing_is_recorded_unless_rules_say_so(test):
    test.join("alice", audio(), video())

    assert test.room.tracks_to_record() == []


def test_rules_choose_among_what_everybody_publishes(test):
    test.join("alice", audio(name="mic"), video(name="front"), video("screen", name="screen"), data(name="chat"))
    test.join("bob", audio(name="mic"), video("second", name="n" * 200))

    test.room.set_recording_rules(INCLUDE_ALL, 1000)
    assert recorded(test) == [("alice", "mic"), ("alice", "front"), ("alice", "screen"), ("bob", "mic")]

    test.room.set_recording_rules((*INCLUDE_ALL, Rule("exclude", publisher="alice", track="screen")), 1000)
    assert recorded(test) == [("alice", "mic"), ("alice", "front"), ("bob", "mic")]


def test_a_track_that_ends_is_no_longer_recorded():
    test = RoomUnderTest(RoomSettings(recording_rules=INCLUDE_ALL))
    test.join("alice", audio(name="mic"))
    test.join("bob", audio(name="mic"))
    test.room.remove("PA-alice", 1001)

    assert recorded(test) == [("bob", "mic")]


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
