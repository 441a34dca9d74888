"""
How late frames are over bad lines of 50 ms each way, beside what subscribers are told to hold back (`PlayoutDelays`): 0.35 s for one line that loses
5 %, 0.45 s for two, 0.5 s for one that loses 20 %.
"""

import pytest

from tests.kit.lossy_call import LossyCall


@pytest.mark.parametrize(
    ("up", "down", "held_s", "late"),
    [
        (0.0, 0.0, 0.01, 0.0),
        (0.05, 0.0, 0.35, 0.001),
        (0.0, 0.05, 0.35, 0.001),
        (0.05, 0.05, 0.45, 0.001),
        (0.2, 0.0, 0.5, 0.01),
        (0.0, 0.2, 0.5, 0.003),
    ],
)
def test_frames_are_whole_in_time(up: float, down: float, held_s: float, late: float) -> None:
    call = LossyCall(3, up, down)
    call.run(60)

    delays = call.delays_s()
    shares = [sum(delay > bound for delay in delays) / len(delays) for bound in (held_s + 1e-6, 0.8)]
    print(
        f"{len(delays)} frames: {shares[0]:.2%} later than {held_s} s, the latest {max(delays):.2f} s; {call.frames.repeated} packets repeated by the publisher"
    )
    assert shares[0] <= late
    assert shares[1] <= 0.002
