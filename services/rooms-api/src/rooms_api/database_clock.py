"""
The clock that all replicas share: the database's. Leases and due times that one replica writes are compared by others, whose machines' clocks differ.
"""

from collections.abc import Awaitable, Callable

import structlog

from rooms_api.clock import Clock, SystemClock

log = structlog.get_logger()

PERIOD_S = 10.0
"""Quartz drifts by less than 100 us each second: by a thousandth of a second between two looks."""
TOLD_S = 1.0
"""From here on the difference to this machine's own clock is worth a line in the log."""


class DatabaseClock:
    """`look` reads the database's clock; `synchronize` does it, and in between this machine's monotonic one goes on from there."""

    def __init__(self, look: Callable[[], Awaitable[float | None]], own: Clock | None = None) -> None:
        """`look` gives epoch seconds, or None when the database has no clock but this machine's."""
        self._look = look
        self._own = own or SystemClock()
        self._ahead_s: float | None = None
        """Of the monotonic clock; None before the first look."""

    def wall(self) -> float:
        if self._ahead_s is None:
            return self._own.wall()
        return self._own.monotonic() + self._ahead_s

    def monotonic(self) -> float:
        return self._own.monotonic()

    async def synchronize(self) -> None:
        """
        Look at the database's clock. It showed its time at some moment between question and answer: what is known is changed only as far as it
        contradicts that, so that a slow answer does not spoil it.
        """
        asked_at = self._own.monotonic()
        shown = await self._look()
        if shown is None:
            return
        least, most = shown - self._own.monotonic(), shown - asked_at
        if self._ahead_s is None:
            self._ahead_s = (least + most) / 2
            difference_s = self._own.wall() - self.wall()
            if abs(difference_s) > TOLD_S:
                log.warning("clock of this machine differs from the database's", difference_s=round(difference_s, 1))
        self._ahead_s = min(max(self._ahead_s, least), most)
