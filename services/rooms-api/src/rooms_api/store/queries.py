"""What REST reads: rows as they are stored, by SID, by name, and in pages. Changes nothing."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from contract.rooms import ParticipantStatus, RoomStatus
from sqlalchemy import ColumnElement, Row, Select, bindparam, select

from rooms_api.store.database import Database
from rooms_api.store.paging import Order, Page, PageRequest, read_page
from rooms_api.store.tables import callback_attempts, callbacks, participants, rooms, subscriptions, tracks

ACTIVE = (ParticipantStatus.CONNECTED, ParticipantStatus.RECONNECTING)

SUBSCRIBED_TRACK = (
    select(
        subscriptions.c.track_sid,
        subscriptions.c.participant_sid,
        subscriptions.c.room_sid,
        subscriptions.c.publisher_sid,
        subscriptions.c.kind,
        subscriptions.c.created_at,
        subscriptions.c.updated_at,
        tracks.c.name,
        tracks.c.enabled,
    )
    .join(tracks, tracks.c.sid == subscriptions.c.track_sid)
    .where(subscriptions.c.error_code.is_(None))
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to. `created_after` is inclusive, `created_before` exclusive, both epoch seconds."""

    status: str
    name: str | None = None
    created_after: float | None = None
    created_before: float | None = None

    def values(self) -> dict[str, Any]:
        """Those that are set, by name."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class CallbackFilters:
    """What the delivery log is narrowed to. Times as in `Filters`."""

    room_sid: str | None = None
    status: str | None = None
    event: str | None = None
    created_after: float | None = None
    created_before: float | None = None

    def narrow(self, query: Select[Any]) -> Select[Any]:
        for column, value in (
            (callbacks.c.room_sid, self.room_sid),
            (callbacks.c.status, self.status),
            (callbacks.c.event, self.event),
        ):
            if value is not None:
                query = query.where(column == value)
        if self.created_after is not None:
            query = query.where(callbacks.c.created_at >= self.created_after)
        if self.created_before is not None:
            query = query.where(callbacks.c.created_at < self.created_before)
        return query


SHOWN_OF_A_ROOM = (
    *(rooms.c.sid, rooms.c.account_sid, rooms.c.unique_name, rooms.c.status, rooms.c.type, rooms.c.created_method),
    *(rooms.c.created_at, rooms.c.updated_at, rooms.c.ended_at, rooms.c.status_callback),
    *(rooms.c.status_callback_method, rooms.c.max_participants, rooms.c.max_participant_duration_s),
    *(rooms.c.record_participants_on_connect, rooms.c.video_codecs, rooms.c.media_region, rooms.c.audio_only),
    *(rooms.c.large_room, rooms.c.empty_room_timeout_min, rooms.c.unused_room_timeout_min),
)
"""Columns that a list of rooms shows."""
ROOM_BY_SID = select(rooms).where(rooms.c.sid == bindparam("sid"), rooms.c.account_sid == bindparam("account_sid"))
ROOM_BY_NAME = select(rooms).where(
    rooms.c.account_sid == bindparam("account_sid"),
    rooms.c.unique_name == bindparam("name"),
    rooms.c.status == RoomStatus.IN_PROGRESS,
)
ROOM_ORDER = Order(rooms.c.created_at, rooms.c.sid)
PARTICIPANT_ORDER = Order(participants.c.created_at, participants.c.sid)


@cache
def _rooms(filters: frozenset[str]) -> Select[Any]:
    """An account's rooms, narrowed by the `Filters` of these names."""
    query = select(*SHOWN_OF_A_ROOM).where(rooms.c.account_sid == bindparam("account_sid"))
    return _narrowed(query, rooms.c.unique_name, rooms.c, filters)


@cache
def _participants(filters: frozenset[str]) -> Select[Any]:
    """A room's participants, narrowed by the `Filters` of these names."""
    query = select(participants).where(participants.c.room_sid == bindparam("room_sid"))
    return _narrowed(query, participants.c.identity, participants.c, filters)


def _narrowed(query: Select[Any], name: ColumnElement[str], columns: Any, filters: frozenset[str]) -> Select[Any]:
    conditions = {
        "status": columns.status == bindparam("status"),
        "name": name == bindparam("name"),
        "created_after": columns.created_at >= bindparam("created_after"),
        "created_before": columns.created_at < bindparam("created_before"),
    }
    return query.where(*(condition for name, condition in conditions.items() if name in filters))


