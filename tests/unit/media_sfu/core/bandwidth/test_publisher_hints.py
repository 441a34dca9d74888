"""Simulcast layers that a publisher shall send."""

import pytest
from media_sfu.core.bandwidth.publisher_hints import PublisherHints

ALL, LOW, NONE = (True, True, True), (True, False, False), (False, False, False)


@pytest.fixture
def hints() -> PublisherHints:
    return PublisherHints(3)


def settle(hints: PublisherHints, layers: tuple[bool, ...], number: int, start: float) -> None:
    """Want these layers long enough, and have the client apply them."""
    hints.want(layers, start)
    hints.want(layers, start + 3.0)
    assert hints.hint_to_send(number, start + 3.0) == layers
    hints.receive_result(number, "OK", start + 3.1)


def test_nothing_is_said_while_every_layer_is_wanted(hints: PublisherHints) -> None:
    hints.want(ALL, 0.0)

    assert hints.hint_to_send(1, 0.0) is None


def test_layers_go_off_after_a_while(hints: PublisherHints) -> None:
    hints.want(LOW, 0.0)
    hints.want(LOW, 2.9)
    assert hints.hint_to_send(1, 2.9) is None

    hints.want(LOW, 3.0)
    assert hints.hint_to_send(1, 3.0) == LOW


def test_a_layer_that_is_wanted_again_in_between_stays(hints: PublisherHints) -> None:
    hints.want(NONE, 0.0)
    hints.want(ALL, 2.0)
    hints.want(NONE, 4.0)

    assert hints.hint_to_send(1, 4.0) is None


def test_layers_come_on_at_once(hints: PublisherHints) -> None:
    settle(hints, NONE, 1, 0.0)

    hints.want(LOW, 5.0)
    assert hints.hint_to_send(2, 5.0) == LOW


def test_one_hint_is_out_at_a_time(hints: PublisherHints) -> None:
    settle(hints, NONE, 1, 0.0)
    hints.want(LOW, 5.0)
    assert hints.hint_to_send(2, 5.0) == LOW
    hints.want(ALL, 5.1)
    assert hints.hint_to_send(3, 5.1) is None

    hints.receive_result(2, "OK", 5.2)
    assert hints.hint_to_send(3, 5.2) == ALL


def test_a_failed_hint_is_tried_three_times(hints: PublisherHints) -> None:
    settle(hints, NONE, 1, 0.0)
    hints.want(LOW, 5.0)
    sent = 0
    for second in range(5, 30):
        if hints.hint_to_send(2, float(second)) is not None:
            sent += 1
            hints.receive_result(2, "COULD_NOT_APPLY_HINT", float(second))

    assert sent == 3


def test_a_late_answer_counts_for_nothing(hints: PublisherHints) -> None:
    settle(hints, NONE, 1, 0.0)
    hints.want(LOW, 5.0)
    assert hints.hint_to_send(2, 5.0) == LOW
    hints.receive_result(1, "OK", 5.1)

    assert hints.applied == NONE


def test_a_replaced_track_is_told_again(hints: PublisherHints) -> None:
    settle(hints, LOW, 1, 0.0)
    hints.reset()

    assert hints.hint_to_send(2, 6.0) == LOW
