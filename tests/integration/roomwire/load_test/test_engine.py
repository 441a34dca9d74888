"""The packet engine against itself: two endpoints on loopback, with a relay between them that can drop packets."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager

import pytest
from roomwire.load_test.dtls import PROFILES
from roomwire.load_test.engine import Endpoint, Engine, ReceivedStream, StreamPlan

VIDEO = StreamPlan(1001, 96, "video", 100.0, 4, 1100, 700)
AUDIO = StreamPlan(1000, 111, "audio", 50.0, 1, 80, 80)


@contextmanager
def running():
    engine = Engine()
    try:
        yield engine
    finally:
        engine.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the engine counts and tells nobody
            await asyncio.sleep(0.01)


class Relay(asyncio.DatagramProtocol):
    """Between two ports; `drops` says of each RTP packet whether it is lost on the way from the first to the second."""

    def __init__(self, first: int, second: int, drops: Callable[[bytes], bool]) -> None:
        self._ports = {first: second, second: first}
        self._first, self._drops = first, drops
        self.dropped = 0

    def connection_made(self, transport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address) -> None:
        is_rtcp = 192 <= data[1] <= 223
        if address[1] == self._first and not is_rtcp and self._drops(data):
            self.dropped += 1
        else:
            self._transport.sendto(data, ("127.0.0.1", self._ports[address[1]]))


@asynccontextmanager
async def relay(first: Endpoint, second: Endpoint, drops: Callable[[bytes], bool]) -> AsyncIterator[Relay]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Relay(first.port, second.port, drops), local_addr=("127.0.0.1", 0)
    )
    try:
        for endpoint in (first, second):
            endpoint.set_remote(transport.get_extra_info("sockname"))
        yield protocol
    finally:
        transport.close()


def pair(engine: Engine, profile: str = "SRTP_AEAD_AES_128_GCM", nack: bool = True) -> tuple[Endpoint, Endpoint]:
    """A publisher and a subscriber with each other's keys; `relay` connects them."""
    kind = PROFILES[profile]
    there, back = (os.urandom(kind.key_octets + kind.salt_octets) for _ in range(2))
    publisher, subscriber = (
        engine.open_endpoint("127.0.0.1", decrypt=decrypt, video_payload_type=96, nack=nack)
        for decrypt in (False, True)
    )
    publisher.set_srtp_keys(kind.number, there, back)
    subscriber.set_srtp_keys(kind.number, back, there)
    return publisher, subscriber


def video_of(subscriber: Endpoint) -> ReceivedStream:
    return next(
        (s for s in subscriber.received_streams() if s.ssrc == VIDEO.ssrc),
        ReceivedStream(0, 0, *[0] * 7, 0.0, 0.0, 0.0),
    )


@pytest.mark.parametrize("profile", PROFILES)
async def test_what_is_sent_arrives_and_is_timed(profile):
    with running() as engine:
        publisher, subscriber = pair(engine, profile)
        publisher.add_stream(AUDIO)
        publisher.add_stream(VIDEO)
        async with relay(publisher, subscriber, lambda packet: False):
            await until(lambda: video_of(subscriber).received >= 40)
        counters = subscriber.counters()

    assert counters.authentication_failures == counters.foreign_payloads == 0
    assert counters.decrypted >= 40


async def test_each_endpoint_tells_of_all_its_streams():
    with running() as engine:
        publisher, subscriber = pair(engine)
        publisher.add_stream(AUDIO)
        publisher.add_stream(VIDEO)
        async with relay(publisher, subscriber, lambda packet: False):
            await until(lambda: len(subscriber.received_streams()) == 2)
            await until(lambda: sum(engine.latency_histogram()) > 0)

        assert {s.payload_type for s in subscriber.received_streams()} == {96, 111}
        assert {s.ssrc for s in publisher.sent_streams()} == {1000, 1001}


async def test_nothing_is_sent_while_the_engine_is_halted():
    with running() as engine:
        publisher, subscriber = pair(engine)
        publisher.add_stream(VIDEO)
        async with relay(publisher, subscriber, lambda packet: False):
            await until(lambda: video_of(subscriber).received > 0)
            with engine.halted():
                before = publisher.sent_streams()
                await asyncio.sleep(0.05)  # five frames
                assert publisher.sent_streams() == before
            await until(lambda: publisher.sent_streams() != before)


