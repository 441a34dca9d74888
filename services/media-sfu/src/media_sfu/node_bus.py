"""A node's side of the bus: commands in; facts, signals and load out; and what rooms-api says of the rooms that have peers here."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import structlog
from contract import subjects
from contract.media import (
    CodecsReceived,
    FactTaken,
    NodeLoad,
    PeerLost,
    PeerSignal,
    PublicationFailed,
    SubscriptionFailed,
    media_command,
)
from contract.rooms import Described, DescribeRoom, RoomEvent, RoomRevisions, room_reply
from pydantic import TypeAdapter
from service_kit.bus import Bus, BusUnavailable
from service_kit.serving import background

from media_sfu.hosted_room import Outcome
from media_sfu.node import Command, Node, Reply
from media_sfu.room_watch import RoomWatch

log = structlog.get_logger()

OUTBOX_LIMIT = 10_000
LOAD_INTERVAL_S = 1.0
DELIVERIES_INTERVAL_S = 0.2
FACT_PAUSE_S = 0.5
"""Between two attempts at a fact."""
FACT_TIMEOUT_S = 2.0

Fact = PeerLost | SubscriptionFailed | PublicationFailed | CodecsReceived
_fact_taken = TypeAdapter(FactTaken)


class NodeBus:
    """
    `say` may be called from anywhere in the loop; what it takes goes out in order. `run` serves until its body ends.
    """

    def __init__(self, bus: Bus, node_id: str, region: str) -> None:
        self._bus = bus
        self._node_id = node_id
        self._region = region
        self._watch = RoomWatch()
        self._signals: asyncio.Queue[PeerSignal] = asyncio.Queue(OUTBOX_LIMIT)
        self._facts: asyncio.Queue[Fact] = asyncio.Queue(OUTBOX_LIMIT)
        self._cpu_s = time.process_time()
        self._cpu_at_s = time.monotonic()
        self.is_draining = False
        self.load = 0.0
        self.lost_outcomes = 0

    def say(self, outcome: Outcome) -> None:
        """
        Publish a signal soon; repeat a fact until rooms-api has taken it. With a queue full (the bus has been away for long) the outcome is
        dropped: an unanswered offer is repeated, a lost peer is noticed anyway.
        """
        try:
            if isinstance(outcome, PeerSignal):
                self._signals.put_nowait(outcome)
            else:
                self._facts.put_nowait(outcome)
        except asyncio.QueueFull:
            self.lost_outcomes += 1

    @contextlib.asynccontextmanager
    async def run(self, node: Node) -> AsyncIterator[None]:
        """Serve commands while the body runs."""

        async def execute(command: Command) -> Reply:
            reply = node.execute(command)
            for room in node.rooms:
                self._watch.follow(room.room_sid)
            return reply

        async def receive_event(event: RoomEvent) -> None:
            node.end_participants(self._watch.receive_event(event))

        async def receive_revisions(message: RoomRevisions) -> None:
            await self._compare(node, message)

        subscriptions = [
            await self._bus.answer(subjects.media_command(self._node_id), media_command, execute),
            await self._bus.listen(subjects.ALL_ROOM_EVENTS, TypeAdapter(RoomEvent), receive_event),
            await self._bus.listen(subjects.ROOM_REVISIONS, TypeAdapter(RoomRevisions), receive_revisions),
        ]
        async with background(
            self._publish_signals(), self._tell_facts(), self._each_second(node), self._each_reading(node)
        ):
            yield
            for subscription in subscriptions:
                await subscription.stop()

    async def drain(self, node: Node, deadline_s: float) -> None:
        """Take no new peers, and wait until the last has gone or `deadline_s` is over."""
        self.is_draining = True
        await self._publish_load(node)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await node.emptied.wait()

    async def _publish_signals(self) -> None:
        while True:
            signal = await self._signals.get()
            with contextlib.suppress(BusUnavailable):
                await self._bus.publish(subjects.participant_signal(signal.participant_sid), signal)

    async def _tell_facts(self) -> None:
        """Tell rooms-api every fact, in order, each until it is taken: the replica that had it may die before it has stored what follows from it."""
        while True:
            fact = await self._facts.get()
            await self._tell(fact)

    async def _tell(self, fact: Fact) -> None:
        while True:
            try:
                await self._bus.request(subjects.media_fact(self._node_id), fact, _fact_taken, FACT_TIMEOUT_S)
            except BusUnavailable:
                await asyncio.sleep(FACT_PAUSE_S)
            else:
                return

    async def _each_second(self, node: Node) -> None:
        while True:
            node.handle_second()
            self._measure_load()
            await self._publish_load(node)
            await asyncio.sleep(LOAD_INTERVAL_S)

    async def _each_reading(self, node: Node) -> None:
        while True:
            node.handle_deliveries()
            await asyncio.sleep(DELIVERIES_INTERVAL_S)

    def _measure_load(self) -> None:
        cpu_s, now = time.process_time(), time.monotonic()
        if now > self._cpu_at_s:
            self.load = min(1.0, (cpu_s - self._cpu_s) / (now - self._cpu_at_s))
        self._cpu_s, self._cpu_at_s = cpu_s, now

    async def _publish_load(self, node: Node) -> None:
        load = NodeLoad(
            node_id=self._node_id,
            region=self._region,
            peers=node.peers,
            capacity=node.capacity,
            load=self.load,
            full=node.is_full,
            draining=self.is_draining,
        )
        with contextlib.suppress(BusUnavailable):
            await self._bus.publish(subjects.media_load(self._node_id), load)

    async def _compare(self, node: Node, message: RoomRevisions) -> None:
        here = {room.room_sid for room in node.rooms}
        for room_sid in self._watch.followed - here:
            self._watch.forget(room_sid)
        to_ask, over = self._watch.receive_revisions(message, time.monotonic())
        for room_sid in over:
            node.end_participants(node.participants_of(room_sid))
        for room_sid in to_ask:
            try:
                reply = await self._bus.request(subjects.ROOM_COMMAND, DescribeRoom(room_sid=room_sid), room_reply)
            except BusUnavailable:
                continue  # still behind a second from now
            if isinstance(reply, Described):
                node.end_participants(self._watch.receive_snapshot(reply.snapshot, node.participants_of(room_sid)))
