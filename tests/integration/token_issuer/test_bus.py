"""What others ask token-issuer over the bus, and what it tells them."""

import asyncio

from contract.keys import (
    CallbackSignature,
    CredentialsVerified,
    KeysChanged,
    NotVerified,
    SignCallback,
    TokenVerified,
    VerifyCredentials,
    VerifyToken,
    verify_reply,
)
from contract.subjects import KEYS_CHANGED, KEYS_SIGN, KEYS_VERIFY
from pydantic import TypeAdapter
from token_issuer.keyring import Keyring

from tests.integration.token_issuer.conftest import ACCOUNT_SID, API_KEY, API_SECRET, AUTH_TOKEN, Issuer

signature: TypeAdapter[CallbackSignature] = TypeAdapter(CallbackSignature)
changed: TypeAdapter[KeysChanged] = TypeAdapter(KeysChanged)


async def verify(issuer: Issuer, request: VerifyToken | VerifyCredentials) -> object:
    return await issuer.bus.request(KEYS_VERIFY, request, verify_reply)


async def test_credentials_of_account_and_key(issuer: Issuer) -> None:
    assert await verify(issuer, VerifyCredentials(user=ACCOUNT_SID, password=AUTH_TOKEN)) == CredentialsVerified(
        account_sid=ACCOUNT_SID, user=ACCOUNT_SID, is_account=True
    )
    assert await verify(issuer, VerifyCredentials(user=API_KEY, password=API_SECRET)) == CredentialsVerified(
        account_sid=ACCOUNT_SID, user=API_KEY, is_account=False
    )
    assert await verify(issuer, VerifyCredentials(user=API_KEY, password="x")) == NotVerified(
        code=20003, message="Authenticate"
    )


async def test_a_token_of_a_deleted_key_only_resumes(issuer: Issuer) -> None:
    token, _ = await issuer.keyring.mint_token(API_KEY, "alice", "standup", 60)
    before = await verify(issuer, VerifyToken(token=token))
    await issuer.keyring.delete_key(API_KEY)
    after = await verify(issuer, VerifyToken(token=token))
    resumed = await verify(issuer, VerifyToken(token=token, resuming=True))

    assert isinstance(before, TokenVerified)
    assert (before.identity, before.room, before.key_sid) == ("alice", "standup", API_KEY)
    assert after == NotVerified(code=20103, message="Invalid Access Token issuer/subject")
    assert resumed == before


async def test_a_bad_token_gets_its_code(issuer: Issuer) -> None:
    assert await verify(issuer, VerifyToken(token="x")) == NotVerified(code=20101, message="Invalid Access Token")


async def test_a_callback_is_signed_with_the_auth_token(issuer: Issuer) -> None:
    """The vector of the REST contract, section 17, has the auth token `12345`; ours is checked with the helper's validator."""
    from twilio.request_validator import RequestValidator

    url, parameters = "http://127.0.0.1:9999/cb?x=1", {"RoomName": "a b", "AccountSid": "AC1"}
    message = SignCallback(account_sid=ACCOUNT_SID, message=url + "AccountSidAC1RoomNamea b")
    reply = await issuer.bus.request(KEYS_SIGN, message, signature)

    assert RequestValidator(AUTH_TOKEN).validate(url, parameters, reply.signature)


async def test_every_change_of_a_key_is_told(issuer: Issuer) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def listen(message: KeysChanged) -> None:
        heard.put_nowait(message.key_sid)

    await issuer.bus.listen(KEYS_CHANGED, changed, listen)
    key = await issuer.keyring.create_key("x")
    await issuer.keyring.rename_key(key.sid, "y")
    await issuer.keyring.delete_key(key.sid)

    assert [await asyncio.wait_for(heard.get(), 30) for _ in range(3)] == [key.sid] * 3


async def test_keys_outlive_the_process(issuer: Issuer) -> None:
    key = await issuer.keyring.create_key("x")
    again = Keyring(issuer.keyring._store, bus=None)

    assert (await again.live_key(key.sid)).secret == key.secret
