"""The gateway's HTTP face: the two websocket routes."""

from fastapi import APIRouter, WebSocket

from signaling_gateway.connection import Connection
from signaling_gateway.gateway import Gateway
from signaling_gateway.insights import TelemetrySocket


def socket_router(gateway: Gateway) -> APIRouter:
    """`/signaling` for clients, `/v1/VideoEvents` for their telemetry."""
    router = APIRouter()

    @router.websocket("/signaling")
    async def signaling(socket: WebSocket) -> None:
        async with gateway.counting():
            await Connection(socket, gateway).run()

    @router.websocket("/v1/VideoEvents")
    async def telemetry(socket: WebSocket) -> None:
        async with gateway.counting():
            await TelemetrySocket(socket, gateway).run()

    return router
