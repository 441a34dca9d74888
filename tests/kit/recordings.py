"""What a node that records would say of a recording, and the file it would leave."""

import itertools
from pathlib import Path
from typing import Any

from contract.media import FactTaken
from contract.recordings import (
    FailedOperation,
    RecordedTrack,
    RecordingCodec,
    RecordingCompleted,
    RecordingFact,
    RecordingFailed,
    RecordingStarted,
    recording_file,
)
from contract.rooms import TrackKind
from contract.subjects import media_fact
from pydantic import TypeAdapter
from service_kit.bus import Bus

_numbers = itertools.count(1)


class NodeRecording:
    """A recording with a SID of its own."""

    def __init__(
        self,
        room_sid: str,
        participant_sid: str = "PA" + "0" * 32,
        track_sid: str = "MT" + "0" * 32,
        kind: TrackKind = TrackKind.AUDIO,
        **members: Any,
    ) -> None:
        self.room_sid = room_sid
        self.track = RecordedTrack(
            **{
                "sid": f"RT{next(_numbers):032x}",
                "participant_sid": participant_sid,
                "track_sid": track_sid,
                "kind": kind,
                "codec": RecordingCodec.OPUS if kind is TrackKind.AUDIO else RecordingCodec.VP8,
                "started_at_ms": 1_767_225_600_123,
                **members,
            }
        )
        self.sid = self.track.sid
        self._file = recording_file(room_sid, self.track.sid, kind)

    def file(self, data: Path) -> Path:
        """Where its media is, in the data folder."""
        return data / self._file

    def leave(self, data: Path, media: bytes) -> None:
        """Leave this as its media."""
        self.file(data).parent.mkdir(parents=True, exist_ok=True)
        self.file(data).write_bytes(media)

    def started(self) -> RecordingStarted:
        return RecordingStarted(room_sid=self.room_sid, recording=self.track)

    def completed(self, size_bytes: int = 1000, duration_ms: int = 2000) -> RecordingCompleted:
        return RecordingCompleted(
            room_sid=self.room_sid, recording=self.track, size_bytes=size_bytes, duration_ms=duration_ms
        )

    def failed(self, operation: FailedOperation = FailedOperation.COMPLETE) -> RecordingFailed:
        return RecordingFailed(room_sid=self.room_sid, recording=self.track, operation=operation)


async def tell(bus: Bus, *facts: RecordingFact) -> None:
    """Say it as a node does, and wait until rooms-api has taken it."""
    for fact in facts:
        await bus.request(media_fact("node-that-records"), fact, TypeAdapter(FactTaken))
