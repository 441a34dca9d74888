"""
The face of the packet path: what control code may ask of it, and what it tells. It knows addresses, keys, SSRCs and numbers; no SDP, no
rooms, no policy. Control code calls it once for each decision, never for each packet.

All calls come from the event loop's thread. Handles are opaque integers with a generation in them: one that was removed raises `StaleHandle`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NewType, Protocol

Address = tuple[str, int]
"""IP address as text (IPv4-mapped IPv6 is written as IPv4) and port."""

PeerHandle = NewType("PeerHandle", int)
UpTrackHandle = NewType("UpTrackHandle", int)
DownTrackHandle = NewType("DownTrackHandle", int)


class StaleHandle(LookupError):
    """The handle names something that was removed."""


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """One SRTP master key and salt for each direction, concatenated key||salt. `profile` is the name RFC 5764 and 7714 give it."""

    profile: Literal["SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80"]
    receive: bytes
    send: bytes


@dataclass(frozen=True, slots=True)
class UpTrackParameters:
    """
    An up track: what a publisher sends. `ssrcs` has one entry a simulcast layer, low to high; `rtx_ssrcs` is parallel to it or empty.
    `payload_types` maps payload type to codec name (`opus`, `red`, `VP8`, `H264`); `rtx_payload_types` maps RTX payload type to the one it repairs.
    `extensions` maps header extension URI to id, as negotiated with this publisher.
    """

    kind: Literal["audio", "video"]
    clock_rate: int
    ssrcs: tuple[int, ...]
    rtx_ssrcs: tuple[int, ...]
    payload_types: Mapping[int, str]
    rtx_payload_types: Mapping[int, int]
    extensions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DownTrackParameters:
    """
    A down track: what a subscriber gets of an up track. `payload_types` maps codec name to the subscriber's payload type; a packet of a codec
    that is not in it is dropped. `rtx_payload_types` maps codec name to RTX payload type; with `rtx_ssrc` None a NACK is answered with the same packet
    again. `extensions` maps URI to the subscriber's id; others are blanked. `cname` names the publisher's synchronisation source (RFC 3550
    section 6.5.1): the same for all tracks of one publisher.
    """

    ssrc: int
    rtx_ssrc: int | None
    payload_types: Mapping[str, int]
    rtx_payload_types: Mapping[str, int]
    extensions: Mapping[str, int]
    cname: str


@dataclass(frozen=True, slots=True)
class DatagramReceived:
    """A datagram that is not RTP or RTCP: STUN from anybody, DTLS only from a peer's bound address (`peer` is None for unbound addresses)."""

    data: bytes
    remote: Address
    peer: PeerHandle | None


@dataclass(frozen=True, slots=True)
class KeyframeRequested:
    """A subscriber sent PLI or FIR. Answer with `request_keyframe` at once; the forwarder limits the rate per source."""

    down_track: DownTrackHandle


ForwarderEvent = DatagramReceived | KeyframeRequested


@dataclass(frozen=True, slots=True)
class UpTrackStatistics:
    """
    Since the track was added. One `packets`, `octets` and `last_arrival_s` entry a layer (monotonic seconds; 0.0 for a layer never heard).
    `fraction_lost` 0 to 1 over the last report interval; `jitter_s` seconds. `recovered` packets came by retransmission or out of redundancy.
    """

    packets: tuple[int, ...]
    octets: tuple[int, ...]
    last_arrival_s: tuple[float, ...]
    lost: int
    fraction_lost: float
    jitter_s: float
    nacks: int = 0
    recovered: int = 0
    keyframe_requests: int = 0
    keyframes: int = 0
    round_trip_s: float | None = None


