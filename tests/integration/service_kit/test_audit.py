"""Keeping the audit log: written together, forgotten when old, never in the way of an answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from service_kit.audit import AuditEvent, AuditFilters, AuditLog, audit_table
from service_kit.database import open_database
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

T = TypeVar("T")
DAY_S = 86_400.0
metadata = MetaData()
table = audit_table("events", metadata)


class Database:
    """A real one that counts its transactions, and may be away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.writes = 0
        self.is_away = False

    async def write(self, work: Callable[[Connection], T]) -> T:
        if self.is_away:
            raise OperationalError("INSERT", {}, ConnectionError("away"))
        self.writes += 1
        async with self.engine.begin() as connection:
            return await connection.run_sync(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        async with self.engine.connect() as connection:
            return await connection.run_sync(work)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    engine = open_database(None, tmp_path / "audit.db")
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield Database(engine)
    await engine.dispose()


def event(number: int, created_at: float = 0.0) -> AuditEvent:
    return AuditEvent(
        sid=f"AE{number}",
        account_sid="AC1",
        actor_sid="SK1",
        created_at=created_at,
        method="POST",
        resource="/v1/Rooms",
        resource_sid=None,
        parameters="",
        status=201,
        code=None,
        trace_id="t",
    )


async def kept(audit: AuditLog) -> list[str]:
    query = audit.query("AC1", AuditFilters()).order_by(table.c.position)
    return await audit.read(lambda connection: [row.sid for row in connection.execute(query)])


async def test_events_that_wait_together_are_written_together(database: Database) -> None:
    audit = AuditLog(database, table, retention_days=1, clock=lambda: 0.0)

    await asyncio.gather(*[audit.record(event(number)) for number in range(50)])

    assert len(await kept(audit)) == 50
    assert database.writes <= 2


async def test_what_was_answered_in_the_end_is_put_right_where_it_was_not_foreseen(database: Database) -> None:
    audit = AuditLog(database, table, retention_days=1, clock=lambda: 0.0)
    await audit.record(event(1))
    await audit.correct(event(1), event(1))
    assert database.writes == 1

    await audit.correct(event(1), replace(event(1), status=500, code=20500))
    query = audit.query("AC1", AuditFilters())
    row = await audit.read(lambda connection: connection.execute(query).one())
    assert (row.status, row.code, row.resource_sid) == (500, 20500, None)


async def test_what_is_older_than_the_retention_is_forgotten(database: Database) -> None:
    audit = AuditLog(database, table, retention_days=30, clock=lambda: 31 * DAY_S)
    for number, created_at in enumerate((0.0, 0.9 * DAY_S, 1.1 * DAY_S, 31 * DAY_S)):
        await audit.record(event(number, created_at))

    await audit.purge()

    assert await kept(audit) == ["AE2", "AE3"]


async def test_an_event_that_cannot_be_stored_is_logged_and_holds_nobody_up(database: Database) -> None:
    audit = AuditLog(database, table, retention_days=30, clock=lambda: 0.0)
    database.is_away = True

    with capture_logs() as logs:
        await audit.record(event(7))
    database.is_away = False
    await audit.record(event(8))

    assert [(line["sid"], line["actor_sid"]) for line in logs if line["event"] == "audit event not stored"] == [
        ("AE7", "SK1")
    ]
    assert await kept(audit) == ["AE8"]
