"""The packet engine on real sockets, where kernels and networks differ: segmentation refused, buffers full, several addresses, IPv6, every cipher."""

import asyncio
import contextlib
import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from media_sfu.engine import PacketForwarder
from media_sfu.engine._engine import ffi, lib
from media_sfu.engine.forwarder import dropped_by_kernel
from media_sfu.engine.srtp import PROFILES
from media_sfu.forwarder import (
    Address,
    DatagramReceived,
    DownTrackParameters,
    PeerHandle,
    SrtpKeys,
    UpTrackParameters,
)
from pylibsrtp import Policy, Session

from tests.kit.packets import is_rtcp, read_rtp, rtp, vp8
from tests.kit.webrtc_client import until

CAMERA = UpTrackParameters("video", 90000, (0x1111,), (), {96: "VP8"}, {}, {})
KEY_LENGTHS = {"SRTP_AEAD_AES_128_GCM": 28, "SRTP_AEAD_AES_256_GCM": 44, "SRTP_AES128_CM_SHA1_80": 30}


@dataclass(slots=True)
class Client:
    """A peer: a socket and SRTP, without ICE and DTLS."""

    sock: socket.socket
    handle: PeerHandle
    outbound: Session
    inbound: Session

    def send(self, packet: bytes, to: Address) -> None:
        self.sock.sendto(self.outbound.protect(packet), to)

    def receive(self) -> list[tuple[Address, bytes]]:
        """Media that is there, with the address that it came from."""
        found: list[tuple[Address, bytes]] = []
        while True:
            try:
                data, remote = self.sock.recvfrom(2000)
            except BlockingIOError:
                return found
            if not is_rtcp(data):
                found.append((remote[:2], self.inbound.unprotect(data)))


@pytest.fixture
def cleaned() -> Iterator[list[Callable[[], None]]]:
    calls: list[Callable[[], None]] = []
    yield calls
    for call in reversed(calls):
        call()


@pytest.fixture
def open_engine(cleaned: list[Callable[[], None]]) -> Callable[..., PacketForwarder]:
    def open_engine(host: str = "127.0.0.1", *, gso: bool = True) -> PacketForwarder:
        engine = PacketForwarder.bind(host, 0, gso=gso)
        cleaned.append(engine.close)
        return engine

    return open_engine


@pytest.fixture
def join(cleaned: list[Callable[[], None]]) -> Callable[..., Client]:
    def join(engine: PacketForwarder, host: str = "127.0.0.1", profile: str = "SRTP_AEAD_AES_128_GCM") -> Client:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        cleaned.append(sock.close)
        sock.setblocking(False)
        sock.bind((host, 0))
        address = sock.getsockname()[:2]
        ours, theirs = (bytes(range(start, start + KEY_LENGTHS[profile])) for start in (1, 101))
        handle = engine.add_peer()
        engine.bind_address(handle, address)
        engine.set_send_address(handle, address)
        engine.set_srtp_keys(handle, SrtpKeys(profile, ours, theirs))  # type: ignore[arg-type]  # parametrized
        number = PROFILES[profile]
        inbound = Policy(theirs, Policy.SSRC_ANY_INBOUND, srtp_profile=number)
        return Client(
            sock, handle, Session(Policy(ours, Policy.SSRC_ANY_OUTBOUND, srtp_profile=number)), Session(inbound)
        )

    return join


def subscribe(engine: PacketForwarder, publisher: Client, *subscribers: Client) -> None:
    up = engine.add_up_track(publisher.handle, CAMERA)
    for n, subscriber in enumerate(subscribers):
        parameters = DownTrackParameters(0xAAAA + n, None, {"VP8": 120}, {}, {}, "alice")
        engine.add_down_track(subscriber.handle, up, parameters)


def frame(count: int, *, first: int = 1, size: int = 1000) -> list[bytes]:
    return [rtp(first + n, 3000, vp8(key=True, body=bytes(size))) for n in range(count)]


async def collect(client: Client, count: int) -> list[tuple[Address, bytes]]:
    found: list[tuple[Address, bytes]] = []

    def enough() -> bool:
        found.extend(client.receive())
        return len(found) >= count

    await until(enough)
    return found


@pytest.mark.parametrize("profile", KEY_LENGTHS)
async def test_every_cipher_carries_media(open_engine, join, profile):
    engine = open_engine()
    alice, bob = join(engine, profile=profile), join(engine, profile=profile)
    subscribe(engine, alice, bob)

    alice.send(frame(1)[0], ("127.0.0.1", engine.port))

    [(_, data)] = await collect(bob, 1)
    assert (read_rtp(data).ssrc, read_rtp(data).payload) == (0xAAAA, vp8(key=True, body=bytes(1000)))


