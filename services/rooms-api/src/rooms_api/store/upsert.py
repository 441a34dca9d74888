"""Inserts that know what to do when the row is there already: SQLite and PostgreSQL spell them alike, but SQLAlchemy has one for each."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Table, TextClause
from sqlalchemy.dialects import postgresql, sqlite

from rooms_api.store.database import Database


def upsert(database: Database, table: Table) -> Any:
    """Insert whole rows, or replace those with the same primary key."""
    statement = _insert(database, table)
    keys = {column.name for column in table.primary_key}
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys},
    )


def insert_new(
    database: Database, table: Table, key: Sequence[Column[Any]] | None = None, where: TextClause | None = None
) -> Any:
    """Insert a row, or do nothing when a unique key is taken, any or that of `key` among rows as in `where`: `rowcount` tells."""
    return _insert(database, table).on_conflict_do_nothing(index_elements=key, index_where=where)


def _insert(database: Database, table: Table) -> Any:  # the two kinds of insert have no common type
    return (sqlite if database.is_sqlite else postgresql).insert(table)
