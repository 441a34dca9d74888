"""What a room name, an identity and a track name may be. Raises the code of the contract that says what is wrong."""

from contract.errors import Refused
from contract.ids import ROOM, is_sid

MAX_NAME = 128
"""Characters in a room name, identity or track name (REST contract, section 22)."""
MAX_CLIENT_TRACK_ID = 256


def check_room_name(name: str) -> None:
    """Raises 53100 for an empty one or one in the form of a room SID, 53101 for one too long, 53102 for bad characters."""
    if not name or is_sid(name, ROOM):
        raise Refused(53100)
    if len(name) > MAX_NAME:
        raise Refused(53101)
    if not is_storable(name):
        raise Refused(53102)


def check_identity(identity: str) -> None:
    """Raises 53200 for an empty one, 53201 for one too long, 53202 for bad characters."""
    if not identity:
        raise Refused(53200)
    if len(identity) > MAX_NAME:
        raise Refused(53201)
    if not is_storable(identity):
        raise Refused(53202)


def is_storable(text: str) -> bool:
    """PostgreSQL stores every character but NUL; lone surrogates have no UTF-8 form."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
