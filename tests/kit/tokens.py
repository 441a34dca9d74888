"""Access tokens: good ones from the stock helper library, and every kind of bad one."""

import time
from typing import Any

import jwt
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VideoGrant

HEADER = {"typ": "JWT", "alg": "HS256", "cty": "twilio-fpa;v=1"}


def mint(account_sid: str, key_sid: str, secret: str, identity: str, room: str | None = None, **options: Any) -> str:
    """A token as a customer's server makes it."""
    token = AccessToken(account_sid, key_sid, secret, identity=identity, **options)
    token.add_grant(VideoGrant(room=room))
    return str(token.to_jwt())


def forge(account_sid: str, key_sid: str, secret: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token with these header members and claims in place of the good ones; a claim of None is left out."""
    now = int(time.time())
    payload: dict[str, Any] = {
        "jti": f"{key_sid}-{now}",
        "iss": key_sid,
        "sub": account_sid,
        "nbf": now,
        "exp": now + 3600,
        "grants": {"identity": "mallory", "video": {}},
    } | claims
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, secret, algorithm="HS256", headers=HEADER | (header or {}))
