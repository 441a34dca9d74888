"""
What a down track does, in plain Python without rings, windows or wrapped numbers: the oracle of the property tests. It keeps every packet for ever and
finds numbers by dictionary, where the engine has fixed tables and 16 bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LARGEST_GAP = 511
HISTORY = 1024
"""Numbers for which a late packet is still awaited."""
SILENCE_S = 1.0
CLOCK = 90000


@dataclass(frozen=True, slots=True)
class Packet:
    """One VP8 packet of a layer, with unwrapped numbers. An `empty` one has no payload: probing padding."""

    layer: int
    seq: int
    time: int
    picture: int
    tl0: int
    tid: int
    sync: bool
    key: bool
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """Unwrapped, except for the picture's numbers. `padding`: an empty packet in the place of one that is left out."""

    seq: int
    time: int
    picture: int
    tl0: int
    padding: bool = False


@dataclass(slots=True)
class Publisher:
    """What a source looks like on arrival: which packets are news, and which came late."""

    highest: dict[int, int] = field(default_factory=dict)
    seen: set[tuple[int, int]] = field(default_factory=set)
    last_s: dict[int, float] = field(default_factory=dict)

    def receive(self, packet: Packet, now: float) -> bool | None:
        """True: in order; False: late; None: a duplicate."""
        self.last_s[packet.layer] = now
        if (packet.layer, packet.seq) in self.seen:
            return None
        self.seen.add((packet.layer, packet.seq))
        highest = self.highest.get(packet.layer)
        if highest is not None and packet.seq < highest:
            return False
        self.highest[packet.layer] = packet.seq
        return True

    def flows(self, layer: int, now: float) -> bool:
        return layer in self.last_s and now - self.last_s[layer] <= SILENCE_S


@dataclass(slots=True)
class Subscriber:
    """One down track."""

    target: int
    temporal_target: int = 3
    paused: bool = False
    layer: int | None = None
    temporal: int = 3
    next_seq: int | None = None
    last_time: int = 0
    last_s: float = 0.0
    last_layer: int | None = None
    time_offset: int = 0
    last_picture: int = 0
    last_tl0: int = 0
    picture_offset: int = 0
    tl0_offset: int = 0
    highest: int = 0
    frame: tuple[int, bool] | None = None
    reserved: dict[tuple[int, int], Sent] = field(default_factory=dict)
    """Offsets and number kept free, by layer and number of the packet that may still come."""

    def pause(self) -> None:
        self.paused, self.layer = True, None

    def resume(self) -> None:
        self.paused = False

    def receive(self, packet: Packet, in_order: bool, publisher: Publisher, now: float) -> Sent | None:
        if self.paused:
            return None
        if packet.layer != self.layer:
            if not (in_order and self._may_start(packet, publisher, now)):
                return None
            self._start(packet, now)
        if packet.seq <= self.highest:
            return self._late(packet)
        return self._next(packet, now)

    def _may_start(self, packet: Packet, publisher: Publisher, now: float) -> bool:
        if not packet.key or packet.layer > self.target:
            return False
        if packet.layer == self.target or self.layer is None:
            return True
        if self.layer > self.target:
            return not publisher.flows(self.target, now)
        return packet.layer > self.layer or not publisher.flows(self.layer, now)

    def _start(self, packet: Packet, now: float) -> None:
        if self.next_seq is None:
            self.next_seq = packet.seq & 0x7FFF
            self.time_offset = self.picture_offset = self.tl0_offset = 0
        else:
            if packet.layer != self.last_layer:
                arrival = self.last_time + int((round(now * 1e6) - round(self.last_s * 1e6)) * CLOCK // 1_000_000)
                self.time_offset = packet.time - max(arrival, self.last_time + 1)
            self.picture_offset = packet.picture - (self.last_picture + 1)
            self.tl0_offset = packet.tl0 - (self.last_tl0 + 1)
        self.layer = self.last_layer = packet.layer
        self.highest = packet.seq - 1
        self.frame = None
        self.temporal = self.temporal_target

    def _late(self, packet: Packet) -> Sent | None:
        kept = self.reserved.pop((packet.layer, packet.seq), None)
        assert self.next_seq is not None
        if kept is None or self.next_seq - kept.seq > HISTORY:
            return None
        time = packet.time - kept.time
        if packet.empty or packet.tid > self.temporal:
            return Sent(kept.seq, time, 0, 0, padding=True)
        return Sent(kept.seq, time, packet.picture - kept.picture, packet.tl0 - kept.tl0)

    def _next(self, packet: Packet, now: float) -> Sent | None:
        assert self.next_seq is not None
        if packet.seq - self.highest - 1 <= LARGEST_GAP:
            for lost in range(self.highest + 1, packet.seq):
                self.reserved[packet.layer, lost] = Sent(
                    self.next_seq, self.time_offset, self.picture_offset, self.tl0_offset
                )
                self.next_seq += 1
        self.highest = packet.seq
        if packet.empty or not self._keeps(packet):
            return None
        sent = Sent(
            self.next_seq,
            packet.time - self.time_offset,
            packet.picture - self.picture_offset,
            packet.tl0 - self.tl0_offset,
        )
        self.next_seq += 1
        self.last_time, self.last_picture, self.last_tl0, self.last_s = sent.time, sent.picture, sent.tl0, now
        return sent

    def _keeps(self, packet: Packet) -> bool:
        if self.frame is not None and self.frame[0] == packet.time:
            return self.frame[1]
        if packet.key or self.temporal > self.temporal_target:
            self.temporal = self.temporal_target
        elif packet.sync and packet.tid == self.temporal + 1 <= self.temporal_target:
            self.temporal = packet.tid
        keep = packet.tid <= self.temporal
        self.frame = (packet.time, keep)
        if not keep:
            self.picture_offset += 1
        return keep


def mapped(
    elements: Sequence[tuple[int, bytes]],
    room: int,
    ids: Mapping[int, int],
    own: tuple[int, bytes],
    *,
    two_byte: bool,
) -> list[tuple[int, bytes]]:
    """
    The header extension elements that a subscriber gets of these, in a block of `room` octets. `ids` are its own by the publisher's; `own` the one that is written
    where it finds room, and its id (0: none).
    """
    head, largest = (2, 255) if two_byte else (1, 14)
    kept = [(ids[number], value) for number, value in elements if 0 < ids.get(number, 0) <= largest]
    used = sum(head + len(value) for _, value in kept)
    if 0 < own[0] <= largest and used + head + len(own[1]) <= room:
        kept.append(own)
    return kept
