"""Whether a node has room for more people, from what its packet path did each second. Clients' feedback and their own lines are no part of it."""

from dataclasses import dataclass

BUSY_SHARE = 0.85
"""Of a core, used by the media thread. Measured from 1 to 20: beyond it p99 rises from 16 to 79 ms, and a tenth more is lost."""

LOST_SHARE = 0.01
"""Of the datagrams that came, lost before the media thread had time for them. Where others use the core too, it is lost long before the thread is busy."""

SECONDS_TO_FULL = 2
"""One may be a machine that stood still."""

SECONDS_TO_FREE = 5


@dataclass(frozen=True, slots=True)
class PacketPath:
    """A reading of it at `read_at_s` (monotonic): seconds that its thread has worked, datagrams received, and those that came while the queue was full."""

    read_at_s: float
    busy_s: float
    received: int
    dropped: int


class Saturation:
    """
    Give it a reading each second. A node is full after `SECONDS_TO_FULL` of too much in a row, and no longer after `SECONDS_TO_FREE` without.
    """

    def __init__(self) -> None:
        self._last: PacketPath | None = None
        self._streak = 0
        self.is_full = False

    def receive_reading(self, reading: PacketPath) -> None:
        last, self._last = self._last, reading
        if last is None or reading.read_at_s <= last.read_at_s:
            return
        is_too_much = _is_too_much(last, reading)
        self._streak = self._streak + 1 if is_too_much != self.is_full else 0
        if self._streak == (SECONDS_TO_FREE if self.is_full else SECONDS_TO_FULL):
            self.is_full = not self.is_full
            self._streak = 0


def _is_too_much(before: PacketPath, after: PacketPath) -> bool:
    dropped = after.dropped - before.dropped
    came = after.received - before.received + dropped
    busy = (after.busy_s - before.busy_s) / (after.read_at_s - before.read_at_s)
    return busy >= BUSY_SHARE or dropped > came * LOST_SHARE
