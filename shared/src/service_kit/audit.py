"""
The audit log: who changed what, when, and with which result. Kept in the service's own database for as long as the operator wants.

The transaction that makes a change writes its event as well (`AskedChange`), so that neither is there without the other. What no such transaction
wrote, refusals above all, the edge records before it answers. Parameters are kept by name alone: their values may be personal.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger()

T = TypeVar("T")
PURGE_PERIOD_S = 3600.0
PURGED_AT_ONCE = 2000
DAY_S = 86_400.0
ANSWERED = ("status", "code", "resource_sid")
"""What is only known for sure when there is an answer."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """
    One change that was asked for, done or refused. `actor_sid` is the credential: an account or a key. `resource` is the path, `resource_sid` what
    was made or changed, as far as it is known; `status` and `code` are the answer's. `created_at` is epoch seconds.
    """

    sid: str
    account_sid: str
    actor_sid: str
    created_at: float
    method: str
    resource: str
    resource_sid: str | None
    parameters: str
    """Names, separated by commas, in the order of the request."""
    status: int
    code: int | None
    trace_id: str


@dataclass(slots=True)
class AskedChange:
    """
    The change that a request asks for. Who commits a transaction for it writes what `foresee` returns in that same transaction, and keeps it as
    `written` when it is committed.
    """

    foresee: Callable[[str | None], AuditEvent | None]
    """The event if all goes well, given the SID of what is made, if it is known. None when there is nothing to record."""
    written: AuditEvent | None = None


asked_change: ContextVar[AskedChange | None] = ContextVar("asked_change", default=None)
"""That of the present request, None outside of one that may change something."""


async def write_audited(
    write: Callable[[Callable[[Connection], T]], Awaitable[T]],
    work: Callable[[Connection], T],
    table: Table,
    made: str | None = None,
) -> T:
    """
    Run `work` as a transaction, by `write`, that also stores the audit event of the request that it is done for in `table`, unless an earlier one has.
    `made` is the SID of what it makes.
    """
    asked = asked_change.get()
    event = asked.foresee(made) if asked is not None and asked.written is None else None
    if asked is None or event is None:
        return await write(work)
    statement, row = insert(table), asdict(event)

    def audited(connection: Connection) -> T:
        result = work(connection)
        connection.execute(statement, row)
        return result

    result = await write(audited)
    asked.written = event
    return result


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """What a list is narrowed to. `created_after` is inclusive, `created_before` exclusive."""

    sid: str | None = None
    actor_sid: str | None = None
    resource_sid: str | None = None
    created_after: float | None = None
    created_before: float | None = None


class AuditDatabase(Protocol):
    """Where it is kept: runs plain functions of a connection, as transactions or as queries."""

    async def write(self, work: Callable[[Connection], T]) -> T: ...

    async def read(self, work: Callable[[Connection], T]) -> T: ...


def audit_table(name: str, metadata: MetaData) -> Table:
    """The table of a service's audit log. `position` is the order of recording."""
    return Table(
        name,
        metadata,
        Column("position", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
        Column("sid", String(34), nullable=False, unique=True),
        Column("account_sid", String(34), nullable=False),
        Column("actor_sid", String(34), nullable=False),
        Column("created_at", Double, nullable=False),
        Column("method", String(8), nullable=False),
        Column("resource", Text, nullable=False),
        Column("resource_sid", String(34)),
        Column("parameters", Text, nullable=False),
        Column("status", Integer, nullable=False),
        Column("code", Integer),
        Column("trace_id", String(32), nullable=False),
        Index(f"{name}_by_age", "created_at"),
        Index(f"{name}_listed", "account_sid", "created_at", "sid"),
        Index(f"{name}_by_actor", "account_sid", "actor_sid", "created_at", "sid"),
        Index(f"{name}_by_resource", "account_sid", "resource_sid", "created_at", "sid"),
    )


def event_resource(row: Row[Any], date_created: str | None) -> dict[str, Any]:
    """An event as REST shows it, with its date in the form of the API that is asked."""
    return {
        "sid": row.sid,
        "account_sid": row.account_sid,
        "actor_sid": row.actor_sid,
        "date_created": date_created,
        "method": row.method,
        "resource": row.resource,
        "resource_sid": row.resource_sid,
        "parameters": row.parameters.split(",") if row.parameters else [],
        "status": row.status,
        "code": row.code,
        "trace_id": row.trace_id,
    }


class AuditLog:
    """`table` was made by `audit_table`. Run `run` beside it."""

    def __init__(
        self, database: AuditDatabase, table: Table, retention_days: float, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._table = table
        self._retention_s = retention_days * DAY_S
        self._clock = clock
        self._waiting: list[tuple[AuditEvent, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    def now(self) -> float:
        return self._clock()

    async def record(self, event: AuditEvent) -> None:
        """Store the event, together with others that wait at the same time. One that cannot be stored is logged whole instead."""
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((event, stored))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting())
        await stored

    async def correct(self, written: AuditEvent, answered: AuditEvent) -> None:
        """Let an event that was written by its transaction say what was answered in the end, if that is something else."""
        values = {
            name: getattr(answered, name) for name in ANSWERED if getattr(answered, name) != getattr(written, name)
        }
        if not values:
            return
        statement = update(self._table).where(self._table.c.sid == written.sid).values(values)
        try:
            await self._database.write(lambda connection: connection.execute(statement))
        except (SQLAlchemyError, OSError) as error:
            log.error("audit event not corrected", error=repr(error), sid=written.sid, **values)

    async def _write_waiting(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._store([asdict(event) for event, _ in batch])
                for _, stored in batch:
                    if not stored.done():
                        stored.set_result(None)
        finally:
            self._writing = None

    async def _store(self, rows: list[dict[str, Any]]) -> None:
        try:
            await self._database.write(lambda connection: connection.execute(insert(self._table), rows))
        except (SQLAlchemyError, OSError) as error:
            for row in rows:
                log.error("audit event not stored", error=repr(error), **row)

    def query(self, account_sid: str, filters: AuditFilters) -> Select[Any]:
        """The account's events, to be put in order and read in pages as the service does it."""
        columns = self._table.c
        query: Select[Any] = select(self._table).where(columns.account_sid == account_sid)
        for column, value in (
            (columns.sid, filters.sid),
            (columns.actor_sid, filters.actor_sid),
            (columns.resource_sid, filters.resource_sid),
        ):
            if value is not None:
                query = query.where(column == value)
        if filters.created_after is not None:
            query = query.where(columns.created_at >= filters.created_after)
        if filters.created_before is not None:
            query = query.where(columns.created_at < filters.created_before)
        return query

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self._database.read(work)

    async def run(self) -> None:
        """Forget what is too old, now and every hour, until cancelled."""
        while True:
            try:
                await self.purge()
            except (SQLAlchemyError, OSError) as error:
                log.warning("cannot purge the audit log now", error=repr(error))
            await asyncio.sleep(PURGE_PERIOD_S)

    async def purge(self) -> None:
        """Forget what is older than the retention, a little at a time: others want to write too."""
        columns = self._table.c
        old = select(columns.position).where(columns.created_at < self._clock() - self._retention_s)
        statement = delete(self._table).where(columns.position.in_(old.limit(PURGED_AT_ONCE)))
        while await self._database.write(lambda connection: connection.execute(statement).rowcount) == PURGED_AT_ONCE:
            pass
