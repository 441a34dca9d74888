"""
What a node that records says of its recordings, as `media.MediaFact`s. rooms-api owns recordings, the node only the file until it is done.

Each fact says all about its recording: any one of them suffices. One that comes again changes nothing, so a node may repeat them after its restart too.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from contract.model import Message
from contract.rooms import TrackKind


class RecordingCodec(StrEnum):
    OPUS = "OPUS"
    PCMU = "PCMU"
    VP8 = "VP8"
    H264 = "H264"


class FailedOperation(StrEnum):
    """What of a recording failed. After `RecordingStart` there never was one."""

    START = "RecordingStart"
    COMPLETE = "RecordingComplete"
    UPLOAD = "RecordingUpload"


class RecordedTrack(Message):
    """
    A recording of one track, from when the room's recording rules admitted it until they no longer did or it ended. `sid` is fresh each time.

    `started_at_ms` is when its first packet arrived, in epoch milliseconds of the node's clock.
    """

    sid: str
    participant_sid: str
    track_sid: str
    kind: Literal[TrackKind.AUDIO, TrackKind.VIDEO]
    codec: RecordingCodec
    started_at_ms: Annotated[int, Field(ge=0)]


class RecordingStarted(Message):
    """The node records. From now on clients see that the room is being recorded."""

    type: Literal["recording-started"] = "recording-started"
    room_sid: str
    recording: RecordedTrack


class RecordingCompleted(Message):
    """The recording is over, and its file (`recording_file`) is whole and flushed to the disk. One of size 0 has no file."""

    type: Literal["recording-completed"] = "recording-completed"
    room_sid: str
    recording: RecordedTrack
    size_bytes: Annotated[int, Field(ge=0)]
    duration_ms: Annotated[int, Field(ge=0)]


class RecordingFailed(Message):
    """There is no recording, or no more of it."""

    type: Literal["recording-failed"] = "recording-failed"
    room_sid: str
    recording: RecordedTrack
    operation: FailedOperation


RecordingFact = RecordingStarted | RecordingCompleted | RecordingFailed

CONTAINERS = {TrackKind.AUDIO: "mka", TrackKind.VIDEO: "mkv"}


def recording_file(room_sid: str, recording_sid: str, kind: TrackKind) -> str:
    """Where the node leaves the file, below the data folder that it shares with rooms-api."""
    return f"recordings/{room_sid}/{recording_sid}.{CONTAINERS[kind]}"
