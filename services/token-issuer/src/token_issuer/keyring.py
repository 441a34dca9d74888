"""The use cases of token-issuer: verify, sign, mint, and change keys. Everything that REST and the bus ask ends here."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

import structlog
from contract.errors import Refused
from contract.ids import ACCOUNT, API_KEY, is_sid, new_sid
from contract.keys import CallbackSignature, CredentialsVerified, KeysChanged, NotVerified, TokenVerified
from contract.subjects import KEYS_CHANGED
from service_kit.bus import Bus, BusUnavailable

from token_issuer.core import access_token
from token_issuer.core.access_token import SigningKey
from token_issuer.settings import IssuerSettings
from token_issuer.store.store import Account, ApiKey, Store

log = structlog.get_logger()

Clock = Callable[[], float]
"""Epoch seconds."""
ACCOUNT_NAME = "Roomwire"


class SetupRefused(Exception):
    """The settings do not fit what is stored. The message is for the person who runs the service."""


class Keyring:
    """`account` is None until `prepare`. `bus` may be None where nobody is to be told of changes (the command line)."""

    def __init__(self, store: Store, bus: Bus | None, clock: Clock = time.time) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._account: Account | None = None

    @property
    def account(self) -> Account:
        assert self._account is not None
        return self._account

    async def prepare(self, settings: IssuerSettings) -> None:
        """
        Migrate; make the account at the first start; accept the configured auth token and keys.

        Raises `SetupRefused` when another account is stored, `VaultError` when the master key is not the one of this database.
        """
        await self._store.prepare()
        account = await self._store.account()
        if account is None:
            account = await self._make_account(settings)
        if settings.account_sid not in (None, account.sid):
            raise SetupRefused(f"ROOMWIRE_ACCOUNT_SID: the database belongs to {account.sid}")
        if settings.auth_token not in (None, account.auth_token):
            assert settings.auth_token is not None
            await self._store.change_auth_token(account.sid, settings.auth_token, self._now_s())
            account = await self._store.account()
            log.info("auth token changed by the settings")
        self._account = account
        for sid, secret in settings.api_keys.items():
            await self._accept_key(sid, secret)

    async def verify_credentials(self, user: str, password: str) -> CredentialsVerified | NotVerified:
        """Account SID and auth token, or key SID and secret, compared in constant time."""
        if user == self.account.sid:
            expected: str | None = self.account.auth_token
        elif is_sid(user, API_KEY):
            key = await self._store.key(user)
            expected = key.secret if key is not None and key.deleted_s is None else None
        else:
            expected = None
        if expected is None or not hmac.compare_digest(expected.encode(), password.encode()):
            return NotVerified(code=20003, message="Authenticate")
        return CredentialsVerified(account_sid=self.account.sid, user=user, is_account=user == self.account.sid)

    async def verify_token(self, token: str, *, resuming: bool) -> TokenVerified | NotVerified:
        """An access token, in the order of checks of `core.access_token`."""
        try:
            parsed = access_token.parse(token)
            key = await self._store.key(access_token.issuer(parsed))
            signing_key = None if key is None else _signing_key(key)
            return access_token.verify(parsed, signing_key, self._clock(), resuming=resuming)
        except Refused as refused:
            return NotVerified(code=refused.code, message=refused.message)

    def sign_callback(self, account_sid: str, message: str) -> CallbackSignature:
        """Sign with the account's auth token. Raises `Refused` 20404 for another account."""
        if account_sid != self.account.sid:
            raise Refused(20404)
        digest = hmac.new(self.account.auth_token.encode(), message.encode(), hashlib.sha1).digest()
        return CallbackSignature(signature=base64.b64encode(digest).decode())

    async def mint_token(self, key_sid: str | None, identity: str, room: str | None, ttl_s: int) -> tuple[str, ApiKey]:
        """
        Make an access token, signed by that key or else the newest. Returns it and the key.

        Raises `Refused`: 20404 for an unknown key, 20001 when there is no key at all, and what verifying the token would refuse.
        """
        key = await self._store.newest_key(self.account.sid) if key_sid is None else await self.live_key(key_sid)
        if key is None:
            raise Refused(20001, "Missing required parameter KeySid in the post body")
        token = access_token.mint(_signing_key(key), identity, room, self._now_s(), ttl_s)
        access_token.verify(access_token.parse(token), _signing_key(key), self._clock())
        return token, key

    async def live_key(self, sid: str) -> ApiKey:
        """A key that is not deleted. Raises `Refused` 20404."""
        key = await self._store.key(sid)
        if key is None or key.deleted_s is not None:
            raise Refused(20404)
        return key

    async def list_keys(self, limit: int, below: int | None, offset: int) -> list[ApiKey]:
        """Newest first; see `Store.keys`."""
        return await self._store.keys(self.account.sid, limit, below, offset)

    async def create_key(self, friendly_name: str) -> ApiKey:
        """Make a key with a fresh secret. The name was checked."""
        now_s = self._now_s()
        key = ApiKey(new_sid(API_KEY), self.account.sid, friendly_name, secrets.token_urlsafe(24), now_s, now_s)
        await self._store.add_key(key)
        await self._tell(key.sid, "key created")
        return key

    async def ensure_key(self, friendly_name: str) -> ApiKey:
        """The newest key of that name, made if there is none."""
        return await self._store.newest_key(self.account.sid, friendly_name) or await self.create_key(friendly_name)

    async def rename_key(self, sid: str, friendly_name: str) -> ApiKey:
        """Raises `Refused` 20404."""
        await self.live_key(sid)
        await self._store.rename_key(sid, friendly_name, self._now_s())
        await self._tell(sid, "key renamed")
        return await self.live_key(sid)

    async def delete_key(self, sid: str) -> None:
        """From now on nothing new begins with this key. Raises `Refused` 20404."""
        await self.live_key(sid)
        await self._store.delete_key(sid, self._now_s())
        await self._tell(sid, "key deleted")

    async def _make_account(self, settings: IssuerSettings) -> Account:
        now_s = self._now_s()
        account = Account(
            sid=settings.account_sid or new_sid(ACCOUNT),
            friendly_name=ACCOUNT_NAME,
            auth_token=settings.auth_token or secrets.token_hex(16),
            created_s=now_s,
            updated_s=now_s,
        )
        await self._store.add_account(account)
        log.info("account made", account=account.sid)
        return account

    async def _accept_key(self, sid: str, secret: str) -> None:
        """A configured key. One that was deleted stays so: who revoked it meant it."""
        now_s = self._now_s()
        stored = await self._store.key(sid)
        if stored is None:
            await self._store.add_key(ApiKey(sid, self.account.sid, "", secret, now_s, now_s))
            await self._tell(sid, "configured key accepted")
        elif stored.deleted_s is not None:
            log.warning("a configured key was deleted and stays so", key=sid)
        elif stored.secret != secret:
            await self._store.change_secret(sid, secret, now_s)
            await self._tell(sid, "secret of a key changed by the settings")

    async def _tell(self, key_sid: str, change: str) -> None:
        """Whoever caches verifications must forget. Without the bus they learn of it when their entry ends."""
        log.info(change, key=key_sid)
        if self._bus is None:
            return
        try:
            await self._bus.publish(KEYS_CHANGED, KeysChanged(key_sid=key_sid))
        except BusUnavailable:
            log.warning("the change of a key could not be told", key=key_sid)

    def _now_s(self) -> int:
        return int(self._clock())


def _signing_key(key: ApiKey) -> SigningKey:
    return SigningKey(key.sid, key.account_sid, key.secret, is_deleted=key.deleted_s is not None)
