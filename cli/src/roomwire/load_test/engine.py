"""
The Python face of the packet engine: endpoints, streams and their totals. It owns the engine's thread and is the only importer of the
compiled module; it knows no SDP and no signaling.

SRTP comes from pylibsrtp: the engine is handed its function pointers and opaque sessions (`_binding` and `_srtp` are private there, hence the exact
pin), so that no second libsrtp is linked.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi as srtp_ffi
from pylibsrtp._binding import lib as srtp_lib

from roomwire.load_test._native import ffi, lib

TICK_NS = 1_000_000
"""The engine wakes once a millisecond: a frame leaves at most that late, and receive calls take what came meanwhile in one batch."""
STREAMS = 512
LATENCY_BUCKETS = 1024

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """
    What to send on one SSRC: `frames_per_s` frames of `packets` packets, payloads of `payload_octets`, the frame's last one of `last_octets`. `uneven_octets`
    is added to every second packet of a frame.
    """

    ssrc: int
    payload_type: int
    kind: str
    frames_per_s: float
    packets: int
    payload_octets: int
    last_octets: int
    uneven_octets: int = 0

    @property
    def packets_per_s(self) -> float:
        return self.frames_per_s * self.packets


@dataclass(frozen=True, slots=True)
class SentStream:
    """Totals of a sent stream."""

    ssrc: int
    payload_type: int
    packets: int
    octets: int
    frames: int
    keyframes: int
    retransmitted: int


@dataclass(frozen=True, slots=True)
class ReceivedStream:
    """
    Totals of a received stream. `expected` is the span of sequence numbers, `received` counts each once; `recovered` of them came after a NACK.
    `first_s` and `last_s` are the monotonic times of the first and the last packet, `silence_s` is the longest time between two.
    """

    ssrc: int
    payload_type: int
    expected: int
    received: int
    octets: int
    duplicates: int
    reordered: int
    nacked: int
    recovered: int
    first_s: float
    last_s: float
    silence_s: float

    @property
    def lost(self) -> int:
        return max(0, self.expected - self.received)


@dataclass(frozen=True, slots=True)
class EndpointCounters:
    """Totals of an endpoint. `foreign_payloads` are decrypted packets that no tester sent; `remb_bps` is the last REMB; `queue_drops` came while the socket's receive queue was full."""

    rtcp_received: int
    pli_received: int
    nack_received: int
    authentication_failures: int
    decrypted: int
    foreign_payloads: int
    send_failures: int
    remb_bps: int
    receiver_lost: int
    queue_drops: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How the engine kept its own time: ticks, those that took longer than a tick, the longest since the last call."""

    ticks: int
    late: int
    longest_s: float
    control_dropped: int


@dataclass(frozen=True, slots=True)
class Datagram:
    """STUN or DTLS that came to an endpoint."""

    endpoint: int
    data: bytes
    remote: Address


def _pointer(name: str) -> int:
    return int(srtp_ffi.cast("uintptr_t", srtp_ffi.addressof(srtp_lib, name)))


class Engine:
    """The engine and its thread. `close()` ends both; call nothing afterwards."""

    def __init__(self) -> None:
        functions = ("srtp_protect", "srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp")
        self._engine = lib.lt_new(*(_pointer(name) for name in functions), TICK_NS)
        if self._engine == ffi.NULL:
            raise MemoryError("no memory for the packet engine")
        self._datagrams = ffi.new("lt_datagram[64]")
        self._thread = threading.Thread(target=lib.lt_run, args=(self._engine,), name="load-test-engine", daemon=True)
        self._thread.start()
        self._endpoints: list[Endpoint] = []

    def close(self) -> None:
        lib.lt_stop(self._engine)
        self._thread.join()
        lib.lt_free(self._engine)

    def fileno(self) -> int:
        """Readable while datagrams wait."""
        return int(lib.lt_fileno(self._engine))

    def datagrams_received(self) -> list[Datagram]:
        """What came since the last call, 64 at most: the descriptor stays readable while there is more."""
        count = lib.lt_take(self._engine, self._datagrams, 64)
        return [_datagram(self._datagrams[index]) for index in range(count)]

    def open_endpoint(self, local_ip: str, *, decrypt: bool, video_payload_type: int, nack: bool) -> "Endpoint":
        """
        Open a UDP socket on `local_ip`. Only an endpoint that decrypts measures latency; one with `nack` asks again for video that is missing.

        Raises OSError.
        """
        index = lib.lt_open(self._engine, local_ip.encode(), decrypt, video_payload_type, nack)
        if index < 0:
            raise OSError(ffi.errno, f"cannot open a UDP socket on {local_ip}")
        endpoint = Endpoint(self._engine, index)
        self._endpoints.append(endpoint)
        return endpoint

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Send and take nothing meanwhile: totals read inside are of one moment. Every late tick is the price, so only for a few milliseconds."""
        lib.lt_halt(self._engine)
        try:
            yield
        finally:
            lib.lt_resume(self._engine)

    def set_rate(self, scale: float) -> None:
        """Multiply the frame rate of all video by `scale`."""
        lib.lt_set_rate(self._engine, scale)

    def latency_histogram(self) -> list[int]:
        """Counts of measured latencies so far, by the buckets of `roomwire.load_test.latency`."""
        buckets = ffi.new("uint64_t[]", LATENCY_BUCKETS)
        lib.lt_latency(self._engine, buckets, LATENCY_BUCKETS)
        return list(buckets)

    def pace(self) -> Pace:
        pace = ffi.new("lt_pace *")
        lib.lt_pacing(self._engine, pace)
        return Pace(pace.ticks, pace.late, pace.longest_ns / 1e9, pace.control_dropped)


