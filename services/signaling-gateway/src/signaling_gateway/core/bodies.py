"""
The RSP bodies that a client is told, as pure functions. Their lists (participants, published and subscribed tracks) are `view`'s.

Source: the SDK's own behaviour, told in PROTOCOL.md, "RSP".
"""

from typing import Any

from contract.errors import ERRORS
from contract.rooms import LeaveReason, RoomState

from signaling_gateway.core.seat import Seat
from signaling_gateway.core.view import Lists

Body = dict[str, Any]
"""A message as it becomes JSON."""

VERSION = 2
ICE_SERVERS_TTL_S = 86_400
"""Clients ask for ICE servers once, so credentials must outlive the longest session."""
SESSION_LOST = 53001
MEDIA_FAILED = 53405
DURATION_EXCEEDED = 53216
DUPLICATE_IDENTITY = 53205

_END_CODES = {
    LeaveReason.DUPLICATE_IDENTITY: DUPLICATE_IDENTITY,
    LeaveReason.SESSION_EXPIRED: SESSION_LOST,
    LeaveReason.DURATION_EXCEEDED: DURATION_EXCEEDED,
    LeaveReason.MEDIA_FAILED: MEDIA_FAILED,
}


def iced(servers: list[dict[str, Any]]) -> Body:
    """The answer to `ice`: `servers` go into the client's peer connection as they are."""
    return {"type": "iced", "version": 1, "ice_servers": servers, "ttl": ICE_SERVERS_TTL_S}


def opened(seat: Seat, room: RoomState, signaling_region: str, lists: Lists) -> Body:
    """`connected` or `synced`. The client breaks without `session`, `sid`, `name`, the timeout in `options`, and its own `participant`."""
    return {
        "type": "synced" if seat.is_resumed else "connected",
        "version": VERSION,
        "session": seat.session,
        "sid": room.sid,
        "name": room.name,
        "options": _options(room, signaling_region),
        **lists,
    }


def update(lists: Lists) -> Body:
    return {"type": "update", "version": VERSION, **lists}


def error(code: int, message: str) -> Body:
    """Ends the client's room. Of a code that the SDK knows it shows its own text."""
    return {"type": "error", "version": VERSION, "code": code, "message": message}


def farewell(reason: LeaveReason) -> Body:
    """Why the participant is out of the room. Without an error code the SDK disconnects without one, but for `completed`."""
    if reason in _END_CODES:
        code = _END_CODES[reason]
        return error(code, ERRORS[code].message)
    status = "completed" if reason is LeaveReason.ROOM_COMPLETED else "disconnected"
    return {"type": "disconnected", "version": VERSION, "status": status}


def _options(room: RoomState, signaling_region: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "session_timeout": room.session_timeout_s,
        "signaling_region": signaling_region,
        # Noise cancellation runs in the client; an SDK that finds its vendor missing here turns it off for good.
        "audio_processors": ["krisp", "rnnoise"],
    }
    if room.media_region is not None:
        options["media_region"] = room.media_region
    return options
