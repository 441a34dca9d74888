"""How often a credential may ask: a token bucket each for reads and writes. Decides without a clock; knows no request."""

from collections import OrderedDict
from dataclasses import dataclass

REMEMBERED = 10_000
"""Credentials. Who was not seen for longest is forgotten, and so begins with a full bucket again."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """
    So many reads and writes a second for each credential, 0 for any number. Each may come in a burst of one second's worth.

    Of one process: behind a load balancer each replica counts for itself.
    """

    def __init__(self, reads_per_s: float, writes_per_s: float) -> None:
        self._rates = {False: reads_per_s, True: writes_per_s}
        self._buckets: OrderedDict[tuple[str, bool], _Bucket] = OrderedDict()

    def admits(self, credential: str, is_write: bool, now: float) -> bool:
        """Take a token for one request at `now` (seconds, never running backwards). False when there is none."""
        rate = self._rates[is_write]
        if not rate:
            return True
        most = max(rate, 1.0)
        bucket = self._buckets.setdefault((credential, is_write), _Bucket(most, now))
        self._buckets.move_to_end((credential, is_write))
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        bucket.tokens = min(most, bucket.tokens + (now - bucket.filled_at) * rate)
        bucket.filled_at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True
