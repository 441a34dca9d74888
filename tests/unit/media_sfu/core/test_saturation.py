"""When a node has no room for more people."""

import pytest
from media_sfu.core.saturation import PacketPath, Saturation


class Node:
    """A packet path that is read each second."""

    def __init__(self) -> None:
        self.saturation = Saturation()
        self.reading = PacketPath(read_at_s=0.0, busy_s=0.0, received=0, dropped=0)
        self.saturation.receive_reading(self.reading)

    def pass_second(self, busy: float = 0.1, received: int = 1000, dropped: int = 0, lasts_s: float = 1.0) -> bool:
        last = self.reading
        self.reading = PacketPath(
            last.read_at_s + lasts_s, last.busy_s + busy * lasts_s, last.received + received, last.dropped + dropped
        )
        self.saturation.receive_reading(self.reading)
        return self.saturation.is_full


@pytest.fixture
def node() -> Node:
    return Node()


def test_a_busy_thread_makes_a_node_full_in_the_second_second(node):
    assert [node.pass_second(busy=0.9) for _ in range(3)] == [False, True, True]


def test_a_queue_that_overflows_makes_it_full_however_idle_the_thread_is(node):
    assert [node.pass_second(busy=0.2, dropped=80) for _ in range(2)] == [False, True]


def test_a_core_that_is_used_well_is_not_full(node):
    assert not any(node.pass_second(busy=0.89, dropped=40) for _ in range(10))


def test_a_moment_without_the_core_is_not_full(node):
    assert [node.pass_second(dropped=900), node.pass_second(), node.pass_second(dropped=900)] == [False, False, False]


def test_a_full_node_has_room_again_after_two_seconds_without(node):
    node.pass_second(busy=0.9)
    node.pass_second(busy=0.9)

    assert [node.pass_second(), node.pass_second(busy=0.9)] == [True, True]
    assert [node.pass_second(), node.pass_second()] == [True, False]


def test_a_second_that_came_late_is_judged_by_its_length(node):
    assert [node.pass_second(busy=0.5, lasts_s=4.0) for _ in range(2)] == [False, False]


def test_nothing_received_is_not_full(node):
    assert [node.pass_second(received=0) for _ in range(3)] == [False] * 3
