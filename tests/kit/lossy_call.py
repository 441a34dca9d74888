"""
A camera's way through the engine over two bad lines, in memory and by a seed: a publisher that answers NACKs and a subscriber that sends them as Chromium
does, with the engine between them. It tells when each frame was whole at the subscriber.
"""

import heapq
import itertools
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from media_sfu.engine import PacketForwarder
from media_sfu.engine.forwarder import TRANSPORT_SEQUENCE
from media_sfu.forwarder import Address, DownTrackParameters, PeerHandle, UpTrackParameters

from tests.kit.packets import (
    ReportBlock,
    is_rtcp,
    nack,
    read_rtcp,
    read_rtp,
    receiver_report,
    rtp,
    sender_report,
    vp8,
)
from tests.kit.udp_relay import Line

PUBLISHER: Address = ("192.0.2.1", 5000)
SUBSCRIBER: Address = ("192.0.2.2", 6000)
CAMERA = UpTrackParameters("video", 90000, (0x1111,), (0x1112,), {96: "VP8"}, {97: 96}, {})
VIEW = DownTrackParameters(0xAAAA, 0xAAAB, {"VP8": 120}, {"VP8": 124}, {TRANSPORT_SEQUENCE: 5}, "alice")

FPS = 15
TICK_S = 0.005
"""Of the engine's timer."""
PROCESS_S = 0.02
"""Chromium looks so often for NACKs to repeat."""
TRIES = 10
CALM_S = 0.3
"""Nothing is lost at the beginning: the key frame is no part of what is measured."""


@dataclass(slots=True)
class Frames:
    """Of a publisher: when each was taken, and the packets of which it consists."""

    taken_s: list[float] = field(default_factory=list)
    packets: dict[int, tuple[bytes, float]] = field(default_factory=dict)
    """By sequence number: the packet, and when it was sent last."""
    repeated: int = 0


@dataclass(slots=True)
class View:
    """What a subscriber has."""

    highest: int | None = None
    missing: dict[int, tuple[float, int]] = field(default_factory=dict)
    """By extended number: when it was asked for last, and how often."""
    parts: dict[int, set[int]] = field(default_factory=dict)
    whole_s: dict[int, float] = field(default_factory=dict)