class Queries:
    """Reads for REST."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def _first(self, query: Select[Any]) -> Row[Any] | None:
        return await self._database.read(lambda connection: connection.execute(query).first())

    async def _page(
        self, query: Select[Any], order: Order, request: PageRequest, values: dict[str, Any] | None = None
    ) -> Page:
        return await self._database.read(lambda connection: read_page(connection, query, order, request, values))

    # -- rooms -----------------------------------------------------------------------------------------------------------------------

    async def room_by_sid(self, account_sid: str, sid: str) -> Row[Any] | None:
        values = {"account_sid": account_sid, "sid": sid}
        return await self._database.read(lambda connection: connection.execute(ROOM_BY_SID, values).first())

    async def room_by_name(self, account_sid: str, name: str) -> Row[Any] | None:
        """The room in progress of that name."""
        values = {"account_sid": account_sid, "name": name}
        return await self._database.read(lambda connection: connection.execute(ROOM_BY_NAME, values).first())

    async def rooms(self, account_sid: str, filters: Filters, page: PageRequest) -> Page:
        values = filters.values()
        query = _rooms(frozenset(values))
        return await self._page(query, ROOM_ORDER, page, values | {"account_sid": account_sid})

    # -- participants ----------------------------------------------------------------------------------------------------------------

    async def participant_by_sid(self, room_sid: str, sid: str) -> Row[Any] | None:
        return await self._first(
            select(participants).where(participants.c.sid == sid, participants.c.room_sid == room_sid)
        )

    async def participant_by_identity(self, room_sid: str, identity: str) -> Row[Any] | None:
        """The participant with that identity who is here now."""
        return await self._first(
            select(participants).where(
                participants.c.room_sid == room_sid,
                participants.c.identity == identity,
                participants.c.status.in_(ACTIVE),
            )
        )

    async def participants(self, room_sid: str, filters: Filters, page: PageRequest) -> Page:
        values = filters.values()
        query = _participants(frozenset(values))
        return await self._page(query, PARTICIPANT_ORDER, page, values | {"room_sid": room_sid})

    # -- tracks ----------------------------------------------------------------------------------------------------------------------

    async def published_track(self, participant_sid: str, sid_or_name: str) -> Row[Any] | None:
        def query(condition: ColumnElement[bool]) -> Select[Any]:
            return select(tracks).where(
                tracks.c.participant_sid == participant_sid, tracks.c.sid.is_not(None), condition
            )

        by_sid = await self._first(query(tracks.c.sid == sid_or_name))
        return by_sid or await self._first(query(tracks.c.name == sid_or_name))

    async def published_tracks(self, participant_sid: str, page: PageRequest) -> Page:
        query = select(tracks).where(tracks.c.participant_sid == participant_sid, tracks.c.sid.is_not(None))
        return await self._page(query, Order(tracks.c.created_at, tracks.c.sid), page)

    async def subscribed_track(self, participant_sid: str, track_sid: str) -> Row[Any] | None:
        return await self._first(
            SUBSCRIBED_TRACK.where(
                subscriptions.c.participant_sid == participant_sid, subscriptions.c.track_sid == track_sid
            )
        )

    async def subscribed_tracks(self, participant_sid: str, page: PageRequest) -> Page:
        query = SUBSCRIBED_TRACK.where(subscriptions.c.participant_sid == participant_sid)
        return await self._page(query, Order(subscriptions.c.created_at, subscriptions.c.track_sid), page)

    # -- status callbacks ------------------------------------------------------------------------------------------------------------

    async def callbacks(self, account_sid: str, filters: CallbackFilters, page: PageRequest) -> Page:
        query = filters.narrow(select(callbacks).where(callbacks.c.account_sid == account_sid))
        return await self._page(query, Order(callbacks.c.created_at, callbacks.c.sid), page)

    async def callback(self, account_sid: str, sid: str) -> Row[Any] | None:
        return await self._first(
            select(callbacks).where(callbacks.c.sid == sid, callbacks.c.account_sid == account_sid)
        )

    async def callback_attempts(self, sid: str) -> list[Row[Any]]:
        """Tries of a callback, the first one first."""
        query = (
            select(callback_attempts)
            .where(callback_attempts.c.callback_sid == sid)
            .order_by(callback_attempts.c.number)
        )
        return await self._database.read(lambda connection: list(connection.execute(query)))
