"""A line that tells how the test is going, rewritten in place on a terminal and printed now and then elsewhere."""

import shutil
from typing import TextIO

from roomwire.load_test.latency import quantile_s
from roomwire.load_test.reading import Window

PRINT_INTERVAL_S = 5.0


class Progress:
    """Give it each new state; it decides what to print."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._printed_at: float | None = None

    def show(self, text: str, now: float) -> None:
        if self._is_terminal:  # a line that is broken cannot be written over
            self._stream.write(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}")
        elif self._printed_at is None or now - self._printed_at >= PRINT_INTERVAL_S:
            self._stream.write(f"{text}\n")
            self._printed_at = now
        self._stream.flush()

    def say(self, text: str) -> None:
        """Something that stays to be read. Call it after `end`."""
        self._stream.write(f"{text}\n")

    def end(self) -> None:
        """Leave the cursor on a fresh line."""
        if self._is_terminal:
            self._stream.write("\r\033[K")
            self._stream.flush()


def joining(joined: int, wanted: int, failed: int) -> str:
    return f"joining: {joined} of {wanted}" + (f", {failed} failed" if failed else "")


def measuring(window: Window, elapsed_s: float, duration_s: float) -> str:
    """`window` is the last second or so."""
    seconds = window.seconds or 1.0
    loss = 100 * window.lost / window.expected if window.expected else 0.0
    p99_s = quantile_s(window.latency, 0.99)
    latency = f", p99 {p99_s * 1000:.1f} ms" if p99_s is not None else ""
    return (
        f"{elapsed_s:.0f} of {duration_s:.0f} s: {window.streams} streams, sent {window.sent_packets / seconds:,.0f}, "
        f"received {window.received / seconds:,.0f} packets/s ({window.received_octets * 8 / seconds / 1e6:,.1f} Mbit/s), loss {loss:.2f} %{latency}"
    )
