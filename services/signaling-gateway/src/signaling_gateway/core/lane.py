"""
A lane: commands to one owner in order, one outstanding at a time, each repeated until it is answered or its time is up.

Commands on a lane must bear repetition: an answer that was lost cannot be told from a command that was.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from contract.model import Message

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0

M = TypeVar("M", bound=Message)


@dataclass(slots=True)
class _Order(Generic[M]):
    message: M
    give_up_at: float | None
    retry_as: M | None
    attempts: int = 0


class Lane(Generic[M]):
    """Takes commands by `push`; the shell sends what `message_to_send` says and reports `receive_reply` or `receive_silence`."""

    def __init__(self) -> None:
        self._orders: deque[_Order[M]] = deque()
        self._is_waiting = False
        self._not_before = 0.0

    def __bool__(self) -> bool:
        """Whether anything is queued or unanswered."""
        return bool(self._orders)

    def __len__(self) -> int:
        return len(self._orders)

    @property
    def give_up_at(self) -> float | None:
        """When the time of the outstanding command is up."""
        return self._orders[0].give_up_at if self._is_waiting else None

    @property
    def in_flight(self) -> M | None:
        """The command that waits for its answer."""
        return self._orders[0].message if self._is_waiting else None

    def push(self, message: M, *, give_up_at: float | None = None, retry_as: M | None = None) -> None:
        """Queue a command. `retry_as` is sent in its place when it must be repeated. None for `give_up_at`: try for ever."""
        self._orders.append(_Order(message, give_up_at, retry_as))

    def drop_queued(self, is_obsolete: Callable[[M], bool]) -> None:
        """Forget queued commands that were overtaken; the outstanding one stays."""
        first = 1 if self._is_waiting else 0
        kept = [order for i, order in enumerate(self._orders) if i < first or not is_obsolete(order.message)]
        self._orders = deque(kept)

    def wind_up(self) -> None:
        """Forget what is queued; the outstanding command is not repeated any more."""
        self.drop_queued(lambda _: True)
        for order in self._orders:
            order.give_up_at = 0.0

    def message_to_send(self, now: float) -> M | None:
        """The command to send now, if any. Then report its answer, or the lack of one."""
        if self._is_waiting or not self._orders or now < self._not_before:
            return None
        order = self._orders[0]
        if order.attempts and order.retry_as is not None:
            order.message = order.retry_as
        order.attempts += 1
        self._is_waiting = True
        return order.message

    def receive_reply(self) -> M:
        """The outstanding command was answered: which it was."""
        self._is_waiting = False
        self._not_before = 0.0
        return self._orders.popleft().message

    def receive_silence(self, now: float) -> M | None:
        """Nobody answered. Returns the command when its time is up: it is forgotten, and its maker must say so."""
        self._is_waiting = False
        order = self._orders[0]
        if order.give_up_at is not None and now >= order.give_up_at:
            self._not_before = 0.0
            return self._orders.popleft().message
        self._not_before = now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(order.attempts - 1, 10))
        return None

    def retry_now(self) -> None:
        """The way is free again: do not wait out the pause."""
        self._not_before = 0.0

    def next_timeout(self) -> float | None:
        """When `message_to_send` is worth a call again; None when only an answer or a push can change that."""
        return self._not_before if self._orders and not self._is_waiting else None
