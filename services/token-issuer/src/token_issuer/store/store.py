"""Reads and writes accounts and keys. Secrets leave and enter through the vault; times are whole epoch seconds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from service_kit.audit import write_audited
from service_kit.database import migrate
from sqlalchemy import BigInteger, Connection, Select, insert, literal, select, text, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine

from token_issuer.store.tables import accounts, audit_events, keys
from token_issuer.vault import Vault

VERSIONS = Path(__file__).with_name("versions")
VERSION_TABLE = "token_issuer_version"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Account:
    """The one account of this installation."""

    sid: str
    friendly_name: str
    auth_token: str = field(repr=False)
    created_s: int
    updated_s: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key. `number` is its place in the order of creation."""

    sid: str
    account_sid: str
    friendly_name: str
    secret: str = field(repr=False)
    created_s: int
    updated_s: int
    deleted_s: int | None = None
    number: int = 0


class Store:
    """One database. Each method is one transaction."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def prepare(self) -> None:
        """Bring the tables up to date."""
        await migrate(self._engine, VERSIONS, VERSION_TABLE)

    async def is_ready(self) -> bool:
        """Whether the database answers."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        return True

    async def close(self) -> None:
        await self._engine.dispose()

    async def write(self, work: Callable[[Connection], T], made: str | None = None) -> T:
        """
        Run a transaction that is a plain function. It also writes the audit event of the request that it is done for, unless an earlier one has; `made`
        is the SID of what it makes.
        """
        return await write_audited(self._write, work, audit_events, made)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run queries that are a plain function."""
        async with self._engine.connect() as connection:
            return await connection.run_sync(work)

    async def account(self) -> Account | None:
        """The account, or None before the first start. Raises `VaultError` when the master key is another one."""
        row = await self._first(select(accounts).order_by(accounts.c.created_s, accounts.c.sid).limit(1))
        if row is None:
            return None
        return Account(
            sid=row["sid"],
            friendly_name=row["friendly_name"],
            auth_token=self._vault.open(row["sid"], row["sealed_auth_token"]),
            created_s=row["created_s"],
            updated_s=row["updated_s"],
        )

    async def add_account(self, account: Account) -> None:
        values = {
            "sid": account.sid,
            "friendly_name": account.friendly_name,
            "sealed_auth_token": self._vault.seal(account.sid, account.auth_token),
            "created_s": account.created_s,
            "updated_s": account.updated_s,
        }
        await self.write(lambda connection: connection.execute(insert(accounts), values))

    async def change_auth_token(self, sid: str, auth_token: str, now_s: int) -> None:
        change = {"sealed_auth_token": self._vault.seal(sid, auth_token), "updated_s": now_s}
        await self.write(lambda connection: connection.execute(update(accounts).where(accounts.c.sid == sid), change))

    async def key(self, sid: str) -> ApiKey | None:
        """A key by its SID, deleted ones included."""
        row = await self._first(select(keys).where(keys.c.sid == sid))
        return None if row is None else self._key(row)

    async def newest_key(self, account_sid: str, friendly_name: str | None = None) -> ApiKey | None:
        """The key made last (of that name) that is not deleted."""
        wanted = select(keys).where(keys.c.account_sid == account_sid, keys.c.deleted_s.is_(None))
        if friendly_name is not None:
            wanted = wanted.where(keys.c.friendly_name == friendly_name)
        row = await self._first(wanted.order_by(keys.c.number.desc()).limit(1))
        return None if row is None else self._key(row)

    async def keys(self, account_sid: str, limit: int, below: int | None = None, offset: int = 0) -> list[ApiKey]:
        """Keys that are not deleted, newest first; only those with a `number` below `below`, when it is given."""
        wanted = select(keys).where(keys.c.account_sid == account_sid, keys.c.deleted_s.is_(None))
        if below is not None:
            wanted = wanted.where(keys.c.number < literal(below, BigInteger))
        async with self._engine.connect() as connection:
            found = await connection.execute(wanted.order_by(keys.c.number.desc()).limit(limit).offset(offset))
            return [self._key(row) for row in found.mappings()]

    async def add_key(self, key: ApiKey) -> None:
        values = {
            "sid": key.sid,
            "account_sid": key.account_sid,
            "friendly_name": key.friendly_name,
            "sealed_secret": self._vault.seal(key.sid, key.secret),
            "created_s": key.created_s,
            "updated_s": key.updated_s,
        }
        await self.write(lambda connection: connection.execute(insert(keys), values), made=key.sid)

    async def change_secret(self, sid: str, secret: str, now_s: int) -> None:
        await self._change_key(sid, {"sealed_secret": self._vault.seal(sid, secret), "updated_s": now_s})

    async def rename_key(self, sid: str, friendly_name: str, now_s: int) -> None:
        await self._change_key(sid, {"friendly_name": friendly_name, "updated_s": now_s})

    async def delete_key(self, sid: str, now_s: int) -> None:
        await self._change_key(sid, {"deleted_s": now_s})

    async def _change_key(self, sid: str, change: dict[str, str | int]) -> None:
        statement = update(keys).where(keys.c.sid == sid, keys.c.deleted_s.is_(None)).values(change)
        await self.write(lambda connection: connection.execute(statement))

    async def _first(self, wanted: Select[tuple[object, ...]]) -> RowMapping | None:
        async with self._engine.connect() as connection:
            return (await connection.execute(wanted)).mappings().first()

    def _key(self, row: RowMapping) -> ApiKey:
        return ApiKey(
            sid=row["sid"],
            account_sid=row["account_sid"],
            friendly_name=row["friendly_name"],
            secret=self._vault.open(row["sid"], row["sealed_secret"]),
            created_s=row["created_s"],
            updated_s=row["updated_s"],
            deleted_s=row["deleted_s"],
            number=row["number"],
        )
