"""SIDs: two capital letters and 32 lower-case hex digits, as the REST contract prescribes."""

import re
import secrets
from collections.abc import Callable

ACCOUNT = "AC"
API_KEY = "SK"
ROOM = "RM"
PARTICIPANT = "PA"
TRACK = "MT"
RECORDING = "RT"
COMPOSITION = "CJ"
COMPOSITION_HOOK = "HK"
CREDENTIAL = "CR"
REQUEST = "RQ"
AUDIT_EVENT = "AE"
STATUS_CALLBACK = "CB"
"""Roomwire's own: an entry of the delivery log."""

SidMaker = Callable[[str], str]
"""Makes a fresh SID from its prefix. Cores are given one; tests give a counting one."""

_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}\Z")


def new_sid(prefix: str) -> str:
    """Make a fresh random SID: `prefix` and 128 random bits in hex."""
    return prefix + secrets.token_hex(16)


def is_sid(text: str, prefix: str) -> bool:
    """Tell whether `text` has the form of a SID with this prefix."""
    return text.startswith(prefix) and _SID.match(text) is not None


def last_sid(path: str) -> str | None:
    """The SID that is the last one among the segments of a URL path; an extension does not count."""
    segments = (segment.removesuffix(".json") for segment in reversed(path.split("/")))
    return next((segment for segment in segments if _SID.match(segment)), None)
