"""What clients' SDKs told, one row a participant: added up as it comes, forgotten when old."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from rooms_api.core.telemetry import Telemetry
from rooms_api.store.database import Database
from rooms_api.store.tables import participants, telemetry

BATCH = 200
PURGED_AT_ONCE = 2000


class TelemetryStore:
    """Adding is safe beside other replicas that add for the same participant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, told: Sequence[tuple[str, Telemetry]], now: float) -> None:
        """Add what was told, by participant SID. What is told of somebody who is not that account's and identity's participant is dropped."""
        for start in range(0, len(told), BATCH):
            batch = told[start : start + BATCH]
            await self._database.write(lambda connection, batch=batch: _add(connection, batch, now))  # type: ignore[misc]  # mypy infers no type for a lambda's default

    async def purge(self, before: float) -> None:
        """Forget participants of whom nothing was told since then (epoch seconds)."""
        old = select(telemetry.c.participant_sid).where(telemetry.c.updated_at < before).limit(PURGED_AT_ONCE)
        statement = delete(telemetry).where(telemetry.c.participant_sid.in_(old))
        while await self._database.write(lambda connection: connection.execute(statement).rowcount) == PURGED_AT_ONCE:
            pass


def _add(connection: Connection, told: Sequence[tuple[str, Telemetry]], now: float) -> None:
    # Locking the participants, in the same order everywhere, keeps two replicas from making the same row or waiting for each other.
    people = select(participants.c.sid, participants.c.room_sid, participants.c.account_sid, participants.c.identity)
    claimed = participants.c.sid.in_({sid for sid, _ in told})
    found = {
        row.sid: row for row in connection.execute(people.where(claimed).order_by(participants.c.sid).with_for_update())
    }
    true = {sid: each for sid, each in told if sid in found and _is_of(each, found[sid])}
    known = {
        row.participant_sid: stored_telemetry(row)
        for row in connection.execute(select(telemetry).where(telemetry.c.participant_sid.in_(true)))
    }
    for sid, each in true.items():
        if sid not in known:
            connection.execute(insert(telemetry).values(participant_sid=sid, **_columns(each, now)))
            continue
        known[sid].add(each)
        values = _columns(known[sid], now)
        connection.execute(update(telemetry).where(telemetry.c.participant_sid == sid).values(**values))


def _is_of(told: Telemetry, row: Row[*tuple[Any, ...]]) -> bool:
    return (told.account_sid, told.identity, told.room_sid) == (row.account_sid, row.identity, row.room_sid)


def _columns(told: Telemetry, now: float) -> dict[str, Any]:
    return {
        "room_sid": told.room_sid,
        "updated_at": now,
        "counts": dict(told.counts),
        "codecs": f",{','.join(sorted(told.codecs))}," if told.codecs else "",
        "candidate_type": told.candidate_type,
        "protocol": told.protocol,
        "error_code": told.error_code,
    }


def stored_telemetry(row: Row[Any]) -> Telemetry:
    """What a row of the table holds. Who it is of is not kept twice."""
    return Telemetry(
        account_sid="",
        identity="",
        room_sid=row.room_sid,
        counts=Counter(row.counts),
        codecs=split_codecs([row.codecs]),
        candidate_type=row.candidate_type,
        protocol=row.protocol,
        error_code=row.error_code,
    )


def split_codecs(stored: Iterable[str]) -> set[str]:
    return {codec for each in stored for codec in each.split(",") if codec}
