"""What each layer takes."""

import pytest
from media_sfu.core.actions import UpTrackName
from media_sfu.core.bandwidth.layer_costs import LayerCosts
from media_sfu.core.network_quality import FlowQuality
from media_sfu.core.statistics import UpTrackRates

CAMERA = UpTrackName("alice", "camera")


def see(costs: LayerCosts, *layers_bps: int, seconds: int = 1) -> list[float]:
    for _ in range(seconds):
        costs.receive({CAMERA: UpTrackRates(layers_bps, FlowQuality())})
    return [costs.bps(CAMERA, layer) for layer in range(3)]


def test_a_layer_that_was_never_seen_takes_what_is_usual() -> None:
    assert see(LayerCosts(), 0, 0, 0) == [150_000, 500_000, 1_500_000]


def test_a_layer_takes_what_it_was_seen_to_take() -> None:
    assert see(LayerCosts(), 200_000, 700_000, 2_500_000) == [200_000, 700_000, 2_500_000]
    assert see(LayerCosts(), 100_000, 300_000, 800_000, seconds=10) == [100_000, 300_000, 800_000]


def test_the_second_in_which_a_layer_ends_or_begins_says_nothing() -> None:
    costs = LayerCosts()
    see(costs, 100_000, 300_000, 800_000, seconds=10)

    assert see(costs, 100_000, 300_000, 20_000)[2] == pytest.approx(680_000)
    assert see(costs, 100_000, 300_000, 0, seconds=100)[2] == pytest.approx(680_000)
    assert see(costs, 100_000, 300_000, 900_000)[2] == 900_000
