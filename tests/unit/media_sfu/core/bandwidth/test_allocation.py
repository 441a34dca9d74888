"""Layers for a budget."""

from math import inf

import pytest
from contract.rooms import TrackPriority
from media_sfu.core.bandwidth.allocation import Candidate, allocate, wanted_layer
from media_sfu.core.bandwidth.profile import Mode
from media_sfu.core.media_signaling import Dimensions

LAYERS = (100, 300, 900)
HIGH, STANDARD, LOW = TrackPriority.HIGH, TrackPriority.STANDARD, TrackPriority.LOW


def camera(name: str, priority: TrackPriority = STANDARD, layer: int = 2) -> Candidate:
    return Candidate(name, priority, layer, LAYERS[: layer + 1])


@pytest.mark.parametrize(
    ("layers", "width", "height", "layer"),
    [
        (3, 1280, 720, 2),
        (3, 640, 360, 1),
        (3, 600, 300, 1),
        (3, 320, 180, 0),
        (3, 400, 240, 0),
        (3, 90, 160, 0),
        (3, 0, 0, 0),
        (2, 640, 480, 1),
        (2, 320, 240, 0),
        (1, 1920, 1080, 0),
        (3, 3840, 2160, 2),
    ],
)
def test_the_layer_follows_the_size_on_screen(layers: int, width: int, height: int, layer: int) -> None:
    assert wanted_layer(layers, Dimensions(width=width, height=height)) == layer


def test_an_unknown_size_gets_the_highest_layer() -> None:
    assert wanted_layer(3, None) == 2


@pytest.mark.parametrize(
    ("mode", "budget", "expected"),
    [
        (Mode.GRID, inf, {"a": 2, "b": 2, "c": 2}),
        (Mode.GRID, 900, {"a": 1, "b": 1, "c": 1}),
        (Mode.GRID, 700, {"a": 1, "b": 1, "c": 0}),
        (Mode.COLLABORATION, 1100, {"a": 2, "b": 0, "c": 0}),
        (Mode.COLLABORATION, 900, {"a": 1, "b": 1, "c": 1}),
        (Mode.PRESENTATION, 1300, {"a": 2, "b": 1, "c": 0}),
        (Mode.GRID, 250, {"a": 0, "b": 0, "c": None}),
        (Mode.PRESENTATION, 50, {"a": None, "b": None, "c": None}),
    ],
)
def test_a_budget_is_shared_out_as_the_mode_says(mode: Mode, budget: float, expected: dict[str, int | None]) -> None:
    candidates = [camera("c", LOW), camera("b"), camera("a", HIGH)]

    assert allocate(candidates, mode, budget, None, switch_off=True) == expected


def test_without_switching_off_the_lowest_layer_stays() -> None:
    assert allocate([camera("a"), camera("b")], Mode.GRID, 10, None, switch_off=False) == {"a": 0, "b": 0}


def test_no_more_tracks_than_asked_for() -> None:
    candidates = [camera("a", LOW), camera("b", HIGH), camera("c")]

    assert allocate(candidates, Mode.GRID, inf, 2, switch_off=False) == {"a": None, "b": 2, "c": 2}


def test_a_small_picture_leaves_its_share_to_others() -> None:
    candidates = [camera("a", layer=0), camera("b")]

    assert allocate(candidates, Mode.GRID, 1000, None, switch_off=True) == {"a": 0, "b": 2}
