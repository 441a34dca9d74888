"""RTP and RTCP packets to put in, and readers for those that come out. Plain `struct`, independent of the code under test."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


def vp8(
    picture_id: int | None = None,
    *,
    tl0: int | None = None,
    tid: int | None = None,
    sync: bool = False,
    key: bool = False,
    start: bool = True,
    short: bool = False,
    body: bytes = b"payload",
) -> bytes:
    """A VP8 payload (RFC 7741): descriptor, then a first octet whose lowest bit is 0 in a key frame. `short` writes 7 bits of picture id."""
    flags = (
        (0x80 if picture_id is not None else 0) | (0x40 if tl0 is not None else 0) | (0x20 if tid is not None else 0)
    )
    descriptor = bytearray([(0x80 if flags else 0) | (0x10 if start else 0)])
    if flags:
        descriptor.append(flags)
    if picture_id is not None:
        descriptor += bytes([picture_id & 0x7F]) if short else struct.pack("!H", 0x8000 | picture_id & 0x7FFF)
    if tl0 is not None:
        descriptor.append(tl0 & 0xFF)
    if tid is not None:
        descriptor.append(tid << 6 | (0x20 if sync else 0))
    return bytes(descriptor) + bytes([0x00 if key else 0x01]) + body


def one_byte_extensions(elements: Mapping[int, bytes]) -> bytes:
    """RFC 8285 section 4.2, with the profile and length in front."""
    body = b"".join(bytes([number << 4 | len(value) - 1]) + value for number, value in elements.items())
    return _extension_block(0xBEDE, body)


def two_byte_extensions(elements: Mapping[int, bytes]) -> bytes:
    """RFC 8285 section 4.3."""
    return _extension_block(0x1000, b"".join(bytes([number, len(value)]) + value for number, value in elements.items()))


def _extension_block(profile: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", profile, len(body) // 4) + body


def rtp(
    seq: int,
    time: int = 0,
    payload: bytes = b"payload",
    *,
    ssrc: int = 0x1111,
    payload_type: int = 96,
    marker: bool = False,
    extensions: bytes = b"",
    padding: int = 0,
) -> bytes:
    first = 0x80 | (0x10 if extensions else 0) | (0x20 if padding else 0)
    header = struct.pack("!BBHII", first, (0x80 if marker else 0) | payload_type, seq & 0xFFFF, time & 0xFFFFFFFF, ssrc)
    tail = bytes(padding - 1) + bytes([padding]) if padding else b""
    return header + extensions + payload + tail


@dataclass(frozen=True, slots=True)
class Rtp:
    """What a receiver reads. `padding` octets are not in `payload`."""

    payload_type: int
    marker: bool
    seq: int
    time: int
    ssrc: int
    payload: bytes
    padding: int
    extensions: dict[int, bytes] = field(default_factory=dict)

    @property
    def picture(self) -> tuple[int | None, int | None, int | None]:
        """Picture id, TL0PICIDX and temporal id of a VP8 payload, None for what is not there."""
        at = 1
        flags = self.payload[1] if self.payload[0] & 0x80 else 0
        picture_id = tl0 = tid = None
        at += bool(flags)
        if flags & 0x80:
            wide = self.payload[at] & 0x80
            picture_id = struct.unpack_from("!H", self.payload, at)[0] & 0x7FFF if wide else self.payload[at]
            at += 2 if wide else 1
        if flags & 0x40:
            tl0 = self.payload[at]
            at += 1
        if flags & 0x20:
            tid = self.payload[at] >> 6
        return picture_id, tl0, tid


def read_rtp(data: bytes) -> Rtp:
    first, second, seq, time, ssrc = struct.unpack_from("!BBHII", data)
    assert first >> 6 == 2
    at = 12 + 4 * (first & 15)
    if first & 0x10:
        at += 4 + 4 * int(struct.unpack_from("!H", data, at + 2)[0])
    padding = data[-1] if first & 0x20 else 0
    extensions = dict(extension_elements(data))
    return Rtp(second & 127, bool(second & 128), seq, time, ssrc, data[at : len(data) - padding], padding, extensions)


def extension_elements(data: bytes) -> list[tuple[int, bytes]]:
    """Header extensions of an RTP packet in their order, of either form."""
    if not data[0] & 0x10:
        return []
    at = 12 + 4 * (data[0] & 15)
    profile, words = struct.unpack_from("!HH", data, at)
    return list(_elements(profile, data[at + 4 : at + 4 + 4 * words]))


def _elements(profile: int, block: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(block):
        if not block[at]:
            at += 1
        elif profile == 0xBEDE:
            length = (block[at] & 15) + 1
            yield block[at] >> 4, block[at + 1 : at + 1 + length]
            at += 1 + length
        else:
            yield block[at], block[at + 2 : at + 2 + block[at + 1]]
            at += 2 + block[at + 1]


def is_rtcp(data: bytes) -> bool:
    return 192 <= data[1] <= 223


def _rtcp(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def nack(media_ssrc: int, *seqs: int, sender_ssrc: int = 1) -> bytes:
    """RFC 4585 section 6.2.1, one PID for each number."""
    body = struct.pack("!II", sender_ssrc, media_ssrc)
    return _rtcp(205, 1, body + b"".join(struct.pack("!HH", seq & 0xFFFF, 0) for seq in seqs))


def pli(media_ssrc: int, sender_ssrc: int = 1) -> bytes:
    return _rtcp(206, 1, struct.pack("!II", sender_ssrc, media_ssrc))


def fir(media_ssrc: int, sender_ssrc: int = 1) -> bytes:
    return _rtcp(206, 4, struct.pack("!IIIBBH", sender_ssrc, 0, media_ssrc, 1, 0, 0))


def transport_feedback(
    first: int, ticks: Mapping[int, int], *, reference: int = 0, count: int | None = None, sender_ssrc: int = 1
) -> bytes:
    """
    draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1: which of the packets from number `first` on came, and how many ticks of 250 us after
    `reference` (in 64 ms); `ticks` in the order of numbers. Every symbol in a vector of one-bit or two-bit symbols, deltas of two octets where needed.
    """
    last = max(ticks)
    count = last - first + 1 if count is None else count
    symbols: list[int] = []
    deltas = b""
    before = 0
    for number in range(first, first + count):
        if number not in ticks:
            symbols.append(0)
            continue
        delta, before = ticks[number] - before, ticks[number]
        symbols.append(1 if 0 <= delta < 256 else 2)
        deltas += struct.pack("!B" if 0 <= delta < 256 else "!h", delta)
    chunks = b""
    for at in range(0, len(symbols), 7):
        chunk = 0xC000
        for place, symbol in enumerate(symbols[at : at + 7]):
            chunk |= symbol << (12 - 2 * place)
        chunks += struct.pack("!H", chunk)
    body = struct.pack("!IIHHI", sender_ssrc, 0, first & 0xFFFF, count, (reference & 0xFFFFFF) << 8) + chunks + deltas
    return _rtcp(205, 15, body + bytes(-len(body) % 4))


def sender_report(ssrc: int, ntp: int, time: int, packets: int = 0, octets: int = 0) -> bytes:
    """`ntp` is 32.32 fixed point."""
    return _rtcp(200, 0, struct.pack("!IQIII", ssrc, ntp, time & 0xFFFFFFFF, packets, octets))


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """RFC 3550 section 6.4.1."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    last_report: int
    delay: int


