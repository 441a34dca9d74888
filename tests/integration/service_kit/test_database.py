"""Opening and migrating a service's database."""

import asyncio
from pathlib import Path

import pytest
from service_kit.database import migrate, open_database
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

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
