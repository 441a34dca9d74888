"""What applications are told, in the words of sections 16.1 to 16.3 of the REST contract."""

from urllib.parse import parse_qsl

import pytest
from contract.rooms import LeaveReason, RoomType
from rooms_api.core.callbacks import (
    Callback,
    CompositionFacts,
    HookFacts,
    Receiver,
    RecordingFacts,
    composition_available,
    composition_enqueued,
    composition_failed,
    composition_hook_failed,
    composition_progress,
    composition_started,
    recording_completed,
    recording_failed,
    recording_started,
    room_callbacks,
    timestamp,
)
from rooms_api.core.change import Change
from rooms_api.core.settings import RoomSettings

from tests.kit.rooms import ACCOUNT, RoomUnderTest, audio

URL = "https://app.example/callbacks?x='1'"
RECEIVER = Receiver(URL, "GET")
RECORDING = RecordingFacts(
    account_sid=ACCOUNT,
    room_sid="RM1",
    room_name="stand up",
    room_type=RoomType.GROUP,
    participant_sid="PA1",
    identity="ada",
    recording_sid="RT1",
    source_sid="MT1",
    track_name="camera",
    type="video",
    container="mkv",
    codec="VP8",
    offset_ms=1234,
)
COMPOSITION = CompositionFacts(ACCOUNT, "RM1", "CJ1")
HOOK = HookFacts("HK1", "all & everything")


def values(callback: Callback) -> dict[str, str]:
    return dict(parse_qsl(callback.body, strict_parsing=True))


def told(test: RoomUnderTest, change: Change | None) -> list[dict[str, str]]:
    assert change is not None
    return [values(callback) for callback in room_callbacks(test.room, change.happened)]


@pytest.fixture
def test_room() -> RoomUnderTest:
    return RoomUnderTest(RoomSettings(status_callback=URL, status_callback_method="GET"), now=1000.0891)


def room_values(event: str, number: int, at: str, status: str = "in-progress") -> dict[str, str]:
    return {
        "AccountSid": ACCOUNT,
        "RoomName": "standup",
        "RoomSid": "RM1",
        "RoomStatus": status,
        "RoomType": "group",
        "SequenceNumber": str(number),
        "StatusCallbackEvent": event,
        "Timestamp": at,
    }


def test_a_room_is_created(test_room: RoomUnderTest) -> None:
    assert test_room.created is not None
    [callback] = room_callbacks(test_room.room, test_room.created.happened)

    assert (callback.account_sid, callback.room_sid, callback.event) == (ACCOUNT, "RM1", "room-created")
    assert (callback.url, callback.method) == (URL, "GET")
    assert values(callback) == room_values("room-created", 0, "1970-01-01T00:16:40.089Z")


def test_somebody_comes_with_a_track_and_goes(test_room: RoomUnderTest) -> None:
    ada = test_room.join("ada & bob", audio(name="my mic"), now=1001.0, sid="PA1")
    came = told(test_room, test_room.room.take_change())
    test_room.room.leave(ada.sid, 1, LeaveReason.LEFT, 1063.5)
    went = told(test_room, test_room.room.take_change())

    of_participant = {"ParticipantSid": "PA1", "ParticipantIdentity": "ada & bob", "ParticipantStatus": "connected"}
    of_track = {"TrackSid": next(iter(ada.tracks.values())).sid, "TrackKind": "audio", "TrackName": "my mic"}
    assert came == [
        room_values("participant-connected", 1, "1970-01-01T00:16:41.000Z") | of_participant,
        room_values("track-added", 2, "1970-01-01T00:16:41.000Z") | of_participant | of_track,
    ]
    assert went == [
        room_values("track-removed", 3, "1970-01-01T00:17:43.500Z") | of_participant | of_track,
        room_values("participant-disconnected", 4, "1970-01-01T00:17:43.500Z")
        | of_participant
        | {"ParticipantStatus": "disconnected", "ParticipantDuration": "62"},
    ]


