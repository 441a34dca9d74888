"""
Hears clients' telemetry on the bus and stores it now and then, and the codecs that nodes tell of. It must never slow rooms down: what is heard is folded at once into a bounded number
of summaries, and beyond that bound it is dropped and counted.
"""

from contract.insights import TelemetryEvent
from contract.media import CodecsReceived
from contract.subjects import ALL_INSIGHTS_EVENTS, ROOMS_QUEUE
from prometheus_client import Counter
from pydantic import TypeAdapter
from service_kit.bus import Bus, Subscription

from rooms_api.clock import Clock
from rooms_api.core.telemetry import Telemetry, insights_codecs
from rooms_api.loops import repeat
from rooms_api.store.telemetry import TelemetryStore

STORE_PERIOD_S = 2.0
PURGE_PERIOD_S = 3600.0
DAY_S = 86_400.0
MAX_WAITING = 5000
"""Participants with something that is not stored yet."""

DROPPED = Counter(
    "roomwire_telemetry_dropped_total", "Telemetry events dropped because too many participants wait to be stored"
)


class TelemetryCollector:
    """`start`, and run `run` beside it; `stop` stores the rest."""

    def __init__(self, bus: Bus, store: TelemetryStore, clock: Clock, retention_days: float) -> None:
        self._bus = bus
        self._store = store
        self._clock = clock
        self._retention_s = retention_days * DAY_S
        self._purge_at = clock.monotonic()
        self._waiting: dict[tuple[str, str, str, str], Telemetry] = {}
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        kind = TypeAdapter(TelemetryEvent)
        self._subscription = await self._bus.listen(ALL_INSIGHTS_EVENTS, kind, self.receive, queue=ROOMS_QUEUE)

    async def stop(self) -> None:
        if self._subscription is not None:
            await self._subscription.stop()
        await self.store_waiting()

    async def run(self) -> None:
        """Store and purge until cancelled."""
        await repeat(STORE_PERIOD_S, self.store_waiting)

    async def receive(self, event: TelemetryEvent) -> None:
        """Fold one event in. Kept apart by what the token says: somebody else's claims must not stand in the way of the truth."""
        key = (event.participant_sid, event.room_sid, event.account_sid, event.identity)
        told = self._waiting.get(key)
        if told is None:
            if len(self._waiting) >= MAX_WAITING:
                DROPPED.inc()
                return
            told = self._waiting[key] = Telemetry(event.account_sid, event.identity, event.room_sid)
        told.receive(event)

    async def receive_codecs(self, fact: CodecsReceived) -> None:
        """Store what a node says of a participant, at once: the node repeats it until it is stored."""
        codecs = insights_codecs(fact.codecs)
        await self._store.add_codecs(fact.room_sid, fact.participant_sid, codecs, self._clock.wall())

    async def store_waiting(self) -> None:
        """Store what was told since the last time; what cannot be stored is lost, as telemetry may be."""
        waiting, self._waiting = self._waiting, {}
        if waiting:
            await self._store.add([(key[0], told) for key, told in waiting.items()], self._clock.wall())
        if self._clock.monotonic() >= self._purge_at:
            self._purge_at = self._clock.monotonic() + PURGE_PERIOD_S
            await self._store.purge(self._clock.wall() - self._retention_s)
