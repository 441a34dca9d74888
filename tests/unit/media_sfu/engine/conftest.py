"""A room in memory: one publisher and one subscriber around an engine without socket and cipher, with literal SSRCs and payload types."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from media_sfu.engine import PacketForwarder
from media_sfu.engine.forwarder import AUDIO_LEVEL, SEND_TIME, TRANSPORT_SEQUENCE
from media_sfu.forwarder import (
    Address,
    DownTrackHandle,
    DownTrackParameters,
    PeerHandle,
    UpTrackHandle,
    UpTrackParameters,
)

from tests.kit.packets import Rtcp, Rtp, is_rtcp, read_rtcp, read_rtp

PUBLISHER: Address = ("192.0.2.1", 5000)
SUBSCRIBER: Address = ("192.0.2.2", 6000)
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
ORIENTATION = "urn:3gpp:video-orientation"

CAMERA = UpTrackParameters(
    kind="video",
    clock_rate=90000,
    ssrcs=(0x1111,),
    rtx_ssrcs=(0x1112,),
    payload_types={96: "VP8", 102: "H264"},
    rtx_payload_types={97: 96, 103: 102},
    extensions={MID: 4, SEND_TIME: 2, ORIENTATION: 3},
)
SIMULCAST = replace(CAMERA, ssrcs=(0x1111, 0x2221, 0x3331), rtx_ssrcs=(0x1112, 0x2222, 0x3332))
MICROPHONE = UpTrackParameters(
    kind="audio",
    clock_rate=48000,
    ssrcs=(0x4441,),
    rtx_ssrcs=(),
    payload_types={111: "opus", 63: "red"},
    rtx_payload_types={},
    extensions={AUDIO_LEVEL: 1},
)
VIEW = DownTrackParameters(
    ssrc=0xAAAA,
    rtx_ssrc=0xAAAB,
    payload_types={"VP8": 120, "H264": 126, "opus": 109, "red": 110},
    rtx_payload_types={"VP8": 124, "H264": 127},
    extensions={TRANSPORT_SEQUENCE: 5, ORIENTATION: 7, AUDIO_LEVEL: 9},
    cname="alice",
)


@dataclass(slots=True)
class Room:
    """`publish` and `feedback` take packets in and give what the subscriber and the publisher get for it."""

    engine: PacketForwarder
    publisher: PeerHandle
    subscriber: PeerHandle
    up: UpTrackHandle
    down: DownTrackHandle
    sent: list[tuple[Address, bytes]]

    def work(self, *datagrams: tuple[Address, bytes], now: float) -> None:
        self.sent = self.engine.work(datagrams, now)

    def publish(self, *packets: bytes, now: float = 10.0) -> list[Rtp]:
        self.work(*((PUBLISHER, packet) for packet in packets), now=now)
        return self.rtp()

    def feedback(self, *packets: bytes, now: float = 10.0) -> list[Rtp]:
        self.work(*((SUBSCRIBER, packet) for packet in packets), now=now)
        return self.rtp()

    def wait(self, now: float) -> list[Rtp]:
        self.work(now=now)
        return self.rtp()

    def rtp(self) -> list[Rtp]:
        return [read_rtp(data) for remote, data in self.sent if remote == SUBSCRIBER and not is_rtcp(data)]

    def rtcp(self, remote: Address = PUBLISHER) -> list[Rtcp]:
        return [packet for to, data in self.sent if to == remote and is_rtcp(data) for packet in read_rtcp(data)]

    def count(self, name: str) -> int:
        return self.engine.counters()[name]


def join(engine: PacketForwarder, remote: Address) -> PeerHandle:
    peer = engine.add_peer()
    engine.bind_address(peer, remote)
    engine.set_send_address(peer, remote)
    return peer


@pytest.fixture
def engine() -> Iterator[PacketForwarder]:
    engine = PacketForwarder.without_socket()
    yield engine
    engine.close()


@pytest.fixture
def make_room(engine: PacketForwarder) -> Callable[..., Room]:
    def make(up: UpTrackParameters = CAMERA, down: DownTrackParameters = VIEW) -> Room:
        publisher, subscriber = join(engine, PUBLISHER), join(engine, SUBSCRIBER)
        track = engine.add_up_track(publisher, up)
        return Room(engine, publisher, subscriber, track, engine.add_down_track(subscriber, track, down), [])

    return make


@pytest.fixture
def camera(make_room: Callable[..., Room]) -> Room:
    return make_room()


@pytest.fixture
def simulcast(make_room: Callable[..., Room]) -> Room:
    return make_room(SIMULCAST)


@pytest.fixture
def microphone(make_room: Callable[..., Room]) -> Room:
    return make_room(MICROPHONE)
