"""The bus side: commands of gateways, facts and heartbeats of nodes, signs of life of gateways. Parses nothing and decides nothing itself."""

import time

import structlog
from contract.errors import Refused
from contract.media import CodecsReceived, FactTaken, MediaFact, NodeLoad, media_fact
from contract.model import Message
from contract.rooms import (
    Described,
    DescribeRoom,
    DetachSession,
    Done,
    GatewayAlive,
    JoinRoom,
    LeaveRoom,
    NotDone,
    ResumeSession,
    RoomCommand,
    UpdateParticipant,
    UpdateSession,
    room_command,
)
from contract.subjects import ALL_GATEWAYS_ALIVE, ALL_MEDIA_FACTS, ALL_MEDIA_LOADS, ROOM_COMMAND, ROOMS_QUEUE
from pydantic import TypeAdapter
from service_kit.bus import Bus, Subscription
from sqlalchemy.exc import SQLAlchemyError

from rooms_api.core.room import StaleLease
from rooms_api.metrics import COMMANDS
from rooms_api.service import RoomService
from rooms_api.telemetry import TelemetryCollector
from rooms_api.timers import Timers

log = structlog.get_logger()

ROOM_UNKNOWN = 53106


class Handlers:
    """Answers and listens from `start` to `stop`."""

    def __init__(self, bus: Bus, service: RoomService, timers: Timers, telemetry: TelemetryCollector) -> None:
        self._bus = bus
        self._service = service
        self._timers = timers
        self._telemetry = telemetry
        self._subscriptions: list[Subscription] = []

    async def start(self) -> None:
        bus = self._bus
        self._subscriptions = [
            await bus.listen(ALL_MEDIA_LOADS, TypeAdapter(NodeLoad), self._receive_load),
            await bus.listen(ALL_GATEWAYS_ALIVE, TypeAdapter(GatewayAlive), self._timers.receive_alive),
            await bus.answer(ALL_MEDIA_FACTS, media_fact, self._receive_fact, queue=ROOMS_QUEUE),
            await bus.answer(ROOM_COMMAND, room_command, self.answer, queue=ROOMS_QUEUE),
        ]
        bus.on_reconnect(self._timers.begin_grace)

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            await subscription.stop()

    async def answer(self, command: RoomCommand) -> Message:
        """Carry a command out. Whatever goes wrong is an answer too."""
        begun_at = time.perf_counter()
        reply = await self._answer(command)
        COMMANDS.labels(command.type, _result(reply)).observe(time.perf_counter() - begun_at)
        return reply

    async def _answer(self, command: RoomCommand) -> Message:
        try:
            return await self._dispatch(command)
        except StaleLease as error:
            return NotDone(code=error.code, message=error.message, stale=True)
        except Refused as error:
            log.info("command refused", command=command.type, code=error.code, **_ids(command))
            return NotDone(code=error.code, message=error.message)
        except SQLAlchemyError as error:
            log.warning("command failed", command=command.type, error=repr(error), **_ids(command))
            return NotDone(code=53006, message=Refused(53006).message)

    async def _dispatch(self, command: RoomCommand) -> Message:
        service = self._service
        match command:
            case JoinRoom():
                return await service.join(command)
            case ResumeSession():
                return await service.resume(command)
            case UpdateParticipant():
                return Done(revision=await service.update_participant(command))
            case UpdateSession():
                return Done(revision=await service.update_session(command))
            case LeaveRoom():
                return Done(revision=await service.leave(command))
            case DetachSession():
                return Done(revision=await service.detach(command))
            case DescribeRoom():
                return Described(snapshot=await service.describe(command))

    async def _receive_load(self, load: NodeLoad) -> None:
        self._service.receive_load(load)

    async def _receive_fact(self, fact: MediaFact) -> FactTaken:
        """Take a fact. When it cannot be stored there is no answer: the node repeats it."""
        if isinstance(fact, CodecsReceived):  # changes nothing of the room
            await self._telemetry.receive_codecs(fact)
            return FactTaken()
        try:
            await self._service.receive_fact(fact)
        except Refused as error:
            if error.code != ROOM_UNKNOWN:
                raise
            log.info("fact about an unknown room", fact=fact.type, room_sid=fact.room_sid)
        return FactTaken()


def _result(reply: Message) -> str:
    if not isinstance(reply, NotDone):
        return "done"
    return "stale" if reply.stale else str(reply.code)


def _ids(command: RoomCommand) -> dict[str, str | None]:
    """Whom a log line about the command is about, as far as the command says."""
    match command:
        case JoinRoom(room=room, granted_room=granted):
            return {"room": room or granted}
        case DescribeRoom(room_sid=room_sid):
            return {"room_sid": room_sid}
        case ResumeSession():
            return {}
        case _:
            return {"participant_sid": command.participant_sid}
