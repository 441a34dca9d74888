"""
The typed face of the compiled engine: handles in, dataclasses out. It owns the socket, the media thread and the SRTP sessions' lives; what happens to a
packet is in engine.c. The only importer of the compiled module.
"""

import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from media_sfu.engine._engine import ffi, lib
from media_sfu.engine.addresses import is_wildcard, pack_ip, unpack_address
from media_sfu.engine.srtp import SessionPair, function_addresses, make_sessions
from media_sfu.forwarder import (
    Address,
    DatagramReceived,
    Delivery,
    DownTrackHandle,
    DownTrackParameters,
    DownTrackStatistics,
    ForwarderEvent,
    KeyframeRequested,
    PeerHandle,
    Probe,
    RecordedPacket,
    Records,
    SrtpKeys,
    StaleHandle,
    UpTrackHandle,
    UpTrackParameters,
    UpTrackStatistics,
)

SOCKET_BUFFER = 8 * 1024 * 1024
"""Octets: about 50 ms of a gigabit. The kernel gives what `net.core.rmem_max` and `wmem_max` allow."""
SO_MEMINFO = 55
"""Linux 4.12 and later; Python's `socket` does not name it."""
MEMINFO = "=9I"
SLOW_PROTECT_NS = 3000
"""A packet should take 700 (GCM) to 1,400 ns (AES-CM with SHA-1); beyond this libsrtp runs without the CPU's AES."""
SELF_TEST_PACKETS = 1000
EVENTS_AT_ONCE = 256
RECORDER_OCTETS = 4 * 1024 * 1024
"""Seven seconds of 4 Mbit/s video and its sound: longer than any disk should make a writer wait."""
RECORDS_AT_ONCE = 256 * 1024
DELIVERIES_AT_ONCE = 64
RECORD = struct.Struct("=qqi4x")
"""`rw_record`."""

AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
TRANSPORT_SEQUENCE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
OF_ONE_HOP = (SEND_TIME, TRANSPORT_SEQUENCE)
"""A publisher's own mean nothing to subscribers."""

CODECS = {"red": lib.RW_CODEC_RED, "vp8": lib.RW_CODEC_VP8, "h264": lib.RW_CODEC_H264}
NO_TYPE = 255

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ForwarderPolicy:
    """The numbers that the engine works by."""

    keyframe_interval_s: float = 0.3
    keyframe_retry_s: float = 0.5
    keyframe_tries: int = 6
    nack_delay_s: float = 0.01
    nack_lifetime_s: float = 1.0
    nack_tries: int = 10
    resend_interval_s: float = 0.02
    report_interval_s: float = 1.0
    arrivals_interval_s: float = 0.1
    silence_s: float = 1.0
    unbound_per_second: int = 5000


class EngineFull(RuntimeError):
    """No memory, or a million things of one kind."""


