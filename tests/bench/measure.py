"""
Runs one scenario against one SFU and measures a steady window.

CPU time is that of the SFU's whole process, from its CPU clock: all threads, ended ones as well, and the kernel's time in its system calls. On loopback
the kernel's work up to the receiver's queue runs inside the sender's call and is in it, for every SFU alike.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from generator import Generator, settle
from roomwire.load_test.latency import quantile_s
from roomwire.load_test.reading import Window, window_between
from scenarios import Scenario

GENERATOR_CORE = 1
SFU_CORE = 0
WARM_UP_S = 2.0
RAMP_STEP = 1.25
RAMP_FAILURES = 3
PREFERRED_NICENESS = -15
FULL_PERCENT = 90.0
"""Of a core: with a little for what else must run there, the process has no more."""
LATE_PERCENT = 2.0
"""Of the generator's ticks: its packets no longer leave when they should."""


class Void(RuntimeError):
    """The SFU did not send what was sent to it, so that its cost means nothing."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a row is of, in the words of the command line."""

    round_number: int
    scenario: str
    profile: str
    uneven: bool
    sfu: str


@dataclass(frozen=True, slots=True)
class Row:
    """
    One measured window. `cost_us` is CPU time for each forwarded packet; `others_percent` is the share of the SFU's core that other processes had, and
    `generator_others_percent` of the generator's; `unread` packets found its queues full. `is_clean` tells that nothing else disturbed the run; `limit` is what a ramp ended at.
    """

    scenario: str
    sfu: str
    profile: str
    uneven: bool
    cost_us: float
    in_per_s: float
    out_per_s: float
    cpu_percent: float
    loss_percent: float
    delivered_percent: float
    p50_ms: float
    p99_ms: float
    memory_mib: float
    generator_percent: float
    late_percent: float
    others_percent: float
    generator_others_percent: float
    unread: int
    limit: str = ""
    cell: Cell | None = None

    @property
    def is_clean(self) -> bool:
        return self.late_percent < LATE_PERCENT and self.passes and self.p99_ms < 50

    @property
    def passes(self) -> bool:
        return self.loss_percent <= 0.1 and self.delivered_percent >= 99.5 and self.p99_ms < 250

    def explain(self) -> str:
        """Why a window did not pass: whose limit it was, as far as the use of both cores tells."""
        if self.cpu_percent >= FULL_PERCENT:
            return f"the SFU is saturated: {self.cpu_percent:.0f} % of its core"
        if self.unread:
            return f"the generator's limit: {self.unread} packets were dropped before it read them"
        if self.generator_percent >= FULL_PERCENT:
            return f"the generator's limit: {self.generator_percent:.0f} % of its core"
        if self.cpu_percent + self.others_percent >= FULL_PERCENT:
            return f"disturbed: other processes had {self.others_percent:.0f} % of the SFU's core"
        if self.generator_percent + self.generator_others_percent >= FULL_PERCENT:
            return f"disturbed: other processes had {self.generator_others_percent:.0f} % of the generator's core"
        return f"neither core was full: SFU {self.cpu_percent:.0f} %, generator {self.generator_percent:.0f} %, {self.late_percent:.0f} % of its ticks late"


