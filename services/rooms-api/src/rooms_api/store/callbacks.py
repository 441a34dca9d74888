"""
Status callbacks as rows: owed in the transaction that caused them, delivered by whoever holds their stream, kept for the log.

A stream is what one receiver is told of one room. Its callbacks go out one after the other, in the order of their commits; streams know nothing of
each other. A row of `callback_streams` is there exactly as long as the stream owes something.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlencode

from contract.ids import STATUS_CALLBACK, new_sid
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from rooms_api.core.callbacks import Callback
from rooms_api.core.receivers import Capacity
from rooms_api.core.webhook import receiver_of
from rooms_api.store.database import Database
from rooms_api.store.tables import callback_attempts, callback_streams, callbacks, participants

SCANNED = 256
"""Due streams that are looked at in one go."""
COUNTED = 100_000
"""Owed callbacks are counted up to here: more is as bad, and a look at the metrics must stay cheap."""
CLEANED = 500
"""Callbacks that are deleted in one transaction: others wait for it on SQLite."""


class CallbackStatus(StrEnum):
    """Of one callback."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Claim:
    """A stream that is ours until the lease ends. `receiver` is a host and port."""

    stream: str
    receiver: str
    lease: str


@dataclass(frozen=True, slots=True)
class Owed:
    """The first callback of a stream. `attempts` is the number of tries so far."""

    sid: str
    account_sid: str
    room_sid: str
    event: str
    url: str
    method: str
    body: str
    attempts: int
    owed_at: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try: begun at `at` (epoch seconds), with the receiver's answer or the error that there was instead."""

    at: float
    duration_ms: int
    response_code: int | None = None
    error: str | None = None


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
    streams = {row["stream"]: receiver_of(row["url"]) for row in rows}
    upsert = _UPSERTS[connection.dialect.name]
    # In one order for everybody, so that two transactions cannot wait for each other.
    connection.execute(
        upsert, [{"stream": stream, "receiver": streams[stream][:270], "due_at": now} for stream in sorted(streams)]
    )
    connection.execute(_INSERT, rows)


def forget_identity(connection: Connection, participant_sid: str) -> None:
    """Write a participant's SID over its identity in what is kept of callbacks, also of those that are still owed."""
    home = select(participants.c.room_sid).where(participants.c.sid == participant_sid).scalar_subquery()
    rows = connection.execute(select(callbacks.c.position, callbacks.c.body).where(callbacks.c.room_sid == home))
    for row in rows.all():
        values = parse_qsl(row.body, keep_blank_values=True)
        if ("ParticipantSid", participant_sid) in values:
            hidden = [(name, participant_sid if name == "ParticipantIdentity" else value) for name, value in values]
            statement = update(callbacks).where(callbacks.c.position == row.position)
            connection.execute(statement.values(body=urlencode(hidden)))


def stream_of(room_sid: str, url: str) -> str:
    """The stream of what one receiver is told of one room."""
    return hashlib.sha256(f"{room_sid} {url}".encode()).hexdigest()


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


# Joined with their streams, and with the status as text: only so does SQLite read the index of pending callbacks alone (2 ms for 5,000 of 200,000).
_PENDING = select(func.count()).select_from(
    select(callbacks.c.position)
    .join(callback_streams, callback_streams.c.stream == callbacks.c.stream)
    .where(text("callbacks.status = 'pending'"))
    .limit(COUNTED)
    .subquery()
)


