"""What clients' SDKs told, and the codecs that nodes received, one row a participant: added up as it comes, forgotten when old."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, insert, or_, select, update

from rooms_api.core.telemetry import Telemetry
from rooms_api.store.database import Database
from rooms_api.store.tables import participants, rooms, telemetry

BATCH = 200
PURGED_AT_ONCE = 2000

PEOPLE = select(participants.c.sid, participants.c.room_sid, participants.c.account_sid, participants.c.identity)


class TelemetryStore:
    """Adding is safe beside other replicas that add for the same participant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, told: Sequence[tuple[str, Telemetry]], now: float) -> None:
        """Add what was told, by participant SID. What is told of somebody who is not that account's and identity's participant is dropped."""
        for start in range(0, len(told), BATCH):
            batch = told[start : start + BATCH]
            await self._database.write(lambda connection, batch=batch: _add(connection, batch, now))  # type: ignore[misc]  # mypy infers no type for a lambda's default

    async def add_codecs(self, room_sid: str, participant_sid: str, codecs: set[str], now: float) -> None:
        """Add codecs in which a participant was received. Of somebody who is not that room's participant they are dropped."""

        def work(connection: Connection) -> None:
            known = (participants.c.sid == participant_sid, participants.c.room_sid == room_sid)
            row = connection.execute(PEOPLE.where(*known).with_for_update()).first()
            if row is not None:
                _fold(
                    connection,
                    {participant_sid: Telemetry(row.account_sid, row.identity, room_sid, codecs=codecs)},
                    now,
                )

        await self._database.write(work)

    async def purge(self, before: float) -> None:
        """Forget participants of whom nothing was told since then (epoch seconds), once their room has been over for as long."""
        shown = exists().where(
            rooms.c.sid == telemetry.c.room_sid, or_(rooms.c.ended_at.is_(None), rooms.c.ended_at >= before)
        )
        old = select(telemetry.c.participant_sid).where(telemetry.c.updated_at < before, ~shown).limit(PURGED_AT_ONCE)
        statement = delete(telemetry).where(telemetry.c.participant_sid.in_(old))
        while await self._database.write(lambda connection: connection.execute(statement).rowcount) == PURGED_AT_ONCE:
            pass


def _add(connection: Connection, told: Sequence[tuple[str, Telemetry]], now: float) -> None:
    # Locking the participants, in the same order everywhere, keeps two replicas from making the same row or waiting for each other.
    claimed = participants.c.sid.in_({sid for sid, _ in told})
    found = {
        row.sid: row for row in connection.execute(PEOPLE.where(claimed).order_by(participants.c.sid).with_for_update())
    }
    _fold(connection, {sid: each for sid, each in told if sid in found and _is_of(each, found[sid])}, now)


def _fold(connection: Connection, told: Mapping[str, Telemetry], now: float) -> None:
    """Add to the rows of participants that are locked."""
    known = {
        row.participant_sid: stored_telemetry(row)
        for row in connection.execute(select(telemetry).where(telemetry.c.participant_sid.in_(told)))
    }
    for sid, each in told.items():
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
