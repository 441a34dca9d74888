"""Which layers publishers are told to send."""

import pytest
from media_sfu.core.actions import UpTrackName
from media_sfu.core.bandwidth.layer_hints import LayerHint, LayerHints, SimulcastTrack

CAMERA, SCREEN = UpTrackName("alice", "camera"), UpTrackName("alice", "screen")
OTHER = UpTrackName("carol", "camera")
TRACKS = {name: SimulcastTrack(f"MT{name.publisher_sid}-{name.client_track_id}", 3) for name in (CAMERA, SCREEN, OTHER)}


@pytest.fixture
def hints() -> LayerHints:
    """Nobody has got any layer for long enough."""
    hints = LayerHints()
    assert hints.hints_to_send(TRACKS, {}, 0.0) == []
    return hints


def test_a_publisher_is_asked_of_one_track_at_a_time(hints: LayerHints) -> None:
    targets = {CAMERA: {0}, SCREEN: {1}, OTHER: set()}
    hints.hints_to_send(TRACKS, targets, 1.0)
    assert hints.hints_to_send(TRACKS, targets, 4.0) == [
        LayerHint("alice", 1, "MTalice-camera", (True, False, False)),
        LayerHint("carol", 2, "MTcarol-camera", (False, False, False)),
    ]

    assert hints.hints_to_send(TRACKS, targets, 5.0) == []
    hints.receive_result(CAMERA, 1, "OK", 5.1)
    assert hints.hints_to_send(TRACKS, targets, 6.0) == [LayerHint("alice", 3, "MTalice-screen", (True, True, False))]


@pytest.mark.parametrize(
    ("targets", "layers"),
    [
        (set(), (False, False, False)),
        ({0}, (True, False, False)),
        ({1}, (True, True, False)),
        ({0, 1}, (True, True, False)),
    ],
)
def test_all_layers_up_to_the_highest_that_somebody_gets_are_on(
    hints: LayerHints, targets: set[int], layers: tuple[bool, ...]
) -> None:
    hints.hints_to_send(TRACKS, {CAMERA: targets, SCREEN: {2}, OTHER: {2}}, 1.0)

    assert hints.hints_to_send(TRACKS, {CAMERA: targets, SCREEN: {2}, OTHER: {2}}, 4.0) == [
        LayerHint("alice", 1, "MTalice-camera", layers)
    ]


def test_a_track_that_was_replaced_is_asked_again(hints: LayerHints) -> None:
    hints.hints_to_send(TRACKS, {CAMERA: {0}}, 3.0)
    hints.receive_result(CAMERA, 1, "OK", 3.1)
    hints.receive_result(SCREEN, 1, "OK", 3.1)  # not asked
    assert hints.hints_to_send({CAMERA: TRACKS[CAMERA]}, {CAMERA: {0}}, 4.0) == []

    hints.reset(CAMERA)
    hints.reset(SCREEN)  # no longer known
    sent = hints.hints_to_send({CAMERA: TRACKS[CAMERA]}, {CAMERA: {0}}, 5.0)
    assert [(hint.track_sid, hint.layers) for hint in sent] == [("MTalice-camera", (True, False, False))]


def test_a_new_peer_of_a_publisher_begins_with_all_layers(hints: LayerHints) -> None:
    hints.hints_to_send(TRACKS, {}, 3.0)
    hints.forget("alice")

    assert hints.hints_to_send({CAMERA: TRACKS[CAMERA]}, {CAMERA: {0, 1, 2}}, 4.0) == []
