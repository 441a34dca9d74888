"""A cap on how often strangers are listened to: a token bucket for each source IP and one for all of them. No clock."""

from collections import OrderedDict
from dataclasses import dataclass

MAX_SOURCES = 4096
"""Sources remembered; beyond that the one silent for longest is forgotten."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_s: float

    def take(self, rate: float, burst: float, now: float) -> bool:
        self.tokens = min(burst, self.tokens + (now - self.filled_s) * rate)
        self.filled_s = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


class RateCap:
    """`rate` datagrams a second for one source IP, `total_rate` for all; each with a burst of two seconds' worth."""

    def __init__(self, rate: float, total_rate: float) -> None:
        self._rate = rate
        self._total_rate = total_rate
        self._all = _Bucket(2 * total_rate, 0.0)
        self._sources: OrderedDict[str, _Bucket] = OrderedDict()

    def admits(self, ip: str, now: float) -> bool:
        """Count a datagram from `ip` and tell whether to look at it. `now` is monotonic seconds."""
        bucket = self._sources.get(ip)
        if bucket is None:
            bucket = self._sources[ip] = _Bucket(2 * self._rate, now)
            if len(self._sources) > MAX_SOURCES:
                self._sources.popitem(last=False)
        self._sources.move_to_end(ip)
        return bucket.take(self._rate, 2 * self._rate, now) and self._all.take(
            self._total_rate, 2 * self._total_rate, now
        )