async def test_peers_with_different_ciphers_meet(open_engine, join):
    """A peer without GCM among peers with it."""
    engine = open_engine()
    alice, bob = join(engine, profile="SRTP_AEAD_AES_128_GCM"), join(engine, profile="SRTP_AES128_CM_SHA1_80")
    subscribe(engine, alice, bob)

    alice.send(frame(1)[0], ("127.0.0.1", engine.port))

    assert len(await collect(bob, 1)) == 1


async def send_burst(engine: PacketForwarder, alice: Client, bob: Client, count: int = 30) -> list[bytes]:
    """Packets in quick succession, so that the engine finds several at a time."""
    for packet in frame(count):
        alice.send(packet, ("127.0.0.1", engine.port))
    return [data for _, data in await collect(bob, count)]


@pytest.mark.parametrize("gso", [True, False])
async def test_a_burst_arrives_whole_and_in_order_with_and_without_segmentation(open_engine, join, gso):
    engine = open_engine(gso=gso)
    alice, bob = join(engine), join(engine)
    subscribe(engine, alice, bob)

    seqs = [read_rtp(data).seq for data in await send_burst(engine, alice, bob)]

    assert seqs == list(range(seqs[0], seqs[0] + 30))
    assert gso or engine.counters()["gso_sends_out"] == 0


@pytest.mark.parametrize("code", [errno.EIO, errno.EINVAL, errno.EMSGSIZE])
async def test_refused_segmentation_falls_back_to_single_packets_and_is_remembered(open_engine, join, code):
    engine = open_engine()
    alice, bob = join(engine), join(engine)
    subscribe(engine, alice, bob)

    with refusing_send(engine, lambda header: code if header.msg_iovlen > 1 else 0) as refused:
        sent = 0
        while not refused:
            sent += 30
            for packet in frame(30, first=1 + sent):
                alice.send(packet, ("127.0.0.1", engine.port))
            await collect(bob, 30)
        for packet in frame(30, first=1000):
            alice.send(packet, ("127.0.0.1", engine.port))
        await collect(bob, 30)

    assert len(refused) == engine.counters()["gso_refused"] == 1
    assert engine.counters()["drop_send_error"] == 0


async def test_a_real_refusal_of_the_kernel_is_survived(open_engine, join):
    """Without UDP checksums there is no segmentation: the kernel answers EINVAL."""
    engine = open_engine()
    engine._open_socket().setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
    alice, bob = join(engine), join(engine)
    subscribe(engine, alice, bob)

    seqs = [read_rtp(data).seq for data in await send_burst(engine, alice, bob)]

    assert seqs == list(range(seqs[0], seqs[0] + 30))
    assert engine.counters()["drop_send_error"] == 0


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ENOBUFS])
async def test_a_full_socket_buffer_drops_counts_and_recovers(open_engine, join, code):
    engine = open_engine()
    alice, bob = join(engine), join(engine)
    subscribe(engine, alice, bob)

    with refusing_send(engine, lambda header: code):
        for packet in frame(10):
            alice.send(packet, ("127.0.0.1", engine.port))
        # A report that falls due meanwhile is refused too.
        await until(lambda: engine.counters()["drop_socket_full"] >= 10)

    alice.send(frame(1, first=11)[0], ("127.0.0.1", engine.port))
    assert len(await collect(bob, 1)) == 1


async def test_an_unreachable_peer_does_not_disturb_the_others(open_engine, join):
    engine = open_engine()
    alice, bob, carol = join(engine), join(engine), join(engine)
    subscribe(engine, alice, bob, carol)
    lost = bob.sock.getsockname()[1]

    with refusing_send(engine, lambda header: errno.EPERM if port_of(header) == lost else 0):
        alice.send(frame(1)[0], ("127.0.0.1", engine.port))
        assert len(await collect(carol, 1)) == 1

    assert engine.counters()["drop_send_error"] == 1


@pytest.mark.parametrize(
    ("host", "addressed", "client"),
    [("0.0.0.0", "127.0.0.3", "127.0.0.1"), ("::", "127.0.0.3", "127.0.0.1"), ("::", "::1", "::1")],
)
async def test_a_wildcard_socket_answers_from_the_address_that_was_used(open_engine, join, host, addressed, client):
    engine = open_engine(host)
    alice, bob = join(engine, client), join(engine, client)
    subscribe(engine, alice, bob)
    bob.sock.sendto(b"\x00\x01hello", (addressed, engine.port))
    await events(engine)

    engine.send_datagram(b"\x01\x01answer", bob.sock.getsockname()[:2])
    for packet in frame(20):
        alice.send(packet, (addressed, engine.port))

    answer: list[object] = []
    await until(lambda: answer or answer.extend(_peek(bob.sock)))
    assert answer == [(b"\x01\x01answer", addressed)]
    assert {remote for remote, _ in await collect(bob, 20)} == {(addressed, engine.port)}


