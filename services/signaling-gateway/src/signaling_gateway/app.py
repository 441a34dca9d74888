"""Puts the gateway together: the only place that knows every part."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from contract.rooms import CheckSessions, GatewayAlive
from contract.subjects import gateway_alive, gateway_sessions
from fastapi import FastAPI
from pydantic import TypeAdapter
from service_kit.bus import Bus, BusUnavailable
from service_kit.health import health_router
from service_kit.serving import background

from signaling_gateway.gateway import Gateway
from signaling_gateway.metrics import OPEN_SESSIONS, ROOMS
from signaling_gateway.room_feed import RoomFeeds
from signaling_gateway.server import socket_router
from signaling_gateway.settings import Settings
from signaling_gateway.tokens import TokenVerifier

log = structlog.get_logger()

ALIVE_INTERVAL_S = 1.0


def build(settings: Settings, bus: Bus) -> FastAPI:
    """The gateway as an application. Its lifespan follows the bus, and closes it in the end."""
    gateway = Gateway(
        gateway_id=f"gateway-{secrets.token_hex(4)}",
        settings=settings,
        bus=bus,
        tokens=TokenVerifier(bus, settings.failed_logins_per_second),
        feeds=RoomFeeds(bus),
        proxies=settings.proxies,
    )

    OPEN_SESSIONS.set_function(lambda: len(gateway.leases))
    ROOMS.set_function(lambda: len(gateway.feeds))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await gateway.tokens.start()
        await gateway.feeds.start()
        await bus.answer(gateway_sessions(gateway.gateway_id), TypeAdapter(CheckSessions), gateway.check_sessions)
        log.info("gateway started", gateway_id=gateway.gateway_id)
        async with background(_say_alive(gateway)):
            yield
        await gateway.feeds.stop()
        await bus.close()
        log.info("gateway stopped", gateway_id=gateway.gateway_id)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(health_router({"bus": lambda: bus.is_connected}))
    app.include_router(socket_router(gateway))
    return app


async def _say_alive(gateway: Gateway) -> None:
    """A sign of life each second, so that the owner of rooms can tell when this gateway's participants have lost their sockets."""
    while True:
        try:
            if gateway.bus.is_connected:
                await gateway.bus.publish(
                    gateway_alive(gateway.gateway_id), GatewayAlive(gateway_id=gateway.gateway_id)
                )
        except BusUnavailable:
            log.debug("sign of life lost")
        await asyncio.sleep(ALIVE_INTERVAL_S)
