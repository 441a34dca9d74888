"""Recordings of a room: which tracks shall be recorded, and what becomes of those that are."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from contract.recordings import FailedOperation, RecordedTrack, RecordingCompleted, RecordingFact, RecordingFailed

from rooms_api.core.rules import RECORDING_KINDS, Candidate, Rules, admits

PATIENCE_S = 3600.0
"""How long a node may take to say what became of a recording whose participant has left: enough for a restart of it or its machine."""


class RecordingStatus(StrEnum):
    PROCESSING = "processing"
    COMPLETED = "completed"
    DELETED = "deleted"
    FAILED = "failed"


class RecordingEvent(StrEnum):
    """Names of the status callback events."""

    STARTED = "recording-started"
    COMPLETED = "recording-completed"
    FAILED = "recording-failed"


@dataclass(slots=True)
class Recording:
    """
    `track` is what the node says of it, `track_name` the track's name when it began. Times are in epoch seconds; `left_at` is when its participant left
    the room.
    """

    track: RecordedTrack
    track_name: str
    created_at: float
    left_at: float | None = None
    status: RecordingStatus = RecordingStatus.PROCESSING
    size_bytes: int | None = None
    duration_s: int | None = None

    @property
    def offset_ms(self) -> int:
        """From the Unix epoch, which is common to all rooms, to the start of this recording."""
        return self.track.started_at_ms


@dataclass(frozen=True, slots=True)
class RecordingStep:
    """Something that applications are told of a recording, and that storage has to write. `at` is epoch seconds."""

    event: RecordingEvent
    recording: Recording
    at: float
    failed_operation: FailedOperation | None = None


@dataclass(slots=True)
class Recordings:
    """The recordings of a room that are being made, by SID."""

    processing: dict[str, Recording] = field(default_factory=dict)

    def receive(self, fact: RecordingFact, track_name: str, now: float) -> list[RecordingStep]:
        """
        Take a fact in and say what is new by it; nothing, when it was known. `track_name` is for a recording that begins.

        Of one that is not being made here nobody knows whether it is new: storage does, which refuses a SID that it has.
        """
        steps = []
        recording = self.processing.get(fact.recording.sid)
        if recording is None:
            recording = self.processing[fact.recording.sid] = Recording(fact.recording, track_name, created_at=now)
            if not isinstance(fact, RecordingFailed) or fact.operation is not FailedOperation.START:
                steps.append(RecordingStep(RecordingEvent.STARTED, recording, now))
        if isinstance(fact, RecordingCompleted):
            recording.status = RecordingStatus.COMPLETED
            recording.size_bytes = fact.size_bytes
            recording.duration_s = whole_seconds(fact.duration_ms) if fact.size_bytes else 0
            steps.append(RecordingStep(RecordingEvent.COMPLETED, recording, now))
        elif isinstance(fact, RecordingFailed):
            recording.status = RecordingStatus.FAILED
            steps.append(RecordingStep(RecordingEvent.FAILED, recording, now, fact.operation))
        if recording.status is not RecordingStatus.PROCESSING:
            del self.processing[fact.recording.sid]
        return steps

    def leave(self, participant_sid: str, now: float) -> None:
        """The participant is no longer in the room: its recordings are over, and soon the node will say so."""
        for recording in self.processing.values():
            if recording.track.participant_sid == participant_sid and recording.left_at is None:
                recording.left_at = now

    def next_timeout(self) -> float | None:
        """When `give_up` has something to do."""
        waiting = (recording.left_at for recording in self.processing.values())
        return min((left_at + PATIENCE_S for left_at in waiting if left_at is not None), default=None)

    def give_up(self, now: float) -> list[RecordingStep]:
        """Recordings whose node has not come back in time have failed. What it says later changes nothing."""
        steps = []
        for sid, recording in list(self.processing.items()):
            if recording.left_at is not None and recording.left_at + PATIENCE_S <= now:
                recording.status = RecordingStatus.FAILED
                steps.append(RecordingStep(RecordingEvent.FAILED, recording, now, FailedOperation.COMPLETE))
                del self.processing[sid]
        return steps


def tracks_to_record(rules: Rules, published: Iterable[Candidate]) -> list[Candidate]:
    """Of a room's published tracks those that its recording rules admit. Data tracks are never recorded."""
    return [track for track in published if track.kind in RECORDING_KINDS and admits(rules, track)]


def whole_seconds(duration_ms: int) -> int:
    """The duration of something that is not empty: rounded, and at least 1."""
    return max((duration_ms + 500) // 1000, 1)
