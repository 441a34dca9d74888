"""Publishes room events that are committed: at once after their transaction, and again when that may have failed."""

from collections.abc import Callable

import structlog
from contract.rooms import RoomEvent
from contract.subjects import room_event
from service_kit.bus import Bus, BusUnavailable

from rooms_api.clock import Clock
from rooms_api.core.change import Change
from rooms_api.lookout import Lookout
from rooms_api.loops import keep_watch
from rooms_api.store.rooms import RoomStore

log = structlog.get_logger()

PERIOD_S = 1.0
LONGEST_S = 5.0
OVERDUE_S = 5.0
"""An event still in the outbox after this time was left there by a process that is gone, or by a bus that was away."""


class Outbox:
    """Rows are written with the change; here they are published and then deleted."""

    def __init__(self, bus: Bus, store: RoomStore, clock: Clock, lookout: Callable[[float], Lookout]) -> None:
        self._bus = bus
        self._store = store
        self._clock = clock
        self._published: list[tuple[str, int]] = []
        self._lookout = lookout(LONGEST_S)

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
        await keep_watch(PERIOD_S, self.sweep, self._lookout)

    async def sweep(self) -> float | None:
        """
        Delete what was published, and publish what was left over. Listeners ignore what they have already. Returns when the first event that is still
        there is overdue, which may have been in the past.
        """
        published = self._published[:]
        await self._store.forget_published(published)
        del self._published[: len(published)]
        oldest_at = await self._store.oldest_unpublished()
        if oldest_at is None:
            return None
        if oldest_at < self._clock.wall() - OVERDUE_S:
            await self._publish_left()
        return oldest_at + OVERDUE_S

    async def _publish_left(self) -> None:
        for left in await self._store.unpublished(before=self._clock.wall() - OVERDUE_S):
            try:
                await self._bus.publish(room_event(left.room_sid), RoomEvent.model_validate_json(left.event))
            except BusUnavailable:
                return
            self._published.append((left.room_sid, left.revision))
