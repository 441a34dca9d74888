"""Access tokens: each check has its code, and they come in one order."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from contract.errors import Refused
from contract.keys import TokenVerified
from token_issuer.core.access_token import SigningKey, issuer, mint, parse, verify
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VideoGrant

NOW = 1_767_225_600
KEY = SigningKey("SK" + "1" * 32, "AC" + "1" * 32, "s" * 32)
DELETED = SigningKey(KEY.sid, KEY.account_sid, KEY.secret, is_deleted=True)
FOREIGN = SigningKey(KEY.sid, "AC" + "2" * 32, KEY.secret)
HEADER = {"typ": "JWT", "alg": "HS256", "cty": "twilio-fpa;v=1"}
CLAIMS = {
    "jti": f"{KEY.sid}-{NOW}",
    "iss": KEY.sid,
    "sub": KEY.account_sid,
    "nbf": NOW,
    "exp": NOW + 3600,
    "grants": {"identity": "alice", "video": {"room": "DailyStandup"}},
}
ABSENT: Any = object()


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(
    header: dict[str, Any], claims: dict[str, Any], secret: str = KEY.secret, digest: Any = hashlib.sha256
) -> str:
    signed = f"{segment(header)}.{segment(claims)}"
    signature = hmac.new(secret.encode(), signed.encode(), digest).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def changed(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**base, **changes}.items() if value is not ABSENT}


def check(text: str, key: SigningKey | None = KEY, now_s: float = NOW, *, resuming: bool = False) -> TokenVerified:
    parsed = parse(text)
    issuer(parsed)
    return verify(parsed, key, now_s, resuming=resuming)


def code_of(text: str, key: SigningKey | None = KEY, now_s: float = NOW, *, resuming: bool = False) -> int:
    with pytest.raises(Refused) as refused:
        check(text, key, now_s, resuming=resuming)
    return refused.value.code


def test_a_good_token_tells_who_may_join_where() -> None:
    assert check(token(HEADER, CLAIMS)) == TokenVerified(
        account_sid=KEY.account_sid,
        key_sid=KEY.sid,
        identity="alice",
        room="DailyStandup",
        not_before_s=NOW,
        expires_at_s=NOW + 3600,
    )


def test_a_token_of_the_stock_helper_is_good() -> None:
    stock = AccessToken(KEY.account_sid, KEY.sid, KEY.secret, identity="alice", nbf=NOW)
    stock.add_grant(VideoGrant(room="DailyStandup"))
    text = stock.to_jwt()
    expiry = parse(text).claims["exp"]

    verified = check(text, now_s=expiry - 3600)

    assert (verified.identity, verified.room) == ("alice", "DailyStandup")


def test_a_minted_token_is_good() -> None:
    verified = check(mint(KEY, "alice", None, NOW, ttl_s=60))

    assert (verified.identity, verified.room, verified.expires_at_s) == ("alice", None, NOW + 60)


@pytest.mark.parametrize(
    ("algorithm", "digest"), [("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)]
)
def test_three_algorithms_are_accepted(algorithm: str, digest: Any) -> None:
    assert check(token({**HEADER, "alg": algorithm}, CLAIMS, digest=digest)).identity == "alice"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a.b",
        "a.b.c.d",
        "!.e30.e30",
        "e30.W10.e30",
        "e30.IjEi.e30",
        "e30." + "a" * 20_000 + ".e30",
        "e30.eyJhIjo=.e30",
        "e30.e30.é",
        segment(HEADER) + "." + base64.urlsafe_b64encode(b"[" * 9_000).decode() + ".e30",
    ],
)
def test_what_is_no_token_is_20101(text: str) -> None:
    assert code_of(text) == 20101


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "none"},
        {"alg": "RS256"},
        {"alg": ["HS256"]},
        {"alg": ABSENT},
        {"cty": "twilio-sat;v=1"},
        {"cty": "twilio-fpa;v=1 "},
        {"cty": ABSENT},
        {"typ": "JWS"},
        {"typ": ABSENT},
    ],
)
def test_a_wrong_header_is_20102(change: dict[str, Any]) -> None:
    assert code_of(token(changed(HEADER, **change), CLAIMS)) == 20102


def test_the_region_in_the_header_is_ignored() -> None:
    assert check(token({**HEADER, "twr": "ie1"}, CLAIMS)).identity == "alice"


@pytest.mark.parametrize("iss", [ABSENT, "", 1, None, KEY.account_sid, "SK1", "sk" + "1" * 32])
def test_an_issuer_that_is_no_key_is_20103(iss: object) -> None:
    assert code_of(token(HEADER, changed(CLAIMS, iss=iss))) == 20103


@pytest.mark.parametrize("sub", [ABSENT, None, 1, "AC" + "2" * 32, "", KEY.sid])
def test_another_account_is_20103(sub: object) -> None:
    assert code_of(token(HEADER, changed(CLAIMS, sub=sub))) == 20103


def test_an_unknown_or_deleted_key_is_20103() -> None:
    assert code_of(token(HEADER, CLAIMS), None) == 20103
    assert code_of(token(HEADER, CLAIMS), DELETED) == 20103


def test_a_signature_of_another_secret_or_algorithm_is_20107() -> None:
    good = token(HEADER, CLAIMS)

    assert code_of(token(HEADER, CLAIMS, "x" * 32)) == 20107
    assert code_of(token(HEADER, CLAIMS, digest=hashlib.sha512)) == 20107
    assert code_of(good.rsplit(".", 1)[0] + ".") == 20107
    assert code_of(".".join([good.split(".")[0], segment({**CLAIMS, "jti": "x"}), good.split(".")[2]])) == 20107


@pytest.mark.parametrize(
    ("exp", "good"),
    [
        (NOW + 1, True),
        (NOW - 59, True),
        (NOW - 60, False),
        (NOW + 24 * 3600 + 60, True),
        (NOW + 24 * 3600 + 61, False),
        (NOW + 0.5, True),
    ],
)
def test_expiry_with_a_minute_of_skew(exp: float, good: bool) -> None:
    text = token(HEADER, changed(CLAIMS, exp=exp))
    if good:
        assert check(text).expires_at_s == exp
    else:
        assert code_of(text) == 20104


@pytest.mark.parametrize("exp", [ABSENT, None, "1767229200", True, float("nan"), float("inf"), 10**400, -(10**400)])
def test_an_expiry_that_is_no_time_is_20104(exp: object) -> None:
    assert code_of(token(HEADER, changed(CLAIMS, exp=exp))) == 20104


def test_not_yet_valid_is_20105_and_nbf_may_be_absent() -> None:
    assert check(token(HEADER, changed(CLAIMS, nbf=ABSENT))).not_before_s is None
    assert check(token(HEADER, changed(CLAIMS, nbf=NOW + 60))).not_before_s == NOW + 60
    assert code_of(token(HEADER, changed(CLAIMS, nbf=NOW + 61))) == 20105
    assert code_of(token(HEADER, changed(CLAIMS, nbf="soon"))) == 20105
    assert code_of(token(HEADER, changed(CLAIMS, nbf=NOW + 10**9, exp=NOW + 10**9 + 3600))) == 20105


@pytest.mark.parametrize(
    ("grants", "code"),
    [
        (ABSENT, 20106),
        ([], 20106),
        ({"identity": "alice"}, 20106),
        ({"identity": "alice", "video": True}, 20106),
        ({"video": {}}, 20106),
        ({"identity": "", "video": {}}, 53200),
        ({"identity": 7, "video": {}}, 53200),
        ({"identity": "a" * 129, "video": {}}, 53201),
        ({"identity": "a\x00", "video": {}}, 53202),
        ({"identity": "\ud800", "video": {}}, 53202),
        ({"identity": "alice", "video": {"room": ""}}, 20106),
        ({"identity": "alice", "video": {"room": 1}}, 20106),
        ({"identity": "alice", "video": {"room": "\udfff"}}, 20106),
    ],
)
def test_grants(grants: object, code: int) -> None:
    assert code_of(token(HEADER, changed(CLAIMS, grants=grants))) == code


@pytest.mark.parametrize("identity", ["a" * 128, "Zoë", "名前", "a b/c"])
def test_identities_of_all_scripts_are_good(identity: str) -> None:
    grants = {"identity": identity, "video": {}, "chat": {"service_sid": "IS1"}}

    assert check(token(HEADER, changed(CLAIMS, grants=grants))).identity == identity


def test_a_session_that_resumes_outlives_expiry_and_key() -> None:
    text = token(HEADER, CLAIMS)

    assert check(text, DELETED, NOW + 10 * 3600, resuming=True).identity == "alice"
    assert code_of(token(HEADER, CLAIMS, "x" * 32), DELETED, resuming=True) == 20107
    assert code_of(text, None, resuming=True) == 20103
    assert code_of(text, FOREIGN, resuming=True) == 20103


def test_the_first_check_that_fails_names_the_error() -> None:
    """Everything is wrong with this token; put right from the front, it names the next error each time."""
    claims = {"iss": "x", "sub": "x", "exp": 0, "nbf": NOW + 9999, "grants": {}}

    assert code_of(token({}, claims, "x")) == 20102
    assert code_of(token(HEADER, claims, "x")) == 20103
    claims |= {"iss": KEY.sid, "sub": KEY.account_sid}
    assert code_of(token(HEADER, claims, "x")) == 20107
    assert code_of(token(HEADER, claims)) == 20104
    claims |= {"exp": NOW + 60}
    assert code_of(token(HEADER, claims)) == 20105
    claims |= {"nbf": NOW}
    assert code_of(token(HEADER, claims)) == 20106
