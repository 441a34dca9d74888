"""Access tokens for simulated participants, as a customer's server makes them with a helper library."""

import warnings

import jwt

from roomwire.load_test.settings import Credentials

HEADERS = {"typ": "JWT", "cty": "twilio-fpa;v=1"}


def make_token(credentials: Credentials, identity: str, room: str, now_s: float, lifetime_s: float) -> str:
    """`now_s` is epoch seconds. The token admits to one room only."""
    issued = int(now_s)
    claims = {
        "jti": f"{credentials.key_sid}-{issued}-{identity}",
        "iss": credentials.key_sid,
        "sub": credentials.account_sid,
        "iat": issued,
        "exp": issued + int(lifetime_s),
        "grants": {"identity": identity, "video": {"room": room}},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a short secret is a wrong one: the deployment says so, in better words
        return jwt.encode(claims, credentials.secret, algorithm="HS256", headers=HEADERS)
