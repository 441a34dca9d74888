"""The whole system on one machine: an embedded NATS server and every service as a child process. Used by `roomwire run` and by tests."""

import math
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from service_kit.settings import nats_servers, server_names

from roomwire.child import Child

NATS = "nats"
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 15.0
QUIET_S = 3.0
"""A start that waits longer says what for."""
POLL_S = 0.05
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
"""A room's snapshot is one message; NATS allows 1 MiB unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Program:
    """How a service is started. `ports` are the variables that name its ports: the first one answers `/readyz`."""

    module: str
    ports: tuple[str, ...]
    udp_ports: tuple[str, ...] = ()


PROGRAMS: Mapping[str, Program] = {
    "token-issuer": Program("token_issuer", ("ROOMWIRE_TOKEN_ISSUER_PORT",)),
    "rooms-api": Program("rooms_api", ("ROOMWIRE_ROOMS_API_PORT",)),
    "media-sfu": Program("media_sfu", ("ROOMWIRE_SFU_HTTP_PORT",), ("ROOMWIRE_SFU_PORT",)),
    "signaling-gateway": Program("signaling_gateway", ("ROOMWIRE_GATEWAY_PORT",)),
    "demo": Program("roomwire_demo", ("ROOMWIRE_DEMO_PORT",)),
}
"""In the order in which they start; they stop the other way round."""
SERVICES = tuple(name for name in PROGRAMS if name != "demo")

_INSTANCE = re.compile(r"(?P<program>.+?)(?:-\d+)?")


class StackFailed(Exception):
    """The system did not start. The message says which part and why."""


class Stack:
    """
    A running system.

    `settings` are `ROOMWIRE_*` variables for every service; a port that is missing there is chosen freely, and NATS is started when
    `ROOMWIRE_NATS_URL` is missing. `services` names what to run, everything but the demo by default; a number at the end makes another
    instance with free ports of its own (`media-sfu-2`). With `logs`, each child writes to a file there, else to standard error. `on_exit` is
    called, in a thread of its own, with the name and exit code of a child that died and is about to be restarted; `on_wait` with what a start has
    waited for during three seconds.
    """

    def __init__(
        self,
        data: Path,
        settings: Mapping[str, str] | None = None,
        services: Sequence[str] = SERVICES,
        logs: Path | None = None,
        folder: Path | None = None,
        on_exit: Callable[[str, int], None] = lambda name, code: None,
        on_wait: Callable[[str], None] = lambda what: None,
    ) -> None:
        self._data = data.resolve()
        self._services = list(services)
        self._logs = logs
        self._folder = folder
        self._on_exit = on_exit
        self._on_wait = on_wait
        self._children: dict[str, Child] = {}
        self._instance_settings: dict[str, dict[str, str]] = {}
        self.settings = {"ROOMWIRE_DATA": str(self._data), "ROOMWIRE_HOST": "127.0.0.1", **(settings or {})}
        for program in PROGRAMS.values():
            self._choose_ports(program, self.settings)
        self._nats_config: Path | None = None
        if not self.settings.get("ROOMWIRE_NATS_URL"):
            self._nats_config = self._data / "nats.conf"
            self._nats_port, self._nats_token = free_port(), secrets.token_hex(16)
            self.settings["ROOMWIRE_NATS_URL"] = f"nats://{self._nats_token}@127.0.0.1:{self._nats_port}"

    @property
    def nats_url(self) -> str:
        return self.settings["ROOMWIRE_NATS_URL"]

    @property
    def rooms_api_url(self) -> str:
        return self.url("rooms-api")

    @property
    def token_issuer_url(self) -> str:
        return self.url("token-issuer")

    @property
    def demo_url(self) -> str:
        return self.url("demo")

    @property
    def signaling_url(self) -> str:
        return self.url("signaling-gateway").replace("http://", "ws://") + "/signaling"

    @property
    def pids(self) -> dict[str, int]:
        """Process id of every child, by name."""
        return {name: child.pid for name, child in self._children.items()}

    def url(self, name: str) -> str:
        """Base URL of a service's HTTP port."""
        settings = self._settings_of(name)
        host = settings["ROOMWIRE_HOST"]
        host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
        return f"http://{host}:{settings[program_of(name).ports[0]]}"

    def start(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Start everything and wait until all of it is ready. Raises `StackFailed`, with nothing left running."""
        deadline = time.monotonic() + deadline_s
        try:
            self._data.mkdir(parents=True, exist_ok=True)
            if self._logs is not None:
                self._logs.mkdir(parents=True, exist_ok=True)
            if self._nats_config is not None:
                self._start_nats(self._nats_config, deadline)
            else:
                self._await_outer_nats(deadline)
            for name in self._services:
                self._spawn(name, [sys.executable, "-m", program_of(name).module], self._settings_of(name))
            for name in self._services:
                self._await_ready(name, deadline)
        except BaseException:
            self.stop()
            raise

    def start_service(self, name: str, deadline_s: float = START_DEADLINE_S) -> None:
        """Start one service (again, or one more instance) and wait until it is ready. Raises `StackFailed`."""
        self._spawn(name, [sys.executable, "-m", program_of(name).module], self._settings_of(name))
        self._await_ready(name, time.monotonic() + deadline_s)

    def stop_service(self, name: str, deadline_s: float = STOP_DEADLINE_S) -> None:
        """Stop one service in an orderly way; it stays away until `start_service`."""
        child = self._children.pop(name)
        child.ask_to_stop()
        child.await_stop(time.monotonic() + deadline_s)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to one child. If that ends it, it is restarted."""
        self._children[name].kill(number)

    def await_restart(self, name: str, old_pid: int, deadline_s: float = START_DEADLINE_S) -> None:
        """Wait until another process than `old_pid` serves under this name, and is ready. Raises `StackFailed`."""
        deadline = time.monotonic() + deadline_s
        while self._children[name].pid == old_pid:
            self._check_alive(self._children[name], deadline)
            time.sleep(POLL_S)
        self._await_ready(name, deadline)

    def stop(self, deadline_s: float = STOP_DEADLINE_S) -> list[str]:
        """Stop everything, NATS last. Returns the names of those that had to be killed at the deadline."""
        deadline = time.monotonic() + deadline_s
        late = []
        services = {name: child for name, child in self._children.items() if name != NATS}
        for child in reversed(services.values()):
            child.ask_to_stop()
        for name, child in services.items():
            if not child.await_stop(deadline):
                late.append(name)
        if bus := self._children.get(NATS):
            bus.ask_to_stop()
            bus.await_stop(max(deadline, time.monotonic() + 1.0))
        self._children.clear()
        return late

    def __enter__(self) -> "Stack":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _settings_of(self, name: str) -> Mapping[str, str]:
        if name in PROGRAMS:
            return self.settings
        if name not in self._instance_settings:
            program = program_of(name)
            own = {key: value for key, value in self.settings.items() if key not in program.ports + program.udp_ports}
            self._choose_ports(program, own)
            self._instance_settings[name] = own
        return self._instance_settings[name]

    @staticmethod
    def _choose_ports(program: Program, settings: dict[str, str]) -> None:
        for variable in program.ports:
            settings.setdefault(variable, str(free_port()))
        for variable in program.udp_ports:
            settings.setdefault(variable, str(free_port(socket.SOCK_DGRAM)))

    def _start_nats(self, config: Path, deadline: float) -> None:
        config.touch(mode=0o600)
        config.write_text(
            f'listen: "127.0.0.1:{self._nats_port}"\nmax_payload: {MAX_PAYLOAD_BYTES}\n'
            f'authorization {{ token: "{self._nats_token}" }}\n'
        )
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"
        self._spawn(NATS, [binary, "-c", str(config)], {})
        self._await_nats(deadline)

    def _await_nats(self, deadline: float) -> None:
        child = self._children[NATS]
        while True:
            if _listens(("127.0.0.1", self._nats_port)):
                break
            self._check_alive(child, deadline)
            time.sleep(POLL_S)
        child.keep_running()

    def _await_outer_nats(self, deadline: float) -> None:
        """Wait until a server that is not ours listens: no service is of use without it."""
        tell_at = time.monotonic() + QUIET_S
        while not any(_listens(address) for address in nats_servers(self.nats_url)):
            now = time.monotonic()
            if now > tell_at:
                self._on_wait(f"the message bus at {server_names(self.nats_url)} (ROOMWIRE_NATS_URL)")
                tell_at = math.inf
            if now > deadline:
                raise StackFailed(f"ROOMWIRE_NATS_URL: nothing listens at {server_names(self.nats_url)}")
            time.sleep(POLL_S)

    def _spawn(self, name: str, command: Sequence[str], settings: Mapping[str, str]) -> Child:
        outer = {key: value for key, value in os.environ.items() if not key.startswith("ROOMWIRE_")}
        if name != "demo":  # what is the demo's, its secrets above all, is nobody else's
            settings = {key: value for key, value in settings.items() if not key.startswith("ROOMWIRE_DEMO_")}
        log_file = self._logs / f"{name}.log" if self._logs is not None else None
        if name == NATS and log_file is None:  # a dozen lines at each start that nobody wants to see
            log_file = self._data / "nats.log"
        child = Child(name, command, {**outer, **settings}, log_file, self._folder, self._on_exit)
        try:
            child.start()
        except OSError as error:
            raise StackFailed(f"{name} cannot be started: {error}") from error
        self._children[name] = child
        return child

    def _await_ready(self, name: str, deadline: float) -> None:
        if name == NATS:
            self._await_nats(deadline)
            return
        child = self._children[name]
        url = self.url(name) + "/readyz"
        failing = ""
        with httpx.Client(timeout=2.0, trust_env=False) as client:
            while True:
                try:
                    answer = client.get(url)
                    if answer.status_code == 200:
                        break
                    failing = answer.text
                except httpx.TransportError:
                    pass
                self._check_alive(child, deadline, failing)
                time.sleep(POLL_S)
        child.keep_running()

    @staticmethod
    def _check_alive(child: Child, deadline: float, failing: str = "") -> None:
        tail = child.log_tail()
        if child.exit_code is not None:
            raise StackFailed(
                f"{child.name} ended with exit code {child.exit_code} before it was ready\n{tail}".rstrip()
            )
        if time.monotonic() > deadline:
            raise StackFailed(f"{child.name} did not become ready in time {failing}\n{tail}".rstrip())


def program_of(name: str) -> Program:
    """The program that an instance's name stands for. Raises `StackFailed` for a name that is no service's."""
    match = _INSTANCE.fullmatch(name)
    if match is None or match["program"] not in PROGRAMS:
        raise StackFailed(f"there is no service {name!r}")
    return PROGRAMS[match["program"]]


def _listens(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1.0).close()
    except OSError:
        return False
    return True


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of the loopback address that nobody binds now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