def test_a_room_ends_after_everybody_left_it(test_room: RoomUnderTest) -> None:
    test_room.join("ada")
    test_room.room.take_change()
    test_room.room.complete("room_ended_via_api", 1312.0)
    ended = told(test_room, test_room.room.take_change())

    assert [one["StatusCallbackEvent"] for one in ended] == ["participant-disconnected", "room-ended"]
    assert ended[1] == room_values("room-ended", 3, "1970-01-01T00:21:52.000Z", "completed") | {"RoomDuration": "312"}


def test_without_a_receiver_nobody_is_told() -> None:
    test = RoomUnderTest()

    assert told(test, test.created) == []


@pytest.mark.parametrize(
    ("epoch_s", "shown"),
    [(0.0, "1970-01-01T00:00:00.000Z"), (1772600767.0896, "2026-03-04T05:06:07.089Z")],
)
def test_timestamps_have_three_decimals(epoch_s: float, shown: str) -> None:
    assert timestamp(epoch_s) == shown


def test_recording_events() -> None:
    common = {
        "AccountSid": ACCOUNT,
        "RoomSid": "RM1",
        "RoomName": "stand up",
        "RoomType": "group",
        "ParticipantSid": "PA1",
        "ParticipantIdentity": "ada",
        "RecordingSid": "RT1",
        "RecordingUri": "/v1/Recordings/RT1",
        "SourceSid": "MT1",
        "TrackName": "camera",
        "Type": "video",
        "Container": "mkv",
        "Codec": "VP8",
        "OffsetFromTwilioVideoEpoch": "1234",
        "Timestamp": "1970-01-01T00:16:40.000Z",
    }
    media = {"MediaUri": "/v1/Recordings/RT1/Media", "Duration": "7", "Size": "9"}

    started = recording_started(RECORDING, RECEIVER, 1000.0)
    completed = recording_completed(RECORDING, RECEIVER, 1000.0, 7, 9)
    stored = recording_completed(RECORDING, RECEIVER, 1000.0, 7, 9, "https://bucket.example/RT1.mkv")
    failed = recording_failed(RECORDING, RECEIVER, 1000.0, "RecordingUpload")

    assert (started.url, started.method, started.event) == (URL, "GET", "recording-started")
    assert values(started) == common | {"StatusCallbackEvent": "recording-started"}
    assert values(completed) == common | media | {"StatusCallbackEvent": "recording-completed"}
    assert values(stored) == values(completed) | {"MediaExternalLocation": "https://bucket.example/RT1.mkv"}
    assert values(failed) == common | {
        "StatusCallbackEvent": "recording-failed",
        "FailedOperation": "RecordingUpload",
    }


def test_composition_events() -> None:
    room = {"AccountSid": ACCOUNT, "RoomSid": "RM1", "Timestamp": "1970-01-01T00:16:40.000Z"}
    common = {**room, "CompositionSid": "CJ1", "CompositionUri": "/v1/Compositions/CJ1"}
    hook = {"HookSid": "HK1", "HookUri": "/v1/CompositionHooks/HK1", "HookFriendlyName": "all & everything"}
    failure = {"FailedOperation": "Enqueue", "ErrorMessage": "no room"}
    told = [
        composition_enqueued(COMPOSITION, HOOK, RECEIVER, 1000.0),
        composition_started(COMPOSITION, RECEIVER, 1000.0),
        composition_progress(COMPOSITION, RECEIVER, 1000.0, 50, 12),
        composition_available(COMPOSITION, RECEIVER, 1000.0, 7, 9),
        composition_failed(COMPOSITION, RECEIVER, 1000.0, "Enqueue", "no room"),
        composition_hook_failed(ACCOUNT, "RM1", HOOK, RECEIVER, 1000.0, "Enqueue", "no room"),
    ]

    assert [values(callback) for callback in told] == [
        common | hook | {"StatusCallbackEvent": "composition-enqueued"},
        common | {"StatusCallbackEvent": "composition-started"},
        common | {"StatusCallbackEvent": "composition-progress", "PercentageDone": "50", "SecondsRemaining": "12"},
        common
        | {"StatusCallbackEvent": "composition-available"}
        | {"MediaUri": "/v1/Compositions/CJ1/Media", "Duration": "7", "Size": "9"},
        common | failure | {"StatusCallbackEvent": "composition-failed"},
        room | hook | failure | {"StatusCallbackEvent": "composition-hook-failed"},
    ]
