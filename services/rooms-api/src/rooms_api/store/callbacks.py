"""
Status callbacks as rows: owed in the transaction that caused them, delivered by whoever holds their stream, kept for the log.

A stream is what one receiver is told of one room. Its callbacks go out one after the other, in the order of their commits; streams know nothing of
each other. A row of `callback_streams` is there exactly as long as the stream owes something.
"""

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from contract.ids import STATUS_CALLBACK, new_sid
from sqlalchemy import Connection, insert
from sqlalchemy.dialects import postgresql, sqlite

from rooms_api.core.callbacks import Callback
from rooms_api.store.tables import callback_streams, callbacks


class CallbackStatus(StrEnum):
    """Of one callback."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


def enqueue(connection: Connection, owed: Iterable[Callback], now: float) -> None:
    """
    Owe these callbacks, in this order.

    Call it inside the transaction that makes them true (`Database.write`): both are committed, or neither is. Delivery needs nothing
    else: it finds what is committed within half a second, in this process or any other replica. Until the transaction ends it holds the
    streams' rows on PostgreSQL, which is what makes the order of one stream the order of commits; so enqueue last, and everything at once.
    `now` is in epoch seconds.
    """
    rows = [_row(callback, now) for callback in owed]
    if not rows:
        return
    streams = {row["stream"]: receiver(row["url"]) for row in rows}
    upsert = _UPSERTS[connection.dialect.name]
    # In one order for everybody, so that two transactions cannot wait for each other.
    connection.execute(
        upsert, [{"stream": stream, "receiver": streams[stream], "due_at": now} for stream in sorted(streams)]
    )
    connection.execute(_INSERT, rows)


def stream_of(room_sid: str, url: str) -> str:
    """The stream of what one receiver is told of one room."""
    return hashlib.sha256(f"{room_sid} {url}".encode()).hexdigest()


def receiver(url: str) -> str:
    """The host and port that a URL leads to: what connections are counted by."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme.lower() == 'https' else 80)}"


def _row(callback: Callback, now: float) -> dict[str, Any]:
    return {
        "sid": new_sid(STATUS_CALLBACK),
        "stream": stream_of(callback.room_sid, callback.url),
        "account_sid": callback.account_sid,
        "room_sid": callback.room_sid,
        "event": callback.event,
        "url": callback.url,
        "method": callback.method,
        "body": callback.body,
        "status": CallbackStatus.PENDING,
        "attempts": 0,
        "created_at": now,
        "owed_at": now,
    }


def _upsert(dialect: Any) -> Any:
    """Begin a stream, or lock the one that is there."""
    statement = dialect.insert(callback_streams)
    return statement.on_conflict_do_update(
        index_elements=[callback_streams.c.stream], set_={"receiver": statement.excluded.receiver}
    )


_INSERT = insert(callbacks)
_UPSERTS = {"sqlite": _upsert(sqlite), "postgresql": _upsert(postgresql)}
