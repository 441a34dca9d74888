"""Callbacks are owed exactly when what they tell of is committed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rooms_api.core.callbacks import Callback
from rooms_api.store.callbacks import enqueue
from rooms_api.store.database import Database
from rooms_api.store.tables import callback_streams, callbacks
from sqlalchemy import Connection, select

from tests.kit.rooms import ACCOUNT

URL = "http://app.test/told"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(None, tmp_path)
    yield database
    await database.close()


def callback(event: str, room_sid: str = "RM1", url: str = URL) -> Callback:
    return Callback(ACCOUNT, room_sid, event, url, "POST", f"StatusCallbackEvent={event}")


async def owed(database: Database) -> list[tuple[str, str]]:
    """Stream and event, in order of position."""
    query = select(callbacks.c.stream, callbacks.c.event).order_by(callbacks.c.position)
    return await database.read(lambda connection: [tuple(row) for row in connection.execute(query)])


async def test_what_is_committed_is_owed_in_order_and_a_stream_is_begun_once(database: Database) -> None:
    await database.write(lambda connection: enqueue(connection, [callback("a"), callback("b"), callback("c")], 1.0))
    await database.write(lambda connection: enqueue(connection, [callback("d"), callback("e", room_sid="RM2")], 2.0))
    rows = await owed(database)

    assert [event for _, event in rows] == ["a", "b", "c", "d", "e"]
    assert [rows[index][0] == rows[0][0] for index in range(5)] == [True, True, True, True, False]
    begun = await database.read(lambda connection: list(connection.execute(select(callback_streams))))
    assert sorted((row.receiver, row.due_at) for row in begun) == [("app.test:80", 1.0), ("app.test:80", 2.0)]


async def test_what_is_rolled_back_is_not_owed(database: Database) -> None:
    def work(connection: Connection) -> None:
        enqueue(connection, [callback("a")], 1.0)
        raise RuntimeError("on second thought")

    with pytest.raises(RuntimeError):
        await database.write(work)

    assert await owed(database) == []
    assert await database.read(lambda connection: list(connection.execute(select(callback_streams)))) == []
