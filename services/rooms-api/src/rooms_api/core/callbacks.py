"""
Status callbacks as values: who is told what, and in which words. Sections 16.1 to 16.3 of the REST contract.

Rendering happens where the event happens, so that what is stored is what will be sent, in every try. Storing is `store/callbacks.py`'s, sending
`webhooks.py`'s.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlencode

from contract.rooms import ParticipantStatus, RoomType

from rooms_api.core.change import Happened
from rooms_api.core.room import Room

Value = str | int | float | None
FailedRecordingOperation = Literal["RecordingStart", "RecordingComplete", "RecordingUpload"]


@dataclass(frozen=True, slots=True)
class Callback:
    """One request that a receiver is owed. `body` is form-encoded; it becomes the body of a POST, or the end of a GET's query."""

    account_sid: str
    room_sid: str
    event: str
    url: str
    method: str
    body: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where callbacks go: the `StatusCallback` and `StatusCallbackMethod` of a room, composition or hook."""

    url: str
    method: str = "POST"


def encode(event: str, at: float, values: Iterable[tuple[str, Value]]) -> str:
    """Parameters as a form, those that are None left out. `at` is when it happened, in epoch seconds."""
    return urlencode(
        [
            (name, str(value))
            for name, value in (*values, ("StatusCallbackEvent", event), ("Timestamp", timestamp(at)))
            if value is not None
        ]
    )


def timestamp(epoch_s: float) -> str:
    """UTC with exactly three decimals and a literal Z."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def room_callbacks(room: Room, happened: Iterable[Happened]) -> list[Callback]:
    """What the room's receiver is told of a change (16.1); nothing without a receiver."""
    url = room.settings.status_callback
    if url is None:
        return []
    return [
        Callback(
            account_sid=room.account_sid,
            room_sid=room.sid,
            event=one.event,
            url=url,
            method=room.settings.status_callback_method,
            body=encode(one.event, one.at, _room_values(room, one)),
        )
        for one in happened
    ]


def _room_values(room: Room, one: Happened) -> list[tuple[str, Value]]:
    disconnected = one.participant_status is ParticipantStatus.DISCONNECTED
    values: list[tuple[str, Value]] = [
        ("AccountSid", room.account_sid),
        ("RoomName", room.name),
        ("RoomSid", room.sid),
        ("RoomStatus", one.room_status),
        ("RoomType", room.settings.type),
        ("SequenceNumber", one.sequence_number),
    ]
    if one.participant_sid is None:
        return [*values, ("RoomDuration", one.duration_s)]
    return [
        *values,
        ("ParticipantSid", one.participant_sid),
        ("ParticipantIdentity", one.identity),
        ("ParticipantStatus", "disconnected" if disconnected else "connected"),
        ("ParticipantDuration", one.duration_s),
        ("TrackSid", one.track_sid),
        ("TrackKind", one.track_kind),
        ("TrackName", one.track_name),
    ]


# -- recordings ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """
    What every recording event says of the recording. `container` is `mka` or `mkv`, `offset_ms` the recording's `offset`.

    `track_name` as the recording shows it; `type` is `audio` or `video`.
    """

    account_sid: str
    room_sid: str
    room_name: str
    room_type: RoomType
    participant_sid: str
    identity: str
    recording_sid: str
    source_sid: str
    track_name: str
    type: str
    container: str
    codec: str
    offset_ms: int

    @property
    def uri(self) -> str:
        return f"/v1/Recordings/{self.recording_sid}"

    def values(self) -> list[tuple[str, Value]]:
        return [
            ("AccountSid", self.account_sid),
            ("RoomSid", self.room_sid),
            ("RoomName", self.room_name),
            ("RoomType", self.room_type),
            ("ParticipantSid", self.participant_sid),
            ("ParticipantIdentity", self.identity),
            ("RecordingSid", self.recording_sid),
            ("RecordingUri", self.uri),
            ("SourceSid", self.source_sid),
            ("TrackName", self.track_name),
            ("Type", self.type),
            ("Container", self.container),
            ("Codec", self.codec),
            ("OffsetFromTwilioVideoEpoch", self.offset_ms),
        ]


def _stored_media(uri: str, duration_s: int, size_bytes: int, external_location: str | None) -> list[tuple[str, Value]]:
    """What a receiver is told of media that is there."""
    return [
        ("MediaUri", f"{uri}/Media"),
        ("Duration", duration_s),
        ("Size", size_bytes),
        ("MediaExternalLocation", external_location),
    ]


def recording_started(facts: RecordingFacts, receiver: Receiver, at: float) -> Callback:
    return _recording_callback("recording-started", facts, receiver, at, [])


def recording_completed(
    facts: RecordingFacts,
    receiver: Receiver,
    at: float,
    duration_s: int,
    size_bytes: int,
    external_location: str | None = None,
) -> Callback:
    """`external_location` is where the media is when it is in storage of the customer's own."""
    values = _stored_media(facts.uri, duration_s, size_bytes, external_location)
    return _recording_callback("recording-completed", facts, receiver, at, values)


