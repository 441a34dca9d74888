"""
ICE-lite: answers connectivity checks and tells which address a peer is at. No socket, no clock.

The server never sends checks of its own. Consent to send (RFC 7675) is refreshed by the client's checks, which every browser repeats for as long as
the connection lives. Requests that fail authentication are dropped without an answer: whoever knows the password does not need one, and nobody else
shall get one.

Left out: candidates of the client (a lite agent learns addresses from checks, RFC 8445 section 6.1.1), nomination by us, ICE-TCP.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from aioice import stun

from media_sfu.core.actions import IceCredentials
from media_sfu.forwarder import Address

CONSENT_TIMEOUT_S = 30.0
"""RFC 7675 section 5.1: consent expires 30 seconds after the last valid check."""

SILENT_S = 6.0
"""Browsers check the pair that they use every 0.5 to 5 s: an address that was silent for longer is not where the client is."""

MAX_ADDRESSES = 16
"""Addresses that one peer may hold at a time: a browser with several interfaces, both IP versions and a TURN relay stays far below."""


class CheckRefused(Enum):
    """Why a STUN datagram got no answer, for the counters."""

    MALFORMED = auto()
    NOT_A_REQUEST = auto()
    UNKNOWN_USERNAME = auto()
    BAD_INTEGRITY = auto()
    TOO_MANY_ADDRESSES = auto()


@dataclass(slots=True)
class _Path:
    """An address from which a valid check came: when last, and under which credentials."""

    credentials: IceCredentials
    last_check_s: float


@dataclass(frozen=True, slots=True)
class CheckAnswered:
    """
    Send `response` to where the request came from. `is_new`: that address was not valid before, so bind it. `is_selected`: send there from now on.
    """

    response: bytes
    is_new: bool = False
    is_selected: bool = False


@dataclass(slots=True)
class IceLiteConnection:
    """
    One peer's ICE: its credentials and the addresses it was seen at.

    After `restart` checks under the old credentials are answered until the client has moved to an address under the new ones. Addresses of before
    stay bound until their consent expires, for what is still in flight.
    """

    credentials: IceCredentials
    selected: Address | None = None
    _previous: IceCredentials | None = None
    _paths: dict[Address, _Path] = field(default_factory=dict)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every address that a valid check came from and that has not expired."""
        return tuple(self._paths)

    @property
    def username_fragments(self) -> tuple[str, ...]:
        """Fragments under which checks are accepted now."""
        previous = (self._previous.ufrag,) if self._previous else ()
        return (self.credentials.ufrag, *previous)

    def restart(self, credentials: IceCredentials) -> None:
        """Accept checks under new credentials too (RFC 8445 section 9). A restart that was never used is forgotten."""
        used = {path.credentials for path in self._paths.values()}
        if self._previous is None or self.credentials in used:
            self._previous = self.credentials
        self.credentials = credentials

    def receive_check(self, request: stun.Message, remote: Address, now: float) -> CheckAnswered | CheckRefused:
        """
        Answer a binding request whose username fragment is one of ours. Carry out what the answer says.

        Source: RFC 8445 section 7.3, RFC 8489 section 9.1.3.
        """
        credentials = self._credentials_of(request)
        if credentials is None:
            return CheckRefused.UNKNOWN_USERNAME
        if not request.check_message_integrity(credentials.pwd.encode()):
            return CheckRefused.BAD_INTEGRITY
        if "ICE-CONTROLLED" in request.attributes:
            # A lite agent is always controlled: tell the client to switch (RFC 8445 section 7.3.1.1).
            return CheckAnswered(_error(request, 487, "Role Conflict", credentials))
        if remote not in self._paths and len(self._paths) >= MAX_ADDRESSES:
            return CheckRefused.TOO_MANY_ADDRESSES

        is_new = remote not in self._paths
        nominates = "USE-CANDIDATE" in request.attributes
        path = self._paths.setdefault(remote, _Path(credentials, now))
        path.last_check_s = now
        if credentials == self.credentials:
            path.credentials = credentials
        is_selected = self._prefers(remote, path, nominates, now)
        if is_selected:
            self.selected = remote
        if self.selected == remote and path.credentials == self.credentials:
            self._previous = None
        return CheckAnswered(_success(request, remote, credentials), is_new, is_selected)

    def expire(self, now: float) -> tuple[Address, ...]:
        """
        Forget addresses without consent and return them; unbind each. When the selected one is among them, `selected` becomes None: hold
        everything back.
        """
        expired = tuple(a for a, p in self._paths.items() if now - p.last_check_s >= CONSENT_TIMEOUT_S)
        for address in expired:
            del self._paths[address]
        if self.selected in expired:
            self.selected = None
        return expired

    def _credentials_of(self, request: stun.Message) -> IceCredentials | None:
        fragment = username_fragment(request)
        for credentials in (self.credentials, self._previous):
            if credentials is not None and credentials.ufrag == fragment:
                return credentials
        return None

    def _prefers(self, remote: Address, path: _Path, nominates: bool, now: float) -> bool:
        """
        The client decides by USE-CANDIDATE. Before its first nomination any valid address serves, so that DTLS can begin; the first check under new
        credentials is a decision too. And a NAT may give the client a new address that it does not know of and does not nominate again: then the old one
        falls silent.
        """
        if remote == self.selected:
            return False
        if self.selected is None or nominates:
            return True
        selected = self._paths[self.selected]
        if path.credentials == self.credentials and selected.credentials != self.credentials:
            return True
        return now - selected.last_check_s > SILENT_S


def parse_check(data: bytes) -> stun.Message | CheckRefused:
    """Parse a STUN datagram from anybody. FINGERPRINT is checked where it is present; ICE requires it, and browsers always send it."""
    try:
        message = stun.parse_message(data)
    except Exception:  # hostile bytes: aioice raises ValueError, struct.error, UnicodeDecodeError and more
        return CheckRefused.MALFORMED
    if message.message_class is not stun.Class.REQUEST or message.message_method is not stun.Method.BINDING:
        return CheckRefused.NOT_A_REQUEST
    if "FINGERPRINT" not in message.attributes:
        return CheckRefused.MALFORMED
    return message


def username_fragment(request: stun.Message) -> str:
    """Our own fragment in a check: what stands before the colon of USERNAME (RFC 8445 section 7.2.2)."""
    return str(request.attributes.get("USERNAME", "")).partition(":")[0]


def _success(request: stun.Message, remote: Address, credentials: IceCredentials) -> bytes:
    response = stun.Message(request.message_method, stun.Class.RESPONSE, request.transaction_id)
    response.attributes["XOR-MAPPED-ADDRESS"] = remote
    return _sealed(response, credentials)


def _error(request: stun.Message, code: int, reason: str, credentials: IceCredentials) -> bytes:
    response = stun.Message(request.message_method, stun.Class.ERROR, request.transaction_id)
    response.attributes["ERROR-CODE"] = (code, reason)
    return _sealed(response, credentials)


def _sealed(response: stun.Message, credentials: IceCredentials) -> bytes:
    response.add_message_integrity(credentials.pwd.encode())
    return bytes(response)
