"""Who may have how many connections for status callbacks."""

import pytest
from rooms_api.core.receivers import (
    AT_ONCE,
    HANGING_AT_ONCE,
    KNOWN,
    NEW_AT_ONCE,
    OTHERS_AT_ONCE,
    QUICK_AT_ONCE,
    Capacity,
    Connection,
    Receivers,
)


@pytest.fixture
def receivers() -> Receivers:
    known = Receivers()
    known.receive_answer("quick", after_s=0.1)
    known.receive_answer("slow", after_s=9.0)
    known.receive_silence("silent")
    return known


def asking(*names: str, since_s: float = 0.0) -> list[Connection]:
    return [Connection(name, since_s) for name in names]


def many(name: str, count: int) -> list[str]:
    return [f"{name} {n}" for n in range(count)]


def taken(capacity: Capacity, receiver: str) -> int:
    """How many connections it gets."""
    return sum(capacity.take(receiver) for _ in range(100))


@pytest.mark.parametrize(("name", "most"), [("quick", 32), ("slow", 4), ("silent", 1), ("never asked", 1)])
def test_each_has_as_many_connections_as_it_answers(receivers, name, most):
    capacity = receivers.capacity((), now=0.0)

    assert taken(capacity, name) == most
    assert name in capacity.excluded
    assert taken(receivers.capacity(asking(name), now=0.0), name) == most - 1


def test_who_answers_again_or_no_longer_is_known_anew(receivers):
    receivers.receive_answer("silent", after_s=2.0)
    receivers.receive_silence("quick")

    assert taken(receivers.capacity((), now=0.0), "silent") == 32
    assert taken(receivers.capacity((), now=0.0), "quick") == 1


def test_hundreds_that_hang_leave_room_for_those_that_are_quick_and_those_that_are_new(receivers):
    hanging = many("hangs", 200)
    for name in hanging:
        receivers.receive_silence(name)
    capacity = receivers.capacity((), now=0.0)

    assert sum(capacity.take(name) for name in hanging) == HANGING_AT_ONCE
    assert not capacity.take("slow")
    assert {*hanging, "silent", "slow"} <= {*capacity.excluded}
    assert capacity.only is None
    assert capacity.take("never asked")
    assert taken(capacity, "quick") == 32


def test_those_that_are_new_make_room_for_others_as_soon_as_they_hang(receivers):
    strangers = many("new", 200)
    capacity = receivers.capacity((), now=0.0)
    assert sum(capacity.take(name) for name in strangers) == NEW_AT_ONCE
    assert capacity.only is not None
    assert {*capacity.only} == {"quick", "slow", "silent"}

    two_seconds_on = receivers.capacity(asking(*strangers[:NEW_AT_ONCE]), now=2.1)

    assert two_seconds_on.take("never asked")
    assert taken(two_seconds_on, "quick") == 32
    assert not two_seconds_on.take("silent")


def test_new_ones_that_hang_never_take_what_the_quick_have(receivers):
    capacity = receivers.capacity(asking(*many("new", OTHERS_AT_ONCE)), now=2.1)

    assert not capacity.take("never asked")
    assert capacity.only == ["quick"]
    assert taken(capacity, "quick") == 32


def test_one_that_was_quick_and_hangs_gets_no_more_at_once(receivers):
    connections = asking(*["quick"] * 10)

    assert taken(receivers.capacity(connections, now=1.9), "quick") == 22
    assert taken(receivers.capacity(connections, now=2.1), "quick") == 0
    assert taken(receivers.capacity([Connection("quick", None)] * 10, now=9.0), "quick") == 22


def test_there_is_an_end_to_everything(receivers):
    for name in many("fast", 20):
        receivers.receive_answer(name, after_s=0.0)
    capacity = receivers.capacity((), now=0.0)

    assert sum(taken(capacity, name) for name in many("fast", 20)) == QUICK_AT_ONCE
    assert not capacity.is_used_up
    assert receivers.capacity(asking(*many("new", AT_ONCE)), now=9.0).is_used_up


def test_only_so_many_are_remembered_of_each_manner(receivers):
    for name in many("silent", KNOWN):
        receivers.receive_silence(name)

    assert taken(receivers.capacity((), now=0.0), "slow") == 1
    assert taken(receivers.capacity((), now=0.0), "quick") == 32
