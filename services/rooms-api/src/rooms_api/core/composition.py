"""Compositions: what an application may ask for, which recordings that means, and whether there is anything to compose."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contract.rooms import TrackKind

from rooms_api.core.layout import Layout
from rooms_api.core.recording import RecordingStatus

MAX_SOURCE_BYTES = 40 * 10**9
"""Size of all the recordings of one composition (REST contract, section 13.7)."""
ANY = "*"


class CompositionStatus(StrEnum):
    """
    From `enqueued` to `processing` when a compositor takes it, and then to `completed` or `failed`; to `failed` at once when there is nothing to
    compose. All but a failed one may become `deleted`.
    """

    ENQUEUED = "enqueued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    DELETED = "deleted"
    FAILED = "failed"


DELETABLE = (CompositionStatus.ENQUEUED, CompositionStatus.PROCESSING, CompositionStatus.COMPLETED)


class CompositionFormat(StrEnum):
    MP4 = "mp4"
    WEBM = "webm"


@dataclass(frozen=True, slots=True)
class CompositionSpec:
    """What is wanted: of a composition, and of every one that a hook makes. `resolution` is `WxH`."""

    audio_sources: tuple[str, ...]
    audio_sources_excluded: tuple[str, ...]
    video_layout: Layout
    resolution: str
    trim: bool
    format: CompositionFormat
    status_callback: str | None
    status_callback_method: str

    def columns(self) -> dict[str, Any]:
        """The specification as it is stored and shown."""
        return {
            "audio_sources": list(self.audio_sources),
            "audio_sources_excluded": list(self.audio_sources_excluded),
            "video_layout": {name: region.members() for name, region in self.video_layout.items()},
            "resolution": self.resolution,
            "trim": self.trim,
            "format": self.format,
            "status_callback": self.status_callback,
            "status_callback_method": self.status_callback_method,
        }


@dataclass(frozen=True, slots=True)
class Source:
    """A recording, as sources name it."""

    sid: str
    track_sid: str
    participant_sid: str
    track_name: str
    kind: TrackKind
    status: RecordingStatus
    size_bytes: int

    @property
    def is_usable(self) -> bool:
        return self.status is RecordingStatus.COMPLETED and self.size_bytes > 0


def selects(wanted: Collection[str], excluded: Collection[str], source: Source) -> bool:
    """
    Tell whether the source is among those wanted, and not among those excluded.

    Each entry is a SID of a recording, track or participant, or a track's name in which a `*` at the start or the end stands for any characters.
    """
    return any(_names(entry, source) for entry in wanted) and not any(_names(entry, source) for entry in excluded)


def wanted_sources(
    audio: Collection[str], audio_excluded: Collection[str], layout: Layout, room: Iterable[Source]
) -> list[Source]:
    """Of the recordings of a room those that a composition asks for, in any state."""
    return [
        source
        for source in room
        if (source.kind is TrackKind.AUDIO and selects(audio, audio_excluded, source))
        or (
            source.kind is TrackKind.VIDEO
            and any(selects(region.video_sources, region.video_sources_excluded, source) for region in layout.values())
        )
    ]


def reason_to_fail(wanted: Collection[Source]) -> int | None:
    """
    The code that a composition of these sources fails with before it has begun, or None when there is something to compose.

    53628 when all that could be used was deleted, 53630 when nothing was there, 53633 when it is too large.
    """
    usable = [source for source in wanted if source.is_usable]
    if not usable:
        return 53628 if any(source.status is RecordingStatus.DELETED for source in wanted) else 53630
    return 53633 if sum(source.size_bytes for source in usable) > MAX_SOURCE_BYTES else None


def _names(entry: str, source: Source) -> bool:
    if entry in (source.sid, source.track_sid, source.participant_sid, source.track_name, ANY):
        return True
    starts, ends = entry.endswith(ANY), entry.startswith(ANY)
    text = entry.removeprefix(ANY).removesuffix(ANY)
    if starts and ends:
        return text in source.track_name
    return (starts and source.track_name.startswith(text)) or (ends and source.track_name.endswith(text))
