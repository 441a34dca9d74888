"""A whole rooms-api on a real NATS server and a real database, with stand-ins for token-issuer and a media server."""

import asyncio
import base64
import contextlib
import hmac
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from contract.keys import (
    CallbackSignature,
    CredentialsVerified,
    NotVerified,
    SignCallback,
    VerifyCredentials,
    verify_request,
)
from contract.media import NodeLoad
from contract.model import Message
from contract.rooms import DescribeRoom, GatewayAlive, Joined, RoomEvent, room_reply
from contract.subjects import (
    ALL_ROOM_EVENTS,
    KEYS_QUEUE,
    KEYS_SIGN,
    KEYS_VERIFY,
    ROOM_COMMAND,
    gateway_alive,
    media_load,
)
from fastapi import FastAPI
from pydantic import TypeAdapter
from rooms_api.app import build
from rooms_api.clock import SystemClock
from rooms_api.settings import RoomsSettings
from rooms_api.store.database import Database
from roomwire.stack import free_port
from service_kit.bus import Bus, BusUnavailable

from tests.kit.api_reference import hold_against_reference
from tests.kit.nats import NatsServer
from tests.kit.postgres import PostgresServer
from tests.kit.rooms import ACCOUNT, join_command

AUTH_TOKEN = "auth-token"
OTHER_ACCOUNT = "AC" + "9" * 32
KEY = "SK" + "1" * 32
"""An API key of `ACCOUNT`; its secret is the auth token."""


class MovedClock(SystemClock):
    """The system's clock, moved forward by `offset_s`; a process that stood still for `stood_still_s` sees the other one moved as well."""

    offset_s = 0.0
    stood_still_s = 0.0

    def wall(self) -> float:
        return super().wall() + self.offset_s

    def monotonic(self) -> float:
        return super().monotonic() + self.stood_still_s


class RoomsApi:
    """One replica under test, and a bus to talk to it as the other services would."""

    def __init__(self, app: FastAPI, bus: Bus, rest: httpx.AsyncClient, clock: MovedClock) -> None:
        self.app = app
        self.bus = bus
        self.rest = rest
        self.clock = clock
        self.events: list[RoomEvent] = []

    async def command(self, command: Message) -> Any:
        """Ask as a gateway does, and wait for as long as it does by asking again."""
        return await self.bus.request(ROOM_COMMAND, command, room_reply, timeout_s=30)

    async def answers(self) -> bool:
        """Tell whether the replica has been heard on the bus, and our own subscriptions with it."""
        try:
            await self.command(DescribeRoom(room_sid=""))
        except BusUnavailable:
            return False
        return True

    async def join(self, identity: str, *tracks: Any, **members: Any) -> Joined:
        reply = await self.command(join_command(identity, *tracks, **members))
        assert isinstance(reply, Joined), reply
        return reply

    async def create(self, **parameters: Any) -> Any:
        answer = await self.rest.post("/v1/Rooms", data=parameters)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def get(self, path: str) -> Any:
        answer = await self.rest.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refusal(self, method: str, path: str, **parameters: Any) -> tuple[int, int]:
        """Status and code of an error, whose envelope is checked."""
        answer = await self.rest.request(method, path, data=parameters or None)
        body = answer.json()
        assert body.keys() == {"code", "message", "more_info", "status"}
        assert body["status"] == answer.status_code
        assert body["more_info"] == f"https://www.twilio.com/docs/errors/{body['code']}"
        return answer.status_code, body["code"]


