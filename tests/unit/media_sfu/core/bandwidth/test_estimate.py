"""What a subscriber can receive."""

import random
from math import inf

import pytest
from media_sfu.core.bandwidth.estimate import DownlinkEstimate


@pytest.fixture
def estimate() -> DownlinkEstimate:
    return DownlinkEstimate()


def report(estimate: DownlinkEstimate, remb: int, sent: float, lost: float = 0.0, *, start: int, seconds: int) -> None:
    for second in range(start, start + seconds):
        estimate.receive_remb(remb)
        estimate.receive_report(sent, lost, float(second))


def test_a_free_line_has_no_bound(estimate: DownlinkEstimate) -> None:
    report(estimate, remb=1_000_000, sent=900_000, start=0, seconds=10)

    assert estimate.budget_bps == inf


def test_an_estimate_that_lags_a_new_track_is_no_congestion(estimate: DownlinkEstimate) -> None:
    report(estimate, remb=300_000, sent=1_000_000, start=0, seconds=2)
    report(estimate, remb=900_000, sent=1_000_000, start=2, seconds=2)

    assert estimate.budget_bps == inf


def test_an_estimate_that_climbs_after_several_tracks_have_started_is_no_congestion(estimate: DownlinkEstimate) -> None:
    for second in range(12):
        report(estimate, remb=int(300_000 * 1.08**second), sent=1_500_000, start=second, seconds=1)

    assert estimate.budget_bps == inf


def test_an_estimate_that_stands_far_below_what_is_sent_bounds_it(estimate: DownlinkEstimate) -> None:
    for second, remb in enumerate((235_000, 238_000, 238_000, 241_000, 241_000)):
        report(estimate, remb=remb, sent=410_000, start=second, seconds=1)
        assert estimate.budget_bps == inf

    report(estimate, remb=241_000, sent=410_000, start=5, seconds=1)
    assert estimate.budget_bps == pytest.approx(204_850)


def test_an_estimate_that_stands_before_it_follows_a_track_that_came_back_is_no_congestion(
    estimate: DownlinkEstimate,
) -> None:
    report(estimate, remb=322_000, sent=72_000, start=0, seconds=10)
    for second, remb in enumerate((322_000, 322_000, 322_000, 349_000, 378_000, 410_000, 444_000, 480_000), 10):
        report(estimate, remb=remb, sent=620_000, start=second, seconds=1)

    assert estimate.budget_bps == inf


def test_a_growing_queue_bounds_it_below_what_arrives(estimate: DownlinkEstimate) -> None:
    report(estimate, remb=1_000_000, sent=1_000_000, start=0, seconds=1)
    report(estimate, remb=500_000, sent=1_000_000, start=1, seconds=3)

    assert estimate.budget_bps == 425_000


def test_loss_bounds_it_within_three_seconds(estimate: DownlinkEstimate) -> None:
    report(estimate, remb=2_000_000, sent=1_000_000, lost=0.2, start=0, seconds=2)
    assert estimate.budget_bps == inf

    report(estimate, remb=2_000_000, sent=1_000_000, lost=0.2, start=2, seconds=1)
    assert estimate.budget_bps == 680_000


def test_a_line_that_always_loses_a_little_is_not_congested(estimate: DownlinkEstimate) -> None:
    chance = random.Random(1)
    for second in range(600):
        lost = sum(chance.random() < 0.05 for _ in range(50)) / 50
        report(estimate, remb=1_000_000, sent=500_000, lost=lost, start=second, seconds=1)

        assert estimate.budget_bps == inf


def test_it_is_tried_upwards_after_a_while(estimate: DownlinkEstimate) -> None:
    report(estimate, remb=2_000_000, sent=1_000_000, lost=0.2, start=0, seconds=3)
    report(estimate, remb=700_000, sent=600_000, start=3, seconds=4)
    assert estimate.budget_bps == 680_000

    report(estimate, remb=700_000, sent=600_000, start=7, seconds=1)
    assert estimate.budget_bps == pytest.approx(782_000)
    report(estimate, remb=9_000_000, sent=600_000, start=8, seconds=30)
    assert estimate.budget_bps == inf


def test_a_low_rate_says_nothing(estimate: DownlinkEstimate) -> None:
    report(estimate, remb=10_000, sent=100_000, start=0, seconds=10)

    assert estimate.budget_bps == inf
