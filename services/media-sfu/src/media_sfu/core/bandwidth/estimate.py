"""
What a subscriber can receive of video, by what its transport-wide feedback tells. A line has no bound until it has proven to be full: then what
arrives is the bound, and probes raise it again. Estimates from the sender's side, in the manner of draft-ietf-rmcat-gcc-02, but by the queue that does
not empty (as RFC 8289 judges one) instead of its gradient: times between single packets say little about a stream that we only forward.
"""

from collections import deque
from math import inf

from media_sfu.core.bandwidth.probing import Probing
from media_sfu.forwarder import Delivery

FULL_QUEUE_S = 0.1
"""A queue that never was shorter than this in a reading. A key frame of one camera on a line of twice its rate is gone sooner."""
FULL_READINGS = 2
CALM_QUEUE_S = 0.04
JITTER_S = 0.01
CONGESTED_LOSS = 0.10
"""Less is no congestion: radio loses so much all the time, and a lower rate would not mend it (as in draft-ietf-rmcat-gcc-02, section 6)."""
FEW_PACKETS = 20
FEW_READINGS = 3
"""Of fewer, one that is lost says nothing."""
WINDOW_S = 2.0
"""Over which loss is taken."""
RATE_WINDOW_S = 0.6
ECHO_S = 0.4
"""What is told so soon after a cut, and after the queue that it found, was sent before it."""
BACK_OFF = 0.85
SETTLE_S = 1.0
"""From one cut to the next: a smaller layer has to come, and the queue to empty."""
FLOOR_BPS = 100_000
FRUIT = 2 / 3
"""
When less is sent, queue or loss become smaller than this share of what they were; else both are the line's own: a longer way, radio, somebody else's
download.
"""
LESS = 0.8
"""Of the former rate is less."""
PROVEN_LOSS = 0.05
OUTGROWN = 2.0
"""Times a bound that was proven: a line that carries so much is another, and has yet to be proven full."""
HEALING = 0.02
"""Of the newest reading in what counts as the line's own loss, when it is less."""
FORGET_S = 30.0
"""A line that carried all that was wanted for so long without a queue has no bound any more."""


class DownlinkEstimate:
    """One subscriber's. `budget_bps` is what its video may take, or infinity."""

    def __init__(self) -> None:
        self.budget_bps: float = inf
        self.is_full = False
        """The last reading showed it: what is too much should stop at once."""
        self._readings: deque[tuple[float, Delivery]] = deque()
        self._full_readings = 0
        self._next_cut_s = 0.0
        self._last_cut: tuple[float, float, float] | None = None
        """Queue, loss and rate before it, until the line is calm."""
        self._echo_until_s = 0.0
        self._proven_bps = 0.0
        """The last bound that was more than a suspicion, until the line has outgrown it."""
        self._own_queue_s = 0.0
        self._own_loss = 0.0
        self._enough_since_s: float | None = None
        self._probing = Probing()

    @property
    def is_proven(self) -> bool:
        """The bound is more than a suspicion (a browser that was too busy to read looks like a short queue): worth switching off for."""
        return self._proven_bps > 0

    def receive_delivery(self, delivery: Delivery, now: float) -> None:
        """What came since the last reading; about five times a second."""
        if now >= self._echo_until_s:
            self._readings.append((now, delivery))
        while self._readings and self._readings[0][0] < now - WINDOW_S:
            self._readings.popleft()
        if delivery.packets:
            self._own_queue_s = min(self._own_queue_s, delivery.queue_s)
        queue_s = delivery.queue_s - self._own_queue_s if delivery.packets else 0.0
        loss = self._loss()
        if loss is not None:
            self._own_loss = min(self._own_loss, self._own_loss + (loss - self._own_loss) * HEALING)
        self._full_readings = self._full_readings + 1 if queue_s > FULL_QUEUE_S else 0
        loses = len(self._readings) >= FEW_READINGS and (loss or 0.0) > self._own_loss + CONGESTED_LOSS
        self.is_full = loses or self._full_readings >= FULL_READINGS
        if self.is_full:
            self._enough_since_s = None
            self._probing.hold(now)
            if now >= self._next_cut_s:
                self._cut(queue_s, loss or 0.0, now)
        elif queue_s < CALM_QUEUE_S and loss is not None:
            self._last_cut = None
            if self.budget_bps < inf:  # most lines have no bound that what arrives could raise
                self._raise(self._rate_bps(now))
        if delivery.probe is not None and not self.is_full:
            self._raise(self._probing.receive_probe(delivery.probe, self._own_loss, now))

    def probe_to_send(self, wanted_bps: float, now: float) -> int | None:
        """
        The rate of a probe to send now, or None. `wanted_bps` is what everything would take that is to be had. Ask about five times a second while
        `budget_bps` is finite.
        """
        if wanted_bps > self.budget_bps:
            self._enough_since_s = None
            return self._probing.probe_to_send(self.budget_bps, wanted_bps, now)
        if self._enough_since_s is None:
            self._enough_since_s = now
        elif now >= self._enough_since_s + FORGET_S:
            self._raise(inf)
        return None

    def _raise(self, carried_bps: float) -> None:
        if self.budget_bps < inf:
            self.budget_bps = max(self.budget_bps, carried_bps)
        if self.budget_bps >= OUTGROWN * self._proven_bps:
            self._proven_bps = 0.0

    def _cut(self, queue_s: float, loss: float, now: float) -> None:
        rate_bps = self._rate_bps(now)
        if not rate_bps:
            return
        self._next_cut_s = now + SETTLE_S
        self._readings.clear()
        self._echo_until_s = now + queue_s + ECHO_S
        former, self._last_cut = self._last_cut, (queue_s, loss, rate_bps)
        if former is not None and _is_fruitless(former, self._last_cut):
            self._own_queue_s += queue_s
            self._own_loss = max(self._own_loss, loss)
            self._last_cut = None
            return
        self.budget_bps = max(FLOOR_BPS, rate_bps * BACK_OFF)
        if self.is_proven or former is not None or loss >= PROVEN_LOSS:
            self._proven_bps = self.budget_bps

    def _loss(self) -> float | None:
        """None while too little is known."""
        packets = lost = 0
        for _, delivery in self._readings:
            packets += delivery.packets
            lost += delivery.lost
        lost = max(0, lost)
        return lost / (packets + lost) if packets + lost >= FEW_PACKETS else None

    def _rate_bps(self, now: float) -> float:
        """Of what arrived."""
        timed = [
            (delivery.octets, delivery.span_s)
            for read_s, delivery in self._readings
            if delivery.span_s is not None and read_s > now - RATE_WINDOW_S
        ]
        span_s = sum(span_s for _, span_s in timed)
        return sum(octets for octets, _ in timed) * 8 / span_s if span_s else 0.0


def _is_fruitless(former: tuple[float, float, float], latest: tuple[float, float, float]) -> bool:
    """Whether less was sent after the former cut, and neither queue nor loss fell."""
    (queue_s, loss, rate_bps), (later_queue_s, later_loss, later_rate_bps) = former, latest
    is_less = later_rate_bps < LESS * rate_bps
    return is_less and later_queue_s + JITTER_S >= FRUIT * queue_s and later_loss >= FRUIT * loss
