"""What a node that records would say of a recording, and the file it would leave."""

import itertools
from typing import Any

from contract.recordings import (
    FailedOperation,
    RecordedTrack,
    RecordingCodec,
    RecordingCompleted,
    RecordingFailed,
    RecordingStarted,
    recording_file,
)
from contract.rooms import TrackKind

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
        self.file = recording_file(room_sid, self.track.sid, kind)

    def started(self) -> RecordingStarted:
        return RecordingStarted(room_sid=self.room_sid, recording=self.track)

    def completed(self, size_bytes: int = 1000, duration_ms: int = 2000) -> RecordingCompleted:
        return RecordingCompleted(
            room_sid=self.room_sid, recording=self.track, size_bytes=size_bytes, duration_ms=duration_ms
        )

    def failed(self, operation: FailedOperation = FailedOperation.COMPLETE) -> RecordingFailed:
        return RecordingFailed(room_sid=self.room_sid, recording=self.track, operation=operation)
