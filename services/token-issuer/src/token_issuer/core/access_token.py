"""
Access tokens: what makes one good, in the order in which it is checked, and how one is minted. Does not know where keys are kept.

An access token is a JWT (RFC 7519) signed by HMAC with an API key's secret. The order of checks is part of what users see, since each check
has a code of its own; therefore the few steps of JWS (RFC 7515) are here, and no library decides in which order they fail.
"""

import base64
import binascii
import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract.errors import Refused
from contract.ids import API_KEY, is_sid
from contract.keys import TokenVerified

CONTENT_TYPE = "twilio-fpa;v=1"
ALGORITHMS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
MAX_TOKEN_CHARACTERS = 16_384
MAX_LIFETIME_S = 24 * 3600
CLOCK_SKEW_S = 60
MAX_IDENTITY_CHARACTERS = 128
_MAX_TIME_S = 2**53

Claims = Mapping[str, Any]  # JSON from a stranger; every member is checked before use


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An API key as the checks need it. `is_deleted` keys are known still, for sessions that began before."""

    sid: str
    account_sid: str
    secret: str
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """A token that is well-formed. Nothing in it is to be believed before `verify`."""

    header: Claims
    claims: Claims
    signed: bytes
    signature: bytes


def parse(token: str) -> ParsedToken:
    """Take a compact JWS apart. Raises `Refused` 20101 when it is none. Source: RFC 7515 section 7.1."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise Refused(20101)
    segments = token.split(".")
    if len(segments) != 3:
        raise Refused(20101)
    return ParsedToken(
        header=_object(segments[0]),
        claims=_object(segments[1]),
        signed=f"{segments[0]}.{segments[1]}".encode(),
        signature=_decode(segments[2]),
    )


def issuer(parsed: ParsedToken) -> str:
    """Check the header (20102) and tell the SID of the key that the token names (20103 when it names none)."""
    header = parsed.header
    if header.get("cty") != CONTENT_TYPE or header.get("typ") != "JWT" or not _is_algorithm(header.get("alg")):
        raise Refused(20102)
    named = parsed.claims.get("iss")
    if not isinstance(named, str) or not is_sid(named, API_KEY):
        raise Refused(20103)
    return named


def verify(parsed: ParsedToken, key: SigningKey | None, now_s: float, *, resuming: bool = False) -> TokenVerified:
    """
    Check everything after `issuer`. `key` is the key that it named, None when there is none; `now_s` is epoch seconds.

    With `resuming`, an expiry that has passed and a deleted key do not refuse. Raises `Refused` with 20103 (key, account), 20107 (signature),
    20104 (expired, or more than 24 h ahead), 20105 (not yet valid), 20106 (grants), 53200, 53201 or 53202 (identity).
    """
    claims = parsed.claims
    if key is None or (key.is_deleted and not resuming) or claims.get("sub") != key.account_sid:
        raise Refused(20103)
    if not hmac.compare_digest(_sign(parsed.header["alg"], key.secret, parsed.signed), parsed.signature):
        raise Refused(20107)

    expires_at_s = _time(claims.get("exp"), 20104)
    if expires_at_s <= now_s - CLOCK_SKEW_S and not resuming:
        raise Refused(20104)
    not_before_s = None if claims.get("nbf") is None else _time(claims["nbf"], 20105)
    if not_before_s is not None and not_before_s > now_s + CLOCK_SKEW_S:
        raise Refused(20105)
    if expires_at_s > now_s + MAX_LIFETIME_S + CLOCK_SKEW_S:
        raise Refused(20104)

    grants = claims.get("grants")
    if not isinstance(grants, dict) or not isinstance(grants.get("video"), dict):
        raise Refused(20106)
    return TokenVerified(
        account_sid=key.account_sid,
        key_sid=key.sid,
        identity=_identity(grants.get("identity")),
        room=_room(grants["video"].get("room")),
        not_before_s=not_before_s,
        expires_at_s=expires_at_s,
    )


def mint(key: SigningKey, identity: str, room: str | None, now_s: int, ttl_s: int) -> str:
    """Make a token as the helper libraries do, for people without one. `ttl_s` is its lifetime in seconds."""
    video = {} if room is None else {"room": room}
    header = {"typ": "JWT", "alg": "HS256", "cty": CONTENT_TYPE}
    claims = {
        "jti": f"{key.sid}-{now_s}",
        "iss": key.sid,
        "sub": key.account_sid,
        "nbf": now_s,
        "exp": now_s + ttl_s,
        "grants": {"identity": identity, "video": video},
    }
    signed = b".".join(_encode(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return (signed + b"." + _encode(_sign("HS256", key.secret, signed))).decode()


def _is_algorithm(name: object) -> bool:
    return isinstance(name, str) and name in ALGORITHMS


def _identity(identity: object) -> str:
    if identity is None:
        raise Refused(20106)
    if not isinstance(identity, str) or not identity:
        raise Refused(53200)
    if len(identity) > MAX_IDENTITY_CHARACTERS:
        raise Refused(53201)
    # Control characters and lone surrogates cannot be shown, or not even be encoded on the way to other clients.
    if any(character < " " or character == "\x7f" for character in identity) or not _is_encodable(identity):
        raise Refused(53202)
    return identity


def _room(room: object) -> str | None:
    if room is None:
        return None
    # An empty name can be no room's: to read it as "any room" would widen what the token's maker wrote.
    if not isinstance(room, str) or not room or not _is_encodable(room):
        raise Refused(20106)
    return room


def _is_encodable(text: str) -> bool:
    """JSON can spell lone surrogates, which no UTF-8 can carry."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _time(value: object, code: int) -> float:
    """A NumericDate (RFC 7519 section 2) as a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(code)
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused(code)
    if abs(value) > _MAX_TIME_S:
        raise Refused(code)
    return float(value)


def _sign(algorithm: str, secret: str, signed: bytes) -> bytes:
    return hmac.new(secret.encode(), signed, ALGORITHMS[algorithm]).digest()


def _object(segment: str) -> Claims:
    try:
        value = json.loads(_decode(segment))
    except (ValueError, RecursionError) as error:
        raise Refused(20101) from error
    if not isinstance(value, dict):
        raise Refused(20101)
    return value


def _decode(segment: str) -> bytes:
    """Base64url without padding, strictly: one spelling for each value. Source: RFC 7515 section 2."""
    try:
        decoded = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(20101) from error
    return decoded


def _encode(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")
