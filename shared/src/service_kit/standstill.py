"""
Whether this process was held up as a whole: its machine asleep or too busy, or itself stopped. What others said meanwhile has not been read yet, so that
nobody may be judged by his silence.
"""

LATE_S = 2.0
"""So much too late no timer is because of our own work."""


def stood_still_s(due_at: float, now: float) -> float:
    """For how long, when a timer that was due at `due_at` comes at `now`, both of one monotonic clock; 0.0 when it did not."""
    late_s = now - due_at
    return late_s if late_s > LATE_S else 0.0
