"""What Video Insights reads: rooms and participants as they are stored, with what was counted and told of them. Changes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, case, distinct, func, or_, select

from rooms_api.store.database import Database
from rooms_api.store.media_tables import recordings
from rooms_api.store.paging import Order, Page, PageRequest, read_page
from rooms_api.store.tables import participants, rooms, telemetry
from rooms_api.store.telemetry import split_codecs

PARTICIPANT = select(
    participants,
    rooms.c.media_region,
    telemetry.c.counts,
    telemetry.c.codecs,
    telemetry.c.candidate_type,
    telemetry.c.protocol,
    telemetry.c.error_code,
).select_from(
    participants.join(rooms, rooms.c.sid == participants.c.room_sid).join(
        telemetry, telemetry.c.participant_sid == participants.c.sid, isouter=True
    )
)


@dataclass(frozen=True, slots=True)
class RoomFilters:
    """What a list of rooms is narrowed to. `created_after` is inclusive, `created_before` exclusive, both epoch seconds."""

    types: Sequence[str] = ()
    codecs: Sequence[str] = ()
    name: str | None = None
    created_after: float | None = None
    created_before: float | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """What is counted over everybody who was in a room. Durations are seconds, of those who are still there until now."""

    participants: int = 0
    identities: int = 0
    participant_duration_s: float = 0.0
    recording_duration_s: int = 0
    codecs: frozenset[str] = frozenset()


class InsightsQueries:
    """Rooms that ended longer ago than `retention_s` are not shown."""

    def __init__(self, database: Database, retention_s: float) -> None:
        self._database = database
        self._retention_s = retention_s

    async def rooms(
        self, account_sid: str, filters: RoomFilters, page: PageRequest, now: float
    ) -> tuple[Page, dict[str, Totals]]:
        """A page of rooms, and their totals by SID."""
        query = self._rooms(account_sid, now)
        if filters.types:
            query = query.where(rooms.c.type.in_(filters.types))
        if filters.name is not None:
            query = query.where(rooms.c.unique_name == filters.name)
        if filters.created_after is not None:
            query = query.where(rooms.c.created_at >= filters.created_after)
        if filters.created_before is not None:
            query = query.where(rooms.c.created_at < filters.created_before)
        if filters.codecs:
            used = or_(*(telemetry.c.codecs.contains(f",{codec},") for codec in filters.codecs))
            query = query.where(
                select(telemetry.c.room_sid).where(telemetry.c.room_sid == rooms.c.sid, used).correlate(rooms).exists()
            )

        def work(connection: Connection) -> tuple[Page, dict[str, Totals]]:
            found = read_page(connection, query, Order(rooms.c.created_at, rooms.c.sid), page)
            return found, _totals(connection, account_sid, [row.sid for row in found.rows], now)

        return await self._database.read(work)

    async def room(self, account_sid: str, sid: str, now: float) -> tuple[Row[Any], Totals] | None:
        query = self._rooms(account_sid, now).where(rooms.c.sid == sid)

        def work(connection: Connection) -> tuple[Row[Any], Totals] | None:
            row = connection.execute(query).first()
            return None if row is None else (row, _totals(connection, account_sid, [sid], now)[sid])

        return await self._database.read(work)

    async def participants(self, room_sid: str, page: PageRequest) -> Page:
        query = PARTICIPANT.where(participants.c.room_sid == room_sid)
        order = Order(participants.c.created_at, participants.c.sid)
        return await self._database.read(lambda connection: read_page(connection, query, order, page))

    async def participant(self, room_sid: str, sid: str) -> Row[Any] | None:
        query = PARTICIPANT.where(participants.c.room_sid == room_sid, participants.c.sid == sid)
        return await self._database.read(lambda connection: connection.execute(query).first())

    def _rooms(self, account_sid: str, now: float) -> Select[Any]:
        recent = or_(rooms.c.ended_at.is_(None), rooms.c.ended_at >= now - self._retention_s)
        return select(rooms).where(rooms.c.account_sid == account_sid, recent)


def _totals(connection: Connection, account_sid: str, room_sids: Iterable[str], now: float) -> dict[str, Totals]:
    sids = list(room_sids)
    until = case((participants.c.ended_at.is_(None), now), else_=participants.c.ended_at)
    people = {
        row.room_sid: row
        for row in connection.execute(
            select(
                participants.c.room_sid,
                func.count().label("participants"),
                func.count(distinct(participants.c.identity)).label("identities"),
                func.sum(until - participants.c.created_at).label("duration_s"),
            )
            .where(participants.c.room_sid.in_(sids))
            .group_by(participants.c.room_sid)
        )
    }
    codecs: dict[str, list[str]] = {}
    for row in connection.execute(
        select(telemetry.c.room_sid, telemetry.c.codecs).where(telemetry.c.room_sid.in_(sids)).distinct()
    ):
        codecs.setdefault(row.room_sid, []).append(row.codecs)
    recorded = {
        row.room_sid: row.duration_s
        for row in connection.execute(
            select(recordings.c.room_sid, func.sum(recordings.c.duration_s).label("duration_s"))
            .where(recordings.c.account_sid == account_sid, recordings.c.room_sid.in_(sids))  # as the index begins
            .group_by(recordings.c.room_sid)
        )
    }
    return {
        sid: Totals(
            participants=people[sid].participants if sid in people else 0,
            identities=people[sid].identities if sid in people else 0,
            participant_duration_s=people[sid].duration_s if sid in people else 0.0,
            recording_duration_s=int(recorded.get(sid) or 0),
            codecs=frozenset(split_codecs(codecs.get(sid, []))),
        )
        for sid in sids
    }
