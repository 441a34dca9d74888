"""Child processes: restarted when they die, gone when told, gone with the launcher."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from roomwire.child import Child

SLEEPER = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True); signal.pause(); signal.pause()",
]


def wait_until(condition: Callable[[], bool], deadline_s: float = 10) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def child(tmp_path: Path, command: list[str], exits: list[int] | None = None) -> Child:
    log = tmp_path / "child.log"
    made = Child(
        "c", command, os.environ, log, None, lambda name, code: exits.append(code) if exits is not None else None
    )
    made.start()
    wait_until(lambda: log.exists() and "up" in log.read_text())
    return made


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_child_that_dies_is_restarted_at_once_and_told_of(tmp_path: Path) -> None:
    exits: list[int] = []
    sleeper = child(tmp_path, SLEEPER, exits)
    sleeper.keep_running()
    first = sleeper.pid

    sleeper.kill(signal.SIGKILL)

    wait_until(lambda: sleeper.pid != first)
    assert exits == [-signal.SIGKILL]
    sleeper.ask_to_stop()
    assert sleeper.await_stop(time.monotonic() + 5)
    assert not is_alive(sleeper.pid)


def test_an_end_before_it_is_kept_running_is_final(tmp_path: Path) -> None:
    sleeper = child(tmp_path, [sys.executable, "-c", "print('up'); raise SystemExit(3)"])

    wait_until(lambda: sleeper.exit_code is not None)

    assert sleeper.exit_code == 3
    assert sleeper.log_tail() == "up"


def test_a_child_that_does_not_stop_is_killed_at_the_deadline(tmp_path: Path) -> None:
    stubborn = child(tmp_path, STUBBORN)
    stubborn.ask_to_stop()

    assert not stubborn.await_stop(time.monotonic() + 0.1)
    assert not is_alive(stubborn.pid)


def test_children_end_with_a_launcher_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import os, signal, sys
from pathlib import Path
from roomwire.child import Child
child = Child("c", {STUBBORN!r}, os.environ, Path({str(tmp_path / "log")!r}), None, print)
child.start()
print(child.pid, flush=True)
signal.pause()
"""
    launcher = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    pid = int(launcher.stdout.readline())
    wait_until(lambda: (tmp_path / "log").exists() and "up" in (tmp_path / "log").read_text())

    launcher.kill()
    launcher.wait()

    wait_until(lambda: not is_alive(pid))
