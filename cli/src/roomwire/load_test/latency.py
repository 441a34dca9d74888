"""Percentiles from the engine's latency histogram: 32 buckets to each power of two, in microseconds (3 % steps)."""

from collections.abc import Sequence


def bucket_value_s(bucket: int) -> float:
    """The middle of a bucket, in seconds."""
    if bucket < 32:
        return bucket / 1e6
    power, step = divmod(bucket, 32)
    width = 1 << (power - 1)
    return (32 + step + 0.5) * width / 1e6


def difference(later: Sequence[int], earlier: Sequence[int]) -> list[int]:
    """What was counted between two readings."""
    return [new - old for new, old in zip(later, earlier, strict=True)]


def quantile_s(histogram: Sequence[int], share: float) -> float | None:
    """The latency that `share` (0 to 1) of the packets did not exceed, in seconds; None when nothing was measured."""
    wanted = share * sum(histogram)
    counted = 0
    for bucket, count in enumerate(histogram):
        counted += count
        if count and counted >= wanted:
            return bucket_value_s(bucket)
    return None