class Run:
    """An SFU with the scenario's peers connected."""

    def __init__(self, module, scenario: Scenario, profile: str, uneven: bool) -> None:
        self._module, self._scenario, self._profile, self._uneven = module, scenario, profile, uneven
        self._generator = Generator(profile, uneven)
        self._sfu = module.Adapter(core=SFU_CORE)

    def __enter__(self) -> "Run":
        try:
            self._pids = self._sfu.start()
            for pid in (os.getpid(), *self._pids):
                _prefer(pid)
            self._join()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(AttributeError):  # it never started
            self._sfu.stop()
        self._generator.close()

    def _join(self) -> None:
        scenario, generator = self._scenario, self._generator
        for room in range(scenario.rooms):
            name = f"bench-{room}"
            publishers = [generator.publisher(1000 + 100 * room + 10 * number) for number in range(scenario.publishers)]
            feeds = [self._sfu.publish(name, publisher) for publisher in publishers]
            generator.wait_up(publishers)
            sampled = {0, scenario.subscribers // 2, scenario.subscribers - 1} if scenario.publishers == 1 else {0}
            subscribers = [generator.subscriber(decrypt=number in sampled) for number in range(scenario.subscribers)]
            for number, subscriber in enumerate(subscribers):
                self._sfu.subscribe(name, subscriber, scenario.feeds_of(number, feeds))
            generator.wait_up(subscribers)

    def measure(self, seconds: float, name: str | None = None) -> Row:
        settle(WARM_UP_S)
        pids = self._pids or self._sfu.pids()
        first, used = self._generator.reading(), _CpuTimes.read(pids)
        settle(seconds)
        last, used = self._generator.reading(), _CpuTimes.read(pids) - used
        window = window_between(first, last)
        if window.totals.authentication_failures or window.totals.foreign_payloads or not window.received:
            raise Void(
                f"received {window.received}; of those looked into, not authentic {window.totals.authentication_failures}, not ours {window.totals.foreign_payloads}"
            )
        return self._row(name or self._scenario.name, window, used, pids)

    def _row(self, name: str, window: Window, used: "_CpuTimes", pids: list[int]) -> Row:
        return Row(
            scenario=name,
            sfu=self._module.NAME,
            profile=self._profile,
            uneven=self._uneven,
            cost_us=used.sfu_s * 1e6 / window.received,
            in_per_s=window.sent_packets / window.seconds,
            out_per_s=window.received / window.seconds,
            cpu_percent=used.percent(used.sfu_s),
            loss_percent=100 * window.lost / window.expected,
            delivered_percent=100 * window.received / (window.sent_packets * self._scenario.fan_out),
            p50_ms=1000 * (quantile_s(window.latency, 0.5) or 0.0),
            p99_ms=1000 * (quantile_s(window.latency, 0.99) or 0.0),
            memory_mib=sum(_memory_mib(pid) for pid in pids),
            generator_percent=used.percent(used.generator_s),
            late_percent=100 * window.late_ticks / max(1, window.ticks),
            others_percent=max(0.0, used.percent(used.sfu_core_s - used.sfu_s)),
            generator_others_percent=max(0.0, used.percent(used.generator_core_s - used.generator_s)),
            unread=window.totals.queue_drops,
        )

    def ramp(self, seconds: float) -> Iterator[Row]:
        """Rows with the frame rate raised by a quarter each, until three in a row do not pass."""
        scale, failures = 1.0, 0
        while failures < RAMP_FAILURES and scale < 1000:
            self._generator.engine.set_rate(scale)
            row = self.measure(seconds, f"{self._scenario.name} x{scale:.2f}")
            failures = 0 if row.passes else failures + 1
            yield row
            scale *= RAMP_STEP


def pin_generator() -> None:
    """Keep this process, and the threads and children it starts, off the SFU's core."""
    os.sched_setaffinity(0, {GENERATOR_CORE})


@dataclass(frozen=True, slots=True)
class _CpuTimes:
    """CPU seconds: of the processes, and of all that ran on their cores (in steps of the kernel's tick; time that the hypervisor took counts)."""

    time_s: float
    sfu_s: float
    generator_s: float
    sfu_core_s: float
    generator_core_s: float

    @classmethod
    def read(cls, pids: list[int]) -> "_CpuTimes":
        """The kernel's CPU clock of a process has the id (~pid << 3) | 2: clock_getcpuclockid(3)."""
        sfu_s = sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids) / 1e9
        return cls(time.monotonic(), sfu_s, time.process_time(), _busy_s(SFU_CORE), _busy_s(GENERATOR_CORE))

    def __sub__(self, other: "_CpuTimes") -> "_CpuTimes":
        return _CpuTimes(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def percent(self, seconds: float) -> float:
        return 100 * seconds / self.time_s


def _prefer(pid: int) -> None:
    """
    Before what else the machine runs, if we may. Each session is a group with a niceness of its own, beside which that of its processes counts
    nothing (sched(7), "The autogroup feature"): the SFU's may be another one than ours.
    """
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(PREFERRED_NICENESS))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PGRP, os.getpgid(pid), PREFERRED_NICENESS)


def _busy_s(core: int) -> float:
    """Seconds that a core was not idle, proc_stat(5)."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(word) for word in line.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _memory_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))