class PacketForwarder:
    """
    See `Forwarder`. `PacketForwarder.bind(host, port)` is the product's: a socket and a media thread. `PacketForwarder.without_socket()` works on
    batches from memory, for tests.
    """

    def __init__(self, policy: ForwarderPolicy, crypto: Any) -> None:
        """`crypto` is an `rw_crypto *` or NULL. Use `bind` or `without_socket`."""
        c_policy = ffi.new(
            "rw_policy *",
            {
                "keyframe_interval": _microseconds(policy.keyframe_interval_s),
                "keyframe_retry": _microseconds(policy.keyframe_retry_s),
                "keyframe_tries": policy.keyframe_tries,
                "nack_delay": _microseconds(policy.nack_delay_s),
                "nack_lifetime": _microseconds(policy.nack_lifetime_s),
                "nack_tries": policy.nack_tries,
                "resend_interval": _microseconds(policy.resend_interval_s),
                "report_interval": _microseconds(policy.report_interval_s),
                "arrivals_interval": _microseconds(policy.arrivals_interval_s),
                "silence": _microseconds(policy.silence_s),
                "unbound_per_second": policy.unbound_per_second,
            },
        )
        self._engine = lib.rw_create(c_policy, crypto)
        if not self._engine:
            raise EngineFull("no memory for the packet engine")
        self._crypto = crypto
        self._socket: socket.socket | None = None
        self._control_socket: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._sessions: dict[PeerHandle, SessionPair] = {}
        self._up_tracks: dict[UpTrackHandle, tuple[PeerHandle, UpTrackParameters]] = {}
        self._event = ffi.new("rw_event *")
        self._records = ffi.new("uint8_t[]", RECORDS_AT_ONCE)
        self._deliveries = ffi.new("rw_delivery[]", DELIVERIES_AT_ONCE)

    @classmethod
    def bind(
        cls, host: str, port: int, *, policy: ForwarderPolicy | None = None, gso: bool = True
    ) -> "PacketForwarder":
        """
        Open the UDP port (0 takes a free one) and start the media thread. A wildcard host answers each peer from the address that it used.
        `gso` False sends every packet by itself. Raises OSError when the port cannot be had.
        """
        self = cls(policy or ForwarderPolicy(), _libsrtp())
        try:
            self._open(host, port, gso)
        except OSError:
            lib.rw_destroy(self._engine)
            raise
        self._start("media", lib.rw_run)
        if self._control_socket:
            # Not the event loop: read by that, 77 of 101 could not join on a full core (`make bench-full`), where all can otherwise.
            self._start("control", lib.rw_run_control)
        return self

    @classmethod
    def without_socket(cls, *, policy: ForwarderPolicy | None = None, plain: bool = True) -> "PacketForwarder":
        """An engine that works only when `work` is called. `plain` packets are not encrypted, and peers need no keys."""
        return cls(policy or ForwarderPolicy(), ffi.NULL if plain else _libsrtp())

    @property
    def port(self) -> int:
        return int(self._open_socket().getsockname()[1])

    # -- events

    def fileno(self) -> int:
        return int(lib.rw_event_fd(self._engine))

    def events_received(self) -> list[ForwarderEvent]:
        """At most `EVENTS_AT_ONCE`: the descriptor stays readable while there are more."""
        events: list[ForwarderEvent] = []
        event = self._event
        while len(events) < EVENTS_AT_ONCE and lib.rw_take_event(self._engine, event):
            if event.type == lib.RW_EVENT_DATAGRAM:
                data = ffi.buffer(event.data, event.length)[:]
                remote = _text_address(event.remote)
                events.append(DatagramReceived(data, remote, PeerHandle(event.handle) if event.handle else None))
            else:
                events.append(KeyframeRequested(DownTrackHandle(event.handle)))
        return events

    def send_datagram(self, data: bytes, remote: Address) -> None:
        lib.rw_send_datagram(self._engine, data, len(data), _c_address(remote))

    # -- peers

    def add_peer(self) -> PeerHandle:
        return PeerHandle(_handle(lib.rw_add_peer(self._engine, secrets.randbits(32) | 1)))

    def add_recorder(self, octets: int = RECORDER_OCTETS) -> PeerHandle:
        return PeerHandle(_handle(lib.rw_add_recorder(self._engine, octets)))

    def take_records(self, recorder: PeerHandle) -> Records:
        dropped = ffi.new("uint64_t *")
        used = lib.rw_take_records(self._engine, recorder, self._records, RECORDS_AT_ONCE, dropped)
        _check(min(used, 0))
        octets, at, packets = ffi.buffer(self._records, used)[:], 0, []
        while at < used:
            down, arrival, length = RECORD.unpack_from(octets, at)
            at += RECORD.size
            packets.append(RecordedPacket(DownTrackHandle(down), arrival / 1e6, octets[at : at + length]))
            at += length
        return Records(packets, dropped[0])

    def remove_peer(self, peer: PeerHandle) -> None:
        _check(lib.rw_remove_peer(self._engine, peer))
        self._sessions.pop(peer, None)
        self._up_tracks = {handle: track for handle, track in self._up_tracks.items() if track[0] != peer}

    def bind_address(self, peer: PeerHandle, remote: Address) -> None:
        _check(lib.rw_bind_address(self._engine, peer, _c_address(remote)))

    def unbind_address(self, remote: Address) -> None:
        lib.rw_unbind_address(self._engine, _c_address(remote))

    def set_send_address(self, peer: PeerHandle, remote: Address | None) -> None:
        _check(lib.rw_set_send_address(self._engine, peer, _c_address(remote) if remote else ffi.NULL))

    def set_srtp_keys(self, peer: PeerHandle, keys: SrtpKeys) -> None:
        sessions = make_sessions(keys)
        receive, send = sessions.addresses()
        _check(lib.rw_set_sessions(self._engine, peer, ffi.cast("void *", receive), ffi.cast("void *", send)))
        self._sessions[peer] = sessions  # the ones before are freed only now, when C no longer knows them

    def set_receive_bitrate(self, peer: PeerHandle, bitrate_bps: int) -> None:
        _check(lib.rw_set_receive_bitrate(self._engine, peer, bitrate_bps))

    # -- up tracks

    def add_up_track(self, peer: PeerHandle, parameters: UpTrackParameters) -> UpTrackHandle:
        """Raises ValueError when the peer has another track with one of the SSRCs, or for more layers than the engine knows."""
        if not 1 <= len(parameters.ssrcs) <= lib.RW_LAYERS:
            raise ValueError(f"an up track has 1 to {lib.RW_LAYERS} SSRCs")
        c = ffi.new("rw_up_parameters *")
        c.clock_rate = parameters.clock_rate
        c.video = parameters.kind == "video"
        c.layers = len(parameters.ssrcs)
        for index, ssrc in enumerate(parameters.ssrcs):
            c.ssrcs[index] = ssrc
        for index, ssrc in enumerate(parameters.rtx_ssrcs[: len(parameters.ssrcs)]):
            c.rtx_ssrcs[index] = ssrc
        for payload_type, codec in parameters.payload_types.items():
            c.codecs[payload_type] = CODECS.get(codec.lower(), lib.RW_CODEC_OTHER)
        ffi.memmove(c.repairs, bytes([NO_TYPE] * 128), 128)
        for payload_type, repaired in parameters.rtx_payload_types.items():
            c.repairs[payload_type] = repaired
        c.audio_level_id = parameters.extensions.get(AUDIO_LEVEL, 0)
        c.transport_sequence_id = parameters.extensions.get(TRANSPORT_SEQUENCE, 0)
        handle = UpTrackHandle(_handle(lib.rw_add_up_track(self._engine, peer, c)))
        self._up_tracks[handle] = peer, parameters
        return handle

    def remove_up_track(self, up_track: UpTrackHandle) -> None:
        _check(lib.rw_remove_up_track(self._engine, up_track))
        self._up_tracks.pop(up_track, None)

    def request_keyframe(self, up_track: UpTrackHandle, layer: int | None = None) -> None:
        _check(lib.rw_request_keyframe(self._engine, up_track, -1 if layer is None else layer))

    # -- down tracks

    def add_down_track(
        self, peer: PeerHandle, up_track: UpTrackHandle, parameters: DownTrackParameters
    ) -> DownTrackHandle:
        """Raises ValueError when the peer has another down track with this SSRC."""
        if up_track not in self._up_tracks:
            raise StaleHandle(up_track)
        source = self._up_tracks[up_track][1]
        c = ffi.new("rw_down_parameters *")
        c.ssrc = parameters.ssrc
        c.rtx_ssrc = parameters.rtx_ssrc or 0
        ffi.memmove(c.payload_types, bytes([NO_TYPE] * 128), 128)
        ffi.memmove(c.rtx_payload_types, bytes([NO_TYPE] * 128), 128)
        for payload_type, codec in source.payload_types.items():
            c.payload_types[payload_type] = _by_codec(parameters.payload_types, codec)
            c.rtx_payload_types[payload_type] = _by_codec(parameters.rtx_payload_types, codec)
        for uri, extension_id in source.extensions.items():
            c.extensions[extension_id] = 0 if uri in OF_ONE_HOP else parameters.extensions.get(uri, 0)
        c.playout_delay_id = parameters.extensions.get(PLAYOUT_DELAY, 0)
        c.transport_sequence_id = parameters.extensions.get(TRANSPORT_SEQUENCE, 0)
        cname = parameters.cname.encode()[: lib.RW_CNAME_SIZE]
        ffi.memmove(c.cname, cname, len(cname))
        c.cname_length = len(cname)
        return DownTrackHandle(_handle(lib.rw_add_down_track(self._engine, peer, up_track, c)))

    def remove_down_track(self, down_track: DownTrackHandle) -> None:
        _check(lib.rw_remove_down_track(self._engine, down_track))

    def pause_down_track(self, down_track: DownTrackHandle) -> None:
        _check(lib.rw_pause_down_track(self._engine, down_track))

    def resume_down_track(self, down_track: DownTrackHandle) -> None:
        _check(lib.rw_resume_down_track(self._engine, down_track))

    def set_target_layer(self, down_track: DownTrackHandle, spatial: int, temporal: int) -> None:
        _check(lib.rw_set_target_layer(self._engine, down_track, spatial, temporal))

    def set_playout_delay(self, down_track: DownTrackHandle, delay_s: float) -> None:
        _check(lib.rw_set_playout_delay(self._engine, down_track, round(delay_s * 1000)))

    # -- what happened

    def up_track_statistics(self, up_tracks: Sequence[UpTrackHandle]) -> list[UpTrackStatistics]:
        statistics = ffi.new("rw_up_statistics[]", len(up_tracks))
        _check(lib.rw_read_up_statistics(self._engine, up_tracks, len(up_tracks), statistics))
        return [
            UpTrackStatistics(
                packets=tuple(c.packets[0 : c.layers]),
                octets=tuple(c.octets[0 : c.layers]),
                last_arrival_s=tuple(arrival / 1e6 for arrival in c.last_arrival[0 : c.layers]),
                lost=c.lost,
                fraction_lost=c.fraction_lost / 256,
                jitter_s=c.jitter / c.clock_rate,
                nacks=c.nacks,
                recovered=c.recovered,
                keyframe_requests=c.keyframe_requests,
                keyframes=c.keyframes,
                round_trip_s=None if c.round_trip < 0 else c.round_trip / 1e6,
            )
            for c in statistics
        ]

    def down_track_statistics(self, down_tracks: Sequence[DownTrackHandle]) -> list[DownTrackStatistics]:
        statistics = ffi.new("rw_down_statistics[]", len(down_tracks))
        _check(lib.rw_read_down_statistics(self._engine, down_tracks, len(down_tracks), statistics))
        return [
            DownTrackStatistics(
                packets=c.packets,
                octets=c.octets,
                nacks=c.nacks,
                retransmitted=c.retransmitted,
                fraction_lost=c.fraction_lost / 256,
                jitter_s=c.jitter / c.clock_rate,
                round_trip_s=None if c.round_trip < 0 else c.round_trip / 1e6,
                layer=None if c.layer < 0 else c.layer,
                temporal_layer=None if c.layer < 0 else c.temporal,
                filtered=c.filtered,
            )
            for c in statistics
        ]

    def take_audio_levels(self, up_tracks: Sequence[UpTrackHandle]) -> list[int | None]:
        levels = ffi.new("int32_t[]", len(up_tracks))
        _check(lib.rw_take_audio_levels(self._engine, up_tracks, len(up_tracks), levels))
        return [None if level > 0 else level for level in levels]

    def take_deliveries(self) -> list[Delivery]:
        deliveries: list[Delivery] = []
        taken = DELIVERIES_AT_ONCE
        while taken == DELIVERIES_AT_ONCE:
            taken = lib.rw_take_deliveries(self._engine, self._deliveries, DELIVERIES_AT_ONCE)
            deliveries += [_delivery(c) for c in self._deliveries[0:taken]]
        return deliveries

    def probe(self, peer: PeerHandle, bitrate_bps: int, length_s: float) -> None:
        _check(lib.rw_probe(self._engine, peer, bitrate_bps, _microseconds(length_s)))

    def counters(self) -> Mapping[str, int]:
        c = ffi.new("rw_counters *")
        lib.rw_read_counters(self._engine, c)
        counters = {name: getattr(c, name) for name, _ in ffi.typeof("rw_counters").fields or ()}
        return counters | {
            "drop_receive_queue_full": dropped_by_kernel(self._socket),
            "drop_control_queue_full": dropped_by_kernel(self._control_socket),
            "media_thread_nanoseconds": self._media_thread_ns(),
        }

    # -- life

    def work(self, batch: Iterable[tuple[Address, bytes]], now_s: float) -> list[tuple[Address, bytes]]:
        """
        Without socket: take these datagrams as one batch that arrived at `now_s` (monotonic seconds) and say what is sent, in order for each receiver.
        Raises ValueError for more than 64 datagrams.
        """
        for remote, data in batch:
            if lib.rw_put(self._engine, data, len(data), _c_address(remote), ffi.NULL):
                raise ValueError("a batch has at most 64 datagrams")
        lib.rw_step(self._engine, _microseconds(now_s))
        output = ffi.new("rw_output *")
        sent: list[tuple[Address, bytes]] = []
        while lib.rw_output_at(self._engine, len(sent), output):
            sent.append((_text_address(output.remote), ffi.buffer(output.data, output.length)[:]))
        return sent

    def close(self) -> None:
        """Stop the thread, close the socket. The forwarder is of no use afterwards: call nothing more."""
        if self._threads:
            lib.rw_stop(self._engine)
        for thread in self._threads:
            thread.join()
        for sock in filter(None, (self._socket, self._control_socket)):
            sock.close()
        lib.rw_destroy(self._engine)
        self._sessions.clear()

    def _open(self, host: str, port: int, gso: bool) -> None:
        sock = _make_socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        control = None
        try:
            sock.bind((host, port))  # not yet as one of two: a port that is in use is refused
            control = _control_socket(sock)
            is_ipv6 = sock.family is socket.AF_INET6
            control_fd = -1 if control is None else control.fileno()
            if failed := lib.rw_open(self._engine, sock.fileno(), control_fd, is_ipv6, is_wildcard(host), gso):
                raise OSError(failed, "the socket refuses packet information")
        except OSError:
            for opened in filter(None, (sock, control)):
                opened.close()
            raise
        self._socket, self._control_socket = sock, control

    def _open_socket(self) -> socket.socket:
        if not self._socket:
            raise RuntimeError("this engine has no socket")
        return self._socket

    def _media_thread_ns(self) -> int:
        """CPU time. The thread must not have been joined."""
        if not self._threads:
            return 0
        return time.clock_gettime_ns(time.pthread_getcpuclockid(self._threads[0].ident or 0))

    def _start(self, name: str, run: Callable[[Any], int]) -> None:
        def work() -> None:
            if failed := run(self._engine):
                log.error("thread_stopped", thread=name, errno=failed)

        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)


