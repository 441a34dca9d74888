"""`roomwire run`: one command from nothing to a working system, and back to nothing."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from roomwire.stack import free_port
from twilio.rest import Client

from tests.kit.browser import SDKS

PORTS = ("ROOMS_API", "TOKEN_ISSUER", "GATEWAY", "SFU_HTTP", "DEMO")
PATIENCE_S = 60


@contextlib.contextmanager
def in_the_background() -> Iterator[None]:
    """Processes started meanwhile are told to ignore SIGINT, as a shell tells those that it starts with `&`."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Launched:
    """A launcher and what it printed."""

    def __init__(self, data: Path, log: Path, **settings: str) -> None:
        self.log = log
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ROOMWIRE_")}
        environment |= {f"ROOMWIRE_{name}_PORT": str(free_port()) for name in PORTS}
        environment["ROOMWIRE_SFU_PORT"] = str(free_port(socket.SOCK_DGRAM))
        environment["ROOMWIRE_DATA"] = str(data)
        environment["ROOMWIRE_DEMO_NODE_MODULES"] = str(SDKS)
        with log.open("w") as file, in_the_background():
            self.process = subprocess.Popen(
                [sys.executable, "-m", "roomwire", "run"],
                env=environment | settings,
                cwd=log.parent,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self.told = ""

    def await_ready(self) -> "Launched":
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told += line
            if line.startswith("Ctrl-C"):
                return self
        raise AssertionError(f"it ended: {self.log.read_text()}")

    def value(self, label: str) -> str:
        """What the welcome says behind a label."""
        match = re.search(rf"^ +{label} +(\S+)$", self.told, re.MULTILINE)
        assert match, self.told
        return match[1]

    def client(self) -> Client:
        client = Client(self.value("account SID"), self.value("auth token"))
        client.video.base_url = client.api.base_url = self.value("REST API")
        return client

    def children(self) -> dict[int, str]:
        """Every process that it started, with its command line."""
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if (folder / "stat").read_text().rpartition(")")[2].split()[1] == str(self.process.pid):
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        return found

    def pid_of(self, module: str) -> int | None:
        return next((pid for pid, command in self.children().items() if f"-m {module}" in command), None)


def environment_of(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    launched = Launched(tmp_path / "var", tmp_path / "run.log").await_ready()
    yield launched
    if launched.process.poll() is None:
        launched.process.kill()
        launched.process.wait()


def test_it_tells_how_to_use_it_and_ctrl_c_leaves_nothing_behind(launched: Launched, tmp_path: Path) -> None:
    room = launched.client().video.v1.rooms.create(unique_name="standup")
    pids = list(launched.children())
    told_secrets = [command for pid, command in launched.children().items() if "DEMO_AUTH_TOKEN" in environment_of(pid)]

    launched.process.send_signal(signal.SIGINT)
    code = launched.process.wait(PATIENCE_S)
    log = launched.log.read_text()

    assert launched.value("signaling").startswith("ws://127.0.0.1:")
    assert len(pids) == 6
    assert [command.split()[-1] for command in told_secrets] == ["roomwire_demo"]
    assert code == 0
    assert "Traceback" not in log
    assert "hard way" not in log
    assert not any(is_running(pid) for pid in pids)

    again = Launched(tmp_path / "var", tmp_path / "again.log").await_ready()
    kept = again.client().video.v1.rooms("standup").fetch()
    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(PATIENCE_S) == 0
    assert kept.sid == room.sid
    assert [again.value(label) for label in ("account SID", "auth token", "API key", "API secret")] == [
        launched.value(label) for label in ("account SID", "auth token", "API key", "API secret")
    ]


def test_a_service_that_dies_is_started_again_and_none_outlives_the_launcher(launched: Launched) -> None:
    first = launched.pid_of("rooms_api")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: launched.pid_of("rooms_api") not in (None, first), "rooms-api runs again")

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return launched.client().video.v1.rooms.create(unique_name="after") is not None
        return False

    wait_until(answers, "rooms-api answers again")
    pids = list(launched.children())
    launched.process.kill()
    launched.process.wait()
    wait_until(lambda: not any(is_running(pid) for pid in pids), "all children have ended")


def test_what_cannot_work_is_told_by_the_name_of_the_variable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = Launched(tmp_path / "var", tmp_path / "taken.log", ROOMWIRE_DEMO_PORT=str(port))
        bad = Launched(tmp_path / "var", tmp_path / "bad.log", ROOMWIRE_SFU_PORT="many")
        codes = [launched.process.wait(PATIENCE_S) for launched in (taken, bad)]

    assert codes == [2, 2]
    assert taken.log.read_text() == f"ROOMWIRE_DEMO_PORT: port {port} is in use\n"
    assert bad.log.read_text().startswith("ROOMWIRE_SFU_PORT: ")


def test_a_data_folder_that_cannot_be_used_is_told_in_one_line(tmp_path: Path) -> None:
    launched = Launched(tmp_path, tmp_path / "run.log", ROOMWIRE_DATA="/dev/null/var")

    assert launched.process.wait(PATIENCE_S) == 2
    assert launched.log.read_text() == "ROOMWIRE_DATA: cannot write into /dev/null/var: Not a directory\n"


def test_ctrl_c_while_it_loads_is_quiet(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "roomwire", "run"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: "pydantic_core" in Path(f"/proc/{process.pid}/maps").read_text(), "modules are being loaded")

    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE_S)

    assert "Traceback" not in told
    assert process.returncode == -signal.SIGINT


def test_a_master_key_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    key = tmp_path / "var" / "token-issuer" / "master.key"
    key.parent.mkdir(parents=True)
    key.write_text("A" * 44)
    key.chmod(0o644)

    launched = Launched(tmp_path / "var", tmp_path / "run.log")

    assert launched.process.wait(PATIENCE_S) == 1
    assert f"chmod 600 {key}" in launched.log.read_text()


def test_the_credentials_can_be_shown_later(tmp_path: Path) -> None:
    def shown() -> dict[str, str]:
        environment = os.environ | {"ROOMWIRE_DATA": str(tmp_path)}
        command = [sys.executable, "-m", "token_issuer", "credentials", "--key-name", "web"]
        answer: dict[str, str] = json.loads(subprocess.check_output(command, env=environment, cwd=tmp_path))
        return answer

    first = shown()

    assert sorted(first) == ["account_sid", "api_key", "api_secret", "auth_token"]
    assert shown() == first
