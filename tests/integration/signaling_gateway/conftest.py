"""A real gateway over a real bus, with stand-ins for the owners."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from service_kit.bus import Bus
from signaling_gateway.app import build
from signaling_gateway.settings import Settings

from tests.integration.signaling_gateway.owners import Owners
from tests.kit.browser import until


class RunningGateway:
    """One gateway process's worth of server, in this process."""

    def __init__(self, server: uvicorn.Server) -> None:
        self.server = server
        port = server.servers[0].sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}/signaling"
        self.telemetry_url = f"ws://127.0.0.1:{port}/v1/VideoEvents"
        self.http_url = f"http://127.0.0.1:{port}"


@asynccontextmanager
async def running_gateway(nats_url: str) -> AsyncIterator[RunningGateway]:
    bus = await Bus.connect(nats_url, "gateway")
    app = build(Settings(nats_url=nats_url), bus)
    config = uvicorn.Config(
        app, port=0, log_config=None, ws="websockets-sansio", ws_max_size=1 << 20, timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started, "gateway started")
    try:
        yield RunningGateway(server)
    finally:
        server.should_exit = True
        await serving


class _no_signals:
    """The test process keeps its signal handlers."""

    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
async def gateway(nats_url: str) -> AsyncIterator[RunningGateway]:
    async with running_gateway(nats_url) as gateway:
        yield gateway


@asynccontextmanager
async def running_owners(nats_url: str) -> AsyncIterator[Owners]:
    bus = await Bus.connect(nats_url, "owners")
    owners = Owners(bus)
    await owners.start()
    yield owners
    await bus.close()


@pytest.fixture
async def owners(nats_url: str) -> AsyncIterator[Owners]:
    async with running_owners(nats_url) as owners:
        yield owners
