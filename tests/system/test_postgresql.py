"""The whole system on PostgreSQL, with two rooms-api processes on one database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from functools import partial

import httpx
import pytest
from contract.rooms import (
    DescribeRoom,
    Done,
    GatewayAlive,
    Joined,
    JoinRoom,
    NotDone,
    RoomEvent,
    RoomSnapshot,
    UpdateParticipant,
    apply_event,
    room_reply,
)
from contract.subjects import ALL_ROOM_EVENTS, ROOM_COMMAND, gateway_alive
from pydantic import TypeAdapter
from roomwire.stack import SERVICES
from service_kit.bus import Bus, BusUnavailable

from tests.kit.browser import until
from tests.kit.postgres import PostgresServer
from tests.kit.rooms import audio, join_command, video
from tests.kit.signaling import signaling
from tests.kit.stack import Roomwire, running

ROOMS = 4
SEATS = 5
CLIENTS = 8
"""Who want in at the same time, in each room."""
REPLICAS = ("rooms-api", "rooms-api-2")


@pytest.fixture(scope="module")
def on_postgresql(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Roomwire]:
    """A system with a database URL in its second spelling, for all of its services."""
    url = postgres.new_database().replace("postgresql://", "postgres://")
    folder = tmp_path_factory.mktemp("on-postgresql")
    with running(folder, {"ROOMWIRE_DATABASE_URL": url}, (*SERVICES, REPLICAS[1])) as roomwire:
        yield roomwire


class Watcher:
    """A stand-in for a gateway: asks, and hears every event."""

    def __init__(self, bus: Bus, account_sid: str) -> None:
        self._bus = bus
        self._account_sid = account_sid
        self.events: list[RoomEvent] = []

    async def hear(self, event: RoomEvent) -> None:
        self.events.append(event)

    def told(self, room_sid: str, at_least: int) -> list[RoomEvent]:
        """What was said of a room, in its order; nothing while that is too little."""
        told = [event for event in self.events if event.room_sid == room_sid]
        return sorted(told, key=lambda event: event.revision) if len(told) >= at_least else []

    async def beat(self) -> None:
        while True:
            await self._bus.publish(gateway_alive("gateway-1"), GatewayAlive(gateway_id="gateway-1"))
            await asyncio.sleep(0.5)

    async def answered(self) -> bool:
        """Whether somebody answers, our own subscriptions being in force by then."""
        try:
            await self._bus.request(ROOM_COMMAND, DescribeRoom(room_sid=""), room_reply)
        except BusUnavailable:
            return False
        return True

    async def ask(self, command: JoinRoom | UpdateParticipant | DescribeRoom) -> Joined | Done | NotDone | RoomSnapshot:
        reply = await self._bus.request(ROOM_COMMAND, command, room_reply, timeout_s=30)
        return getattr(reply, "snapshot", reply) if isinstance(command, DescribeRoom) else reply  # type: ignore[return-value]  # by the contract

    async def take_part(self, room: str, number: int) -> str | int:
        """Join, publish two tracks and change one of them; the participant's SID, or the code of the refusal."""
        joined = await self.ask(join_command(f"client {number}", audio(), room=room, account_sid=self._account_sid))
        if isinstance(joined, NotDone):
            return joined.code
        assert isinstance(joined, Joined)
        for revision, tracks in ((2, (audio(), video())), (3, (audio(enabled=False), video()))):
            done = await self.ask(
                UpdateParticipant(
                    participant_sid=joined.participant_sid, lease_epoch=1, client_revision=revision, tracks=tracks
                )
            )
            assert isinstance(done, Done), done
        return joined.participant_sid


@pytest.fixture
async def watcher(on_postgresql: Roomwire) -> AsyncIterator[Watcher]:
    bus = await Bus.connect(on_postgresql.stack.nats_url, "test")
    watcher = Watcher(bus, on_postgresql.account_sid)
    await bus.listen(ALL_ROOM_EVENTS, TypeAdapter(RoomEvent), watcher.hear)
    beating = asyncio.create_task(watcher.beat())
    await until(watcher.answered, "rooms-api answers")
    yield watcher
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    await bus.close()


