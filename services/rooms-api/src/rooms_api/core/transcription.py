"""Transcriptions: their states. What is spoken is written down by a speech engine, of which there is none yet."""

from enum import StrEnum

from contract.errors import Refused


class TranscriptionStatus(StrEnum):
    STARTED = "started"
    STOPPED = "stopped"
    FAILED = "failed"


MOVES = {
    TranscriptionStatus.STARTED: (TranscriptionStatus.STOPPED, TranscriptionStatus.FAILED),
    TranscriptionStatus.STOPPED: (TranscriptionStatus.STARTED,),
    TranscriptionStatus.FAILED: (),
}


def check_move(current: TranscriptionStatus, wanted: TranscriptionStatus) -> None:
    """Raises 20001 for a move that is none. To stay is always allowed."""
    if wanted is not current and wanted not in MOVES[current]:
        raise Refused(20001, f"A Transcription that has {current} cannot become {wanted}")
