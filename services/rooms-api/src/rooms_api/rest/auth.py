"""HTTP Basic credentials: verified by token-issuer over the bus, remembered for a moment."""

import hashlib
import hmac
import secrets
from collections import OrderedDict

from contract.keys import CredentialsVerified, KeysChanged, NotVerified, VerifyCredentials, verify_reply
from contract.subjects import KEYS_VERIFY
from service_kit.bus import Bus, BusUnavailable

from rooms_api.clock import Clock

FRESH_S = 30.0
"""So long a verdict stands by itself: a change of keys is told on the bus, and nobody knows whether it was heard."""
OUTAGE_S = 900.0
"""So long it stands while token-issuer does not answer: without it no key is changed, so that nothing can have been missed since."""
REMEMBERED = 10_000


class Authenticator:
    """Who asks. Passwords are not kept: entries are found by a digest under a key of this process, with when they were verified."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._digest_key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, tuple[CredentialsVerified, float]] = OrderedDict()
        self._changes = 0

    async def verify(self, user: str, password: str) -> CredentialsVerified | NotVerified:
        """Whom the credentials speak for. Raises `BusUnavailable` when token-issuer does not answer, and did not of late."""
        digest = hmac.digest(self._digest_key, f"{user}:{password}".encode(), hashlib.sha256)
        now = self._clock.monotonic()
        known = self._known.get(digest)
        if known is not None and now - known[1] < FRESH_S:
            return known[0]
        changes = self._changes
        try:
            reply = await self._bus.request(KEYS_VERIFY, VerifyCredentials(user=user, password=password), verify_reply)
        except BusUnavailable:
            # Without the bus itself nobody knows whether token-issuer is away, or changes keys unheard.
            if known is None or now - known[1] >= OUTAGE_S or changes != self._changes or not self._bus.is_connected:
                raise
            return known[0]
        if not isinstance(reply, CredentialsVerified):
            self._known.pop(digest, None)
            return NotVerified(code=20003, message="Authenticate")
        if changes == self._changes:  # else the answer may be older than the change of a key
            self._known[digest] = reply, now
            self._known.move_to_end(digest)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return reply

    async def forget(self, change: KeysChanged) -> None:
        """A key came, changed or went."""
        self._changes += 1
        self._known = OrderedDict(
            (digest, known) for digest, known in self._known.items() if known[0].user != change.key_sid
        )

    async def forget_everything(self) -> None:
        """Keys changed, or changes may have been missed while the bus was away."""
        self._changes += 1
        self._known.clear()