async def test_lost_video_is_asked_for_and_sent_again():
    with running() as engine:
        publisher, subscriber = pair(engine)
        publisher.add_stream(VIDEO)
        seen: set[bytes] = set()

        def drops(packet: bytes) -> bool:
            """Every tenth packet, the first time only."""
            number = packet[2:4]
            first_time = number not in seen
            seen.add(number)
            return first_time and int.from_bytes(number, "big") % 10 == 0

        async with relay(publisher, subscriber, drops) as link:
            await until(lambda: video_of(subscriber).recovered >= 5)
        video = video_of(subscriber)

    assert link.dropped >= 5
    assert video.nacked >= video.recovered
    assert video.lost <= 2  # the last ones may still be on their way


async def test_without_nack_a_loss_stays_a_loss():
    with running() as engine:
        publisher, subscriber = pair(engine, nack=False)
        publisher.add_stream(VIDEO)
        async with relay(publisher, subscriber, lambda packet: packet[3] % 10 == 0) as link:
            await until(lambda: video_of(subscriber).received >= 100)
        video = video_of(subscriber)

    assert link.dropped >= 5
    assert video.nacked == video.recovered == 0
    assert abs(video.lost - link.dropped) <= 1


async def test_a_duplicate_counts_once():
    with running() as engine:
        publisher, subscriber = pair(engine)
        publisher.add_stream(AUDIO)
        link: Relay

        def doubles(packet: bytes) -> bool:
            link._transport.sendto(packet, ("127.0.0.1", subscriber.port))
            return False

        async with relay(publisher, subscriber, doubles) as link:
            await until(
                lambda: bool(subscriber.received_streams()) and subscriber.received_streams()[0].duplicates >= 5
            )
        (audio,) = subscriber.received_streams()

    assert audio.received <= audio.expected


def socket_of(endpoint: Endpoint) -> socket.socket:
    """The engine's own socket, found among the process's."""
    for name in os.listdir("/proc/self/fd"):
        try:
            found = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with found:
            if found.type == socket.SOCK_DGRAM and found.getsockname()[1] == endpoint.port:
                return found.dup()
    raise LookupError(endpoint.port)


async def test_what_came_while_the_queue_was_full_is_counted():
    with running() as engine:
        endpoint = engine.open_endpoint("127.0.0.1", decrypt=False, video_payload_type=96, nack=False)
        with socket_of(endpoint) as own, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel makes it 2,304 octets

            def overflows() -> bool:
                for _ in range(100):
                    sender.sendto(b"\x80" + bytes(1199), ("127.0.0.1", endpoint.port))
                return endpoint.counters().queue_drops > 0

            await until(overflows)


async def test_stun_and_dtls_go_to_python():
    with running() as engine:
        first, second = (
            engine.open_endpoint("127.0.0.1", decrypt=False, video_payload_type=96, nack=False) for _ in range(2)
        )
        first.send_datagram(b"\x16\xfe\xfd-a-record-", ("127.0.0.1", second.port))
        arrived = []
        await until(lambda: bool(arrived.extend(engine.datagrams_received()) or arrived))

        assert (arrived[0].endpoint, arrived[0].data) == (second.index, b"\x16\xfe\xfd-a-record-")
        assert arrived[0].remote == ("127.0.0.1", first.port)


def test_a_plan_that_fits_no_packet_is_refused():
    with running() as engine:
        endpoint = engine.open_endpoint("127.0.0.1", decrypt=False, video_payload_type=96, nack=False)
        with pytest.raises(ValueError, match="cannot send"):
            endpoint.add_stream(StreamPlan(1, 96, "video", 30.0, 1, 2000, 2000))


async def test_the_longest_silence_of_a_stream_is_kept():
    with running() as engine:
        publisher, subscriber = pair(engine)
        publisher.add_stream(AUDIO)
        async with relay(publisher, subscriber, lambda packet: int.from_bytes(packet[2:4], "big") % 50 < 20) as link:
            await until(
                lambda: bool(subscriber.received_streams()) and subscriber.received_streams()[0].silence_s > 0.3
            )
        (audio,) = subscriber.received_streams()

    assert link.dropped >= 20  # 0.4 s of audio at a time
    assert audio.first_s + audio.silence_s <= audio.last_s