class Endpoint:
    """One UDP socket with its streams. It sends media from the moment it has both a remote address and SRTP keys."""

    def __init__(self, engine: Any, index: int) -> None:  # cffi's pointer type has no name
        self._engine = engine
        self.index = index
        self._sessions: tuple[Session, Session] | None = None
        self._open = True

    @property
    def port(self) -> int:
        return int(lib.lt_port(self._engine, self.index))

    def send_datagram(self, data: bytes, remote: Address) -> None:
        """Send STUN or DTLS; what the socket does not take is lost, as on the network."""
        lib.lt_send(self._engine, self.index, data, len(data), remote[0].encode(), remote[1])

    def set_remote(self, remote: Address) -> None:
        """Media goes to this address from now on."""
        if lib.lt_set_remote(self._engine, self.index, remote[0].encode(), remote[1]):
            raise ValueError(f"{remote[0]} is no IP address")

    def hold(self) -> None:
        """Send no media until the next `set_remote`."""
        lib.lt_hold(self._engine, self.index)

    def set_srtp_keys(self, profile: int, send: bytes, receive: bytes) -> None:
        """Keys of a DTLS session, key||salt for each direction; `profile` is pylibsrtp's number."""
        outbound = Policy(key=send, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
        outbound.allow_repeat_tx = True  # a NACK is answered with the packet itself
        inbound = Policy(key=receive, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile)
        outbound.window_size = inbound.window_size = 4096
        sessions = Session(outbound), Session(inbound)
        transmit, received = (
            ffi.cast("void *", int(srtp_ffi.cast("uintptr_t", session._srtp[0]))) for session in sessions
        )
        lib.lt_set_sessions(self._engine, self.index, transmit, received)
        self._sessions = sessions  # the engine has let go of the former ones

    def add_stream(self, plan: StreamPlan) -> None:
        """Send this from now on. Raises ValueError for a plan that fits no packet."""
        native = ffi.new("lt_plan *")
        native.ssrc, native.payload_type, native.is_video = plan.ssrc, plan.payload_type, plan.kind == "video"
        native.packets, native.payload_octets, native.last_octets = plan.packets, plan.payload_octets, plan.last_octets
        native.uneven, native.interval_ns = plan.uneven_octets, round(1e9 / plan.frames_per_s)
        native.clock_rate = 90_000 if plan.kind == "video" else 48_000
        if lib.lt_add_stream(self._engine, self.index, native):
            raise ValueError(f"cannot send {plan}")

    def sent_streams(self) -> list[SentStream]:
        rows = ffi.new("lt_sent[]", 8)
        count = lib.lt_sent_streams(self._engine, self.index, rows, 8)
        return [
            SentStream(r.ssrc, r.payload_type, r.packets, r.octets, r.frames, r.keyframes, r.retransmitted)
            for r in rows[0:count]
        ]

    def received_streams(self) -> list[ReceivedStream]:
        rows = ffi.new("lt_received[]", STREAMS)
        count = lib.lt_received_streams(self._engine, self.index, rows, STREAMS)
        return [
            ReceivedStream(
                r.ssrc,
                r.payload_type,
                r.expected,
                r.received,
                r.octets,
                r.duplicates,
                r.reordered,
                r.nacked,
                r.recovered,
                r.first_ns / 1e9,
                r.last_ns / 1e9,
                r.silence_ns / 1e9,
            )
            for r in rows[0:count]
        ]

    def counters(self) -> EndpointCounters:
        c = ffi.new("lt_counters *")
        lib.lt_endpoint_counters(self._engine, self.index, c)
        return EndpointCounters(
            c.rtcp_received,
            c.pli_received,
            c.nack_received,
            c.authentication_failures,
            c.decrypted,
            c.foreign_payloads,
            c.send_failures,
            c.remb_bps,
            c.receiver_lost,
            c.queue_drops,
        )

    def close(self) -> None:
        if self._open:
            self._open = False
            lib.lt_close(self._engine, self.index)


def _datagram(native: Any) -> Datagram:  # cffi's struct type has no name
    size = 4 if native.family == 4 else 16
    address = ip_address(bytes(native.address[0:size]))
    return Datagram(native.endpoint, bytes(ffi.buffer(native.data, native.length)), (str(address), native.port))
