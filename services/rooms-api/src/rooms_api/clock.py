"""The clock of the shells. Cores are given its readings."""

import time
from typing import Protocol


class Clock(Protocol):
    """`wall` is in epoch seconds, `monotonic` in seconds that never jump."""

    def wall(self) -> float: ...

    def monotonic(self) -> float: ...


class SystemClock:
    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