def recording_failed(
    facts: RecordingFacts, receiver: Receiver, at: float, operation: FailedRecordingOperation
) -> Callback:
    return _recording_callback("recording-failed", facts, receiver, at, [("FailedOperation", operation)])


def _recording_callback(
    event: str, facts: RecordingFacts, receiver: Receiver, at: float, values: list[tuple[str, Value]]
) -> Callback:
    return Callback(
        account_sid=facts.account_sid,
        room_sid=facts.room_sid,
        event=event,
        url=receiver.url,
        method=receiver.method,
        body=encode(event, at, [*facts.values(), *values]),
    )


# -- compositions ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HookFacts:
    """The hook that a composition comes from."""

    sid: str
    friendly_name: str

    def values(self) -> list[tuple[str, Value]]:
        return [
            ("HookSid", self.sid),
            ("HookUri", f"/v1/CompositionHooks/{self.sid}"),
            ("HookFriendlyName", self.friendly_name),
        ]


@dataclass(frozen=True, slots=True)
class CompositionFacts:
    """The composition that an event is about."""

    account_sid: str
    room_sid: str
    composition_sid: str

    @property
    def uri(self) -> str:
        return f"/v1/Compositions/{self.composition_sid}"


def composition_enqueued(facts: CompositionFacts, hook: HookFacts, receiver: Receiver, at: float) -> Callback:
    """Only of compositions that a hook made."""
    return _composition_callback("composition-enqueued", facts, receiver, at, hook.values())


def composition_started(facts: CompositionFacts, receiver: Receiver, at: float) -> Callback:
    return _composition_callback("composition-started", facts, receiver, at, [])


def composition_progress(
    facts: CompositionFacts, receiver: Receiver, at: float, percentage: int, remaining_s: int
) -> Callback:
    values: list[tuple[str, Value]] = [("PercentageDone", percentage), ("SecondsRemaining", remaining_s)]
    return _composition_callback("composition-progress", facts, receiver, at, values)


def composition_available(
    facts: CompositionFacts,
    receiver: Receiver,
    at: float,
    duration_s: int,
    size_bytes: int,
    external_location: str | None = None,
) -> Callback:
    values = _stored_media(facts.uri, duration_s, size_bytes, external_location)
    return _composition_callback("composition-available", facts, receiver, at, values)


def composition_failed(
    facts: CompositionFacts, receiver: Receiver, at: float, operation: str, message: str
) -> Callback:
    values: list[tuple[str, Value]] = [("FailedOperation", operation), ("ErrorMessage", message)]
    return _composition_callback("composition-failed", facts, receiver, at, values)


def composition_hook_failed(
    account_sid: str, room_sid: str, hook: HookFacts, receiver: Receiver, at: float, operation: str, message: str
) -> Callback:
    """A hook could not make its composition for this room."""
    event = "composition-hook-failed"
    values: list[tuple[str, Value]] = [("AccountSid", account_sid), ("RoomSid", room_sid), *hook.values()]
    values += [("FailedOperation", operation), ("ErrorMessage", message)]
    return Callback(account_sid, room_sid, event, receiver.url, receiver.method, encode(event, at, values))


def _composition_callback(
    event: str, facts: CompositionFacts, receiver: Receiver, at: float, values: list[tuple[str, Value]]
) -> Callback:
    own: list[tuple[str, Value]] = [
        ("AccountSid", facts.account_sid),
        ("RoomSid", facts.room_sid),
        ("CompositionSid", facts.composition_sid),
        ("CompositionUri", facts.uri),
    ]
    return Callback(
        account_sid=facts.account_sid,
        room_sid=facts.room_sid,
        event=event,
        url=receiver.url,
        method=receiver.method,
        body=encode(event, at, [*own, *values]),
    )
