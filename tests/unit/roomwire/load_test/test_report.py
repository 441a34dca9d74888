import json
from dataclasses import replace

from roomwire.load_test.report import Failure, Latency, Report, Spread, as_json, as_table, spread

REPORT = Report(
    rooms=1,
    publishers=1,
    subscribers=20,
    joined=21,
    failures=(),
    seconds=10.0,
    srtp_profiles=("SRTP_AEAD_AES_128_GCM",),
    tracks_published=2,
    tracks_expected=40,
    tracks_received=40,
    sent_packets_per_s=170.0,
    sent_bps=1_088_000.0,
    received_packets_per_s=3400.0,
    received_bps=22_000_000.0,
    received_packets=33_999,
    lost_packets=1,
    delivered_percent=99.991,
    longest_silence_ms=1234.0,
    loss_percent=100 / 34_000,
    recovered_packets=3,
    duplicate_packets=0,
    reordered_packets=4,
    nacked_packets=4,
    retransmitted_packets=0,
    plis_received=1,
    keyframes_sent=2,
    undecryptable_packets=0,
    foreign_packets=0,
    unsent_packets=0,
    unread_packets=0,
    latency=Latency(5000, 0.4, 0.9, 1.5, 3.0),
    joining_signaled=Spread(20.0, 40.0, 41.0),
    joining_connected=Spread(50.0, 90.0, 95.0),
    joining_media=None,
    tester_cpu_percent=12.0,
    tester_late_percent=0.0,
)


def test_the_table_says_what_was_measured():
    table = as_table(REPORT)

    assert "participants       21 of 21 joined, in 1 room\n" in table
    assert "tracks             2 published, 40 of 40 received\n" in table
    assert "delivered          99.99 % of what was sent to each; longest silence of a track 1,234 ms\n" in table
    assert "loss               0.003 % (1 of 34,000 packets; 3 more came again)\n" in table
    assert "p99 1.50" in table
    assert "failed" not in table


def test_failures_of_one_reason_are_one_line():
    many = [Failure("room", f"load-subscriber-{n}", "full (53105)") for n in range(2, 14)]
    table = as_table(replace(REPORT, failures=(*many, Failure("room", "load-publisher-1", "no answer"))))

    assert table.endswith(
        "failed             load-subscriber-2 and 11 others: full (53105)\n"
        "failed             load-publisher-1: no answer"
    )


def test_failures_of_several_rooms_name_the_room():
    table = as_table(replace(REPORT, rooms=2, failures=(Failure("room-2", "load-subscriber-2", "no answer"),)))

    assert table.endswith("failed             load-subscriber-2 in room-2: no answer")


def test_a_missing_track_is_not_clean():
    assert REPORT.is_clean
    assert not replace(REPORT, tracks_received=39).is_clean


def test_json_has_every_figure():
    parsed = json.loads(json.dumps(as_json(REPORT)))

    assert parsed["clean"] is True
    assert parsed["latency"] == {"measured": 5000, "p50_ms": 0.4, "p90_ms": 0.9, "p99_ms": 1.5, "p999_ms": 3.0}
    assert parsed["joining_media"] is None


def test_a_spread_of_twenty_times():
    assert spread([n / 1000 for n in range(1, 21)]) == Spread(10.0, 19.0, 20.0)
    assert spread([]) is None


def test_a_tester_that_did_not_keep_up_says_so():
    assert "beware" not in as_table(REPORT)
    assert as_json(replace(REPORT, tester_cpu_percent=95.0))["limited_by_tester"] is True
    assert as_json(replace(REPORT, tester_late_percent=6.0))["limited_by_tester"] is True
    assert as_table(replace(REPORT, tester_late_percent=6.0)).endswith("losses and latencies may be its own")
    assert as_table(replace(REPORT, unread_packets=1200)).endswith(
        "0 not sent, 1,200 dropped by this machine before they were read"
    )