async def test_media_leaves_from_the_address_that_the_client_last_checked(open_engine, join):
    engine = open_engine("0.0.0.0")
    alice, bob = join(engine), join(engine)
    subscribe(engine, alice, bob)
    seq = 0

    async def sender(addressed: str) -> str:
        """Whom bob gets media from, after a check to this address."""
        nonlocal seq
        seq += 1
        bob.sock.sendto(b"\x00\x01check", (addressed, engine.port))
        await events(engine)
        alice.send(frame(1, first=seq)[0], ("127.0.0.1", engine.port))
        [(remote, _)] = await collect(bob, 1)
        return remote[0]

    async with asyncio.timeout(10):
        for addressed in "127.0.0.3", "127.0.0.4", "127.0.0.3":
            while await sender(addressed) != addressed:
                pass  # a batch was under way: the next check counts


async def test_a_stranger_is_answered_from_the_address_that_it_used(open_engine):
    engine = open_engine("0.0.0.0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.setblocking(False)
        stranger.sendto(b"\x00\x01check", ("127.0.0.7", engine.port))
        [event] = await events(engine)
        assert event == DatagramReceived(b"\x00\x01check", stranger.getsockname(), None)

        engine.send_datagram(b"\x01\x01", event.remote)

        loop = asyncio.get_running_loop()
        assert await loop.sock_recvfrom(stranger, 100) == (b"\x01\x01", ("127.0.0.7", engine.port))


async def test_media_over_ipv6(open_engine, join):
    engine = open_engine("::1")
    alice, bob = join(engine, "::1"), join(engine, "::1")
    subscribe(engine, alice, bob)

    alice.send(frame(1)[0], ("::1", engine.port))

    assert len(await collect(bob, 1)) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "::"])
async def test_checks_and_dtls_are_heard_and_answered_while_the_packet_path_is_stuck(open_engine, join, host):
    """The batch that is under way does not end, and the queue of media is full."""
    engine, addressed = open_engine(host), "::1" if host == "::1" else "127.0.0.1"
    alice, bob = join(engine, addressed), join(engine, addressed)
    subscribe(engine, alice, bob)
    with stuck_send(engine) as is_stuck:
        alice.send(frame(1)[0], (addressed, engine.port))
        await until(is_stuck.is_set)
        while not engine_drops_media(engine):
            for packet in frame(200):
                alice.sock.sendto(packet, (addressed, engine.port))

        bob.sock.sendto(b"\x00\x01check", (addressed, engine.port))
        bob.sock.sendto(b"\x16dtls", (addressed, engine.port))
        heard: list[DatagramReceived] = []
        await until(lambda: heard.extend(engine.events_received()) or len(heard) == 2)
        engine.send_datagram(b"\x01\x01answer", bob.sock.getsockname()[:2])

        assert [(event.data, event.peer) for event in heard] == [
            (b"\x00\x01check", bob.handle),
            (b"\x16dtls", bob.handle),
        ]
        assert await until(lambda: _peek(bob.sock)) == [(b"\x01\x01answer", addressed)]
    await until(lambda: engine.counters()["drop_receive_queue_full"] > 0)
    assert engine.counters()["drop_control_queue_full"] == 0


async def test_a_control_call_comes_before_the_next_batch(open_engine, join):
    """On a full core the media thread always has another batch."""
    engine = open_engine()
    alice, bob = join(engine), join(engine)
    subscribe(engine, alice, bob)
    read: list[int] = []
    caller = threading.Thread(target=lambda: read.append(engine.counters()["batched_in"]))
    with stuck_send(engine) as is_stuck:
        alice.send(frame(1)[0], ("127.0.0.1", engine.port))
        await until(is_stuck.is_set)
        for packet in frame(200, first=2):
            alice.send(packet, ("127.0.0.1", engine.port))
        caller.start()
        for thread in (engine._threads[0], caller):  # on cores of their own the caller may win by luck
            os.sched_setaffinity(thread.native_id or 0, {min(os.sched_getaffinity(0))})
        await until_waiting(caller)
    caller.join()

    assert read == [1]
    await until(lambda: engine.counters()["batched_in"] == 201)


async def test_a_port_in_use_is_refused(open_engine):
    engine = open_engine()

    with pytest.raises(OSError, match="in use"):
        PacketForwarder.bind("127.0.0.1", engine.port)


async def test_a_kernel_that_cannot_divide_a_port_has_one_queue_for_all(cleaned, join, monkeypatch):
    monkeypatch.setattr(
        socket, "SO_REUSEPORT", 9999
    )  # an option that no kernel knows: the real one cannot be taken from it
    engine = PacketForwarder.bind("127.0.0.1", 0)
    cleaned.append(engine.close)
    alice, bob = join(engine), join(engine)
    subscribe(engine, alice, bob)

    alice.send(frame(1)[0], ("127.0.0.1", engine.port))
    bob.sock.sendto(b"\x00\x01check", ("127.0.0.1", engine.port))

    assert len(await collect(bob, 1)) == 1
    [event] = await events(engine)
    engine.send_datagram(b"\x01\x01answer", event.remote)
    assert await until(lambda: _peek(bob.sock)) == [(b"\x01\x01answer", "127.0.0.1")]


