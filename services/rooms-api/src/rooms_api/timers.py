"""What happens by itself: deadlines kept in the database, gateways that fall silent, and every active room's revision each second."""

import asyncio
from collections.abc import Callable

import structlog
from contract.rooms import GatewayAlive, RoomRevisions
from contract.subjects import ROOM_REVISIONS
from service_kit.bus import Bus
from service_kit.standstill import stood_still_s

from rooms_api.clock import Clock
from rooms_api.lookout import Lookout
from rooms_api.loops import keep_watch, repeat
from rooms_api.metrics import PARTICIPANTS, ROOMS, UNPUBLISHED
from rooms_api.service import RoomService
from rooms_api.store.rooms import RoomStore

log = structlog.get_logger()

GRACE_S = 10.0
"""After a start, or after the bus was away, nobody is declared dead for this long: signs of life have to be heard first."""
SILENCE_S = 4.0
"""A gateway says every second that it lives."""
DUE_PERIOD_S = 0.25
LONGEST_S = 5.0
"""A replica that dies leaves what it has just written to the others, who need not know of it yet."""
TOTALS_LONGEST_S = 15.0
PERIOD_S = 1.0
TOTALS_PERIOD_S = 5.0


class Timers:
    """Loops that end only by cancellation; a database or bus that is away is waited for."""

    def __init__(
        self,
        service: RoomService,
        store: RoomStore,
        bus: Bus,
        clock: Clock,
        lookout: Callable[[float], Lookout],
        grace_s: float = GRACE_S,
    ) -> None:
        self._service = service
        self._store = store
        self._bus = bus
        self._clock = clock
        self._grace_s = grace_s
        self._judge_at = clock.monotonic() + grace_s
        self._heard: dict[str, float] = {}
        self._looked_at = clock.monotonic()
        self._lookout = lookout
        self._gateways = lookout(LONGEST_S)

    async def receive_alive(self, alive: GatewayAlive) -> None:
        self._heard[alive.gateway_id] = self._clock.monotonic()

    async def begin_grace(self) -> None:
        """Listen before judging: signs of life may have been missed."""
        self._judge_at = self._clock.monotonic() + self._grace_s

    async def run(self) -> None:
        """Run all the loops until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keep_watch(PERIOD_S, self.publish_revisions, self._lookout(LONGEST_S)))
            tasks.create_task(repeat(PERIOD_S, self.judge_gateways))
            tasks.create_task(keep_watch(TOTALS_PERIOD_S, self.measure_totals, self._lookout(TOTALS_LONGEST_S)))
            tasks.create_task(keep_watch(DUE_PERIOD_S, self.handle_due, self._lookout(LONGEST_S)))

    async def publish_revisions(self) -> float | None:
        """Let listeners notice the loss of a room's last event, or its end; without anybody in a room once is enough."""
        revisions = await self._store.active_revisions()
        await self._bus.publish(ROOM_REVISIONS, RoomRevisions(revisions=revisions))
        return self._clock.wall() if revisions else None

    async def measure_totals(self) -> None:
        """For the metrics."""
        totals = await self._store.totals()
        ROOMS.set(totals.rooms)
        PARTICIPANTS.set(totals.participants)
        UNPUBLISHED.set(totals.unpublished)

    async def judge_gateways(self) -> None:
        """Participants of a gateway that fell silent are reconnecting."""
        now = self._clock.monotonic()
        if still_s := stood_still_s(self._looked_at + PERIOD_S, now):
            log.warning("this process stood still", seconds=round(still_s, 1))
            await self.begin_grace()
        try:
            await self._judge(now)
        finally:
            self._looked_at = self._clock.monotonic()

    async def _judge(self, now: float) -> None:
        known = self._heard.keys()
        self._heard = {gateway: at for gateway, at in self._heard.items() if now - at < SILENCE_S}
        if self._heard.keys() != known:
            self._gateways.hurry()
        if not self._may_judge() or not self._gateways.is_worth_while():
            return
        self._gateways.begin()
        for gateway_id in await self._store.gateways() - self._heard.keys():
            log.warning("gateway is silent", gateway_id=gateway_id)
            await self._service.lose_gateway(gateway_id)
        self._gateways.done(None)

    async def handle_due(self) -> float | None:
        """Do what is due in rooms: lost sessions, durations, timeouts of rooms. Returns when the next is, which may have been in the past."""
        now = self._clock.wall()
        if not self._may_judge():
            return now
        next_at = await self._store.next_timeout()
        if next_at is not None and next_at <= now:
            for room_sid in await self._store.due(now):
                await self._service.handle_timeout(room_sid)
        return next_at

    def _may_judge(self) -> bool:
        return self._bus.is_connected and self._clock.monotonic() >= self._judge_at
