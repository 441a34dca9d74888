"""The whole system, running, for tests: every port free, data in a folder of its own, a known account and key."""

import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from roomwire.stack import SERVICES, Stack
from twilio.rest import Client

from tests.kit.tokens import mint

ACCOUNT_SID = "AC" + "0" * 31 + "1"
KEY_SID = "SK" + "0" * 31 + "1"
SHOWN_LINES = 60


class Roomwire:
    """A running system, and what a customer's server has in hand to use it."""

    def __init__(
        self, folder: Path, settings: Mapping[str, str] | None = None, services: Sequence[str] = SERVICES
    ) -> None:
        self.account_sid, self.auth_token = ACCOUNT_SID, secrets.token_hex(16)
        self.key_sid, self.key_secret = KEY_SID, secrets.token_hex(16)
        self._logs = folder / "logs"
        self.data = folder / "data"
        self._shown: dict[Path, int] = {}
        self._expected_ends: set[str] = set()
        self.unexpected_ends: list[tuple[str, int]] = []
        """Services that died without being killed by a test, with their exit codes."""
        self.stack = Stack(
            self.data,
            {
                "ROOMWIRE_ACCOUNT_SID": self.account_sid,
                "ROOMWIRE_AUTH_TOKEN": self.auth_token,
                "ROOMWIRE_API_KEYS": f"{self.key_sid}:{self.key_secret}",
                "ROOMWIRE_ALLOW_PRIVATE_CALLBACKS": "true",
                **(settings or {}),
            },
            services=services,
            logs=self._logs,
            folder=folder,
            on_exit=self._note_end,
        )

    @property
    def base_url(self) -> str:
        """What a helper library's base URL is changed to."""
        return self.stack.rooms_api_url

    @property
    def ws_server(self) -> str:
        """What a client passes as `wsServer`."""
        return self.stack.signaling_url

    @property
    def ws_server_insights(self) -> str:
        """What a client passes as `wsServerInsights`."""
        return self.ws_server.removesuffix("/signaling") + "/v1/VideoEvents"

    def client(self, user: str | None = None, password: str | None = None) -> Client:
        """The stock helper library with its base URL changed; the account's credentials unless others are given."""
        client = Client(user or self.account_sid, password or self.auth_token, account_sid=self.account_sid)
        client.video.base_url = client.api.base_url = client.insights.base_url = self.base_url
        return client

    def token(self, identity: str, room: str | None = None, **options: Any) -> str:
        """An access token for a client, signed with the known key."""
        return mint(self.account_sid, self.key_sid, self.key_secret, identity, room, **options)

    def kill(self, service: str) -> None:
        """End a service as a crash would, and wait until it runs again."""
        pid = self.stack.pids[service]
        self._expected_ends.add(service)
        self.stack.kill(service)
        self.stack.await_restart(service, pid)

    def _note_end(self, service: str, code: int) -> None:
        if service in self._expected_ends:
            self._expected_ends.remove(service)
        else:
            self.unexpected_ends.append((service, code))

    def logs(self) -> str:
        """Everything that any service logged so far."""
        return "".join(log.read_text(errors="replace") for log in sorted(self._logs.glob("*.log")))

    def new_log_lines(self) -> dict[str, str]:
        """What each service logged since the last call, its end if that is long."""
        news = {}
        for log in sorted(self._logs.glob("*.log")):
            with log.open(errors="replace") as file:
                file.seek(self._shown.get(log, 0))
                lines = file.read().splitlines()
                self._shown[log] = file.tell()
            if lines:
                news[log.stem] = "\n".join(lines[-SHOWN_LINES:])
        return news


@contextmanager
def running(
    folder: Path, settings: Mapping[str, str] | None = None, services: Sequence[str] = SERVICES
) -> Iterator[Roomwire]:
    """Start the system, and stop it."""
    roomwire = Roomwire(folder, settings, services)
    roomwire.stack.start()
    try:
        yield roomwire
    finally:
        late = roomwire.stack.stop()
    assert late == [], f"these did not stop when asked: {late}"


@pytest.fixture(scope="session")
def shared_roomwire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roomwire]:
    """One running system for the tests of a session."""
    with running(tmp_path_factory.mktemp("roomwire")) as roomwire:
        yield roomwire


@pytest.fixture
def roomwire(shared_roomwire: Roomwire) -> Iterator[Roomwire]:
    """The running system. Tests use rooms of their own; a service that dies fails the test during which it did."""
    yield shared_roomwire
    ended, shared_roomwire.unexpected_ends = shared_roomwire.unexpected_ends, []
    assert ended == [], f"services died: {ended}"


@pytest.fixture
def room_name() -> str:
    """A room name that no other test uses."""
    return f"room-{uuid.uuid4().hex[:12]}"


def show_logs(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add to a failed test's report what the services logged during it."""
    roomwire = getattr(item, "funcargs", {}).get("shared_roomwire")
    if roomwire is None or (report.passed and report.when != "teardown"):
        return
    lines = roomwire.new_log_lines()
    if report.failed:
        report.sections += [(f"log of {service}", text) for service, text in lines.items()]