def receiver_report(block: ReportBlock, sender_ssrc: int = 1) -> bytes:
    return _rtcp(
        201,
        1,
        struct.pack(
            "!IIIIIII",
            sender_ssrc,
            block.ssrc,
            block.fraction_lost << 24 | block.lost & 0xFFFFFF,
            block.highest,
            block.jitter,
            block.last_report,
            block.delay,
        ),
    )


@dataclass(frozen=True, slots=True)
class Rtcp:
    """One packet of a compound: its type, count or format, and everything after the 4-octet header."""

    kind: int
    count: int
    body: bytes

    @property
    def sender(self) -> int:
        return int(struct.unpack_from("!I", self.body)[0])

    @property
    def media(self) -> int:
        return int(struct.unpack_from("!I", self.body, 4)[0])

    @property
    def nacked(self) -> list[int]:
        numbers: list[int] = []
        for at in range(8, len(self.body), 4):
            first, mask = struct.unpack_from("!HH", self.body, at)
            numbers += [first, *((first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1)]
        return numbers

    @property
    def bitrate_bps(self) -> int:
        assert self.body[8:12] == b"REMB"
        word = struct.unpack_from("!I", self.body, 12)[0]
        return int((word & 0x3FFFF) << (word >> 18 & 63))

    @property
    def ssrcs(self) -> list[int]:
        """Of a REMB."""
        return list(struct.unpack_from(f"!{self.body[12]}I", self.body, 16))

    @property
    def sender_information(self) -> tuple[int, int, int, int]:
        """NTP time, RTP time, packets, octets of a sender report."""
        ntp, time, packets, octets = struct.unpack_from("!QIII", self.body, 4)
        return ntp, time, packets, octets

    @property
    def blocks(self) -> list[ReportBlock]:
        start = 24 if self.kind == 200 else 4
        found: list[ReportBlock] = []
        for at in range(start, start + 24 * self.count, 24):
            ssrc, loss, highest, jitter, last, delay = struct.unpack_from("!IIIIII", self.body, at)
            lost = loss & 0xFFFFFF
            found.append(
                ReportBlock(ssrc, loss >> 24, lost - (1 << 24) if lost >> 23 else lost, highest, jitter, last, delay)
            )
        return found


def read_rtcp(data: bytes) -> list[Rtcp]:
    packets: list[Rtcp] = []
    while data:
        first, kind, words = struct.unpack_from("!BBH", data)
        assert first >> 6 == 2
        packets.append(Rtcp(kind, first & 31, data[4 : 4 + 4 * words]))
        data = data[4 + 4 * words :]
    return packets