async def test_a_datagram_too_long_is_dropped(open_engine, join):
    engine = open_engine()
    alice = join(engine)

    alice.sock.sendto(b"\x80" + bytes(1700), ("127.0.0.1", engine.port))

    await until(lambda: engine.counters()["drop_truncated"] == 1)


async def test_a_full_event_queue_drops_and_counts(open_engine, join):
    engine = open_engine()
    alice = join(engine)

    for _ in range(40):
        for _ in range(50):
            alice.sock.sendto(b"\x16dtls", ("127.0.0.1", engine.port))
        await asyncio.sleep(0)
    await until(lambda: engine.counters()["drop_event_full"] > 0)

    assert len(engine.events_received()) == 256
    assert len(await events(engine)) > 0


async def events(engine: PacketForwarder) -> list[DatagramReceived]:
    return await until(engine.events_received)


def _peek(sock: socket.socket) -> list[tuple[bytes, str]]:
    try:
        data, remote = sock.recvfrom(2000)
    except BlockingIOError:
        return []
    return [(data, remote[0])]


def engine_drops_media(engine: PacketForwarder) -> bool:
    """What `counters` tells of it waits for the batch."""
    return bool(dropped_by_kernel(engine._open_socket()))


async def until_waiting(thread: threading.Thread) -> None:
    """Until the kernel has put the thread to sleep, which here a lock of the engine's does, and nothing wakes it."""
    stat, seen = Path(f"/proc/self/task/{thread.native_id}/stat"), 0

    def sleeps() -> bool:
        nonlocal seen
        seen = seen + 1 if stat.read_text().rpartition(")")[2].split()[0] == "S" else 0
        return seen == 10

    await until(sleeps)


@contextlib.contextmanager
def stuck_send(engine: PacketForwarder) -> Iterator[threading.Event]:
    """The first batch that sends something does not come to its end within the body; the event says that it is there. What is sent by itself goes out."""
    is_stuck, over = threading.Event(), threading.Event()
    media_thread = engine._threads[0]

    def wait(header: object) -> int:
        if threading.get_native_id() == media_thread.native_id and not over.is_set():
            is_stuck.set()
            over.wait()
        return 0

    with refusing_send(engine, wait):
        try:
            yield is_stuck
        finally:
            over.set()


class refusing_send:
    """Stands before the kernel's sendmmsg: `refuse` looks at a message header and gives an errno, or 0 to let it pass. Collects what was refused."""

    def __init__(self, engine: PacketForwarder, refuse: Callable[[object], int]) -> None:
        self._engine = engine
        self._refuse = refuse
        self.refused: list[int] = []
        self._ffi = _libc_ffi()
        self._libc = self._ffi.dlopen(None)
        self._callback = ffi.callback("int(int, void *, unsigned int, int)", self._send)

    def __enter__(self) -> list[int]:
        lib.rw_set_send(self._engine._engine, self._callback)
        return self.refused

    def __exit__(self, *_: object) -> None:
        lib.rw_set_send(self._engine._engine, ffi.NULL)

    def _send(self, fd: int, messages: object, count: int, flags: int) -> int:
        headers = self._ffi.cast("struct mmsghdr *", int(ffi.cast("uintptr_t", messages)))
        code = self._refuse(headers[0].msg_hdr)
        if code:
            self.refused.append(code)
            ffi.errno = code
            return -1
        result = self._libc.sendmmsg(fd, headers, 1, flags)
        ffi.errno = self._ffi.errno
        return int(result)


def _libc_ffi():
    from cffi import FFI

    libc = FFI()
    libc.cdef(
        """
        struct msghdr { void *msg_name; uint32_t msg_namelen; void *msg_iov; size_t msg_iovlen; void *msg_control; size_t msg_controllen; int msg_flags; };
        struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
        int sendmmsg(int, struct mmsghdr *, unsigned int, int);
        """
    )
    return libc


def port_of(header) -> int:
    name = _libc_ffi().buffer(header.msg_name, 4)
    return int.from_bytes(name[2:4], "big")


async def test_what_the_kernel_drops_before_the_engine_is_counted(open_engine):
    engine = open_engine()
    engine._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel makes it 2,304 octets
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender:

        def overflows() -> bool:
            for _ in range(100):
                sender.sendto(b"\x80" + bytes(1499), ("127.0.0.1", engine.port))
            return engine.counters()["drop_receive_queue_full"] > 0

        await until(overflows)
