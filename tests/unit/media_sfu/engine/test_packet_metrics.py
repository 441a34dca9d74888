"""The packet path in `/metrics`."""

from collections.abc import Mapping

from media_sfu.packet_metrics import FAMILIES, PLAIN, REASONS, packet_metrics

from tests.kit.packets import nack, rtp, vp8
from tests.unit.media_sfu.engine.conftest import PUBLISHER, SUBSCRIBER

ELSEWHERE = {"peers", "up_tracks", "down_tracks"}
"""Gauges that the node tells itself."""


def samples(counters: Mapping[str, int]) -> dict[str, float]:
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in packet_metrics(counters)
        for sample in family.samples
    }


def test_what_a_call_did_is_told(camera):
    """Out go two packets as one, a receiver report, and a retransmission."""
    camera.work((PUBLISHER, rtp(1, 0, vp8(key=True))), (PUBLISHER, rtp(2, 0, vp8())), (PUBLISHER, b"\x80"), now=10.0)
    camera.work((SUBSCRIBER, nack(0xAAAA, 1)), (("192.0.2.9", 1), b"\x90"), now=10.1)

    told = samples(camera.engine.counters())

    expected = {
        "roomwire_sfu_datagrams_total in": 5,
        "roomwire_sfu_datagrams_total out": 4,
        "roomwire_sfu_packets_forwarded_total": 2,
        "roomwire_sfu_sends_total gso": 1,
        "roomwire_sfu_sends_total single": 2,
        "roomwire_sfu_nacked_packets_total subscriber": 1,
        "roomwire_sfu_retransmissions_total sent": 1,
        "roomwire_sfu_retransmissions_total missed": 0,
        "roomwire_sfu_keyframes_total": 1,
        "roomwire_sfu_packets_dropped_total malformed": 1,
        "roomwire_sfu_packets_dropped_total unbound": 1,
        "roomwire_sfu_batch_datagrams_bucket 1.0": 0,
        "roomwire_sfu_batch_datagrams_bucket 2.0": 1,
        "roomwire_sfu_batch_datagrams_bucket 4.0": 2,
        "roomwire_sfu_batch_datagrams_bucket +Inf": 2,
        "roomwire_sfu_batch_datagrams_sum": 5,
    }
    assert {name: told[name] for name in expected} == expected


def test_no_count_of_the_engine_is_left_out(camera):
    """Each one raises exactly one sample, or two: a bucket and all above it."""
    counters = camera.engine.counters()
    before = samples(counters)

    for name in counters.keys() - ELSEWHERE:
        after = samples({**counters, name: counters[name] + 1})
        assert before != after, name

    assert {name.removeprefix("drop_") for name in counters if name.startswith("drop_")} == set(REASONS)
    named = [count for _, _, values in FAMILIES.values() for count in values] + list(PLAIN)
    assert len(named) == len(set(named))
