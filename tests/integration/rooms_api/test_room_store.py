"""Rooms as rows, on each database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rooms_api.clock import SystemClock
from rooms_api.core.room import Room
from rooms_api.core.settings import RoomSettings
from rooms_api.database_clock import DatabaseClock
from rooms_api.store.database import Database
from rooms_api.store.rooms import NameTaken, RoomStore
from sqlalchemy.exc import IntegrityError

from tests.kit.postgres import PostgresServer
from tests.kit.rooms import ACCOUNT


@pytest.fixture
async def database(tmp_path: Path, database_url: str | None) -> AsyncIterator[Database]:
    database = await Database.open(database_url, tmp_path)
    yield database
    await database.close()


async def insert(database: Database, sid: str, name: str) -> None:
    room = Room.create(sid, ACCOUNT, name, RoomSettings(), "api", 1000.0)
    await RoomStore(database).insert(room, room.take_change(), 1000.0)


async def test_a_name_in_progress_is_taken_and_nothing_else_is_taken_for_that(database: Database) -> None:
    await insert(database, "RM1", "standup")

    with pytest.raises(NameTaken):
        await insert(database, "RM2", "standup")
    with pytest.raises(IntegrityError):
        await insert(database, "RM1", "another")
    assert await RoomStore(database).load("RM2") is None


class FastClock(SystemClock):
    """Of a machine that is a minute ahead."""

    def wall(self) -> float:
        return super().wall() + 60


async def test_replicas_on_machines_whose_clocks_differ_share_that_of_postgresql(
    tmp_path: Path, postgres: PostgresServer, migrated_url: str
) -> None:
    database = await Database.open(postgres.new_database(like=migrated_url), tmp_path)
    clocks = [DatabaseClock(database.time, own) for own in (SystemClock(), FastClock())]
    for clock in clocks:
        await clock.synchronize()

    assert abs(clocks[0].wall() - clocks[1].wall()) < 30
    await database.close()
