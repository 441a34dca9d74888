"""What REST reads: rows as they are stored, by SID, by name, and in pages. Changes nothing."""

from dataclasses import dataclass
from typing import Any

from contract.rooms import ParticipantStatus, RoomStatus
from sqlalchemy import ColumnElement, Row, Select, select

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

    def narrow(self, query: Select[Any], status: Any, name: Any, created_at: Any) -> Select[Any]:
        query = query.where(status == self.status)
        if self.name is not None:
            query = query.where(name == self.name)
        if self.created_after is not None:
            query = query.where(created_at >= self.created_after)
        if self.created_before is not None:
            query = query.where(created_at < self.created_before)
        return query


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


class Queries:
    """Reads for REST."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def _first(self, query: Select[Any]) -> Row[Any] | None:
        return await self._database.read(lambda connection: connection.execute(query).first())

    async def _page(self, query: Select[Any], order: Order, request: PageRequest) -> Page:
        return await self._database.read(lambda connection: read_page(connection, query, order, request))

    # -- rooms -----------------------------------------------------------------------------------------------------------------------

    async def room_by_sid(self, account_sid: str, sid: str) -> Row[Any] | None:
        return await self._first(select(rooms).where(rooms.c.sid == sid, rooms.c.account_sid == account_sid))

    async def room_by_name(self, account_sid: str, name: str) -> Row[Any] | None:
        """The room in progress of that name."""
        return await self._first(
            select(rooms).where(
                rooms.c.account_sid == account_sid,
                rooms.c.unique_name == name,
                rooms.c.status == RoomStatus.IN_PROGRESS,
            )
        )

    async def rooms(self, account_sid: str, filters: Filters, page: PageRequest) -> Page:
        query = filters.narrow(
            select(rooms).where(rooms.c.account_sid == account_sid),
            rooms.c.status,
            rooms.c.unique_name,
            rooms.c.created_at,
        )
        return await self._page(query, Order(rooms.c.created_at, rooms.c.sid), page)

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
        query = filters.narrow(
            select(participants).where(participants.c.room_sid == room_sid),
            participants.c.status,
            participants.c.identity,
            participants.c.created_at,
        )
        return await self._page(query, Order(participants.c.created_at, participants.c.sid), page)

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
