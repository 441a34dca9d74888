"""Keyset pages: newest first by `(created_at, sid)`, so that rows which come or go while a client walks neither repeat nor hide others."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, tuple_


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: after this row, or, going `backward`, where it ends: before this row."""

    created_at: float
    sid: str
    backward: bool = False


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`number` alone is an offset of pages; with a `position` it is only shown."""

    size: int
    number: int = 0
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """`following` and `preceding` are where the neighbours begin and end, None where there is none."""

    rows: list[Row[Any]]
    following: Position | None
    preceding: Position | None


@dataclass(frozen=True, slots=True)
class Order:
    """The two columns that a list is ordered by."""

    created_at: Column[float]
    sid: Column[str]


def read_page(connection: Connection, query: Select[Any], order: Order, request: PageRequest) -> Page:
    """Read one page of `query`, and one row more to know whether there is another page."""
    position = request.position
    key = tuple_(order.created_at, order.sid)
    if position is None:
        query = query.offset(request.number * request.size)
    elif position.backward:
        query = query.where(key > tuple_(position.created_at, position.sid))
    else:
        query = query.where(key < tuple_(position.created_at, position.sid))
    backward = position is not None and position.backward
    ordering = (order.created_at, order.sid) if backward else (order.created_at.desc(), order.sid.desc())
    found = list(connection.execute(query.order_by(*ordering).limit(request.size + 1)))
    more, rows = len(found) > request.size, found[: request.size]
    if backward:
        rows.reverse()
    has_following = more if not backward else True
    has_preceding = more if backward else request.number > 0
    if not rows:
        return Page([], None, None)
    first, last = rows[0]._mapping, rows[-1]._mapping
    return Page(
        rows,
        Position(last[order.created_at], last[order.sid]) if has_following else None,
        Position(first[order.created_at], first[order.sid], backward=True) if has_preceding else None,
    )
