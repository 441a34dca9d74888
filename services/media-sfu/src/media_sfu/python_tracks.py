"""Peers, up tracks and down tracks of the Python forwarder: what each packet becomes for each subscriber. No socket; goes when that forwarder goes."""

import struct
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

import pylibsrtp
from aiortc import rtp

from media_sfu.forwarder import (
    Address,
    DownTrackHandle,
    DownTrackParameters,
    DownTrackStatistics,
    PeerHandle,
    SrtpKeys,
    UpTrackHandle,
    UpTrackParameters,
    UpTrackStatistics,
)

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
HOP_BY_HOP = frozenset(
    {
        MID,
        "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    }
)
"""Extensions that mean something between one client and us only: never passed on."""

RING = 1024
"""Packets kept for each layer, to answer NACKs and to know duplicates."""
MAX_GAP = 256
"""A longer gap in sequence numbers is a new start of the source, not loss."""
KEEP_MAPPINGS = 1024

_PROFILES = {
    "SRTP_AEAD_AES_128_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "SRTP_AEAD_AES_256_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    "SRTP_AES128_CM_SHA1_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


@dataclass(slots=True)
class Srtp:
    """The two SRTP sessions of a peer. Failures are None: a packet that does not authenticate is no exception."""

    inbound: pylibsrtp.Session
    outbound: pylibsrtp.Session

    def unprotect(self, data: bytes) -> bytes | None:
        try:
            return bytes(self.inbound.unprotect(data))
        except (pylibsrtp.Error, ValueError):
            return None

    def unprotect_rtcp(self, data: bytes) -> bytes | None:
        try:
            return bytes(self.inbound.unprotect_rtcp(data))
        except (pylibsrtp.Error, ValueError):
            return None

    def protect(self, data: bytes) -> bytes | None:
        try:
            return bytes(self.outbound.protect(data))
        except (pylibsrtp.Error, ValueError):
            return None

    def protect_rtcp(self, data: bytes) -> bytes | None:
        try:
            return bytes(self.outbound.protect_rtcp(data))
        except (pylibsrtp.Error, ValueError):
            return None

    def forget(self, ssrc: int) -> None:
        try:
            self.outbound.remove_stream(ssrc)
        except pylibsrtp.Error:
            return  # nothing was ever sent on it


def make_srtp(keys: SrtpKeys) -> Srtp:
    def session(key: bytes, ssrc_type: int) -> pylibsrtp.Session:
        policy = pylibsrtp.Policy(key=key, ssrc_type=ssrc_type, srtp_profile=_PROFILES[keys.profile])
        policy.allow_repeat_tx = True
        policy.window_size = 1024
        return pylibsrtp.Session(policy)

    return Srtp(
        session(keys.receive, pylibsrtp.Policy.SSRC_ANY_INBOUND),
        session(keys.send, pylibsrtp.Policy.SSRC_ANY_OUTBOUND),
    )


@dataclass(slots=True)
class Packet:
    """An RTP packet, its header read (RFC 3550 section 5.1). `payload_at` is where the payload begins; padding is cut off."""

    data: bytes
    payload_type: int
    seq: int
    rtp_time: int
    ssrc: int
    extensions_at: int
    """Where the extension block's data begins, or 0 without one."""
    payload_at: int
    extended_seq: int = 0

    @classmethod
    def parse(cls, data: bytes) -> "Packet | None":
        if len(data) < 12 or data[0] >> 6 != 2:
            return None
        payload_at = 12 + 4 * (data[0] & 0x0F)
        extensions_at = 0
        if data[0] & 0x10:
            if len(data) < payload_at + 4:
                return None
            extensions_at = payload_at + 4
            payload_at = extensions_at + 4 * int.from_bytes(data[payload_at + 2 : payload_at + 4], "big")
        if payload_at > len(data):
            return None
        if data[0] & 0x20:
            padding = data[-1]
            if padding == 0 or payload_at + padding > len(data):
                return None
            data = bytes([data[0] & ~0x20]) + data[1 : len(data) - padding]
        seq, rtp_time, ssrc = struct.unpack_from("!HLL", data, 2)
        return cls(data, data[1] & 0x7F, seq, rtp_time, ssrc, extensions_at, payload_at)

    @property
    def payload(self) -> bytes:
        return self.data[self.payload_at :]

    def extensions(self) -> Iterator[tuple[int, int, int, int]]:
        """Identifier, where its element begins, where its value begins, and the value's length (RFC 8285), one- and two-byte forms."""
        if not self.extensions_at:
            return
        profile = int.from_bytes(self.data[self.extensions_at - 4 : self.extensions_at - 2], "big")
        at, end = self.extensions_at, self.payload_at
        one_byte = profile == 0xBEDE
        if not one_byte and profile & 0xFFF0 != 0x1000:
            return
        while at < end:
            if self.data[at] == 0:
                at += 1
                continue
            if one_byte:
                identifier, length, value_at = self.data[at] >> 4, (self.data[at] & 0x0F) + 1, at + 1
                if identifier == 15:
                    return
            else:
                if at + 2 > end:
                    return
                identifier, length, value_at = self.data[at], self.data[at + 1], at + 2
            if value_at + length > end:
                return
            yield identifier, at, value_at, length
            at = value_at + length

    @property
    def is_one_byte(self) -> bool:
        return self.data[self.extensions_at - 4] == 0xBE


@dataclass(slots=True)
class Peer:
    handle: PeerHandle
    addresses: set[Address] = field(default_factory=set)
    send_address: Address | None = None
    srtp: Srtp | None = None
    up_tracks: "list[UpTrack]" = field(default_factory=list)
    down_tracks: "list[DownTrack]" = field(default_factory=list)
    sources: "dict[int, Layer]" = field(default_factory=dict)
    rtx_sources: "dict[int, Layer]" = field(default_factory=dict)
    sinks: "dict[int, DownTrack]" = field(default_factory=dict)
    receive_bitrate_bps: int | None = None


class Layer:
    """One SSRC of an up track: what arrived, what is missing, and the ring of packets."""

    def __init__(self, track: "UpTrack", index: int, ssrc: int, rtx_ssrc: int | None) -> None:
        self.track = track
        self.index = index
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self.packets = 0
        self.octets = 0
        self.last_arrival_s = 0.0
        self.sender_report: tuple[int, int, float] | None = None
        """NTP time, RTP time, arrival."""
        self.keyframe_wanted = False
        self.keyframe_requested_s = -1.0
        self.jitter = 0.0
        self.lost = 0
        self.fraction_lost = 0.0
        self._ring: OrderedDict[int, Packet] = OrderedDict()
        self._first_seq: int | None = None
        self._highest_seq = 0
        self._last_transit: float | None = None
        self._reported_expected = 0
        self._reported_packets = 0

    def unwrap_rtx(self, packet: Packet) -> Packet | None:
        """The packet that an RTX packet repairs (RFC 4588 section 4); None for probing padding."""
        original = self.track.parameters.rtx_payload_types.get(packet.payload_type)
        if original is None or len(packet.payload) < 2:
            return None
        data = bytearray(packet.data)
        data[1] = (data[1] & 0x80) | original
        data[2:4] = packet.payload[:2]
        data[8:12] = self.ssrc.to_bytes(4, "big")
        del data[packet.payload_at : packet.payload_at + 2]
        return Packet.parse(bytes(data))

    def receive(self, packet: Packet, now: float) -> list[int] | None:
        """Take a packet; returns the numbers to ask for again, or None when it was here before. Fills in its extended number."""
        if self._first_seq is None:
            self._first_seq = self._highest_seq = packet.seq + (1 << 16)
        extended = unwrap(packet.seq, self._highest_seq)
        if extended in self._ring or extended <= self._highest_seq - RING:
            return None
        packet.extended_seq = extended
        missing: list[int] = []
        if extended > self._highest_seq:
            gap = extended - self._highest_seq - 1
            if 0 < gap <= MAX_GAP and self.packets:
                missing = [seq & 0xFFFF for seq in range(self._highest_seq + 1, extended)]
            self._highest_seq = extended
        self._ring[extended] = packet
        if len(self._ring) > RING:
            self._ring.popitem(last=False)
        self.packets += 1
        self.octets += len(packet.data) - packet.payload_at
        self.last_arrival_s = now
        transit = now * self.track.parameters.clock_rate - packet.rtp_time
        if self._last_transit is not None:
            difference = abs(transit - self._last_transit)
            if difference < self.track.parameters.clock_rate:
                self.jitter += (difference - self.jitter) / 16  # RFC 3550 section 6.4.1
        self._last_transit = transit
        if self.track.level_id is not None:
            self.track.hear(packet)
        return missing if self.track.parameters.kind == "video" else []

    def kept(self, extended_seq: int) -> Packet | None:
        return self._ring.get(extended_seq)

    def report(self, now: float) -> rtp.RtcpReceiverInfo:
        """A report block since the last one (RFC 3550 section 6.4.1)."""
        assert self._first_seq is not None
        expected = self._highest_seq - self._first_seq + 1
        self.lost = max(0, expected - self.packets)
        expected_since = expected - self._reported_expected
        lost_since = expected_since - (self.packets - self._reported_packets)
        self._reported_expected, self._reported_packets = expected, self.packets
        self.fraction_lost = max(0.0, lost_since / expected_since) if expected_since > 0 else 0.0
        lsr = dlsr = 0
        if self.sender_report is not None:
            ntp, _, arrival = self.sender_report
            lsr, dlsr = (ntp >> 16) & 0xFFFFFFFF, int((now - arrival) * 65536) & 0xFFFFFFFF
        return rtp.RtcpReceiverInfo(
            self.ssrc,
            min(255, int(self.fraction_lost * 256)),
            rtp.clamp_packets_lost(self.lost),
            self._highest_seq & 0xFFFFFFFF,
            int(self.jitter),
            lsr,
            dlsr,
        )


class UpTrack:
    """What a publisher sends."""

    def __init__(self, handle: UpTrackHandle, peer: Peer, parameters: UpTrackParameters) -> None:
        self.handle = handle
        self.peer = peer
        self.parameters = parameters
        rtx = parameters.rtx_ssrcs or (None,) * len(parameters.ssrcs)
        self.layers = [
            Layer(self, index, ssrc, rtx_ssrc)
            for index, (ssrc, rtx_ssrc) in enumerate(zip(parameters.ssrcs, rtx, strict=True))
        ]
        self.down_tracks: list[DownTrack] = []
        self.level_id = parameters.extensions.get(AUDIO_LEVEL)
        self._loudest: int | None = None

    def hear(self, packet: Packet) -> None:
        for identifier, _, value_at, _ in packet.extensions():
            if identifier == self.level_id:
                level = -(packet.data[value_at] & 0x7F)
                self._loudest = level if self._loudest is None else max(level, self._loudest)

    def is_keyframe(self, packet: Packet) -> bool:
        return is_keyframe(self.parameters.payload_types.get(packet.payload_type, ""), packet.payload)

    def statistics(self) -> UpTrackStatistics:
        loudest, self._loudest = self._loudest, None
        return UpTrackStatistics(
            packets=tuple(layer.packets for layer in self.layers),
            octets=tuple(layer.octets for layer in self.layers),
            last_arrival_s=tuple(layer.last_arrival_s for layer in self.layers),
            lost=sum(layer.lost for layer in self.layers),
            fraction_lost=max(layer.fraction_lost for layer in self.layers),
            jitter_s=max(layer.jitter for layer in self.layers) / self.parameters.clock_rate,
            audio_level_db=loudest,
        )


class DownTrack:
    """
    What a subscriber gets. The offsets turn a source's numbers into ours; a new source or a resume sets them anew, so that ours go on by one.
    """

    def __init__(self, handle: DownTrackHandle, peer: Peer, source: UpTrack, parameters: DownTrackParameters) -> None:
        self.handle = handle
        self.peer = peer
        self.source = source
        self.parameters = parameters
        self.target_layer = len(source.layers) - 1
        self.layer: int | None = None
        self.is_paused = False
        self.packets = 0
        self.octets = 0
        self.nacks = 0
        self.retransmitted = 0
        self._fraction_lost = 0.0
        self._jitter_s = 0.0
        self._round_trip_s: float | None = None
        self._reports: OrderedDict[int, float] = OrderedDict()
        self._seq_offset = 0
        self._time_offset = 0
        self._first_seq = 0
        self._last_seq: int | None = None
        self._last_time = 0
        self._last_time_s = 0.0
        self._rtx_seq = 0
        self._sent: OrderedDict[int, tuple[Layer, int, int]] = OrderedDict()
        """Our number -> layer, its number and the time offset then."""
        ids = {uri: theirs for uri, theirs in parameters.extensions.items() if uri not in HOP_BY_HOP}
        self._extension_ids = {ours: ids[uri] for uri, ours in source.parameters.extensions.items() if uri in ids}
        self._send_time_id = source.parameters.extensions.get(ABS_SEND_TIME)

    def pause(self) -> None:
        self.is_paused = True
        self.layer = None

    def resume(self) -> None:
        self.is_paused = False

    def forward(self, layer: Layer, packet: Packet, now: float) -> bytes | None:
        """The packet as this subscriber gets it, or None."""
        codec = self.source.parameters.payload_types.get(packet.payload_type)
        payload_type = None if codec is None else self.parameters.payload_types.get(codec)
        if self.is_paused or payload_type is None or len(packet.data) == packet.payload_at:
            return None
        if layer.index != self.layer and not self._switches(layer, packet):
            return None
        if layer.index != self.layer:
            self._start(layer, packet, now)
        if packet.extended_seq < self._first_seq:
            return None
        seq = packet.extended_seq + self._seq_offset
        if self._last_seq is None or seq > self._last_seq:
            self._last_seq, self._last_time, self._last_time_s = seq, packet.rtp_time + self._time_offset, now
        self._sent[seq] = (layer, packet.extended_seq, self._time_offset)
        if len(self._sent) > KEEP_MAPPINGS:
            self._sent.popitem(last=False)
        self.packets += 1
        self.octets += len(packet.data) - packet.payload_at
        return self._rewrite(packet, payload_type, seq, self._time_offset, now)

    def retransmit(self, lost: list[int]) -> Iterator[bytes]:
        """Answer a NACK: by RTX where negotiated (RFC 4588), else with the same packets again."""
        if self._last_seq is None:
            return
        for number in lost:
            seq = unwrap(number & 0xFFFF, self._last_seq)
            known = self._sent.get(seq)
            packet = known[0].kept(known[1]) if known else None
            if known is None or packet is None:
                continue
            codec = self.source.parameters.payload_types[packet.payload_type]
            plain = self._rewrite(packet, self.parameters.payload_types[codec], seq, known[2], self._last_time_s)
            rtx_type = self.parameters.rtx_payload_types.get(codec)
            if self.parameters.rtx_ssrc is None or rtx_type is None:
                yield plain
                continue
            data = bytearray(plain)
            data[1] = (data[1] & 0x80) | rtx_type
            data[2:4] = self._rtx_seq.to_bytes(2, "big")
            data[8:12] = self.parameters.rtx_ssrc.to_bytes(4, "big")
            data[packet.payload_at : packet.payload_at] = (seq & 0xFFFF).to_bytes(2, "big")
            self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
            yield bytes(data)

    def receive_report(self, report: rtp.RtcpReceiverInfo, now: float) -> None:
        self._fraction_lost = report.fraction_lost / 256
        self._jitter_s = report.jitter / self.source.parameters.clock_rate
        sent = self._reports.get(report.lsr)
        if sent is not None:
            self._round_trip_s = max(0.0, now - sent - report.dlsr / 65536)

    def sender_report(self, now: float, ntp_now: int) -> rtp.RtcpSrPacket | None:
        """
        Our sender report: the publisher's pair of times carried on to now, so that all tracks of one publisher stay on its one clock (RFC 3550 section 6.4.1).
        """
        if self.layer is None or not self.packets:
            return None
        source = self.source.layers[self.layer].sender_report
        if source is None:
            return None
        ntp, rtp_time, arrival = source
        elapsed = now - arrival
        ntp = (ntp + int(elapsed * (1 << 32))) & 0xFFFFFFFFFFFFFFFF
        rtp_time = int(rtp_time + elapsed * self.source.parameters.clock_rate + self._time_offset) & 0xFFFFFFFF
        self._reports[(ntp >> 16) & 0xFFFFFFFF] = now
        if len(self._reports) > 16:
            self._reports.popitem(last=False)
        info = rtp.RtcpSenderInfo(ntp, rtp_time, self.packets & 0xFFFFFFFF, self.octets & 0xFFFFFFFF)
        return rtp.RtcpSrPacket(self.parameters.ssrc, info)

    def statistics(self) -> DownTrackStatistics:
        return DownTrackStatistics(
            packets=self.packets,
            octets=self.octets,
            nacks=self.nacks,
            retransmitted=self.retransmitted,
            fraction_lost=self._fraction_lost,
            jitter_s=self._jitter_s,
            round_trip_s=self._round_trip_s,
            layer=self.layer,
        )

    def _switches(self, layer: Layer, packet: Packet) -> bool:
        """Video starts and changes layers at key frames only. Without a layer yet, any that is not above the target will do."""
        if self.source.parameters.kind == "audio":
            return True
        if layer.index != self.target_layer and (self.layer is not None or layer.index > self.target_layer):
            return False
        return self.source.is_keyframe(packet)

    def _start(self, layer: Layer, packet: Packet, now: float) -> None:
        self.layer = layer.index
        self._first_seq = packet.extended_seq
        if self._last_seq is None:
            self._seq_offset = 0
            self._time_offset = 0
            return
        elapsed = int((now - self._last_time_s) * self.source.parameters.clock_rate)
        self._seq_offset = self._last_seq + 1 - packet.extended_seq
        self._time_offset = (self._last_time + max(1, elapsed) - packet.rtp_time) & 0xFFFFFFFF

    def _rewrite(self, packet: Packet, payload_type: int, seq: int, time_offset: int, now: float) -> bytes:
        data = bytearray(packet.data)
        data[1] = (data[1] & 0x80) | payload_type
        struct.pack_into(
            "!HLL", data, 2, seq & 0xFFFF, (packet.rtp_time + time_offset) & 0xFFFFFFFF, self.parameters.ssrc
        )
        for identifier, at, value_at, length in packet.extensions():
            theirs = self._extension_ids.get(identifier)
            if theirs is None or (packet.is_one_byte and theirs > 14):
                data[at : value_at + length] = bytes(value_at + length - at)
            elif packet.is_one_byte:
                data[at] = (theirs << 4) | (data[at] & 0x0F)
            else:
                data[at] = theirs
            if theirs is not None and identifier == self._send_time_id and length == 3:
                data[value_at : value_at + 3] = (int(now * (1 << 18)) & 0xFFFFFF).to_bytes(3, "big")
        return bytes(data)


def unwrap(seq: int, near: int) -> int:
    """The number with these 16 low bits that is nearest to `near`."""
    return near + ((seq - near + 0x8000) & 0xFFFF) - 0x8000


def is_keyframe(codec: str, payload: bytes) -> bool:
    """Whether an RTP payload begins a key frame: VP8 (RFC 7741 section 4.3) or H264 (RFC 6184: SPS or IDR, alone, aggregated or fragmented)."""
    if codec == "VP8":
        return _is_vp8_keyframe(payload)
    if codec == "H264":
        return _is_h264_keyframe(payload)
    return True


def _is_vp8_keyframe(payload: bytes) -> bool:
    if len(payload) < 2 or not payload[0] & 0x10 or payload[0] & 0x07:
        return False
    at = 1
    if payload[0] & 0x80:
        flags = payload[1]
        at = 2
        if flags & 0x80:
            at += 2 if len(payload) > at and payload[at] & 0x80 else 1
        if flags & 0x40:
            at += 1
        if flags & 0x30:
            at += 1
    return at < len(payload) and not payload[at] & 0x01


def _is_h264_keyframe(payload: bytes) -> bool:
    if len(payload) < 2:
        return False
    kind = payload[0] & 0x1F
    if kind == 24:  # STAP-A
        at = 1
        while at + 3 <= len(payload):
            if payload[at + 2] & 0x1F in (5, 7):
                return True
            at += 2 + int.from_bytes(payload[at : at + 2], "big")
        return False
    if kind == 28:  # FU-A: only its first fragment
        return bool(payload[1] & 0x80) and payload[1] & 0x1F in (5, 7)
    return kind in (5, 7)
