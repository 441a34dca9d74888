"""Transcriptions as rows, at most one a room: made with the room or by POST, stopped by its end, and failed where no engine can hear."""

import uuid
from typing import Any

from contract.rooms import RoomStatus, TrackKind
from sqlalchemy import Connection, Row, exists, insert, select, update

from rooms_api.core.change import Change
from rooms_api.core.room import Room
from rooms_api.core.transcription import TranscriptionStatus
from rooms_api.store.database import Database
from rooms_api.store.media_tables import transcriptions
from rooms_api.store.paging import Order, Page, PageRequest, read_page
from rooms_api.store.tables import tracks
from rooms_api.store.upsert import insert_new

ORDER = Order(transcriptions.c.created_at, transcriptions.c.ttid)


def begin_with_room(connection: Connection, room: Room) -> None:
    """Inside the transaction that creates a room: transcribe it from the start, if that was asked for."""
    settings = room.settings
    if settings.transcribe_participants_on_connect:
        row = _new(room.account_sid, room.sid, settings.transcriptions_configuration or {}, room.created_at)
        connection.execute(insert(transcriptions), row)


def end_with_room(connection: Connection, room: Room, change: Change) -> None:
    """Inside the transaction of a room's change: an end of the room stops its transcription."""
    if change.event.room is not None and room.status is not RoomStatus.IN_PROGRESS:
        stopped = {"status": TranscriptionStatus.STOPPED, "updated_at": room.ended_at, "ended_at": room.ended_at}
        connection.execute(_started(room.sid).values(stopped))


class TranscriptionStore:
    """Transcriptions for REST."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, account_sid: str, room_sid: str, configuration: dict[str, Any], now: float) -> str:
        """Start the room's transcription, unless it has one, and return its ttid."""
        row = _new(account_sid, room_sid, configuration, now)

        def work(connection: Connection) -> str:
            connection.execute(insert_new(self._database, transcriptions), row)
            query = select(transcriptions.c.ttid).where(transcriptions.c.room_sid == room_sid)
            return str(connection.execute(query).scalar_one())

        return await self._database.write(work)

    async def update(
        self, row: Row[Any], status: TranscriptionStatus, configuration: dict[str, Any], now: float
    ) -> None:
        """Move from what `row` shows to another status, and put these members over its configuration. A transcription that has moved on stays."""
        values: dict[str, Any] = {"configuration": row.configuration | configuration, "updated_at": now}
        if status != row.status:
            values["status"] = status
            values |= (
                {"ended_at": now} if status is TranscriptionStatus.STOPPED else {"started_at": now, "ended_at": None}
            )
        statement = update(transcriptions).where(
            transcriptions.c.ttid == row.ttid, transcriptions.c.status == row.status
        )
        await self._database.write(lambda connection: connection.execute(statement.values(values)))

    async def find(self, room_sid: str, ttid: str) -> Row[Any] | None:
        query = select(transcriptions).where(transcriptions.c.ttid == ttid, transcriptions.c.room_sid == room_sid)
        return await self._database.read(lambda connection: connection.execute(query).first())

    async def page(self, room_sid: str, request: PageRequest) -> Page:
        query = select(transcriptions).where(transcriptions.c.room_sid == room_sid)
        return await self._database.read(lambda connection: read_page(connection, query, ORDER, request))

    async def fail_unheard(self, now: float) -> None:
        """There is no speech engine: a transcription fails when there is audio that it would have to hear."""
        audio = exists().where(
            tracks.c.room_sid == transcriptions.c.room_sid, tracks.c.kind == TrackKind.AUDIO, tracks.c.sid.is_not(None)
        )
        query = select(transcriptions.c.room_sid).where(transcriptions.c.status == TranscriptionStatus.STARTED, audio)
        room_sids = await self._database.read(lambda connection: list(connection.scalars(query.limit(100))))
        if room_sids:
            failed = {"status": TranscriptionStatus.FAILED, "updated_at": now, "ended_at": now}
            statement = _started(*room_sids).values(failed)
            await self._database.write(lambda connection: connection.execute(statement))


def _started(*room_sids: str) -> Any:  # an `Update`, whose type says nothing of its columns
    return update(transcriptions).where(
        transcriptions.c.room_sid.in_(room_sids), transcriptions.c.status == TranscriptionStatus.STARTED
    )


def _new(account_sid: str, room_sid: str, configuration: dict[str, Any], now: float) -> dict[str, Any]:
    return {
        "ttid": f"video_transcriptions_{uuid.uuid4()}",
        "room_sid": room_sid,
        "account_sid": account_sid,
        "status": TranscriptionStatus.STARTED,
        "configuration": configuration,
        "created_at": now,
        "started_at": now,
    }
