"""Publishes room events that are committed: at once after their transaction, and again when that may have failed."""

import structlog
from contract.rooms import RoomEvent
from contract.subjects import room_event
from service_kit.bus import Bus, BusUnavailable

from rooms_api.clock import Clock
from rooms_api.core.change import Change
from rooms_api.loops import repeat
from rooms_api.store.rooms import RoomStore

log = structlog.get_logger()

PERIOD_S = 1.0
OVERDUE_S = 5.0
"""An event still in the outbox after this time was left there by a process that is gone, or by a bus that was away."""


class Outbox:
    """Rows are written with the change; here they are published and then deleted."""

    def __init__(self, bus: Bus, store: RoomStore, clock: Clock) -> None:
        self._bus = bus
        self._store = store
        self._clock = clock
        self._published: list[tuple[str, int]] = []

    async def publish_change(self, change: Change) -> None:
        """Publish the event of a change that is committed. While the bus is away it stays in the outbox."""
        event = change.event
        try:
            await self._bus.publish(room_event(event.room_sid), event)
        except BusUnavailable:
            log.warning("room event waits for the bus", room_sid=event.room_sid, revision=event.revision)
        else:
            self._published.append((event.room_sid, event.revision))

    async def run(self) -> None:
        """Sweep until cancelled."""
        await repeat(PERIOD_S, self.sweep)

    async def sweep(self) -> None:
        """Delete what was published, and publish what was left over. Listeners ignore what they have already."""
        published = self._published[:]
        await self._store.forget_published(published)
        del self._published[: len(published)]
        for left in await self._store.unpublished(before=self._clock.wall() - OVERDUE_S):
            try:
                await self._bus.publish(room_event(left.room_sid), RoomEvent.model_validate_json(left.event))
            except BusUnavailable:
                return
            self._published.append((left.room_sid, left.revision))
