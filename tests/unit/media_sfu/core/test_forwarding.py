"""What the shell must do when a subscriber gets another layer."""

import pytest
from media_sfu.core.actions import (
    Action,
    PauseDownTrack,
    RequestKeyframe,
    ResumeDownTrack,
    SetTargetLayer,
    UpTrackName,
)
from media_sfu.core.forwarding import Forwarding

from tests.kit.flowing_peers import down_track

SOURCE = UpTrackName("alice", "camera")
DOWN = down_track(SOURCE)
NAME = ("bob", "alice-camera")
PAUSE, RESUME, KEYFRAME = PauseDownTrack(*NAME), ResumeDownTrack(*NAME), RequestKeyframe(SOURCE)


def layer(target: int) -> SetTargetLayer:
    return SetTargetLayer(*NAME, target, 3)


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([2], [layer(2)]),
        ([None], [PAUSE]),
        ([2, 2], []),
        ([2, 0], [layer(0), KEYFRAME]),
        ([2, None], [PAUSE]),
        ([None, None], []),
        ([None, 1], [layer(1), RESUME, KEYFRAME]),
    ],
)
def test_of_simulcast_each_change_is_said_once(layers: list[int | None], said: list[Action]) -> None:
    forwarding = Forwarding()
    for target in layers:
        last = forwarding.set_layer(NAME, DOWN, target, is_simulcast=True, is_full=False)

    assert last == said
    assert forwarding.layer("alice-camera") == layers[-1]


@pytest.mark.parametrize(("layers", "said"), [([0], []), ([0, None], [PAUSE]), ([None, 0], [RESUME, KEYFRAME])])
def test_a_track_of_one_layer_is_on_or_off(layers: list[int | None], said: list[Action]) -> None:
    forwarding = Forwarding()
    for target in layers:
        last = forwarding.set_layer(NAME, DOWN, target, is_simulcast=False, is_full=False)

    assert last == said


def test_on_a_full_line_a_larger_layer_stops_before_the_smaller_one_comes() -> None:
    forwarding = Forwarding()
    forwarding.set_layer(NAME, DOWN, 2, is_simulcast=True, is_full=True)

    lower = forwarding.set_layer(NAME, DOWN, 0, is_simulcast=True, is_full=True)
    higher = forwarding.set_layer(NAME, DOWN, 1, is_simulcast=True, is_full=True)

    assert lower == [PAUSE, RESUME, layer(0), KEYFRAME]
    assert higher == [layer(1), KEYFRAME]


def test_a_track_that_was_started_anew_begins_with_everything_on() -> None:
    forwarding = Forwarding()
    forwarding.set_layer(NAME, DOWN, None, is_simulcast=True, is_full=False)
    forwarding.forget_stopped({"alice-camera": DOWN})
    assert forwarding.set_layer(NAME, DOWN, None, is_simulcast=True, is_full=False) == []

    forwarding.forget_stopped({"alice-camera": down_track(SOURCE)})
    assert forwarding.set_layer(NAME, DOWN, None, is_simulcast=True, is_full=False) == [PAUSE]


def test_targets_are_the_layers_that_flow() -> None:
    forwarding = Forwarding()
    other = UpTrackName("carol", "camera")
    forwarding.set_layer(NAME, DOWN, 2, is_simulcast=True, is_full=False)
    forwarding.set_layer(("bob", "carol-camera"), down_track(other), None, is_simulcast=True, is_full=False)
    assert list(forwarding.targets()) == [(SOURCE, 2)]

    forwarding.forget_stopped({})
    assert list(forwarding.targets()) == []
