"""A real NATS server for tests: its own process on a free port, ready when it is handed out."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_LISTENING = re.compile(r"Listening for client connections on 127\.0\.0\.1:(\d+)")


class NatsServer:
    """One nats-server. `start` again after `kill` binds the same port, as a restarted server would."""

    def __init__(self) -> None:
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start and wait until it listens. Raises `RuntimeError` with its output when it ends instead."""
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"
        port = str(self._port or -1)
        self._process = subprocess.Popen([binary, "-a", "127.0.0.1", "-p", port], stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        seen = []
        for line in self._process.stderr:
            seen.append(line)
            if match := _LISTENING.search(line):
                self._port = int(match.group(1))
            if "Server is ready" in line:
                return
        raise RuntimeError("nats-server ended: " + "".join(seen))

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="session")
def nats_url() -> Iterator[str]:
    """Address of a server shared by the tests of a session: use subjects of your own, or the whole bus alone."""
    server = NatsServer()
    server.start()
    yield server.url
    server.kill()


@pytest.fixture
def nats_server() -> Iterator[NatsServer]:
    """A server of the test's own, that it may kill and start again."""
    server = NatsServer()
    server.start()
    yield server
    server.kill()
