"""
Verified access tokens. The issuer verifies; this remembers its verdicts until a key changes, and holds back who brings too many bad ones. No token is kept,
only its digest.
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from contract.errors import ERRORS
from contract.keys import (
    CredentialsVerified,
    KeysChanged,
    NotVerified,
    TokenVerified,
    VerifyToken,
    verify_reply,
)
from contract.subjects import KEYS_CHANGED, KEYS_VERIFY
from pydantic import TypeAdapter
from service_kit.bus import Bus, BusUnavailable
from service_kit.failed_logins import FailedLogins

VERIFY_TIMEOUT_S = 3.0
MAX_REMEMBERED = 10_000

SERVER_BUSY = 53006
TOKEN_EXPIRED = 20104
TOKEN_NOT_YET_VALID = 20105

_keys_changed = TypeAdapter(KeysChanged)


class TokenVerifier:
    """Asks the issuer over the bus. An address may bring `failed_logins_per_second` bad tokens. `epoch_s` is the time of day in epoch seconds."""

    def __init__(self, bus: Bus, failed_logins_per_second: float, epoch_s: Callable[[], float] = time.time) -> None:
        self._bus = bus
        self._epoch_s = epoch_s
        self._failed = FailedLogins(secrets.token_bytes(32), failed_logins_per_second)
        self._verified: OrderedDict[bytes, TokenVerified] = OrderedDict()
        self._changes = 0

    async def start(self) -> None:
        await self._bus.listen(KEYS_CHANGED, _keys_changed, self._forget_key)
        self._bus.on_reconnect(self._forget_all)

    async def verify(
        self, request: VerifyToken, address: str, timeout_s: float = VERIFY_TIMEOUT_S
    ) -> TokenVerified | CredentialsVerified | NotVerified:
        """
        Verify a token, its times at each use. `NotVerified` with 53006: too many from `address` were bad. Raises `BusUnavailable` when the issuer does not
        answer.
        """
        digest = hashlib.sha256(request.token.encode()).digest()
        if (known := self._verified.get(digest)) is not None:
            return known if request.resuming else self._check_times(known)
        if not self._bus.is_connected:
            raise BusUnavailable("bus is away")
        login = self._failed.login(address, None, request.token)  # it says whose it is
        if not self._failed.admits(login, time.monotonic()):
            return NotVerified(code=SERVER_BUSY, message=ERRORS[SERVER_BUSY].message)
        changes = self._changes
        reply = await self._bus.request(KEYS_VERIFY, request, verify_reply, timeout_s)
        if isinstance(reply, NotVerified):
            self._failed.receive_failure(login, time.monotonic())
        else:
            self._failed.receive_success(login, time.monotonic())
        # A verdict for a resuming client is milder (its key may be gone): it must not admit anybody else. One that is older than a change of
        # keys may be wrong by now.
        if isinstance(reply, TokenVerified) and not request.resuming and changes == self._changes:
            self._verified[digest] = reply
            if len(self._verified) > MAX_REMEMBERED:
                self._verified.popitem(last=False)
        return reply

    def _check_times(self, token: TokenVerified) -> TokenVerified | NotVerified:
        now = self._epoch_s()
        if now >= token.expires_at_s:
            return NotVerified(code=TOKEN_EXPIRED, message=ERRORS[TOKEN_EXPIRED].message)
        if token.not_before_s is not None and now < token.not_before_s:
            return NotVerified(code=TOKEN_NOT_YET_VALID, message=ERRORS[TOKEN_NOT_YET_VALID].message)
        return token

    async def _forget_key(self, changed: KeysChanged) -> None:
        self._changes += 1
        for digest in [digest for digest, token in self._verified.items() if token.key_sid == changed.key_sid]:
            del self._verified[digest]

    async def _forget_all(self) -> None:
        """A change of keys may have been missed."""
        self._changes += 1
        self._verified.clear()
