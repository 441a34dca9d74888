"""One child process that is kept running: started, watched, restarted when it dies, stopped. Knows nothing of services."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Pause before each restart in a row; the last one repeats."""
STEADY_S = 30.0
"""A child that ran this long is well again: its next restart is at once."""

OnExit = Callable[[str, int], None]


class Child:
    """
    A process and the thread that watches it.

    The thread starts the process itself and outlives it: the kernel's parent-death signal is tied to the thread that forked.
    Until `keep_running` is called an end is final (a start that failed); from then on it is restarted.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log_file: Path | None,
        folder: Path | None,
        on_exit: OnExit,
    ) -> None:
        self.name = name
        self._command = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command]
        self._environment = dict(environment)
        self._log_file = log_file
        self._folder = folder
        self._on_exit = on_exit
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._spawned = threading.Event()
        self._restarts = False
        self._process: subprocess.Popen[bytes] | None = None
        self._exit_code: int | None = None
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._watch, name=f"watch {name}", daemon=True)

    @property
    def pid(self) -> int:
        """Process id of the present process; another one after each restart."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended for good, or None while it runs or will be restarted."""
        return self._exit_code

    def start(self) -> None:
        """Start the process and return at once. Raises `OSError` when there is no such program."""
        self._thread.start()
        self._spawned.wait()
        if self._failure is not None:
            raise self._failure

    def keep_running(self) -> None:
        """From now on, restart it when it dies."""
        self._restarts = True

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the present process. One that has just ended is left alone."""
        with contextlib.suppress(ProcessLookupError):
            if self._process is not None:
                self._process.send_signal(number)

    def ask_to_stop(self) -> None:
        """Send SIGTERM; it is not restarted any more."""
        with self._lock:
            self._stopping.set()
            self.kill(signal.SIGTERM)

    def await_stop(self, deadline: float) -> bool:
        """Wait until `deadline` (of `time.monotonic`), then kill. Tells whether it ended by itself."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if not self._thread.is_alive():
            return True
        self.kill(signal.SIGKILL)
        self._thread.join()
        return False

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of its log file; empty when it logs elsewhere."""
        if self._log_file is None or not self._log_file.exists():
            return ""
        return "\n".join(self._log_file.read_text(errors="replace").splitlines()[-lines:])

    def _watch(self) -> None:
        failures = 0
        while True:
            with self._lock:
                if self._stopping.is_set():
                    return
                try:
                    process = self._process = self._spawn()
                except OSError as error:
                    self._failure, self._exit_code = error, 127
                    return
                finally:
                    self._spawned.set()
            started = time.monotonic()
            code = process.wait()
            if self._stopping.is_set() or not self._restarts:
                self._exit_code = code
                return
            self._on_exit(self.name, code)
            if time.monotonic() - started > STEADY_S:
                failures = 0
            self._stopping.wait(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1

    def _spawn(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C in the terminal reaches the launcher alone, which then stops its children in order.
        with contextlib.ExitStack() as opened:
            out = opened.enter_context(self._log_file.open("ab")) if self._log_file else None
            return subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=out if out is not None else sys.__stderr__,
                stderr=out,
                start_new_session=True,
            )
