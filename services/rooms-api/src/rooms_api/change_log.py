"""The log of rooms: one line for each thing that happened in one, with its ids, so that a room SID finds the whole call. No names of people."""

from typing import Any

import structlog

from rooms_api.core.change import Change, Happened, Happening
from rooms_api.core.participant import Participant
from rooms_api.core.room import Room
from rooms_api.metrics import HAPPENED

log = structlog.get_logger()


def log_change(room: Room, change: Change) -> None:
    """Tell of a change that is committed, and count it."""
    touched = {participant.sid: participant for participant in change.participants}
    for happened in change.happened:
        HAPPENED.labels(happened.event).inc()
        log.info(
            happened.event.replace("-", " "), room_sid=room.sid, **_ids(happened), **_details(room, happened, touched)
        )


def _ids(happened: Happened) -> dict[str, Any]:
    ids = {
        "participant_sid": happened.participant_sid,
        "track_sid": happened.track_sid,
        "kind": happened.track_kind,
        "duration_s": happened.duration_s,
    }
    return {name: value for name, value in ids.items() if value is not None}


def _details(room: Room, happened: Happened, touched: dict[str, Participant]) -> dict[str, Any]:
    """What else an operator wants to know of this event."""
    participant = touched.get(happened.participant_sid or "")
    match happened.event:
        case Happening.ROOM_CREATED:
            return {"name": room.name, "created_method": room.created_method}
        case Happening.ROOM_ENDED:
            return {"reason": room.end_reason}
        case Happening.PARTICIPANT_CONNECTED if participant is not None:
            return {"gateway_id": participant.gateway_id, "node_id": participant.node_id}
        case Happening.PARTICIPANT_DISCONNECTED if participant is not None:
            return {"reason": participant.end_reason}
    return {}
