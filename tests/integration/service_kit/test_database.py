"""Opening and migrating a service's database."""

import asyncio
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError
from roomwire.stack import free_port
from service_kit.database import DatabaseUnavailable, DatabaseUrl, migrate, open_database
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.kit.postgres import PostgresServer

FIRST = '''
"""First."""
import sqlalchemy as sa
from alembic import op
revision = "0001"
down_revision = None

def upgrade():
    op.create_table("things", sa.Column("name", sa.String, primary_key=True))
'''
BROKEN = '''
"""Second, fails half-way."""
import sqlalchemy as sa
from alembic import op
revision = "0002"
down_revision = "0001"

def upgrade():
    op.add_column("things", sa.Column("size", sa.Integer))
    op.execute("SELECT * FROM nowhere")
'''


async def columns(engine: AsyncEngine) -> list[str]:
    async with engine.begin() as connection:
        return [row[1] for row in await connection.execute(text("PRAGMA table_info(things)"))]


async def test_migrations_run_once_and_one_that_fails_changes_nothing(tmp_path: Path) -> None:
    versions = tmp_path / "100% of versions"
    versions.mkdir()
    (versions / "0001_first.py").write_text(FIRST)
    engine = open_database(None, tmp_path / "deep" / "x.db")

    await migrate(engine, versions, "x_version")
    await migrate(engine, versions, "x_version")
    (versions / "0002_broken.py").write_text(BROKEN)
    with pytest.raises(Exception, match="nowhere"):
        await migrate(engine, versions, "x_version")

    assert await columns(engine) == ["name"]
    await engine.dispose()


async def test_transactions_that_read_then_write_wait_for_each_other(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'x.db'}", tmp_path / "unused.db")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE counter (n INTEGER)"))
        await connection.execute(text("INSERT INTO counter VALUES (0)"))

    async def increase() -> None:
        async with engine.begin() as connection:
            n = (await connection.execute(text("SELECT n FROM counter"))).scalar_one()
            await asyncio.sleep(0)
            await connection.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})

    await asyncio.gather(*(increase() for _ in range(20)))

    async with engine.begin() as connection:
        assert (await connection.execute(text("SELECT n FROM counter"))).scalar_one() == 20
    await engine.dispose()


async def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path: Path) -> None:
    engine = open_database(f"postgresql://someone:hidden@127.0.0.1:{free_port()}/rooms", tmp_path / "unused.db")

    with pytest.raises(DatabaseUnavailable, match=r"^ROOMWIRE_DATABASE_URL: cannot open the database: ") as told:
        await migrate(engine, tmp_path, "version")

    assert "hidden" not in str(told.value)


async def test_a_query_that_is_cancelled_is_cancelled_and_no_outage(postgres: PostgresServer, tmp_path: Path) -> None:
    engine = open_database(postgres.new_database(), tmp_path / "unused.db")
    asked = asyncio.Event()

    async def sleep() -> None:
        async with engine.connect() as connection:
            asked.set()
            await connection.execute(text("SELECT pg_sleep(60)"))

    sleeping = asyncio.create_task(sleep())
    await asked.wait()
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping

    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1
    await engine.dispose()


async def test_a_file_that_cannot_be_opened_is_told_by_the_folder(tmp_path: Path) -> None:
    (tmp_path / "rooms.db").mkdir()

    with pytest.raises(DatabaseUnavailable, match=r"^ROOMWIRE_DATA: cannot open the database: "):
        await migrate(open_database(None, tmp_path / "rooms.db"), tmp_path, "version")


def test_only_urls_of_databases_that_we_know_are_taken() -> None:
    setting: TypeAdapter[str | None] = TypeAdapter(DatabaseUrl)

    assert setting.validate_python("postgres://rooms@db/rooms") == "postgres://rooms@db/rooms"
    assert setting.validate_python("") is None
    for url in ("mysql://db/rooms", "db/rooms", "://"):
        with pytest.raises(ValidationError, match="wants postgresql"):
            setting.validate_python(url)
