"""A service's own database: SQLite in its data folder by default, PostgreSQL by URL. Opens and migrates it; knows no table."""

from pathlib import Path
from typing import Annotated, Any

import asyncpg
from alembic import command
from alembic.config import Config
from pydantic import BeforeValidator
from sqlalchemy import Connection, Dialect, Engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_DRIVERS = {"postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}


def _database_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value == "":
        return None
    try:
        backend = make_url(value).get_backend_name()
    except ArgumentError:
        backend = ""
    if backend not in _DRIVERS:
        raise ValueError("wants postgresql://... or sqlite:///...")
    return value


DatabaseUrl = Annotated[str | None, BeforeValidator(_database_url)]
"""A setting that `open_database` takes; empty is unset."""


class DatabaseUnavailable(Exception):
    """The database could not be opened when the service started. The message says why, and no password."""


def open_database(url: str | None, default_file: Path) -> AsyncEngine:
    """
    Open the database at `url`, or the SQLite file when there is none. Nothing connects before the first use. One that cannot be reached raises
    SQLAlchemy's `OperationalError`, and is used again when it is back.

    A transaction on SQLite takes the write lock when it begins (waiting up to 5 s for another one): one that first reads and then writes
    cannot fail half-way. Commits are flushed to the disk.
    """
    if url is None:
        default_file.parent.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{default_file}"
    parsed = make_url(url)
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
    if parsed.get_backend_name() != "sqlite":
        engine = create_async_engine(parsed)
        name_outages(engine.sync_engine)
        replace_closed_connections(engine.sync_engine)
        return engine
    engine = create_async_engine(parsed)
    prepare_sqlite(engine.sync_engine)
    begin_immediately(engine.sync_engine)
    return engine


def name_outages(engine: Engine) -> None:
    """
    Make a PostgreSQL that cannot be reached, or that goes away, an `OperationalError`. The driver lets errors of its sockets and of a server that
    starts through as they are, and a lost connection has no class of its own.
    """

    @event.listens_for(engine, "do_connect")
    def connect(
        dialect: Dialect, _record: Any, args: Any, options: Any
    ) -> Any:  # the driver's connection and arguments
        try:
            return dialect.connect(*args, **options)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            assert dialect.dbapi is not None
            raise dialect.dbapi.OperationalError(repr(error)) from error

    @event.listens_for(engine, "handle_error", retval=True)
    def rename(context: ExceptionContext) -> BaseException | None:
        if not context.is_disconnect or isinstance(context.sqlalchemy_exception, OperationalError):
            return None
        if not isinstance(context.original_exception, Exception):
            return None  # a cancellation costs the connection, but is no outage
        return OperationalError(context.statement, context.parameters, context.original_exception)


def replace_closed_connections(engine: Engine) -> None:
    """
    Take no connection of the pool that a PostgreSQL which stopped has closed, nor the others of its time. The driver knows of it: to ask the server
    itself (`pool_pre_ping`) would cost each transaction a round trip.
    """

    @event.listens_for(engine, "checkout")
    def check(connection: Any, _record: Any, _proxy: Any) -> None:  # SQLAlchemy's face of an asyncpg connection
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError


def prepare_sqlite(engine: Engine) -> None:
    """Readers beside one writer (WAL), commits flushed to the disk, and no transaction that nobody began."""

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:  # the driver's connection, which SQLAlchemy does not type
        connection.isolation_level = None  # the driver would begin deferred transactions of its own
        cursor = connection.cursor()
        for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def begin_immediately(engine: Engine) -> None:
    """Make transactions take the write lock when they begin. An engine for reading alone is left without, and never waits for a writer."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


async def migrate(engine: AsyncEngine, versions: Path, version_table: str) -> None:
    """
    Bring the tables up to date with the Alembic migrations in `versions`, recorded in a version table of the service's own. Raises
    `DatabaseUnavailable`.
    """

    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", _escaped(Path(__file__).with_name("migrations")))
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", _escaped(versions))
        config.attributes.update(connection=connection, version_table=version_table)
        command.upgrade(config, "head")

    try:
        async with engine.connect() as connection:
            await connection.run_sync(upgrade)
            await connection.commit()
    except OperationalError as error:
        name = "ROOMWIRE_DATA" if engine.dialect.name == "sqlite" else "ROOMWIRE_DATABASE_URL"
        raise DatabaseUnavailable(f"{name}: cannot open the database: {error.orig}") from error


def _escaped(path: Path) -> str:
    """For a value of the ini parser, in which a percent sign begins an interpolation."""
    return str(path).replace("%", "%%")
