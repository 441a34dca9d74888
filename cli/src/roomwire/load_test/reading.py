"""Readings of the engine's totals, and what happened between two of them."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from roomwire.load_test.engine import Endpoint, Engine, Pace, ReceivedStream
from roomwire.load_test.latency import difference


@dataclass(frozen=True, slots=True)
class Reading:
    """Totals at a moment. `received` is by endpoint and SSRC."""

    time_s: float
    cpu_s: float
    sent_packets: int
    sent_octets: int
    keyframes: int
    retransmitted: int
    received: dict[tuple[int, int], ReceivedStream]
    plis: int
    nacks: int
    authentication_failures: int
    foreign_payloads: int
    send_failures: int
    latency: list[int]
    pace: Pace


def take_reading(engine: Engine, endpoints: Sequence[Endpoint]) -> Reading:
    sent = [stream for endpoint in endpoints for stream in endpoint.sent_streams()]
    counters = [endpoint.counters() for endpoint in endpoints]
    return Reading(
        time_s=time.monotonic(),
        cpu_s=sum(os.times()[:2]),
        sent_packets=sum(stream.packets for stream in sent),
        sent_octets=sum(stream.octets for stream in sent),
        keyframes=sum(stream.keyframes for stream in sent),
        retransmitted=sum(stream.retransmitted for stream in sent),
        received={(e.index, stream.ssrc): stream for e in endpoints for stream in e.received_streams()},
        plis=sum(counter.pli_received for counter in counters),
        nacks=sum(counter.nack_received for counter in counters),
        authentication_failures=sum(counter.authentication_failures for counter in counters),
        foreign_payloads=sum(counter.foreign_payloads for counter in counters),
        send_failures=sum(counter.send_failures for counter in counters),
        latency=engine.latency_histogram(),
        pace=engine.pace(),
    )


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two readings."""

    seconds: float
    cpu_share: float
    sent_packets: int
    sent_octets: int
    keyframes: int
    retransmitted: int
    streams: int
    received: int
    expected: int
    received_octets: int
    duplicates: int
    reordered: int
    nacked: int
    recovered: int
    plis: int
    nacks: int
    authentication_failures: int
    foreign_payloads: int
    send_failures: int
    latency: list[int]
    ticks: int
    late_ticks: int

    @property
    def lost(self) -> int:
        return max(0, self.expected - self.received)


def window_between(first: Reading, last: Reading) -> Window:
    """A stream that began after the first reading counts whole; one that got nothing meanwhile is no stream of the window."""
    pairs = [(stream, first.received.get(key)) for key, stream in last.received.items()]
    seconds = last.time_s - first.time_s

    def grown(name: str) -> int:
        return sum(getattr(new, name) - (getattr(old, name) if old else 0) for new, old in pairs)

    def since(name: str) -> int:
        return int(getattr(last, name) - getattr(first, name))

    return Window(
        seconds=seconds,
        cpu_share=(last.cpu_s - first.cpu_s) / seconds if seconds else 0.0,
        sent_packets=since("sent_packets"),
        sent_octets=since("sent_octets"),
        keyframes=since("keyframes"),
        retransmitted=since("retransmitted"),
        streams=sum(1 for new, old in pairs if new.received > (old.received if old else 0)),
        received=grown("received"),
        expected=grown("expected"),
        received_octets=grown("octets"),
        duplicates=grown("duplicates"),
        reordered=grown("reordered"),
        nacked=grown("nacked"),
        recovered=grown("recovered"),
        plis=since("plis"),
        nacks=since("nacks"),
        authentication_failures=since("authentication_failures"),
        foreign_payloads=since("foreign_payloads"),
        send_failures=since("send_failures"),
        latency=difference(last.latency, first.latency),
        ticks=last.pace.ticks - first.pace.ticks,
        late_ticks=last.pace.late - first.pace.late,
    )
