"""Compositions and their hooks as rows: created, read and deleted for REST."""

from dataclasses import dataclass
from typing import Any

from contract.ids import COMPOSITION, COMPOSITION_HOOK, new_sid
from sqlalchemy import Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from rooms_api.core.composition import DELETABLE, CompositionSpec, CompositionStatus
from rooms_api.store.database import Database
from rooms_api.store.media_tables import NOT_DELETED, composition_hooks, compositions
from rooms_api.store.paging import Order, Page, PageRequest, read_page

ORDER = Order(compositions.c.created_at, compositions.c.sid)
HOOK_ORDER = Order(composition_hooks.c.created_at, composition_hooks.c.sid)


class HookNameTaken(Exception):
    """Another hook of the account has that name."""


def new_composition(
    account_sid: str, room_sid: str, spec: dict[str, Any], now: float, hook_sid: str | None = None
) -> dict[str, Any]:
    """The row of a composition that is enqueued. `spec` holds the columns of a `CompositionSpec`."""
    return {
        "sid": new_sid(COMPOSITION),
        "account_sid": account_sid,
        "room_sid": room_sid,
        "hook_sid": hook_sid,
        "status": CompositionStatus.ENQUEUED,
        "bitrate_kbps": 0,
        "size_bytes": 0,
        "duration_s": 0,
        "created_at": now,
        "has_media": False,
        **spec,
    }


@dataclass(frozen=True, slots=True)
class CompositionFilters:
    """What a list is narrowed to. Without a `status` it is everything that is not deleted."""

    status: str | None = None
    room_sid: str | None = None
    created_after: float | None = None
    created_before: float | None = None

    def narrow(self, query: Select[Any]) -> Select[Any]:
        columns = compositions.c
        if self.status is None:
            query = query.where(NOT_DELETED)
        elif self.room_sid is not None:
            # Not a bare column: SQLite, which keeps no statistics, would read all that the account has in this status.
            query = query.where(func.lower(columns.status) == self.status)
        else:
            query = query.where(columns.status == self.status)
        if self.room_sid is not None:
            query = query.where(columns.room_sid == self.room_sid)
        if self.created_after is not None:
            query = query.where(columns.created_at >= self.created_after)
        if self.created_before is not None:
            query = query.where(columns.created_at < self.created_before)
        return query


class CompositionStore:
    """Compositions for REST."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, account_sid: str, room_sid: str, spec: CompositionSpec, now: float) -> str:
        """Enqueue a composition and return its SID."""
        row = new_composition(account_sid, room_sid, spec.columns(), now)
        await self._database.write(lambda connection: connection.execute(insert(compositions), row), made=row["sid"])
        return str(row["sid"])

    async def find(self, account_sid: str, sid: str) -> Row[Any] | None:
        """The composition in any status, for as long as its metadata are kept."""
        query = select(compositions).where(compositions.c.sid == sid, compositions.c.account_sid == account_sid)
        return await self._database.read(lambda connection: connection.execute(query).first())

    async def page(self, account_sid: str, filters: CompositionFilters, request: PageRequest) -> Page:
        query = filters.narrow(select(compositions).where(compositions.c.account_sid == account_sid))
        return await self._database.read(lambda connection: read_page(connection, query, ORDER, request))

    async def delete(self, sid: str, now: float) -> None:
        """Mark a composition as deleted, unless it has failed. Its file goes soon after, its metadata later."""
        statement = (
            update(compositions)
            .where(compositions.c.sid == sid, compositions.c.status.in_(DELETABLE))
            .values(status=CompositionStatus.DELETED, deleted_at=now)
        )
        await self._database.write(lambda connection: connection.execute(statement))


@dataclass(frozen=True, slots=True)
class HookFilters:
    """What a list is narrowed to. `name` is compared without difference of case; a `*` in it stands for any characters."""

    enabled: bool | None = None
    name: str | None = None
    created_after: float | None = None
    created_before: float | None = None

    def narrow(self, query: Select[Any]) -> Select[Any]:
        columns = composition_hooks.c
        if self.enabled is not None:
            query = query.where(columns.enabled.is_(self.enabled))
        if self.name is not None:
            query = query.where(columns.folded_name.like(_pattern(self.name), escape="\\"))
        if self.created_after is not None:
            query = query.where(columns.created_at >= self.created_after)
        if self.created_before is not None:
            query = query.where(columns.created_at < self.created_before)
        return query


@dataclass(frozen=True, slots=True)
class Hook:
    """What an application wants to happen when a room's recordings are done."""

    name: str
    is_enabled: bool
    spec: CompositionSpec

    def columns(self) -> dict[str, Any]:
        return {
            "friendly_name": self.name,
            "folded_name": self.name.casefold(),
            "enabled": self.is_enabled,
            **self.spec.columns(),
        }


class HookStore:
    """Composition hooks. `create` and `replace` raise `HookNameTaken`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, account_sid: str, hook: Hook, now: float) -> str:
        """Make a hook and return its SID."""
        row = {
            "sid": new_sid(COMPOSITION_HOOK),
            "account_sid": account_sid,
            "created_at": now,
            **hook.columns(),
        }
        try:
            await self._database.write(
                lambda connection: connection.execute(insert(composition_hooks), row), made=str(row["sid"])
            )
        except IntegrityError as error:
            raise HookNameTaken from error
        return str(row["sid"])

    async def replace(self, sid: str, hook: Hook, now: float) -> None:
        """Make the hook another one, under its SID."""
        statement = (
            update(composition_hooks).where(composition_hooks.c.sid == sid).values(updated_at=now, **hook.columns())
        )
        try:
            await self._database.write(lambda connection: connection.execute(statement))
        except IntegrityError as error:
            raise HookNameTaken from error

    async def find(self, account_sid: str, sid: str) -> Row[Any] | None:
        query = select(composition_hooks).where(
            composition_hooks.c.sid == sid, composition_hooks.c.account_sid == account_sid
        )
        return await self._database.read(lambda connection: connection.execute(query).first())

    async def page(self, account_sid: str, filters: HookFilters, request: PageRequest) -> Page:
        query = filters.narrow(select(composition_hooks).where(composition_hooks.c.account_sid == account_sid))
        return await self._database.read(lambda connection: read_page(connection, query, HOOK_ORDER, request))

    async def delete(self, sid: str) -> None:
        statement = delete(composition_hooks).where(composition_hooks.c.sid == sid)
        await self._database.write(lambda connection: connection.execute(statement))


def _pattern(name: str) -> str:
    escaped = name.casefold().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")
