"""
Media signaling: the data channels of small JSON messages that the server opens beside the tracks. Owns their labels and their messages' form; what the
messages lead to is decided elsewhere.

Source: twilio-video.js 2.36, lib/signaling/v2/*signaling.js.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from contract.model import Message
from contract.rooms import TrackPriority
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

CHANNELS = (
    "active_speaker",
    "network_quality",
    "publisher_hints",
    "render_hints",
    "track_priority",
    "track_switch_off",
)
"""What is served. A channel that is announced and not served would keep the client waiting; transcriptions are not."""

MAX_TEXT = 65_536
MAX_HINTS = 1_024


# -- client to server


class Ready(Message):
    """The first message on every channel."""

    type: Literal["ready"]


class TrackPriorityChanged(Message):
    """The subscriber's own priority of a track; None falls back to the publisher's."""

    type: Literal["track_priority"]
    track: str
    subscribe: TrackPriority | None = None


class Dimensions(Message):
    """A size in pixels."""

    width: float = Field(ge=0, le=65_536)
    height: float = Field(ge=0, le=65_536)


class RenderHint(Message):
    """How a track is shown. A member that is absent did not change."""

    track: str
    enabled: bool | None = None
    render_dimensions: Dimensions | None = None


class _Subscriber(Message):
    id: int
    hints: tuple[RenderHint, ...] = Field(max_length=MAX_HINTS)


class RenderHints(Message):
    """Every one must be answered: the client sends no others before, and after 2 s all of them again."""

    type: Literal["render_hints"]
    subscriber: _Subscriber


class HintResult(Message):
    track: str
    result: str


class PublisherHintsAnswered(Message):
    """`OK`, or what went wrong with a hint; Firefox always says `COULD_NOT_APPLY_HINT`."""

    type: Literal["publisher_hints"]
    id: int
    hints: tuple[HintResult, ...] = Field(default=(), max_length=MAX_HINTS)


class ClientReset(Message):
    """The local track was replaced: all its layers are as at the start."""

    type: Literal["client_reset"]
    track: str


class IceReport(Message):
    """Of the nominated pair, in bits per second and seconds."""

    available_send: float | None = Field(default=None, alias="availableSend")
    send: float | None = None
    recv: float | None = None
    rtt: float | None = None


class QualityInputs(Message):
    """
    Sent about every second after each answer. Only `ice` is reliable in current browsers. Detail levels: 1 to 3, and 0 to 3; null, which the SDK passes on
    from the application, is none.
    """

    type: Literal["network_quality"]
    ice: IceReport | None = None
    report_level: int = Field(default=1, alias="reportLevel")
    remote_report_level: Annotated[int, BeforeValidator(lambda level: level or 0)] = Field(
        default=0, alias="remoteReportLevel"
    )


ClientMessage = Ready | TrackPriorityChanged | RenderHints | PublisherHintsAnswered | ClientReset | QualityInputs

_client_message: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


def parse(text: str) -> ClientMessage | None:
    """A client's message; None for what is not one."""
    if len(text) > MAX_TEXT:
        return None
    try:
        return _client_message.validate_json(text)
    except ValidationError:
        return None


# -- server to client


def active_speaker(participant_sid: str | None) -> str:
    return json.dumps({"type": "active_speaker", "participant": participant_sid})


def track_switch_off(off: Sequence[str], on: Sequence[str]) -> str:
    """Track SIDs that are no longer forwarded, and those that are again."""
    return json.dumps({"type": "track_switch_off", "off": list(off), "on": list(on)})


def render_hints_answer(request: RenderHints, known: Iterable[str]) -> str:
    """`known` are the SIDs that the client is subscribed to."""
    sids = set(known)
    results = [
        {"track": hint.track, "result": "OK" if hint.track in sids else "UNKNOWN_TRACK"}
        for hint in request.subscriber.hints
    ]
    return json.dumps({"type": "render_hints", "subscriber": {"id": request.subscriber.id, "hints": results}})


def publisher_hints(number: int, track_sid: str, layers: Sequence[bool]) -> str:
    """Which simulcast layers of a local track shall be sent, low to high. `number` starts at 1."""
    encodings = [{"layer_index": index, "enabled": enabled} for index, enabled in enumerate(layers)]
    return json.dumps(
        {
            "type": "publisher_hints",
            "publisher": {"id": number, "hints": [{"track": track_sid, "encodings": encodings}]},
        }
    )


def network_quality(local: object, remotes: Sequence[Mapping[str, object]]) -> str:
    """`local` is a level or an object with levels; `remotes` are such objects with a `sid`."""
    return json.dumps({"type": "network_quality", "local": local, "remotes": list(remotes)})


class MediaSignaling:
    """The channels of one peer: those that were asked for, are served, and are open."""

    def __init__(self, requested: Iterable[str]) -> None:
        self.labels = {channel: f"media-signaling.{channel}" for channel in CHANNELS if channel in set(requested)}
        """By channel. A client's own labels are UUIDs, and those of subscriptions begin with a SID, so that none is the same."""
        self._channels = {label: channel for channel, label in self.labels.items()}
        self._ready: set[str] = set()

    def channel(self, label: str) -> str | None:
        return self._channels.get(label)

    def set_ready(self, channel: str) -> None:
        """The client listens on it from now on."""
        self._ready.add(channel)

    def close(self, label: str) -> None:
        """The channel is gone, for good."""
        if (channel := self._channels.pop(label, None)) is not None:
            del self.labels[channel]
            self._ready.discard(channel)

    def is_ready(self, channel: str) -> bool:
        return channel in self._ready
