"""The wiring of media-sfu: settings in, a running node out."""

import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable

import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from service_kit.bus import Bus
from service_kit.health import health_router

from media_sfu.core.actions import IceCredentials
from media_sfu.core.room import IdMakers
from media_sfu.forwarder import Forwarder
from media_sfu.metrics import NodeCollector
from media_sfu.node import Node
from media_sfu.node_bus import NodeBus
from media_sfu.settings import SfuSettings, announced_addresses, node_id

log = structlog.get_logger()

MakeForwarder = Callable[[str, int], Forwarder]


def build(settings: SfuSettings, make_forwarder: MakeForwarder) -> FastAPI:
    """The node's HTTP application; its lifespan is the node's. `make_forwarder` is given the address and port to bind, in the running loop."""
    registry = CollectorRegistry()
    bus: Bus | None = None

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal bus
        name = node_id(settings)
        bus = await Bus.connect(settings.nats_url, name)
        link = NodeBus(bus, name, settings.region)
        forwarder = make_forwarder(settings.sfu_bind or settings.host, settings.sfu_port)
        node = Node(
            forwarder,
            announced_addresses(settings.sfu_announced, settings.sfu_port),
            settings.sfu_capacity,
            IdMakers(ice_credentials=_ice_credentials, ssrc=_ssrc),
            time.monotonic,
            link.say,
        )
        registry.register(NodeCollector(node, link, forwarder))
        async with link.run(node):
            log.info("node started", node_id=name, port=settings.sfu_port, announced=settings.sfu_announced)
            yield
            await link.drain(node, settings.sfu_drain_deadline_s)
            await node.close()
        await bus.close()
        log.info("node stopped", node_id=name)

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.include_router(health_router({"bus": lambda: bus is not None and bus.is_connected}, registry))
    return app


def _ice_credentials() -> IceCredentials:
    """Far above the 24 and 128 random bits that RFC 8445 section 5.3 asks for."""
    return IceCredentials(secrets.token_hex(8), secrets.token_hex(16))


def _ssrc() -> int:
    return secrets.randbelow(2**32 - 1) + 1
