"""What a load test found, as a table for people and as JSON for programs. Pure: it is given everything."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from roomwire.load_test.latency import quantile_s
from roomwire.load_test.reading import Window

BUSY_PERCENT = 90.0
"""Of a core: the engine has one thread."""
LATE_PERCENT = 5.0
"""Of the ticks: beyond this it is no hiccup of the machine that makes them late."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 95th percentile and largest of some times, in milliseconds."""

    median_ms: float
    p95_ms: float
    largest_ms: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Publisher to subscriber, both ends on this machine's clock, in milliseconds."""

    measured: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float


@dataclass(frozen=True, slots=True)
class Failure:
    """Who could not join or stay, and why."""

    room: str
    identity: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """
    `tracks_received` counts the tracks that still came when the window ended. `delivered_percent` is the share of all that publishers sent that reached those who
    joined to receive it; `loss_percent` is what is missing between packets that came. `longest_silence_ms` is the longest time that any track was without a packet since its first one.
    `joining_*` count from opening the socket: to the server's `connected`, to ICE and DTLS standing with tracks published, to the first media packet.
    Rates are per second over the measured window; octets are those of the datagrams' payload for what was received.
    """

    rooms: int
    publishers: int
    subscribers: int
    joined: int
    failures: tuple[Failure, ...]
    seconds: float
    srtp_profiles: tuple[str, ...]
    tracks_published: int
    tracks_expected: int
    tracks_received: int
    sent_packets_per_s: float
    sent_bps: float
    received_packets_per_s: float
    received_bps: float
    received_packets: int
    lost_packets: int
    delivered_percent: float
    longest_silence_ms: float
    loss_percent: float
    recovered_packets: int
    duplicate_packets: int
    reordered_packets: int
    nacked_packets: int
    retransmitted_packets: int
    plis_received: int
    keyframes_sent: int
    undecryptable_packets: int
    foreign_packets: int
    unsent_packets: int
    unread_packets: int
    latency: Latency | None
    joining_signaled: Spread | None
    joining_connected: Spread | None
    joining_media: Spread | None
    tester_cpu_percent: float
    tester_late_percent: float

    @property
    def is_limited_by_tester(self) -> bool:
        """This machine could not keep up: losses and latencies may be its own."""
        return (
            self.tester_cpu_percent > BUSY_PERCENT
            or self.tester_late_percent > LATE_PERCENT
            or bool(self.unsent_packets or self.unread_packets)
        )

    @property
    def is_clean(self) -> bool:
        """Everybody joined and stayed, and every track arrived until the end."""
        return not self.failures and self.tracks_received == self.tracks_expected and not self.undecryptable_packets


def spread(times_s: Sequence[float]) -> Spread | None:
    """None for no times."""
    if not times_s:
        return None
    ordered = sorted(time * 1000 for time in times_s)

    def at(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Spread(at(0.5), at(0.95), ordered[-1])


def latency_of(window: Window) -> Latency | None:
    values = [quantile_s(window.latency, share) for share in (0.5, 0.9, 0.99, 0.999)]
    milliseconds = [value * 1000 for value in values if value is not None]
    return Latency(sum(window.latency), *milliseconds) if len(milliseconds) == len(values) else None


def as_json(report: Report) -> dict[str, object]:
    return asdict(report) | {"clean": report.is_clean, "limited_by_tester": report.is_limited_by_tester}


def as_table(report: Report) -> str:
    r = report
    rows: list[tuple[str, str]] = [
        (
            "participants",
            f"{r.joined} of {(r.publishers + r.subscribers) * r.rooms} joined, in {_count(r.rooms, 'room')}",
        ),
        ("window", f"{r.seconds:.1f} s, {', '.join(r.srtp_profiles) or 'no SRTP'}"),
        ("tracks", f"{r.tracks_published} published, {r.tracks_received} of {r.tracks_expected} received"),
        ("sent", f"{r.sent_packets_per_s:,.0f} packets/s, {_bitrate(r.sent_bps)}"),
        ("received", f"{r.received_packets_per_s:,.0f} packets/s, {_bitrate(r.received_bps)}"),
        (
            "delivered",
            f"{r.delivered_percent:.2f} % of what was sent to each; longest silence of a track {r.longest_silence_ms:,.0f} ms",
        ),
        (
            "loss",
            f"{r.loss_percent:.3f} % ({r.lost_packets:,} of {r.received_packets + r.lost_packets:,} packets; {r.recovered_packets:,} more came again)",
        ),
        ("order", f"{_count(r.reordered_packets, 'packet')} late, {_count(r.duplicate_packets, 'duplicate')}"),
        (
            "feedback",
            f"{_count(r.nacked_packets, 'packet')} asked again, {r.retransmitted_packets:,} sent again, {_count(r.plis_received, 'PLI')}, {_count(r.keyframes_sent, 'key frame')}",
        ),
        ("latency", _latency(r.latency)),
        ("join: signaling", _spread(r.joining_signaled)),
        ("join: connected", _spread(r.joining_connected)),
        ("join: first media", _spread(r.joining_media)),
        ("this tester", f"{r.tester_cpu_percent:.0f} % of a core, {r.tester_late_percent:.1f} % of its ticks late"),
    ]
    if r.is_limited_by_tester:
        rows.append(("beware", "this tester did not keep up: losses and latencies may be its own"))
        if r.unsent_packets or r.unread_packets:
            missed = (
                f"{r.unsent_packets:,} not sent, {r.unread_packets:,} dropped by this machine before they were read"
            )
            rows.append(("beware", missed))
    if r.undecryptable_packets or r.foreign_packets:
        rows.append(("broken", f"{r.undecryptable_packets:,} not decryptable, {r.foreign_packets:,} not ours"))
    rows += [("failed", failure) for failure in _grouped(r)]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _grouped(report: Report) -> list[str]:
    """One line a reason: what goes wrong under load goes wrong for many."""
    by_reason: dict[str, list[str]] = {}
    for failure in report.failures:
        who = failure.identity if report.rooms == 1 else f"{failure.identity} in {failure.room}"
        by_reason.setdefault(failure.reason, []).append(who)
    return [
        f"{who[0]}: {reason}" if len(who) == 1 else f"{who[0]} and {_count(len(who) - 1, 'other')}: {reason}"
        for reason, who in by_reason.items()
    ]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _bitrate(bps: float) -> str:
    return f"{bps / 1e6:,.1f} Mbit/s" if bps >= 1e6 else f"{bps / 1e3:,.0f} kbit/s"


def _latency(latency: Latency | None) -> str:
    if latency is None:
        return "not measured"
    return (
        f"p50 {latency.p50_ms:.2f}  p90 {latency.p90_ms:.2f}  p99 {latency.p99_ms:.2f}  p99.9 {latency.p999_ms:.2f} ms"
    )


def _spread(times: Spread | None) -> str:
    return (
        f"median {times.median_ms:.0f}  p95 {times.p95_ms:.0f}  slowest {times.largest_ms:.0f} ms" if times else "none"
    )
