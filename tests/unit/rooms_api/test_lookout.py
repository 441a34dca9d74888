"""When a look into the database is worth while."""

import pytest
from rooms_api.lookout import Lookout


class FakeClock:
    """Both clocks go on together; `wall` may be set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ahead_s = 1_000_000.0

    def wall(self) -> float:
        return self.now + self.ahead_s

    def monotonic(self) -> float:
        return self.now


class Desk:
    """Somebody who writes, and a lookout that has just looked."""

    def __init__(self, due_at: float | None = None) -> None:
        self.clock = FakeClock()
        self.writes = 7
        self.lookout = Lookout(lambda: self.writes, self.clock, longest_s=5.0)
        assert self.lookout.is_worth_while()
        self.lookout.begin()
        self.lookout.done(due_at)

    def at(self, now: float) -> bool:
        self.clock.now = now
        return self.lookout.is_worth_while()


def test_without_work_a_look_is_worth_while_only_after_the_longest_time() -> None:
    desk = Desk()

    assert [desk.at(now) for now in (0.0, 4.9, 5.0)] == [False, False, True]


def test_after_a_write_the_next_look_is_worth_while() -> None:
    desk = Desk()
    desk.writes += 1
    assert desk.at(0.1)

    desk.lookout.begin()
    desk.lookout.done(None)
    assert not desk.at(0.2)


def test_what_is_written_during_a_look_makes_another_one_worth_while() -> None:
    desk = Desk()
    desk.lookout.begin()
    desk.writes += 1
    desk.lookout.done(None)

    assert desk.at(0.0)


def test_what_is_seen_in_the_future_is_looked_for_at_its_time() -> None:
    desk = Desk(due_at=1_000_002.0)

    assert [desk.at(now) for now in (1.9, 2.0)] == [False, True]


def test_when_the_clock_is_set_forward_what_was_due_later_is_due() -> None:
    desk = Desk(due_at=1_003_600.0)
    assert not desk.at(1.0)

    desk.clock.ahead_s += 3600
    assert desk.at(1.0)


@pytest.mark.parametrize("seen", [None, 1_000_002.0])
def test_after_a_look_that_failed_the_next_one_is_worth_while(seen: float | None) -> None:
    desk = Desk(seen)
    desk.lookout.begin()

    assert desk.at(0.0)


def test_who_knows_of_something_else_can_hurry() -> None:
    desk = Desk()
    desk.lookout.hurry()

    assert desk.at(0.0)