@pytest.fixture
async def replicas(on_postgresql: Roomwire) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Both REST APIs."""
    auth = (on_postgresql.account_sid, on_postgresql.auth_token)
    clients = [
        httpx.AsyncClient(base_url=on_postgresql.stack.url(name), auth=auth, trust_env=False, timeout=30)
        for name in REPLICAS
    ]
    yield clients
    for client in clients:
        await client.aclose()


async def test_a_client_joins_and_is_shown(on_postgresql: Roomwire, room_name: str) -> None:
    rooms = on_postgresql.client().video.v1.rooms
    room = rooms.create(unique_name=room_name)

    async with signaling(on_postgresql.ws_server) as socket:
        joined = await socket.join(on_postgresql.token("alice"), room_name)
        (shown,) = rooms(room_name).participants.list()
        tracks = rooms(room.sid).participants("alice").published_tracks.list()
        rooms(room.sid).update(status="completed")
        told = await socket.body("disconnected")

    assert joined["sid"] == room.sid
    assert (shown.sid, shown.identity) == (joined["participant"]["sid"], "alice")
    assert {track.kind for track in tracks} == {"audio", "video"}
    assert told["status"] == "completed"


async def test_what_postgresql_cannot_hold_is_refused_with_the_code_of_its_parameter(
    on_postgresql: Roomwire, replicas: list[httpx.AsyncClient]
) -> None:
    keys = f"/2010-04-01/Accounts/{on_postgresql.account_sid}/Keys.json"

    named = await replicas[0].post(keys, data={"FriendlyName": "a\0b"})
    far = await replicas[0].get(keys, params={"PageToken": "PK999999999999999999"})

    assert (named.status_code, named.json()["code"]) == (400, 20002)
    assert far.status_code == 200


async def test_replicas_lose_nothing_and_say_nothing_twice(
    replicas: list[httpx.AsyncClient], watcher: Watcher, room_name: str
) -> None:
    names = [f"{room_name}-{number}" for number in range(ROOMS)]

    created = await asyncio.gather(
        *(
            replica.post("/v1/Rooms", data={"UniqueName": name, "MaxParticipants": SEATS})
            for name in names
            for replica in replicas * 2
        )
    )
    taken = await asyncio.gather(*(watcher.take_part(name, number) for number in range(CLIENTS) for name in names))
    sids = [answer.json()["sid"] for answer in created if answer.status_code == 201]
    before = [await watcher.ask(DescribeRoom(room_sid=sid)) for sid in sids]
    completed = await asyncio.gather(
        *(replica.post(f"/v1/Rooms/{sid}", data={"Status": "completed"}) for sid in sids for replica in replicas * 2)
    )

    assert Counter(answer.status_code for answer in created) == {201: ROOMS, 400: 3 * ROOMS}
    assert Counter(outcome for outcome in taken if isinstance(outcome, int)) == {53105: ROOMS * (CLIENTS - SEATS)}
    assert Counter(answer.status_code for answer in completed) == {202: ROOMS, 400: 3 * ROOMS}
    for sid, snapshot in zip(sids, before, strict=True):
        assert isinstance(snapshot, RoomSnapshot)
        assert len(snapshot.participants) == SEATS
        for participant in snapshot.participants:  # in no order: tracks come by the replicas' clocks, which differ
            assert {track.kind: track.enabled for track in participant.tracks} == {"audio": False, "video": True}
        last = snapshot.revision + 1  # the completion
        told = await until(partial(watcher.told, sid, at_least=last), "every event is heard")
        assert [event.revision for event in told] == list(range(1, last + 1))
        followed = RoomSnapshot(revision=0, room=snapshot.room, participants=(), sessions=())
        for event in told[:-1]:
            followed = apply_event(followed, event)
        assert followed.participants == snapshot.participants
