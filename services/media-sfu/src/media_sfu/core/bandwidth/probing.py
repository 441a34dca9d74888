"""When a bounded line is tried with padding, how hard, and what that proves. What the bound is, and when the line is full, is `estimate`'s affair."""

from math import inf

from media_sfu.forwarder import Probe

LENGTH_S = 0.04
"""At three times a line's rate this makes a queue of 80 ms: below what pictures are held back for."""
STEP = 3.0
"""Times the bound, at most: a line that is ten times as fast is found in three probes."""
LEAST_BPS = 600_000
LARGEST_BPS = 10_000_000
MARGIN = 1.25
"""More than what is wanted: rates of cameras rise and fall, and a layer is taken only with room to spare."""
WAITED_S = 0.5
"""From one probe that went well to the next: feedback has come and layers have been switched."""
FIRST_RETRY_S = 1.5
LONGEST_RETRY_S = 2.5
"""A probe of a slow line costs it 16 kbit/s when repeated so often, and a viewer waits no longer for what fits again."""
HELD_S = 1.0
DECEIVED_S = 5.0
"""A line that is full so soon after a probe said otherwise lets bursts pass: it is tried less often each time."""
LONGEST_HOLD_S = 30.0
ARRIVED_SHARE = 0.8
ARRIVED_RATE = 0.85


class Probing:
    """One subscriber's."""

    def __init__(self) -> None:
        self._next_s = 0.0
        self._retry_s = FIRST_RETRY_S
        self._raised_s = -inf
        self._hold_s = HELD_S

    def hold(self, now: float) -> None:
        """The line is full."""
        if now < self._raised_s + DECEIVED_S:
            self._hold_s = min(LONGEST_HOLD_S, 2 * self._hold_s)
            self._raised_s = -inf
        self._next_s = max(self._next_s, now + self._hold_s)

    def probe_to_send(self, budget_bps: float, wanted_bps: float, now: float) -> int | None:
        """The rate of a probe to send now for `LENGTH_S`, or None."""
        if now < self._next_s:
            return None
        self._next_s = now + self._retry_s
        return round(min(LARGEST_BPS, MARGIN * wanted_bps, max(LEAST_BPS, STEP * budget_bps)))

    def receive_probe(self, probe: Probe, own_loss: float, now: float) -> float:
        """The rate that a probe proves, in bits per second; the line loses `own_loss` (0 to 1) of everything."""
        arrived_bps = min(probe.arrived_bps / (1 - own_loss), probe.sent_bps)
        if probe.share >= ARRIVED_SHARE * (1 - own_loss) and arrived_bps >= ARRIVED_RATE * probe.sent_bps:
            self._retry_s = FIRST_RETRY_S
            self._raised_s = now
            self._next_s = now + WAITED_S
            return arrived_bps
        self._retry_s = LONGEST_RETRY_S
        self._next_s = now + self._retry_s
        return ARRIVED_RATE * arrived_bps
