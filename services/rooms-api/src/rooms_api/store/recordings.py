"""Recordings as rows: written with the room's change that made them, read for REST, deleted by applications."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contract.ids import ROOM, is_sid
from contract.recordings import CONTAINERS, RecordedTrack, RecordingCodec
from contract.rooms import RoomStatus, TrackKind
from sqlalchemy import Connection, Row, Select, exists, func, literal, select, update

from rooms_api.core.callbacks import (
    Callback,
    Receiver,
    RecordingFacts,
    recording_completed,
    recording_failed,
    recording_started,
)
from rooms_api.core.change import Change
from rooms_api.core.recording import Recording, RecordingEvent, RecordingStatus, RecordingStep
from rooms_api.core.room import Room
from rooms_api.store.database import Database
from rooms_api.store.media_tables import NOT_DELETED, recorded_rooms, recordings
from rooms_api.store.paging import Order, Page, PageRequest, read_page
from rooms_api.store.tables import ACTIVE, participants
from rooms_api.store.upsert import insert_new

ORDER = Order(recordings.c.created_at, recordings.c.sid)


class AlreadyRecorded(Exception):
    """The recording is over, and a fact about it has come again."""


# -- inside the room's transaction -----------------------------------------------------------------------------------------------------


def load_recordings(connection: Connection, account_sid: str, room_sid: str) -> dict[str, Recording]:
    """The recordings of a room that are being made."""
    query = (
        select(recordings, participants.c.status.label("participant_status"), participants.c.ended_at)
        .outerjoin(participants, participants.c.sid == recordings.c.participant_sid)
        .where(
            recordings.c.account_sid == account_sid,
            recordings.c.room_sid == room_sid,
            recordings.c.status == RecordingStatus.PROCESSING,
        )
    )
    return {
        row.sid: Recording(
            track=RecordedTrack(
                sid=row.sid,
                participant_sid=row.participant_sid,
                track_sid=row.source_sid,
                kind=TrackKind(row.type),
                codec=RecordingCodec(row.codec),
                started_at_ms=row.offset_ms,
            ),
            track_name=row.track_name,
            created_at=row.created_at,
            left_at=None if row.participant_status in ACTIVE else row.ended_at or row.created_at,
        )
        for row in connection.execute(query)
    }


def write_recordings(database: Database, connection: Connection, room: Room, change: Change) -> list[Callback]:
    """
    Store what a change did to recordings, and return what the room's receiver is owed for it.

    A room that has ended and whose recordings are all done goes into the queue of `recorded_rooms`. Raises `AlreadyRecorded`.
    """
    for sid, recording in {step.recording.track.sid: step.recording for step in change.recordings}.items():
        _write(database, connection, room, sid, recording)
    if room.status is not RoomStatus.IN_PROGRESS and not room.recordings.processing:
        _finish(database, connection, room)
    return _callbacks(connection, room, change.recordings)


def _write(database: Database, connection: Connection, room: Room, sid: str, recording: Recording) -> None:
    moving = {
        "status": recording.status,
        "size_bytes": recording.size_bytes,
        "duration_s": recording.duration_s,
        "has_media": bool(recording.size_bytes) or recording.status is RecordingStatus.FAILED,
    }
    known = update(recordings).where(
        recordings.c.sid == sid, recordings.c.status == RecordingStatus.PROCESSING, recordings.c.room_sid == room.sid
    )
    if connection.execute(known.values(moving)).rowcount:
        return
    row = {
        "sid": sid,
        "account_sid": room.account_sid,
        "room_sid": room.sid,
        "participant_sid": recording.track.participant_sid,
        "source_sid": recording.track.track_sid,
        "type": recording.track.kind,
        "codec": recording.track.codec,
        "track_name": recording.track_name,
        "offset_ms": recording.offset_ms,
        "status_callback": room.settings.status_callback,
        "status_callback_method": room.settings.status_callback_method,
        "created_at": recording.created_at,
        **moving,
    }
    if not connection.execute(insert_new(database, recordings), row).rowcount:
        raise AlreadyRecorded


def _finish(database: Database, connection: Connection, room: Room) -> None:
    has_recordings = exists().where(
        recordings.c.account_sid == room.account_sid,
        recordings.c.room_sid == room.sid,
        recordings.c.status != RecordingStatus.FAILED,
    )
    if connection.scalar(select(literal(1)).where(has_recordings)):
        row = {"room_sid": room.sid, "account_sid": room.account_sid, "finished_at": room.updated_at}
        connection.execute(insert_new(database, recorded_rooms), row)


def _callbacks(connection: Connection, room: Room, steps: Sequence[RecordingStep]) -> list[Callback]:
    if room.settings.status_callback is None or not steps:
        return []
    receiver = Receiver(room.settings.status_callback, room.settings.status_callback_method)
    sids = {step.recording.track.participant_sid for step in steps}
    query = select(participants.c.sid, participants.c.identity).where(participants.c.sid.in_(sids))
    identities = {row.sid: row.identity for row in connection.execute(query)}
    return [_callback(room, step, identities, receiver) for step in steps]


def _callback(room: Room, step: RecordingStep, identities: dict[str, str], receiver: Receiver) -> Callback:
    recording, track = step.recording, step.recording.track
    facts = RecordingFacts(
        account_sid=room.account_sid,
        room_sid=room.sid,
        room_name=room.name,
        room_type=room.settings.type,
        participant_sid=track.participant_sid,
        identity=identities.get(track.participant_sid, track.participant_sid),
        recording_sid=track.sid,
        source_sid=track.track_sid,
        track_name=recording.track_name,
        type=track.kind,
        container=CONTAINERS[track.kind],
        codec=track.codec,
        offset_ms=recording.offset_ms,
    )
    match step.event:
        case RecordingEvent.STARTED:
            return recording_started(facts, receiver, step.at)
        case RecordingEvent.COMPLETED:
            return recording_completed(facts, receiver, step.at, recording.duration_s or 0, recording.size_bytes or 0)
        case RecordingEvent.FAILED:
            assert step.failed_operation is not None
            return recording_failed(facts, receiver, step.at, step.failed_operation.value)


# -- REST ------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordingFilters:
    """What a list is narrowed to. Without a `status` it is everything that is not deleted. `groupings` are room and participant SIDs, which must all match."""

    status: str | None = None
    source_sid: str | None = None
    media_type: str | None = None
    groupings: tuple[str, ...] = ()
    created_after: float | None = None
    created_before: float | None = None

    def narrow(self, query: Select[Any]) -> Select[Any]:
        columns = recordings.c
        if self.status is None:
            query = query.where(NOT_DELETED)
        elif self.groupings or self.source_sid is not None:
            # Not a bare column: SQLite, which keeps no statistics, would read all that the account has in this status.
            query = query.where(func.lower(columns.status) == self.status)
        else:
            query = query.where(columns.status == self.status)
        if self.source_sid is not None:
            query = query.where(columns.source_sid == self.source_sid)
        if self.media_type is not None:
            query = query.where(columns.type == self.media_type)
        for sid in self.groupings:
            query = query.where((columns.room_sid if is_sid(sid, ROOM) else columns.participant_sid) == sid)
        if self.created_after is not None:
            query = query.where(columns.created_at >= self.created_after)
        if self.created_before is not None:
            query = query.where(columns.created_at < self.created_before)
        return query


class RecordingStore:
    """Recordings for REST. Raises nothing of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, account_sid: str, sid: str) -> Row[Any] | None:
        """The recording in any status, for as long as its metadata are kept."""
        query = select(recordings).where(recordings.c.sid == sid, recordings.c.account_sid == account_sid)
        return await self._database.read(lambda connection: connection.execute(query).first())

    async def page(self, account_sid: str, filters: RecordingFilters, request: PageRequest) -> Page:
        query = filters.narrow(select(recordings).where(recordings.c.account_sid == account_sid))
        return await self._database.read(lambda connection: read_page(connection, query, ORDER, request))

    async def delete(self, sid: str, now: float) -> None:
        """Mark a recording that is done as deleted. Its file goes soon after, its metadata later."""
        statement = (
            update(recordings)
            .where(
                recordings.c.sid == sid,
                recordings.c.status.in_((RecordingStatus.COMPLETED, RecordingStatus.FAILED)),
            )
            .values(status=RecordingStatus.DELETED, deleted_at=now)
        )
        await self._database.write(lambda connection: connection.execute(statement))
