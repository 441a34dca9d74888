"""The service's database: how it is read and written. SQLite in the data folder or PostgreSQL by URL, with the newest tables."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from service_kit.database import migrate, open_database, reading_only
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

VERSIONS = Path(__file__).with_name("versions")


class Database:
    """An engine, and the one writer that SQLite allows at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = reading_only(engine)
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._writer = asyncio.Lock() if self.is_sqlite else None

    @classmethod
    async def open(cls, url: str | None, data: Path) -> "Database":
        """Connect and migrate. Raises what the driver raises when the database cannot be reached."""
        engine = open_database(url, data / "rooms-api" / "rooms.db")
        await migrate(engine, VERSIONS, "rooms_api_version")
        return cls(engine)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for queries, each of which sees what is committed by then."""
        async with self._reader.connect() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed at the end."""
        async with self._writer or contextlib.nullcontext(), self._engine.begin() as connection:
            yield connection

    async def is_reachable(self) -> bool:
        """Tell whether a query goes through. Raises what the driver raises."""
        async with self.reading() as connection:
            return bool(await connection.scalar(text("SELECT 1")))

    async def close(self) -> None:
        await self._engine.dispose()
