"""
What a subscriber can receive. REMB of today's browsers stays near the rate that they do receive: it shows congestion, not spare capacity. So a
subscriber is unbounded until it is congested, then held below, then tried upwards step by step.
"""

from collections import deque
from math import inf

CONGESTED_LOSS = 0.10
"""Less is no congestion: radio loses so much all the time, and a lower rate would not mend it (as in draft-ietf-rmcat-gcc-02, section 6)."""
LOSS_WEIGHT = 0.25
"""Of the newest second in the share that counts: of 50 packets, one second in ten loses 10 % where the line loses 5."""
CONGESTED_SHARE = 0.7
"""REMB below this share of what was sent means a queue grows; measured 1.0 to 1.5 on free lines."""
STARVED_REPORTS = 3
"""For so many reports in a row: after a track starts, the browser's estimate follows only in steps."""
FALLEN_SHARE = 0.9
"""
And REMB has fallen below this share of its highest in `REMEMBERED` reports. A browser starts at 300 kbit/s and adds about 8 % a second, so on
a free line REMB stays far below what several new cameras send for ten seconds, but rises; on a full one it drops to 85 % of what arrives (Chromium's AIMD).
"""
REMEMBERED = 10
STANDING_REPORTS = 6
"""
Or it was below `CONGESTED_SHARE` for so many reports and stands still: on a line that was full before the first REMB there is nothing to fall from. On a free
line it stands for three seconds when a track comes on again, then rises.
"""
RISING = 1.05
"""Times what it was `RISING_REPORTS` before is a rise. Measured: 1.17 on free lines, below 1.02 on full ones."""
RISING_REPORTS = 2
LEAST_SENT_BPS = 200_000
"""Below this rate a REMB says nothing: browsers start at 300 kbit/s."""
BACK_OFF = 0.85
FLOOR_BPS = 100_000
FIRST_HOLD_S = 5.0
LONGEST_HOLD_S = 60.0
STEP_UP = 1.15
UNBOUNDED_BPS = 20_000_000


class DownlinkEstimate:
    """One subscriber's. `budget_bps` is what may be sent to it, or infinity."""

    def __init__(self) -> None:
        self.budget_bps: float = inf
        self._remb_bps: float = inf
        self._hold_s = FIRST_HOLD_S
        self._held_until_s = 0.0
        self._short = 0
        self._starved = 0
        self._lost = 0.0
        self._former_rembs_bps: deque[float] = deque(maxlen=REMEMBERED)

    def receive_remb(self, bitrate_bps: int) -> None:
        self._remb_bps = bitrate_bps

    def receive_report(self, sent_bps: float, fraction_lost: float, now: float) -> None:
        """What was sent to the subscriber in the last second, and the share of it that it lost. Call once a second."""
        has_fallen, stands = self._has_fallen(), self._stands()
        if self._remb_bps < inf:
            self._former_rembs_bps.append(self._remb_bps)
        is_short = sent_bps > LEAST_SENT_BPS and self._remb_bps < CONGESTED_SHARE * sent_bps
        self._short = self._short + 1 if is_short else 0
        self._starved = self._starved + 1 if is_short and has_fallen else 0
        is_full = self._starved >= STARVED_REPORTS or (self._short >= STANDING_REPORTS and stands)
        self._lost += (fraction_lost - self._lost) * LOSS_WEIGHT
        if is_full or (self._lost > CONGESTED_LOSS and sent_bps > LEAST_SENT_BPS):
            received = min(sent_bps * (1 - fraction_lost), self._remb_bps)
            self.budget_bps = max(FLOOR_BPS, min(self.budget_bps, received) * BACK_OFF)
            if now >= self._held_until_s:
                self._held_until_s = now + self._hold_s
                # Each step up that fails makes the next one wait longer.
                self._hold_s = min(LONGEST_HOLD_S, self._hold_s * 2)
        elif now >= self._held_until_s and self.budget_bps < inf:
            self.budget_bps *= STEP_UP
            if self.budget_bps > UNBOUNDED_BPS:
                self.budget_bps = inf
                self._hold_s = FIRST_HOLD_S

    def _has_fallen(self) -> bool:
        return self._remb_bps < FALLEN_SHARE * max(self._former_rembs_bps, default=0.0)

    def _stands(self) -> bool:
        former = self._former_rembs_bps
        return len(former) >= RISING_REPORTS and self._remb_bps < RISING * former[-RISING_REPORTS]