class LossyCall:
    """`up` and `down` are shares of packets that are lost on each direction of the publisher's and of the subscriber's line; each way takes `way_s`."""

    def __init__(self, seed: int, up: float, down: float, way_s: float = 0.05) -> None:
        self.frames, self.view = Frames(), View()
        self.engine = PacketForwarder.without_socket()
        publisher, subscriber = self._join(PUBLISHER), self._join(SUBSCRIBER)
        track = self.engine.add_up_track(publisher, CAMERA)
        self.engine.add_down_track(subscriber, track, VIEW)
        self._chance = random.Random(seed)
        self._way_s = way_s
        self._down_loss = down
        self._lines = {
            name: Line(seed + n, loss=loss, delay_s=way_s, reorder=0.01, repeat=0.01)
            for n, (name, loss) in enumerate((("up", up), ("publisher", up), ("wishes", down), ("down", down)))
        }
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._seq, self._rtx_seq = itertools.count(1000), itertools.count(1)

    def _join(self, remote: Address) -> PeerHandle:
        peer = self.engine.add_peer()
        self.engine.bind_address(peer, remote)
        self.engine.set_send_address(peer, remote)
        return peer

    def run(self, seconds: float) -> None:
        """So many seconds of frames, and two more for the last of them."""
        self._every(1 / FPS, self._take_frame, until=seconds)
        self._every(TICK_S, self._work)
        self._every(PROCESS_S, self._repeat_wishes)
        self._every(1.0, self._send_reports)
        while self._events and self._events[0][0] < seconds + 2:
            self._now, _, act = heapq.heappop(self._events)
            act()
        self.engine.close()

    def delays_s(self) -> list[float]:
        """How much later than without loss each frame was whole, that was taken after the calm; 9.0 for one that never was."""
        return [
            self.view.whole_s.get(number, taken + 9.0 + 2 * self._way_s) - taken - 2 * self._way_s
            for number, taken in enumerate(self.frames.taken_s)
            if taken > CALM_S
        ]

    # -- time

    def _at(self, time: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), act))

    def _every(self, seconds: float, act: Callable[[], None], until: float = 1e9) -> None:
        def again() -> None:
            act()
            if self._now + seconds < until:
                self._at(self._now + seconds, again)

        self._at(0.0, again)

    def _send(self, line: str, data: bytes, arrive: Callable[[bytes], None]) -> None:
        delays = self._lines[line].carry(len(data), self._now) if self._now > CALM_S else [self._way_s]
        for delay in delays:
            self._at(self._now + delay, lambda: arrive(data))

    def _work(self, *datagrams: tuple[Address, bytes]) -> None:
        for to, data in self.engine.work(datagrams, 100 + self._now):
            if to == PUBLISHER:
                self._send("publisher", data, self._publisher_receives)
            else:
                self._send("down", data, self._subscriber_receives)

    def _to_engine_up(self, data: bytes) -> None:
        self._work((PUBLISHER, data))

    def _to_engine_down(self, data: bytes) -> None:
        self._work((SUBSCRIBER, data))

    # -- publisher

    def _take_frame(self) -> None:
        number, count = len(self.frames.taken_s), self._chance.choice((1, 1, 2, 2, 3))
        self.frames.taken_s.append(self._now)
        for part in range(count):
            seq = next(self._seq)
            body = struct.pack("!IBB", number, part, count)
            payload = vp8(number, key=not number, start=not part, body=body)
            packet = rtp(seq, number * 90000 // FPS, payload, marker=part == count - 1)
            self.frames.packets[seq & 0xFFFF] = packet, self._now
            self._send("up", packet, self._to_engine_up)

    def _publisher_receives(self, data: bytes) -> None:
        """Answer NACKs; one that comes within the round trip of the last answer was sent too early."""
        if not is_rtcp(data):
            return
        for wish in (
            seq for report in read_rtcp(data) if (report.kind, report.count) == (205, 1) for seq in report.nacked
        ):
            packet, sent_s = self.frames.packets[wish]
            if self._now - sent_s < 2 * self._way_s - 0.001:
                continue
            self.frames.packets[wish] = packet, self._now
            self.frames.repeated += 1
            original = read_rtp(packet)
            again = struct.pack("!H", wish) + original.payload
            seq = next(self._rtx_seq)
            self._send("up", rtp(seq, original.time, again, ssrc=0x1112, payload_type=97), self._to_engine_up)

    def _send_reports(self) -> None:
        ntp = int((1000 + self._now) * 2**32)
        self._send("up", sender_report(0x1111, ntp, int(self._now * 90000)), self._to_engine_up)
        lost = int(self._down_loss * 256)
        report = receiver_report(ReportBlock(0xAAAA, lost, 0, self.view.highest or 0, 0, 0, 0))
        self._send("wishes", report, self._to_engine_down)

    # -- subscriber

    def _subscriber_receives(self, data: bytes) -> None:
        if is_rtcp(data):
            return
        packet = read_rtp(data)
        if packet.ssrc == 0xAAAA:
            self._take(packet.seq, packet.payload)
        elif packet.payload:
            self._take(struct.unpack("!H", packet.payload[:2])[0], packet.payload[2:])

    def _take(self, seq: int, payload: bytes) -> None:
        view = self.view
        highest = seq - 1 if view.highest is None else view.highest
        extended = highest + ((seq - highest + 0x8000) & 0xFFFF) - 0x8000
        view.missing.pop(extended, None)
        if extended > highest:
            view.highest = extended
            lost = range(highest + 1, extended)
            view.missing |= dict.fromkeys(lost, (self._now, 1))
            self._wish(list(lost))
        if payload:
            frame, part, count = struct.unpack("!IBB", payload[-6:])
            parts = view.parts.setdefault(frame, set())
            parts.add(part)
            if len(parts) == count:
                view.whole_s.setdefault(frame, self._now)

    def _repeat_wishes(self) -> None:
        due = [
            number
            for number, (asked_s, tries) in self.view.missing.items()
            if tries < TRIES and self._now - asked_s >= 2 * self._way_s
        ]
        self.view.missing |= {number: (self._now, self.view.missing[number][1] + 1) for number in due}
        self._wish(due)

    def _wish(self, numbers: list[int]) -> None:
        if numbers:
            self._send("wishes", nack(0xAAAA, *numbers), self._to_engine_down)
