"""
The service's database: SQLite in the data folder or PostgreSQL by URL, with the newest tables. Runs units of work on it.

A unit of work is a plain function of a connection. On SQLite it runs in a thread, whole, so that a transaction costs one change of threads and
not one for each statement; on PostgreSQL it runs on the asynchronous driver.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from service_kit.audit import write_audited
from service_kit.database import begin_immediately, migrate, open_database, prepare_sqlite
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine

from rooms_api.store.tables import audit_events

VERSIONS = Path(__file__).with_name("versions")
READERS = 4

T = TypeVar("T")
Work = Callable[[Connection], T]


class Database:
    """Raises what the driver raises when the database cannot be reached."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._threads = _Threads(engine) if engine.dialect.name == "sqlite" else None
        self.writes = 0
        """Transactions that were committed here: whoever looks for work finds none without a new one, but what becomes due, and what others write."""

    @classmethod
    async def open(cls, url: str | None, data: Path) -> "Database":
        """Connect and migrate."""
        engine = open_database(url, data / "rooms-api" / "rooms.db")
        await migrate(engine, VERSIONS, "rooms_api_version")
        return cls(engine)

    @property
    def is_sqlite(self) -> bool:
        return self._threads is not None

    async def read(self, work: Work[T]) -> T:
        """Run queries, each of which sees what is committed by then."""
        if self._threads is not None:
            return await self._threads.read(work)
        async with self._reader.connect() as connection:
            return await connection.run_sync(work)

    async def write(self, work: Work[T], made: str | None = None) -> T:
        """
        Run a transaction: committed when `work` returns, else rolled back. It also writes the audit event of the request that it is done for, unless
        an earlier one has; `made` is the SID of what it makes.
        """
        return await write_audited(self._write, work, audit_events, made)

    async def _write(self, work: Work[T]) -> T:
        if self._threads is not None:
            result = await self._threads.write(work)
        else:
            async with self._engine.begin() as connection:
                result = await connection.run_sync(work)
        self.writes += 1
        return result

    async def time(self) -> float | None:
        """What the database's own clock shows, in epoch seconds. None on SQLite, which has none but this machine's."""
        if self._threads is not None:
            return None
        query = text("SELECT extract(epoch FROM clock_timestamp())")
        return float(await self.read(lambda connection: connection.execute(query).scalar_one()))

    async def is_reachable(self) -> bool:
        """Tell whether a query goes through."""
        return bool(await self.read(lambda connection: connection.scalar(text("SELECT 1"))))

    async def close(self) -> None:
        """Finish what runs, and disconnect."""
        if self._threads is not None:
            await self._threads.close()
        await self._engine.dispose()


class _Threads:
    """SQLite's side: one thread that writes, as SQLite has one writer at a time, and some that read beside it."""

    def __init__(self, engine: AsyncEngine) -> None:
        url = engine.url.set(drivername="sqlite+pysqlite")
        self._write_engine = create_engine(url, pool_size=1, max_overflow=0)
        self._read_engine = create_engine(url, pool_size=READERS, max_overflow=0)
        for each in (self._write_engine, self._read_engine):
            prepare_sqlite(each)
        begin_immediately(self._write_engine)
        self._writer = ThreadPoolExecutor(1, "database-writer")
        self._readers = ThreadPoolExecutor(READERS, "database-reader")

    async def read(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, _read, self._read_engine, work)

    async def write(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, _write, self._write_engine, work)

    async def close(self) -> None:
        for executor in (self._writer, self._readers):
            await asyncio.to_thread(executor.shutdown)
        self._write_engine.dispose()
        self._read_engine.dispose()


def _read(engine: Engine, work: Work[T]) -> T:
    with engine.connect() as connection:
        return work(connection)


def _write(engine: Engine, work: Work[T]) -> T:
    with engine.begin() as connection:
        return work(connection)