class CallbackStore:
    """
    The streams and what they owe, for those who deliver; several processes may.

    Who claims a stream holds it under a lease: until `due_at` nobody else takes it, and afterwards the holder's word counts no more.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, now: float, until: float, capacity: Capacity, but: Collection[str]
    ) -> tuple[list[Claim], float | None]:
        """
        Take streams that are due, the longest overdue first and not those in `but`, under a lease that ends at `until`. Returns also when the first of
        those streams is due, which may have been in the past; None when there is none.
        """
        if capacity.is_used_up:
            return [], None
        query = _streams(capacity, but).limit(1)
        first = await self._database.read(lambda c: c.execute(query).first())
        if first is None or first.due_at > now:
            return [], first.due_at if first is not None else None
        return await self._database.write(lambda c: _claim(c, now, until, capacity, but)), first.due_at

    async def renew(self, claims: Collection[Claim], until: float) -> set[str]:
        """Prolong leases. Returns the streams of those that still hold."""
        held = callback_streams.c.stream.in_([claim.stream for claim in claims]) & callback_streams.c.lease.in_(
            [claim.lease for claim in claims]
        )
        statement = update(callback_streams).where(held).values(due_at=until).returning(callback_streams.c.stream)
        return await self._database.write(lambda c: set(c.scalars(statement)))

    async def release(self, claims: Collection[Claim], due_at: float) -> None:
        """Give streams back, to be taken again from `due_at` on. Those that are lost already are left alone."""

        def work(connection: Connection) -> None:
            for claim in claims:
                connection.execute(_held(claim).values(due_at=due_at, lease=None))

        if claims:
            await self._database.write(work)

    async def first(self, claim: Claim) -> Owed | None:
        """What a stream owes first. None when the lease is lost."""

        def work(connection: Connection) -> Owed | None:
            query = select(callback_streams.c.stream).where(*_is_held(claim))
            return _first(connection, claim.stream) if connection.execute(query).first() else None

        return await self._database.read(work)

    async def tries(self, owed: Owed) -> int:
        """Tries since the callback was owed, or asked for again."""
        query = select(func.count()).where(
            callback_attempts.c.callback_sid == owed.sid, callback_attempts.c.at >= owed.owed_at
        )
        return await self._database.read(lambda c: c.scalar(query) or 0)

    async def finish(
        self, claim: Claim, owed: Owed, attempt: Attempt, status: CallbackStatus, now: float
    ) -> Owed | None:
        """Record the last try: delivered or given up. Returns what the stream owes next; None when that is nothing, or the lease was lost."""

        def work(connection: Connection) -> Owed | None:
            if not _lock(connection, claim):
                return None
            _record(connection, owed, attempt, {"status": status, "ended_at": now})
            following = _first(connection, claim.stream)
            if following is None:
                connection.execute(delete(callback_streams).where(callback_streams.c.stream == claim.stream))
            return following

        return await self._database.write(work)

    async def postpone(self, claim: Claim, owed: Owed, attempt: Attempt, due_at: float) -> None:
        """Record a try that failed, and give the stream back: it is due again at `due_at`."""

        def work(connection: Connection) -> None:
            if _lock(connection, claim):
                _record(connection, owed, attempt, {})
                connection.execute(_held(claim).values(due_at=due_at, lease=None))

        await self._database.write(work)

    async def replay(self, account_sid: str, sid: str, now: float) -> bool:
        """
        Owe a callback again, from now on as long as a new one; one that is still owed becomes due now. Tells whether there is such a callback.

        What is sent again has a stream of its own, so that it holds up nothing that came later.
        """

        def work(connection: Connection) -> bool:
            known = (callbacks.c.sid == sid, callbacks.c.account_sid == account_sid)
            row = connection.execute(select(callbacks).where(*known).with_for_update()).first()
            if row is None:
                return False
            values: dict[str, Any] = {"owed_at": now}
            if row.status == CallbackStatus.PENDING:
                waiting = (callback_streams.c.stream == row.stream, callback_streams.c.lease.is_(None))
                connection.execute(update(callback_streams).where(*waiting).values(due_at=now))
            else:
                stream = stream_of(sid, row.url)
                values |= {"stream": stream, "status": CallbackStatus.PENDING, "ended_at": None}
                begun = {"stream": stream, "receiver": receiver_of(row.url)[:270], "due_at": now}
                connection.execute(_UPSERTS[connection.dialect.name], begun)
            connection.execute(update(callbacks).where(*known).values(values))
            return True

        return await self._database.write(work)

    async def pending(self) -> int:
        """How many callbacks are owed, up to `COUNTED`."""
        return await self._database.read(lambda c: c.scalar(_PENDING) or 0)

    async def clean(self, before: float) -> None:
        """Delete what ended before then."""

        def work(connection: Connection) -> int:
            query = select(callbacks.c.sid).where(callbacks.c.ended_at < before).limit(CLEANED)
            sids = list(connection.scalars(query))
            connection.execute(delete(callback_attempts).where(callback_attempts.c.callback_sid.in_(sids)))
            connection.execute(delete(callbacks).where(callbacks.c.sid.in_(sids)))
            return len(sids)

        while await self._database.write(work) == CLEANED:
            pass


def _streams(capacity: Capacity, taken: Collection[str]) -> Select[Any]:
    """Those that may be taken when they are due, the first due first."""
    receiver, only = callback_streams.c.receiver, capacity.only
    return (
        select(callback_streams.c.stream, receiver, callback_streams.c.due_at)
        .where(
            receiver.not_in(capacity.excluded) if only is None else receiver.in_(only),
            callback_streams.c.stream.not_in(taken),
        )
        .order_by(callback_streams.c.due_at)
    )


def _claim(connection: Connection, now: float, until: float, capacity: Capacity, but: Collection[str]) -> list[Claim]:
    claims: dict[str, Claim] = {}
    while not capacity.is_used_up:
        due = _streams(capacity, [*but, *claims]).where(callback_streams.c.due_at <= now)
        query = due.limit(SCANNED).with_for_update(skip_locked=True)
        found = connection.execute(query).all()
        for row in found:
            if capacity.take(row.receiver):
                claims[row.stream] = Claim(row.stream, row.receiver, secrets.token_hex(16))
        if len(found) < SCANNED:
            break
    for claim in claims.values():
        connection.execute(
            update(callback_streams)
            .where(callback_streams.c.stream == claim.stream)
            .values(due_at=until, lease=claim.lease)
        )
    return list(claims.values())


def _is_held(claim: Claim) -> tuple[Any, Any]:
    return callback_streams.c.stream == claim.stream, callback_streams.c.lease == claim.lease


def _held(claim: Claim) -> Any:
    return update(callback_streams).where(*_is_held(claim))


def _lock(connection: Connection, claim: Claim) -> bool:
    """Tell whether the lease holds, and keep everybody from adding to the stream until the transaction ends."""
    return connection.execute(select(callback_streams).where(*_is_held(claim)).with_for_update()).first() is not None


def _first(connection: Connection, stream: str) -> Owed | None:
    query = (
        select(*(getattr(callbacks.c, name) for name in Owed.__slots__))
        .where(callbacks.c.stream == stream, callbacks.c.status == CallbackStatus.PENDING)
        .order_by(callbacks.c.position)
        .limit(1)
    )
    row: Row[Any] | None = connection.execute(query).first()
    return Owed(**row._mapping) if row is not None else None


def _record(connection: Connection, owed: Owed, attempt: Attempt, values: dict[str, Any]) -> None:
    number = owed.attempts + 1
    connection.execute(
        insert(callback_attempts),
        {
            "callback_sid": owed.sid,
            "number": number,
            "at": attempt.at,
            "duration_ms": attempt.duration_ms,
            "response_code": attempt.response_code,
            "error": attempt.error,
        },
    )
    values = {"attempts": number, "response_code": attempt.response_code, "error": attempt.error} | values
    connection.execute(update(callbacks).where(callbacks.c.sid == owed.sid).values(values))