def _make_socket(family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family is socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
    return sock


def _control_socket(sock: socket.socket) -> socket.socket | None:
    """
    A second socket of the same port, which the kernel gives all STUN and DTLS: media that is too much fills the queues of the first one alone. None where
    the kernel cannot divide a port (Linux can since 4.5; sandboxes that imitate it may not).
    """
    control = _make_socket(sock.family)
    try:
        for each in (sock, control):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        control.bind(sock.getsockname())
        if failed := lib.rw_divide(sock.fileno()):
            raise OSError(failed, "the kernel cannot divide a port")
    except OSError as error:
        log.warning("media and ice share a queue", errno=error.errno)
        control.close()
        return None
    return control


def dropped_by_kernel(sock: socket.socket | None) -> int:
    """Datagrams that came while the socket's queue was full. The ninth 32-bit number of SO_MEMINFO, sock_diag(7): SK_MEMINFO_DROPS."""
    if sock is None:
        return 0
    size = struct.calcsize(MEMINFO)
    return int(struct.unpack(MEMINFO, sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, size))[8])


def time_protect(keys: SrtpKeys, packets: int = SELF_TEST_PACKETS) -> int:
    """Mean nanoseconds to encrypt a 1,100-byte packet on this machine. Raises RuntimeError when libsrtp refuses."""
    sessions = make_sessions(keys)
    nanoseconds = int(lib.rw_time_protect(_libsrtp(), ffi.cast("void *", sessions.addresses()[1]), packets))
    if nanoseconds < 0:
        raise RuntimeError("libsrtp refuses to encrypt")
    return nanoseconds


