"""
Links to media that work without credentials until a time: signed, so that nobody can make or lengthen one.

The key is derived by token-issuer from the account's auth token, and kept in memory for a moment. So every replica knows the same key without a file
that they would have to share, there is no further secret at rest, and a new auth token ends the links made under the old one.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlencode

from contract.keys import CallbackSignature, SignCallback
from contract.subjects import KEYS_SIGN
from pydantic import TypeAdapter
from service_kit.bus import Bus

from rooms_api.clock import Clock

PATH = "/v1/Media"
PURPOSE = "roomwire media links, version 1"
"""What the key is derived from. What token-issuer signs otherwise begins with the URL of a callback, so that none of it can be this."""
REMEMBERED_S = 30.0

_signature = TypeAdapter(CallbackSignature)


@dataclass(frozen=True, slots=True)
class MediaLink:
    """A link to the media of the recording or composition `sid`. `disposition` is the answer's `Content-Disposition`."""

    sid: str
    expires_at_ms: int
    """Epoch milliseconds: whole seconds would take up to one from a link that is good for a few."""
    disposition: str

    def message(self) -> bytes:
        return f"{self.sid}\n{self.expires_at_ms}\n{self.disposition}".encode()


class MediaLinks:
    """Makes links and checks them. Raises `BusUnavailable` when token-issuer cannot be asked."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._keys: dict[str, tuple[bytes, float]] = {}

    async def path(self, account_sid: str, sid: str, ttl_s: int, disposition: str) -> str:
        """Path and query of a link that works for `ttl_s` seconds from now."""
        key = await self._key(account_sid)
        link = MediaLink(sid, int((self._clock.wall() + ttl_s) * 1000), disposition)
        signature = _sign(key, link)
        query = {"Expires": link.expires_at_ms, "ContentDisposition": disposition, "Signature": signature}
        return f"{PATH}/{sid}?{urlencode(query)}"

    async def is_good(self, account_sid: str, link: MediaLink, signature: str) -> bool:
        """Tell whether the link was made here and has not expired."""
        expected = _sign(await self._key(account_sid), link)
        is_ours = hmac.compare_digest(expected.encode(), signature.encode())
        return is_ours and self._clock.wall() * 1000 < link.expires_at_ms

    async def _key(self, account_sid: str) -> bytes:
        now = self._clock.monotonic()
        known = self._keys.get(account_sid)
        if known is not None and known[1] > now:
            return known[0]
        asked = SignCallback(account_sid=account_sid, message=PURPOSE)
        key = (await self._bus.request(KEYS_SIGN, asked, _signature)).signature.encode()
        self._keys[account_sid] = key, now + REMEMBERED_S
        return key


def _sign(key: bytes, link: MediaLink) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, link.message(), hashlib.sha256)).decode().rstrip("=")
