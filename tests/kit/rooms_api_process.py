"""rooms-api as `python -m rooms_api` runs it, in a process forked from one that has done the imports: for tests that start it often."""

import contextlib
import multiprocessing
import os
from pathlib import Path
from typing import Any

import httpx
import rooms_api.__main__
from roomwire.stack import free_port


class RoomsApiProcess:
    """A service on a port of its own, started and killed as often as one likes. SQLite in `data` unless there is a `database_url`."""

    def __init__(self, nats_url: str, data: Path, database_url: str | None) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = data / "rooms-api.log"
        self._environment = {
            "ROOMWIRE_DATA": str(data),
            "ROOMWIRE_NATS_URL": nats_url,
            "ROOMWIRE_ROOMS_API_PORT": str(port),
            "ROOMWIRE_ALLOW_PRIVATE_CALLBACKS": "true",
            "ROOMWIRE_DATABASE_URL": database_url or f"sqlite:///{data / 'rooms.db'}",
        }
        self._forks = multiprocessing.get_context("forkserver")
        self._forks.set_forkserver_preload([__name__])
        self._child: Any = None

    def start(self) -> None:
        self._child = self._forks.Process(target=serve, args=(self._environment, self._log), daemon=True)
        self._child.start()

    async def is_ready(self) -> bool:
        """Tell whether it serves. Raises `AssertionError`, with its log, when it died."""
        assert not self.is_dead, self._log.read_text()
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get(f"{self.url}/readyz")).status_code == 200
        return False

    def kill(self) -> None:
        """End it at once. When this returns it is gone."""
        self._child.kill()
        self._child.join()

    @property
    def is_dead(self) -> bool:
        return not self._child.is_alive()


def serve(environment: dict[str, str], log: Path) -> None:
    """Be rooms-api."""
    os.environ.update(environment)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    rooms_api.__main__.run(rooms_api.__main__.main())
