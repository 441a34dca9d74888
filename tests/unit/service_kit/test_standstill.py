"""Telling a standstill of the whole process from a busy loop."""

import pytest
from service_kit.standstill import stood_still_s


@pytest.mark.parametrize(("late_s", "still_s"), [(-0.001, 0.0), (0.0, 0.0), (2.0, 0.0), (2.5, 2.5), (3600.0, 3600.0)])
def test_a_timer_that_comes_far_too_late_tells_of_a_standstill(late_s: float, still_s: float) -> None:
    assert stood_still_s(100.0, 100.0 + late_s) == still_s
