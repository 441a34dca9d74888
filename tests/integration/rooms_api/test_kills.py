"""
kill -9 of rooms-api at the worst moments: no callback is lost, and none overtakes another.

There are no failpoints in the service. Between commit and send it asks for a signature, and the tests are who signs; between send and record the
receiver answers, which they are as well. At these points they kill it.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from enum import Enum
from pathlib import Path

import httpx
import pytest
from contract.model import Message
from contract.rooms import Joined, LeaveRoom, UpdateParticipant, room_reply
from contract.subjects import ROOM_COMMAND
from pydantic import BaseModel
from rooms_api.store.callbacks import CallbackStatus
from rooms_api.store.database import Database
from rooms_api.store.tables import callbacks, rooms
from service_kit.bus import Bus
from sqlalchemy import func, select

from tests.integration.rooms_api.conftest import AUTH_TOKEN, eventually, issue
from tests.kit.nats import NatsServer
from tests.kit.postgres import PostgresServer
from tests.kit.receiver import Received, Receiver, receiving
from tests.kit.rooms import ACCOUNT, audio, join_command
from tests.kit.rooms_api_process import RoomsApiProcess

TOGGLES = 4
"""Times that a participant's track is disabled and enabled in each round."""


class Point(Enum):
    """Where the process is killed."""

    SIGNING = "after a commit, before anything is sent"
    ARRIVAL = "after a callback arrived, before its answer is recorded"


class World:
    """All that is around rooms-api: who signs, who receives, who acts in rooms."""

    def __init__(self, bus: Bus, process: RoomsApiProcess, receiver: Receiver) -> None:
        self.bus = bus
        self.process = process
        self.receiver = receiver
        self.kills_at: Point | None = None
        self.acknowledged: list[str] = []
        """What the killed process had said that it happened: SIDs of rooms and participants."""
        receiver.answer = self._take

    async def before_signing(self) -> None:
        self._pass(Point.SIGNING)

    def _take(self, _: Received) -> int:
        self._pass(Point.ARRIVAL)
        return 200

    def _pass(self, point: "Point") -> None:
        if self.kills_at is point:
            self.kills_at = None
            self.process.kill()

    async def act(self, number: int, kills_at: "Point | None" = None) -> None:
        """A room of this round's own begins, and in it and in a room of all rounds somebody comes, speaks and goes."""
        async with httpx.AsyncClient(base_url=self.process.url, auth=(ACCOUNT, AUTH_TOKEN), verify=False) as rest:
            for name in ("hall", f"room {number}"):
                form = {"UniqueName": name, "Type": "peer-to-peer", "StatusCallback": self.receiver.url}
                room = await rest.post("/v1/Rooms", data=form)
                if room.status_code == 201:
                    self.acknowledged.append(room.json()["sid"])
                assert room.status_code in (201, 400), room.text  # the hall is there already
        self.kills_at = kills_at
        await asyncio.gather(self._visit("hall"), self._visit(f"room {number}"))

    async def _visit(self, room: str) -> None:
        """Under one name: who was kept from leaving by the last kill leaves now."""
        joined = await self._command(join_command("ada", audio(), room=room))
        assert isinstance(joined, Joined), joined
        self.acknowledged.append(joined.participant_sid)
        who = {"participant_sid": joined.participant_sid, "lease_epoch": 1}
        for revision in range(2, 2 + TOGGLES):
            tracks = (audio(enabled=revision % 2 == 1),)
            await self._command(UpdateParticipant(client_revision=revision, tracks=tracks, **who))
            self.acknowledged.append("toggled")
        await self._command(LeaveRoom(**who))

    async def _command(self, command: Message) -> BaseModel:
        return await self.bus.request(ROOM_COMMAND, command, room_reply, timeout_s=30)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def survive(
    kills: int, seed: int, nats: NatsServer, data: Path, receiver: Receiver, database_url: str | None = None
) -> None:
    """Kill so many times while things happen, half of them between commit and send, and look at what arrived."""
    chance = random.Random(seed)
    process = RoomsApiProcess(nats.url, data, database_url)
    bus = await Bus.connect(nats.url, "test")
    world = World(bus, process, receiver)
    await issue(bus, before_signing=world.before_signing)
    arrivals = 0
    for number in range(kills):
        process.start()
        await eventually(process.is_ready, 60)
        point = (Point.SIGNING, Point.ARRIVAL, Point.SIGNING, None)[number % 4]
        arrivals += point is Point.ARRIVAL
        acting = asyncio.create_task(world.act(number, point))
        if point is None:
            enough = len(world.acknowledged) + chance.randrange(1, 10)
            await eventually(lambda enough=enough: len(world.acknowledged) >= enough)
            process.kill()
        await eventually(lambda: process.is_dead, 30)
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)
    process.start()
    await eventually(process.is_ready, 60)
    await world.act(kills)

    database = await Database.open(database_url or f"sqlite:///{data / 'rooms.db'}", data)
    pending = select(func.count()).where(callbacks.c.status == CallbackStatus.PENDING)

    async def all_delivered() -> bool:
        return not await database.read(lambda connection: connection.scalar(pending))

    await eventually(all_delivered, 60)
    process.kill()
    happened = await database.read(
        lambda connection: {row.sid: row.happenings for row in connection.execute(select(rooms))}
    )
    await database.close()
    await bus.close()

    assert len(happened) > kills // 2
    for room_sid, number_of in happened.items():
        told = [one.number for one in receiver.received if one.values["RoomSid"] == room_sid]
        assert list(dict.fromkeys(told)) == list(range(number_of))
    told_of = {one.values.get(name) for one in receiver.received for name in ("RoomSid", "ParticipantSid")}
    assert set(world.acknowledged) - {"toggled"} <= told_of
    bodies = {(one.headers["i-twilio-idempotency-token"], one.body) for one in receiver.received}
    assert len(bodies) == len({token for token, _ in bodies}) == sum(happened.values())
    # What had arrived when the process died comes again: nobody can know that it did.
    assert len(receiver.received) - len(bodies) >= arrivals


async def test_ten_kills(nats_server: NatsServer, tmp_path: Path, receiver: Receiver) -> None:
    await survive(10, 5, nats_server, tmp_path, receiver)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_two_hundred_kills(nats_server: NatsServer, tmp_path: Path, receiver: Receiver) -> None:
    await survive(200, 6, nats_server, tmp_path, receiver)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_twenty_kills_on_postgresql(
    nats_server: NatsServer, tmp_path: Path, receiver: Receiver, postgres: PostgresServer
) -> None:
    await survive(20, 7, nats_server, tmp_path, receiver, postgres.new_database())
