"""
A UDP relay between clients and a media node that behaves like a NAT on a bad line: it can fall silent, give its clients new addresses, lose, delay,
reorder and repeat, and be slow.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any

Address = tuple[str, int]


@dataclass(slots=True)
class Line:
    """
    What one direction does to datagrams, decided by a seed. Chances are from 0 to 1; what is reordered comes `behind_s` later than its turn. With
    `rate_bps` datagrams wait for those before them, and are lost when that would take longer than `queue_s`; the rate may change at any time.

    `carried`, `lost`, `reordered` and `repeated` count.
    """

    seed: int
    loss: float = 0.0
    delay_s: float = 0.0
    reorder: float = 0.0
    behind_s: float = 0.01
    repeat: float = 0.0
    rate_bps: float = inf
    queue_s: float = 0.3
    carried: int = 0
    lost: int = 0
    reordered: int = 0
    repeated: int = 0
    _chance: random.Random = field(init=False)
    _free_s: float = field(init=False, default=0.0)
    """When all that waits has gone."""

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def carry(self, octets: int, now: float) -> list[float]:
        """Delays in seconds of each copy of the next datagram that arrives, which has so many octets; none when it is lost."""
        self.carried += 1
        turn = max(now, self._free_s)
        if self._chance.random() < self.loss or turn - now > self.queue_s:
            self.lost += 1
            return []
        self._free_s = turn + octets * 8 / self.rate_bps
        delay = self._free_s - now + self.delay_s
        if self._chance.random() < self.reorder:
            self.reordered += 1
            delay += self.behind_s
        if self._chance.random() < self.repeat:
            self.repeated += 1
            return [delay, delay]
        return [delay]

    def __str__(self) -> str:
        return f"{self.carried} datagrams: {self.lost} lost ({self.lost / max(1, self.carried):.1%}), {self.reordered} reordered, {self.repeated} repeated"


class UdpRelay:
    """
    Listens on `port` of 127.0.0.1. While `open` is false it loses everything in both directions. Each client keeps the lines `up` (towards the node)
    and `down` that there were when it came.
    """

    def __init__(self) -> None:
        self.up = Line(0)
        self.down = Line(0)
        self._target: Address | None = None
        self._front: asyncio.DatagramTransport | None = None
        self._flows: dict[Address, asyncio.DatagramTransport] = {}
        self._lines: dict[Address, tuple[Line, Line]] = {}
        self._making: dict[Address, asyncio.Task[None]] = {}
        self.port = 0
        self.open = True

    def aim(self, target: Address) -> None:
        """Where the node is; until then everything is lost."""
        self._target = target

    def move(self) -> None:
        """Give every client another address towards the node, as a NAT that was restarted."""
        for flow in self._flows.values():
            flow.close()
        self._flows.clear()

    async def start(self) -> None:
        self._front, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Side(self._from_client), local_addr=("127.0.0.1", 0)
        )
        self.port = self._front.get_extra_info("sockname")[1]

    async def stop(self) -> None:
        for task in self._making.values():
            task.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)
        self.move()
        if self._front is not None:
            self._front.close()

    def _from_client(self, data: bytes, client: Address) -> None:
        if not self.open or self._target is None:
            return
        up, _ = self._lines.setdefault(client, (self.up, self.down))
        self._carry(up, data, lambda: self._to_node(data, client))

    def _to_node(self, data: bytes, client: Address) -> None:
        flow = self._flows.get(client)
        if flow is not None:
            flow.sendto(data)
        elif client not in self._making:
            self._making[client] = asyncio.create_task(self._make_flow(client, data))

    def _carry(self, line: Line, data: bytes, deliver: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        for delay_s in line.carry(len(data), loop.time()):
            if delay_s:
                loop.call_later(delay_s, deliver)
            else:
                deliver()

    async def _make_flow(self, client: Address, first: bytes) -> None:
        def to_client(data: bytes, _: Address) -> None:
            if self.open:
                self._carry(self._lines[client][1], data, lambda: self._to_client(data, client))

        try:
            flow, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Side(to_client), remote_addr=self._target
            )
            self._flows[client] = flow
            flow.sendto(first)
        finally:
            del self._making[client]

    def _to_client(self, data: bytes, client: Address) -> None:
        if self._front is not None and not self._front.is_closing():
            self._front.sendto(data, client)


class _Side(asyncio.DatagramProtocol):
    def __init__(self, receive: Any) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._receive(data, (addr[0], addr[1]))


@asynccontextmanager
async def udp_relay() -> AsyncIterator[UdpRelay]:
    """A relay on a free port."""
    relay = UdpRelay()
    await relay.start()
    try:
        yield relay
    finally:
        with contextlib.suppress(OSError):
            await relay.stop()
