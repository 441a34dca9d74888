"""Keyset pages: newest first by `(created_at, sid)`, so that rows which come or go while a client walks neither repeat nor hide others."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Connection, Double, Integer, Row, Select, String, bindparam, tuple_


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


def read_page(
    connection: Connection,
    query: Select[Any],
    order: Order,
    request: PageRequest,
    values: Mapping[str, Any] | None = None,
) -> Page:
    """
    Read one page of `query`, and one row more to know whether there is another page. `values` are those of the query's own bound parameters.
    """
    position = request.position
    backward = position is not None and position.backward
    bound = {**(values or {}), "page_rows": request.size + 1}
    if position is None:
        bound["page_start"] = request.number * request.size
    else:
        bound |= {"page_at": position.created_at, "page_sid": position.sid}
    found = list(connection.execute(_one_page(query, order, position is not None, backward), bound))
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


@lru_cache(maxsize=256)
def _one_page(query: Select[Any], order: Order, has_position: bool, backward: bool) -> Select[Any]:
    """Made once for a query that is the same object each time: making it costs about as much as running it."""
    key = tuple_(order.created_at, order.sid)
    if not has_position:
        query = query.offset(bindparam("page_start", type_=Integer))
    else:
        position = tuple_(bindparam("page_at", type_=Double), bindparam("page_sid", type_=String))
        query = query.where(key > position if backward else key < position)
    ordering = (order.created_at, order.sid) if backward else (order.created_at.desc(), order.sid.desc())
    return query.order_by(*ordering).limit(bindparam("page_rows", type_=Integer))
