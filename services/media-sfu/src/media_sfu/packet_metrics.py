"""The packet path's counts as families of `/metrics`: one a thing, told apart by labels."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Datagrams; the engine counts each batch under the smallest of these that holds it."""

DROPPED = "drop_"

REASONS: Mapping[str, str] = {
    "receive_queue_full": "came while the kernel's queue of the media port was full (the core is too busy, or net.core.rmem_max too small)",
    "control_queue_full": "ICE checks and DTLS that came while the kernel's queue for them, which is another one, was full",
    "socket_full": "left while the kernel's send queue was full (net.core.wmem_max)",
    "send_error": "refused by the kernel",
    "unbound": "media or DTLS from an address that passed no ICE check",
    "unbound_rate": "ICE checks from unknown addresses beyond the cap",
    "event_full": "ICE checks, DTLS and other news while the process was too busy to take them",
    "no_keys": "came before DTLS was done",
    "unprotect": "not authentic, or seen before by SRTP",
    "protect": "could not be encrypted",
    "malformed": "no valid RTP, RTCP, STUN or DTLS",
    "truncated": "longer than any packet of media",
    "unknown_ssrc": "of no published track",
    "codec": "of a payload type that was not negotiated",
    "duplicate": "came twice",
    "late": "from before what the subscriber has",
    "arena_full": "more in one batch than fits",
    "retransmit_limit": "asked again too often",
    "record_full": "the recorder was too slow",
}
"""What `packets_dropped` calls each count, and what it means."""

FAMILIES: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "datagrams": (
        "UDP datagrams of the media port.",
        "direction",
        {"datagrams_in": "in", "datagrams_out": "out"},
    ),
    "octets": ("Octets in those datagrams.", "direction", {"octets_in": "in", "octets_out": "out"}),
    "sends": (
        "Messages handed to the kernel: one datagram, or several of equal size by UDP GSO.",
        "kind",
        {"single_sends_out": "single", "gso_sends_out": "gso"},
    ),
    "nacked_packets": (
        "Packets asked for again: by us of publishers, by subscribers of us.",
        "asked_by",
        {"nacks_sent": "sfu", "nacks_received": "subscriber"},
    ),
    "retransmissions": (
        "Answers to subscribers' NACKs: sent, or no longer kept.",
        "result",
        {"retransmitted": "sent", "retransmit_missed": "missed"},
    ),
    "keyframe_requests": (
        "PLI and FIR: ours to publishers, and those of subscribers.",
        "asked_by",
        {"keyframe_requests_sent": "sfu", "keyframe_requests_received": "subscriber"},
    ),
    "rtcp_packets": (
        "RTCP packets: all received and of those the transport-wide feedback; of those sent the reports and the transport-wide feedback.",
        "kind",
        {
            "rtcp_in": "received",
            "arrivals_received": "transport_feedback_received",
            "reports_sent": "report",
            "arrivals_sent": "transport_feedback",
        },
    ),
    "special_packets": (
        "RTP received that is no new media: retransmissions, and padding that probes for bandwidth.",
        "kind",
        {"rtx_in": "retransmission", "padding_in": "padding"},
    ),
}
"""Name, help, label, and the label's value by count."""

PLAIN: Mapping[str, tuple[str, str]] = {
    "packets_forwarded": ("packets_forwarded", "RTP packets sent to subscribers, retransmissions apart."),
    "packets_recorded": ("packets_recorded", "RTP packets and sender reports handed to recorders."),
    "rtx_recovered": ("packets_recovered", "Packets that publishers sent again when asked."),
    "keyframes_in": ("keyframes", "Key frames received."),
    "gso_datagrams_out": ("gso_datagrams", "Datagrams that left by UDP GSO; their share of all out is the GSO share."),
    "gso_refused": ("gso_refused", "Messages that the kernel or device would not segment; sent one by one."),
    "batches_out": ("batches_out", "Calls that sent something."),
    "number_no_room": (
        "number_no_room",
        "Packets sent without a transport-wide number: their header extensions left no room.",
    ),
    "fillers_sent": ("fillers_sent", "Packets of padding sent to learn what subscribers can receive."),
}


def packet_metrics(counters: Mapping[str, int]) -> Iterator[Metric]:
    """Every count of `Forwarder.counters()` in a family of its own or with others of its kind."""
    counts = {**counters, "single_sends_out": counters["sends_out"] - counters["gso_sends_out"]}
    for name, (text, label, values) in FAMILIES.items():
        family = CounterMetricFamily(f"roomwire_sfu_{name}", text, labels=[label])
        for count, value in values.items():
            family.add_metric([value], counts[count])
        yield family
    for count, (name, text) in PLAIN.items():
        yield CounterMetricFamily(f"roomwire_sfu_{name}", text, counts[count])
    meanings = "; ".join(f"{reason}: {meaning}" for reason, meaning in REASONS.items())
    text = f"Packets and datagrams dropped, by reason. {meanings}."
    dropped = CounterMetricFamily("roomwire_sfu_packets_dropped", text, labels=["reason"])
    for reason in REASONS:
        dropped.add_metric([reason], counters[DROPPED + reason])
    yield dropped
    yield _batch_sizes(counters)
    seconds = counters["protect_nanoseconds"] / 1e9
    text = "Time to encrypt one packet, of every 256th."
    yield SummaryMetricFamily("roomwire_sfu_protect_seconds", text, counters["protect_samples"], seconds)
    text = "CPU time of the thread that moves packets."
    yield CounterMetricFamily("roomwire_sfu_media_thread_seconds", text, counters["media_thread_nanoseconds"] / 1e9)
    yield GaugeMetricFamily("roomwire_sfu_addresses", "Addresses that packets are taken from.", counters["addresses"])


def _batch_sizes(counters: Mapping[str, int]) -> Metric:
    total = 0
    buckets: list[tuple[str, float]] = []
    for size in BATCH_SIZES:
        total += counters[f"batches_in_{size}"]
        buckets.append((str(float(size)), total))
    buckets.append(("+Inf", total))
    text = "Datagrams that one call received."
    return HistogramMetricFamily(
        "roomwire_sfu_batch_datagrams", text, buckets=buckets, sum_value=counters["batched_in"]
    )
