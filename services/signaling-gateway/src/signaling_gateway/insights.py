"""
The telemetry socket of the client SDK: events of a room go on the bus as they are. Nothing is acknowledged but the connect; nothing depends on it.
"""

import asyncio
import secrets
from typing import Annotated, Any, Literal

import structlog
from contract.ids import PARTICIPANT, ROOM, is_sid
from contract.insights import TelemetryEvent
from contract.keys import TokenVerified, VerifyToken
from contract.subjects import insights_event
from pydantic import Field, TypeAdapter, ValidationError
from service_kit.bus import BusUnavailable
from service_kit.tracing import start_trace
from starlette.websockets import WebSocket, WebSocketDisconnect

from signaling_gateway.core.wire import Token, Wire
from signaling_gateway.gateway import Gateway
from signaling_gateway.metrics import TELEMETRY

log = structlog.get_logger()

CONNECT_DEADLINE_S = 15.0
IDLE_DEADLINE_S = 300.0
EVENTS_PER_S = 50.0
BURST = 1000.0
VERSION = 1
POLICY_VIOLATION = 1008


class Publisher(Wire):
    """Who tells. The SDK's `runPreflight`, which joins no room, puts words in place of both SIDs."""

    room_sid: Annotated[str, Field(alias="roomSid", max_length=128)]
    participant_sid: Annotated[str, Field(alias="participantSid", max_length=128)]

    @property
    def is_participant(self) -> bool:
        return is_sid(self.room_sid, ROOM) and is_sid(self.participant_sid, PARTICIPANT)


class Connect(Wire):
    type: Literal["connect"]
    token: Token
    publisher: Publisher


class Event(Wire):
    type: Literal["event"]
    timestamp: float
    group: Annotated[str, Field(max_length=128)]
    name: Annotated[str, Field(max_length=128)]
    payload: dict[str, Any] = {}


_connect = TypeAdapter(Connect)
_event = TypeAdapter(Event)


class TelemetrySocket:
    """Run it once: `await TelemetrySocket(socket, gateway).run()`."""

    def __init__(self, socket: WebSocket, gateway: Gateway) -> None:
        self._socket = socket
        self._gateway = gateway
        self._budget = BURST
        self._budget_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Serve the socket until it closes, breaks the protocol or stays silent."""
        start_trace()
        await self._socket.accept()
        try:
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                connect = _connect.validate_json(await self._socket.receive_text())
                token = await self._verify(connect)
            if token is None:
                return
            await self._socket.send_json(
                {"type": "connected", "version": VERSION, "session": secrets.token_urlsafe(16)}
            )
            await self._pass_on(connect.publisher, token)
        except (ValidationError, KeyError):
            await self._refuse("invalid message")
        except TimeoutError:
            await self._refuse("timed out")
        except (WebSocketDisconnect, RuntimeError):
            log.debug("telemetry socket closed")

    async def _verify(self, connect: Connect) -> TokenVerified | None:
        try:
            address = self._gateway.address_of(self._socket)
            reply = await self._gateway.tokens.verify(VerifyToken(token=connect.token, resuming=True), address)
        except BusUnavailable:
            await self._refuse("try again later")
            return None
        if not isinstance(reply, TokenVerified):
            await self._refuse("invalid token")
            return None
        return reply

    async def _pass_on(self, publisher: Publisher, token: TokenVerified) -> None:
        while True:
            async with asyncio.timeout(IDLE_DEADLINE_S):
                event = _event.validate_json(await self._socket.receive_text())
            if not publisher.is_participant or not self._may_pass():
                continue
            try:
                await self._gateway.bus.publish(
                    insights_event(publisher.room_sid),
                    TelemetryEvent(
                        account_sid=token.account_sid,
                        identity=token.identity,
                        room_sid=publisher.room_sid,
                        participant_sid=publisher.participant_sid,
                        timestamp_ms=event.timestamp,
                        group=event.group,
                        name=event.name,
                        payload=event.payload,
                    ),
                )
                TELEMETRY.inc()
            except BusUnavailable:
                log.debug("telemetry event lost")

    def _may_pass(self) -> bool:
        """Telemetry beyond `EVENTS_PER_S` is dropped: it must not crowd out signaling."""
        now = asyncio.get_running_loop().time()
        self._budget = min(BURST, self._budget + (now - self._budget_at) * EVENTS_PER_S)
        self._budget_at = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True

    async def _refuse(self, message: str) -> None:
        try:
            await self._socket.send_json({"type": "error", "version": VERSION, "message": message})
            await self._socket.close(POLICY_VIOLATION)
        except (WebSocketDisconnect, RuntimeError):
            log.debug("telemetry socket closed")
