"""
ICE servers with short-lived TURN credentials, as a TURN server with a shared secret understands them.

Source: draft-uberti-behave-turn-rest-00 section 2.2; coturn's `use-auth-secret`.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnCredentials:
    """`username` holds the expiry, `password` is valid until then."""

    username: str
    password: str


def turn_credentials(secret: str, expires_at_s: int, nonce: str) -> TurnCredentials:
    """Make credentials that end at `expires_at_s` (epoch seconds). `nonce` tells users of one second apart."""
    username = f"{expires_at_s}:{nonce}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return TurnCredentials(username, base64.b64encode(digest).decode())


def ice_servers(urls: Sequence[str], credentials: TurnCredentials | None) -> list[dict[str, str]]:
    """
    Entries as the REST contract shows them: one URL each, under `urls` and its legacy twin `url`.

    TURN servers are left out when there are no credentials for them: a browser refuses a TURN entry without.
    """
    entries = []
    for url in urls:
        entry = {"url": url, "urls": url}
        if url.startswith(("turn:", "turns:")):
            if credentials is None:
                continue
            entry |= {"username": credentials.username, "credential": credentials.password}
        entries.append(entry)
    return entries
