"""ICE servers for clients: TURN credentials that the TURN server can check without asking anybody."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any


def ice_servers(urls: Sequence[str], secret: str, identity: str, expires_at_s: int) -> list[dict[str, Any]]:
    """
    The `ice_servers` of `iced`; empty without URLs. `expires_at_s` is epoch seconds.

    Source: draft-uberti-behave-turn-rest-00 section 2.2: user name is expiry and user, the password HMAC-SHA1 of it under the shared secret.
    """
    if not urls:
        return []
    stun = [{"urls": url} for url in urls if url.startswith("stun")]
    username = f"{expires_at_s}:{identity}"
    digest = hmac.digest(secret.encode(), username.encode(), hashlib.sha1)
    credential = base64.b64encode(digest).decode()
    turn = [{"urls": u, "username": username, "credential": credential} for u in urls if not u.startswith("stun")]
    return stun + turn
