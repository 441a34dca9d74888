"""Readings of the engine's totals, and what happened between two of them."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields

from roomwire.load_test.engine import Endpoint, Engine, Pace, ReceivedStream, SentStream
from roomwire.load_test.latency import difference


@dataclass(frozen=True, slots=True)
class Totals:
    """Over all endpoints."""

    plis: int
    authentication_failures: int
    foreign_payloads: int
    send_failures: int
    queue_drops: int

    def since(self, former: "Totals") -> "Totals":
        """What came to them since then."""
        return Totals(*(getattr(self, field.name) - getattr(former, field.name) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that was counted until a moment. `sent` and `received` are by endpoint and SSRC."""

    time_s: float
    cpu_s: float
    sent: dict[tuple[int, int], SentStream]
    received: dict[tuple[int, int], ReceivedStream]
    totals: Totals
    latency: list[int]
    pace: Pace

    @property
    def keyframes(self) -> int:
        return sum(stream.keyframes for stream in self.sent.values())

    def flowing(self, within_s: float) -> int:
        """Streams whose last packet is no older than `within_s`."""
        return sum(1 for stream in self.received.values() if self.time_s - stream.last_s <= within_s)

    @property
    def longest_silence_s(self) -> float:
        """The longest time that any stream was without a packet since its first one, up to now."""
        silences = (max(s.silence_s, self.time_s - s.last_s) for s in self.received.values())
        return max(silences, default=0.0)


def take_reading(engine: Engine, endpoints: Sequence[Endpoint]) -> Reading:
    counters = [endpoint.counters() for endpoint in endpoints]
    return Reading(
        time_s=time.monotonic(),
        cpu_s=sum(os.times()[:2]),
        sent={(e.index, stream.ssrc): stream for e in endpoints for stream in e.sent_streams()},
        received={(e.index, stream.ssrc): stream for e in endpoints for stream in e.received_streams()},
        totals=Totals(
            plis=sum(counter.pli_received for counter in counters),
            authentication_failures=sum(counter.authentication_failures for counter in counters),
            foreign_payloads=sum(counter.foreign_payloads for counter in counters),
            send_failures=sum(counter.send_failures for counter in counters),
            queue_drops=sum(counter.queue_drops for counter in counters),
        ),
        latency=engine.latency_histogram(),
        pace=engine.pace(),
    )


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two readings. `sent_by` is packets by endpoint."""

    seconds: float
    cpu_share: float
    sent_by: dict[int, int]
    sent_octets: int
    retransmitted: int
    streams: int
    received: int
    expected: int
    received_octets: int
    duplicates: int
    reordered: int
    nacked: int
    recovered: int
    totals: Totals
    latency: list[int]
    ticks: int
    late_ticks: int

    @property
    def sent_packets(self) -> int:
        return sum(self.sent_by.values())

    @property
    def lost(self) -> int:
        return max(0, self.expected - self.received)


def window_between(first: Reading, last: Reading) -> Window:
    """A stream that began after the first reading counts whole; one that got nothing meanwhile is no stream of the window."""
    pairs = [(stream, first.received.get(key)) for key, stream in last.received.items()]
    sent = [(endpoint, stream, first.sent.get((endpoint, ssrc))) for (endpoint, ssrc), stream in last.sent.items()]
    sent_by: dict[int, int] = {}
    for endpoint, new, old in sent:
        sent_by[endpoint] = sent_by.get(endpoint, 0) + new.packets - (old.packets if old else 0)
    seconds = last.time_s - first.time_s

    def grown(name: str) -> int:
        return sum(getattr(new, name) - (getattr(old, name) if old else 0) for new, old in pairs)

    return Window(
        seconds=seconds,
        cpu_share=(last.cpu_s - first.cpu_s) / seconds if seconds else 0.0,
        sent_by=sent_by,
        sent_octets=sum(new.octets - (old.octets if old else 0) for _, new, old in sent),
        retransmitted=sum(new.retransmitted - (old.retransmitted if old else 0) for _, new, old in sent),
        streams=sum(1 for new, old in pairs if new.received > (old.received if old else 0)),
        received=grown("received"),
        expected=grown("expected"),
        received_octets=grown("octets"),
        duplicates=grown("duplicates"),
        reordered=grown("reordered"),
        nacked=grown("nacked"),
        recovered=grown("recovered"),
        totals=last.totals.since(first.totals),
        latency=difference(last.latency, first.latency),
        ticks=last.pace.ticks - first.pace.ticks,
        late_ticks=last.pace.late - first.pace.late,
    )
