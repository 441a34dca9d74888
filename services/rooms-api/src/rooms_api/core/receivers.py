"""
How many connections the receivers of status callbacks may have, by how each has answered of late: those that hang wait behind each other, and nobody else waits
behind them.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

QUICK_S = 2.0
"""Who answers within this time is quick. Whose connection has been open for longer without an answer hangs."""

KNOWN = 4000
"""Receivers of each manner that are remembered. Who was heard longest ago is forgotten."""


class Manner(Enum):
    """How a receiver answers."""

    QUICK = auto()
    NEW = auto()
    """It was never asked, or that was forgotten."""
    SLOW = auto()
    SILENT = auto()
    """Its last try had no answer, or has had none yet."""


CONNECTIONS: Mapping[Manner, int] = {Manner.QUICK: 32, Manner.NEW: 1, Manner.SLOW: 4, Manner.SILENT: 1}
"""
Of one receiver. One that is dead must not hold connections that others want, nor be stormed when it comes back; and many of them may be told of many rooms at
the same moment.
"""
QUICK_AT_ONCE = 256
NEW_AT_ONCE = 96
HANGING_AT_ONCE = 96
"""Of all slow and silent ones together."""
OTHERS_AT_ONCE = 256
"""Of all that are not quick. Reached when hundreds that were new turn out to hang."""
AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Connection:
    """A stream that is being worked on. `since_s` is when the request under way was begun (monotonic); None between two."""

    receiver: str
    since_s: float | None


class Capacity:
    """
    What may be claimed now, until it is used up: `take` for each. `excluded` and `only` tell the store what it need not look at.
    """

    def __init__(self, manners: Mapping[str, Manner], used: Mapping[str, int]) -> None:
        self._manners = manners
        self._used = Counter(used)
        self._by_manner: Counter[Manner] = Counter()
        for receiver, count in used.items():
            self._by_manner[self._manner(receiver)] += count

    def take(self, receiver: str) -> bool:
        """Count one more connection to this receiver, if it may have one."""
        if not self._has_room(receiver):
            return False
        self._used[receiver] += 1
        self._by_manner[self._manner(receiver)] += 1
        return True

    @property
    def is_used_up(self) -> bool:
        return not any(self._is_open(manner) for manner in Manner)

    @property
    def excluded(self) -> list[str]:
        """Receivers that may have nothing more."""
        return [receiver for receiver in {*self._manners, *self._used} if not self._has_room(receiver)]

    @property
    def only(self) -> list[str] | None:
        """The receivers that alone may have more; None when those that nobody knows may have some too."""
        if self._is_open(Manner.NEW):
            return None
        return [receiver for receiver in self._manners if self._has_room(receiver)]

    def _has_room(self, receiver: str) -> bool:
        manner = self._manner(receiver)
        return self._used[receiver] < CONNECTIONS[manner] and self._is_open(manner)

    def _manner(self, receiver: str) -> Manner:
        return self._manners.get(receiver, Manner.NEW)

    def _is_open(self, manner: Manner) -> bool:
        used = self._by_manner
        if manner is Manner.QUICK:
            return used[manner] < QUICK_AT_ONCE and used.total() < AT_ONCE
        if used.total() - used[Manner.QUICK] >= OTHERS_AT_ONCE:
            return False
        if manner is Manner.NEW:
            return used[manner] < NEW_AT_ONCE
        return used[Manner.SLOW] + used[Manner.SILENT] < HANGING_AT_ONCE


class Receivers:
    """What is known of them."""

    def __init__(self) -> None:
        self._quick: OrderedDict[str, Manner] = OrderedDict()
        self._hanging: OrderedDict[str, Manner] = OrderedDict()

    def is_quick(self, receiver: str) -> bool:
        return receiver in self._quick

    def receive_answer(self, receiver: str, after_s: float) -> None:
        if after_s <= QUICK_S:
            self._hanging.pop(receiver, None)
            _remember(self._quick, receiver, Manner.QUICK)
        else:
            self._quick.pop(receiver, None)
            _remember(self._hanging, receiver, Manner.SLOW)

    def receive_silence(self, receiver: str) -> None:
        """A try ended without an answer."""
        self._quick.pop(receiver, None)
        _remember(self._hanging, receiver, Manner.SILENT)

    def capacity(self, connections: Iterable[Connection], now: float) -> Capacity:
        """What these connections leave."""
        used: Counter[str] = Counter()
        manners = {**self._quick, **self._hanging}
        for connection in connections:
            used[connection.receiver] += 1
            if connection.since_s is not None and now - connection.since_s > QUICK_S:
                manners[connection.receiver] = Manner.SILENT
        return Capacity(manners, used)


def _remember(known: OrderedDict[str, Manner], receiver: str, manner: Manner) -> None:
    known[receiver] = manner
    known.move_to_end(receiver)
    if len(known) > KNOWN:
        known.popitem(last=False)