@dataclass(frozen=True, slots=True)
class DownTrackStatistics:
    """
    Since the track was added. `fraction_lost` (0 to 1), `jitter_s`, `round_trip_s` as the subscriber last reported them; `layer` and `temporal_layer` as
    now forwarded. `filtered` packets were left out on purpose (temporal layers, padding).
    """

    packets: int
    octets: int
    nacks: int
    retransmitted: int
    fraction_lost: float
    jitter_s: float
    round_trip_s: float | None
    layer: int | None
    temporal_layer: int | None = None
    filtered: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """How fast a probe was sent and how fast it arrived; `share` (0 to 1) of its packets came."""

    sent_bps: float
    arrived_bps: float
    share: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    What a subscriber's transport-wide feedback told since the last reading, of its video. `octets` came within `span_s` (None in the first reading), headers
    included, encryption and UDP not. `queue_s` is how much longer the fastest of these packets was under way than the fastest of the last 10 to 20 s:
    the queue that did not empty. `lost` packets, those of a probe apart, may be negative: they came late after
    all.
    """

    peer: PeerHandle
    packets: int
    octets: int
    lost: int
    span_s: float | None
    queue_s: float
    probe: Probe | None = None


@dataclass(frozen=True, slots=True)
class RecordedPacket:
    """
    A plain RTP packet, numbered and timed as a subscriber would see it, or a sender report of its track (RTCP type 200, once a second). Late ones come out of
    order, with the number that was kept for them; one without payload fills a number that nothing belongs to. `arrival_s` is monotonic.
    """

    down_track: DownTrackHandle
    arrival_s: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Records:
    """`dropped` packets found the ring full, since the recorder was added."""

    packets: list[RecordedPacket]
    dropped: int


class Forwarder(Protocol):
    """
    Moves packets between the peers of one UDP port, decrypting and encrypting on the way.

    RTCP is the forwarder's own affair: it answers NACKs, asks for what publishers lost, and sends receiver reports, sender reports with SDES and
    REMB by itself.
    """

    def events_received(self) -> list[ForwarderEvent]:
        """What came since the last call, in order. The shell calls it when `fileno()` becomes readable."""

    def fileno(self) -> int:
        """A descriptor that is readable while events wait."""

    def send_datagram(self, data: bytes, remote: Address) -> None:
        """Send bytes as they are (STUN, DTLS). A full socket drops and counts."""

    def add_peer(self) -> PeerHandle: ...

    def add_recorder(self, octets: int = ...) -> PeerHandle:
        """
        A peer without transport, whose down tracks go into a ring of so many octets instead of the network. Packets that its publishers lost are asked for
        again as for anybody; ask for a key frame with `request_keyframe`. A full ring drops the newest.
        """

    def take_records(self, recorder: PeerHandle) -> Records:
        """What was recorded since the last call, oldest first, at most 256 KiB; call again until there is nothing."""

    def remove_peer(self, peer: PeerHandle) -> None:
        """Remove the peer with its addresses, keys, up tracks (and everybody's down tracks of them) and down tracks."""

    def bind_address(self, peer: PeerHandle, remote: Address) -> None:
        """Packets from `remote` belong to this peer from now on. Call only after a STUN check with valid MESSAGE-INTEGRITY."""

    def unbind_address(self, remote: Address) -> None: ...

    def set_send_address(self, peer: PeerHandle, remote: Address | None) -> None:
        """Send to this bound address; None holds everything back (consent lost)."""

    def set_srtp_keys(self, peer: PeerHandle, keys: SrtpKeys) -> None:
        """Keys of the peer's DTLS session. Setting them again (a new handshake) replaces the old contexts."""

    def add_up_track(self, peer: PeerHandle, parameters: UpTrackParameters) -> UpTrackHandle: ...

    def remove_up_track(self, up_track: UpTrackHandle) -> None:
        """Remove the up track and every down track of it."""

    def add_down_track(
        self, peer: PeerHandle, up_track: UpTrackHandle, parameters: DownTrackParameters
    ) -> DownTrackHandle:
        """Start forwarding `up_track` to `peer`. Video starts with the next key frame: ask for one with `request_keyframe`."""

    def remove_down_track(self, down_track: DownTrackHandle) -> None: ...

    def pause_down_track(self, down_track: DownTrackHandle) -> None:
        """Stop forwarding. Nothing the subscriber can see as loss happens, now or at the resume."""

    def resume_down_track(self, down_track: DownTrackHandle) -> None:
        """Go on forwarding; video from the next key frame."""

    def set_target_layer(self, down_track: DownTrackHandle, spatial: int, temporal: int) -> None:
        """
        Forward at most this simulcast layer (index into `UpTrackParameters.ssrcs`) and temporal layer. Switches at a key frame of the new layer, and
        forwards the old one until then.
        """

    def set_playout_delay(self, down_track: DownTrackHandle, delay_s: float) -> None:
        """Ask the subscriber to hold pictures back for at least so long, if it knows the playout-delay extension and has RTX."""

    def request_keyframe(self, up_track: UpTrackHandle, layer: int | None = None) -> None:
        """Send PLI for a layer, or for every layer that somebody waits for; at most one per source and 300 ms, a later one is delayed, not lost."""

    def set_receive_bitrate(self, peer: PeerHandle, bitrate_bps: int) -> None:
        """What the peer may send in all, told to it by REMB once a second."""

    def up_track_statistics(self, up_tracks: Sequence[UpTrackHandle]) -> list[UpTrackStatistics]:
        """Of many at once, in their order: what is read each second costs one call."""

    def down_track_statistics(self, down_tracks: Sequence[DownTrackHandle]) -> list[DownTrackStatistics]: ...

    def take_audio_levels(self, up_tracks: Sequence[UpTrackHandle]) -> list[int | None]:
        """The loudest of each since the last call, 0 (loudest) to -127 dBov (RFC 6464); None when nothing came, or without the extension."""

    def take_deliveries(self) -> list[Delivery]:
        """Of every peer whose transport-wide feedback came since the last call."""

    def probe(self, peer: PeerHandle, bitrate_bps: int, length_s: float) -> None:
        """
        Send padding at this rate for so long, to learn whether it arrives as fast: a `Delivery` tells. Nothing happens while a probe of the peer is being
        sent, or when no down track of it has RTX and transport-wide numbers.
        """

    def counters(self) -> Mapping[str, int]:
        """Counts since the start, for `/metrics`: packets and octets in and out, drops by reason, NACKs, PLIs, batches."""

    def close(self) -> None:
        """Stop the thread, close the socket. All handles are stale afterwards."""
