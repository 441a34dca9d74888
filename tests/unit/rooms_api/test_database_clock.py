"""One clock for all replicas: what is known of it after looks that take their time."""

import pytest
from rooms_api.database_clock import DatabaseClock


class World:
    """A database whose clock is `ahead_s` before this machine's, and a question to it that takes `there_s` and `back_s`."""

    def __init__(self) -> None:
        self.now = 5.0
        self.ahead_s = 100.0
        self.there_s = self.back_s = 0.0

    def wall(self) -> float:
        return 1000.0 + self.now

    def monotonic(self) -> float:
        return self.now

    async def look(self) -> float | None:
        self.now += self.there_s
        shown = 1000.0 + self.now + self.ahead_s
        self.now += self.back_s
        return shown


@pytest.fixture
def world() -> World:
    return World()


async def test_before_the_first_look_it_is_the_machines_own(world: World) -> None:
    assert DatabaseClock(world.look, world).wall() == 1005.0


async def test_afterwards_it_is_the_databases_and_goes_on(world: World) -> None:
    clock = DatabaseClock(world.look, world)
    await clock.synchronize()
    world.now = 8.0

    assert (clock.wall(), clock.monotonic()) == (1108.0, 8.0)


async def test_an_answer_that_takes_time_is_wrong_by_half_of_it_at_most(world: World) -> None:
    world.there_s, world.back_s = 0.0, 0.5
    clock = DatabaseClock(world.look, world)
    await clock.synchronize()

    assert clock.wall() - (1000.0 + world.now + 100.0) == pytest.approx(-0.25)


async def test_a_slow_answer_does_not_spoil_what_a_quick_one_told(world: World) -> None:
    clock = DatabaseClock(world.look, world)
    await clock.synchronize()
    world.there_s, world.back_s = 0.0, 3.0
    await clock.synchronize()

    assert clock.wall() == pytest.approx(1000.0 + world.now + 100.0)


async def test_a_step_of_the_databases_clock_is_followed(world: World) -> None:
    clock = DatabaseClock(world.look, world)
    await clock.synchronize()
    world.ahead_s = 90.0
    await clock.synchronize()

    assert clock.wall() == pytest.approx(1000.0 + world.now + 90.0)


async def test_a_database_without_a_clock_leaves_the_machines_own(world: World) -> None:
    async def look() -> None:
        return None

    clock = DatabaseClock(look, world)
    await clock.synchronize()

    assert clock.wall() == 1005.0
