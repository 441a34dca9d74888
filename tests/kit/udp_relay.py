"""A UDP relay between clients and a media node that behaves like a NAT: it can fall silent, and it can give its clients new addresses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

Address = tuple[str, int]


class UdpRelay:
    """Listens on `port` of 127.0.0.1. While `open` is false it loses everything in both directions."""

    def __init__(self) -> None:
        self._target: Address | None = None
        self._front: asyncio.DatagramTransport | None = None
        self._flows: dict[Address, asyncio.DatagramTransport] = {}
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
        flow = self._flows.get(client)
        if flow is not None:
            flow.sendto(data)
        elif client not in self._making:
            self._making[client] = asyncio.create_task(self._make_flow(client, data))

    async def _make_flow(self, client: Address, first: bytes) -> None:
        def to_client(data: bytes, _: Address) -> None:
            if self.open and self._front is not None:
                self._front.sendto(data, client)

        try:
            flow, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Side(to_client), remote_addr=self._target
            )
            self._flows[client] = flow
            flow.sendto(first)
        finally:
            del self._making[client]


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