async def eventually(condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    """Wait until `condition` (which may be a coroutine function) gives something true, and return that."""
    async with asyncio.timeout(timeout_s):
        while True:
            result = condition()
            if isinstance(result, Awaitable):
                result = await result
            if result:
                return result
            await asyncio.sleep(0.02)


async def nothing() -> None:
    """Do nothing."""


async def issue(bus: Bus, before_signing: Callable[[], Awaitable[None]] = nothing) -> None:
    """Answer as token-issuer does, for two accounts with the same auth token."""

    async def verify(request: Any) -> Message:
        assert isinstance(request, VerifyCredentials)
        if (request.user, request.password) == (KEY, AUTH_TOKEN):
            return CredentialsVerified(account_sid=ACCOUNT, user=KEY, is_account=False)
        if request.user in (ACCOUNT, OTHER_ACCOUNT) and request.password == AUTH_TOKEN:
            return CredentialsVerified(account_sid=request.user, user=request.user, is_account=True)
        return NotVerified(code=20003, message="Authenticate")

    async def sign(request: SignCallback) -> Message:
        await before_signing()
        digest = hmac.digest(AUTH_TOKEN.encode(), request.message.encode(), "sha1")
        return CallbackSignature(signature=base64.b64encode(digest).decode())

    await bus.answer(KEYS_VERIFY, verify_request, verify, queue=KEYS_QUEUE)
    await bus.answer(KEYS_SIGN, TypeAdapter(SignCallback), sign, queue=KEYS_QUEUE)


async def beat(bus: Bus) -> None:
    """Be a media server and a gateway that live."""
    while True:
        load = NodeLoad(node_id="node-1", region="us1", peers=0, capacity=100, load=0.1)
        await bus.publish(media_load("node-1"), load)
        await bus.publish(gateway_alive("gateway-1"), GatewayAlive(gateway_id="gateway-1"))
        await asyncio.sleep(0.3)


@contextlib.asynccontextmanager
async def running(nats_url: str, data: Path, grace_s: float = 0.5, **settings: Any) -> AsyncIterator[RoomsApi]:
    """A replica with its database in `data`, or at `database_url`. It judges nobody for `grace_s`."""
    configured = RoomsSettings(data=data, nats_url=nats_url, token_issuer_port=free_port(), _env_file=None, **settings)
    clock = MovedClock()
    database = await Database.open(configured.database_url, configured.data)
    service_bus = await Bus.connect(nats_url, "rooms-api")
    bus = await Bus.connect(nats_url, "test")
    app = build(configured, service_bus, database, clock, grace_s, check_period_s=0.3)
    transport = httpx.ASGITransport(app)
    hooks = {"response": [hold_against_reference]}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://api.test", auth=(ACCOUNT, AUTH_TOKEN), event_hooks=hooks
        ) as rest,
    ):
        api = RoomsApi(app, bus, rest, clock)

        async def hear(event: RoomEvent) -> None:
            api.events.append(event)

        await bus.listen(ALL_ROOM_EVENTS, TypeAdapter(RoomEvent), hear)
        await eventually(api.answers)
        yield api
    await bus.close()
    await service_bus.close()
    await database.close()


@pytest.fixture
async def surroundings(nats_server: NatsServer) -> AsyncIterator[str]:
    """A bus with the other services on it."""
    bus = await Bus.connect(nats_server.url, "surroundings")
    await issue(bus)
    beating = asyncio.create_task(beat(bus))
    yield nats_server.url
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    await bus.close()


on_sqlite_alone = pytest.mark.parametrize("database_url", [None])
"""For tests that wait for a clock and would not learn more on another database."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose database has all tables, empty. To migrate takes longer than most tests: they get copies."""
    data = tmp_path_factory.mktemp("migrated")
    await (await Database.open(None, data)).close()
    return data


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_url(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same on PostgreSQL."""
    url = postgres.new_database()
    await (await Database.open(url, tmp_path_factory.mktemp("nothing"))).close()
    return url


@pytest.fixture
def tmp_path(tmp_path: Path, migrated_data: Path) -> Path:
    """The test's own folder, to be a replica's data folder."""
    shutil.copytree(migrated_data, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """An empty database, of each kind; None is SQLite in the data folder."""
    if request.param == "sqlite":
        return None
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.new_database(like=request.getfixturevalue("migrated_url"))


@pytest.fixture
async def api(surroundings: str, tmp_path: Path, database_url: str | None) -> AsyncIterator[RoomsApi]:
    async with running(surroundings, tmp_path, database_url=database_url) as api:
        yield api


@pytest.fixture
async def replicas(surroundings: str, tmp_path: Path, database_url: str | None) -> AsyncIterator[list[RoomsApi]]:
    """Two on one database."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(running(surroundings, tmp_path, database_url=database_url))
            for _ in range(2)
        ]
