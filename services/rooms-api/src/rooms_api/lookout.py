"""
Keeps a service without work from looking into its database several times a second: a look is worth while when this process has written since the last
one, when something that the last one saw in the future is due now, or when others have had the time to write.
"""

from collections.abc import Callable
from math import inf

from rooms_api.clock import Clock


class Lookout:
    """
    For one kind of work. Ask it as often as the work may be late. `writes` counts what this process has committed; `longest_s` is how late may be noticed
    what another replica wrote and left undone.
    """

    def __init__(self, writes: Callable[[], int], clock: Clock, longest_s: float) -> None:
        self._writes = writes
        self._clock = clock
        self._longest_s = longest_s
        self._seen_writes = -1
        self._due_at = -inf
        self._look_at = -inf

    def is_worth_while(self) -> bool:
        return (
            self._writes() != self._seen_writes
            or self._clock.wall() >= self._due_at
            or self._clock.monotonic() >= self._look_at
        )

    def begin(self) -> None:
        """A look begins. What is written from now on may escape it, and until it is `done` it may have failed: both make the next one worth while."""
        self._seen_writes = self._writes()
        self._due_at = -inf

    def done(self, due_at: float | None) -> None:
        """The look is over. At `due_at` (epoch seconds) there is more to do as far as it saw; None when it saw nothing."""
        self._due_at = inf if due_at is None else due_at
        self._look_at = self._clock.monotonic() + self._longest_s

    def hurry(self) -> None:
        """Something else than a write has made the next look worth while."""
        self._due_at = -inf
