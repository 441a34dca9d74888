"""ICE and DTLS of the tester towards sockets of the test's own: what it sends, and to whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aioice import stun
from roomwire.load_test.dtls import Identity
from roomwire.load_test.engine import Engine
from roomwire.load_test.sdp import RemoteTransport
from roomwire.load_test.transport import Network, Transport

PASSWORD = "the server's password"
Address = tuple[str, int]


class Server(asyncio.DatagramProtocol):
    """A UDP socket that keeps what came."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, remote: Address) -> None:
        self.received.put_nowait((data, remote))

    @property
    def address(self) -> Address:
        host, port = self.transport.get_extra_info("sockname")
        return host, port

    async def next_check(self) -> tuple[stun.Message, Address]:
        while True:
            data, remote = await self.next()
            if data[0] < 4:
                return stun.parse_message(data), remote

    async def next_dtls(self) -> bytes:
        while True:
            data, _ = await self.next()
            if 20 <= data[0] < 64:
                return data

    async def next(self) -> tuple[bytes, Address]:
        async with asyncio.timeout(10):
            return await self.received.get()

    def answer(self, check: stun.Message, remote: Address, password: str = PASSWORD) -> None:
        answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=check.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = remote
        answer.add_message_integrity(password.encode())
        self.transport.sendto(bytes(answer), remote)

    def ask(self, remote: Address, transport: Transport) -> None:
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        check.add_message_integrity(transport.local.password.encode())
        self.transport.sendto(bytes(check), remote)


@asynccontextmanager
async def two_servers() -> AsyncIterator[tuple[Server, Server, Transport]]:
    """A server whose address was offered, another one, and a transport that connects."""
    loop = asyncio.get_running_loop()
    offered, stranger = [
        (await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0)))[1] for _ in range(2)
    ]
    engine = Engine()
    network = Network(engine)
    transport = Transport(network, Identity(), decrypt=False, nack=False)
    description = RemoteTransport("ufrag", PASSWORD, ("sha-256", "00"), "actpass", (offered.address,))
    transport.connect(description, is_client=True, on_open=lambda endpoint: None)
    try:
        yield offered, stranger, transport
    finally:
        transport.close()
        network.close()
        engine.close()
        offered.transport.close()
        stranger.transport.close()


async def test_dtls_starts_where_a_check_was_answered():
    async with two_servers() as (offered, _, _):
        offered.answer(*await offered.next_check())

        assert (await offered.next_dtls())[0] == 22  # a handshake record, RFC 6347 section 4.1


async def test_an_address_that_was_not_offered_gets_nothing():
    """Neither for an answer that is right but for its address, nor for a check of its own."""
    async with two_servers() as (offered, stranger, transport):
        check, tester = await offered.next_check()
        stranger.answer(check, tester)
        stranger.ask(tester, transport)
        offered.ask(tester, transport)
        while (await offered.next_check())[0].message_class != stun.Class.RESPONSE:
            pass  # what the stranger sent before has been taken by then
        offered.answer(*await offered.next_check())
        await offered.next_dtls()

        assert stranger.received.empty()


async def test_an_answer_without_the_password_proves_nothing():
    async with two_servers() as (offered, _, _):
        offered.answer(*await offered.next_check(), password="a guess")

        for _ in range(3):  # it asks on, and does nothing else
            data, _ = await offered.next()
            assert stun.parse_message(data).message_class == stun.Class.REQUEST