def log_self_test() -> None:
    """Say at start-up what encryption costs here; warn when it would be the bottleneck."""
    gcm, counter_mode = secrets.token_bytes(28), secrets.token_bytes(30)
    for keys in (
        SrtpKeys("SRTP_AEAD_AES_128_GCM", gcm, gcm),
        SrtpKeys("SRTP_AES128_CM_SHA1_80", counter_mode, counter_mode),
    ):
        nanoseconds = time_protect(keys)
        tell = log.warning if nanoseconds > SLOW_PROTECT_NS else log.info
        tell("srtp_self_test", profile=keys.profile, protect_ns=nanoseconds)


def _libsrtp() -> Any:
    crypto = ffi.new("rw_crypto *")
    for name, address in function_addresses().items():
        setattr(crypto, name, ffi.cast("rw_remove_stream" if name == "remove_stream" else "rw_transform", address))
    return crypto


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)


def _c_address(address: Address) -> Any:
    return ffi.new("rw_address *", {"ip": pack_ip(address[0]), "port": address[1]})


def _text_address(address: Any) -> Address:
    return unpack_address(ffi.buffer(address.ip)[:], address.port)


def _delivery(c: Any) -> Delivery:
    return Delivery(
        peer=PeerHandle(c.peer),
        packets=c.packets,
        octets=c.octets,
        lost=c.lost,
        span_s=c.span / 1e6 if c.span > 0 else None,
        queue_s=c.queue / 1e6,
        probe=_probe(c) if c.probe_done else None,
    )


def _probe(c: Any) -> Probe:
    bits = c.probe_octets * 8
    return Probe(bits / max(c.probe_sent, 1) * 1e6, bits / max(c.probe_span, 1) * 1e6, c.probe_share / 100)


def _by_codec(payload_types: Mapping[str, int], codec: str) -> int:
    return next((number for name, number in payload_types.items() if name.lower() == codec.lower()), NO_TYPE)


def _handle(result: int) -> int:
    _check(min(result, 0))
    return result


def _check(result: int) -> None:
    if result == lib.RW_STALE:
        raise StaleHandle
    if result == lib.RW_IN_USE:
        raise ValueError("the SSRC is in use")
    if result:
        raise EngineFull
