"""Whether a node has room for more people, from what its packet path did each second. Clients' feedback and their own lines are no part of it."""

from dataclasses import dataclass

BUSY_SHARE = 0.9
"""Of a core, used by the media thread. Measured from 1 to 20: at 0.88 every packet still came, with a p99 of 79 ms; of a tenth more they did not."""

LOST_SHARE = 0.05
"""Of the datagrams that came, lost before the media thread had time for them. Where others use the core too, it is lost long before the thread is busy. Less is
what a machine loses that is short of CPU for a while, and no reason to send people away."""

SECONDS = 2
"""So many in a row decide: one may be a machine that stood still."""


@dataclass(frozen=True, slots=True)
class PacketPath:
    """A reading of it at `read_at_s` (monotonic): seconds that its thread has worked, datagrams received, and those that came while the queue was full."""

    read_at_s: float
    busy_s: float
    received: int
    dropped: int


class Saturation:
    """
    Give it a reading each second. A node is full after `SECONDS` of too much, and no longer after as many without.
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
        if self._streak == SECONDS:
            self.is_full = not self.is_full
            self._streak = 0


def _is_too_much(before: PacketPath, after: PacketPath) -> bool:
    dropped = after.dropped - before.dropped
    came = after.received - before.received + dropped
    busy = (after.busy_s - before.busy_s) / (after.read_at_s - before.read_at_s)
    return busy >= BUSY_SHARE or dropped > came * LOST_SHARE
