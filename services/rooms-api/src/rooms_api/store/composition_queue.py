"""
The queue of compositions: hooks that make some when a room's recordings are done, those that have nothing to compose, and those that a compositor
may take. Each step is one transaction, which owes its callbacks; replicas may take them at the same time.
"""

from typing import Any

from contract.errors import ERRORS
from contract.rooms import RoomStatus, TrackKind
from sqlalchemy import Connection, Row, delete, exists, or_, select, update

from rooms_api.core.callbacks import (
    Callback,
    CompositionFacts,
    HookFacts,
    Receiver,
    composition_enqueued,
    composition_failed,
    composition_started,
)
from rooms_api.core.composition import CompositionStatus, Source, reason_to_fail, wanted_sources
from rooms_api.core.layout import stored_layout
from rooms_api.core.recording import RecordingStatus
from rooms_api.store.callbacks import enqueue
from rooms_api.store.compositions import new_composition
from rooms_api.store.database import Database
from rooms_api.store.media_tables import composition_hooks, compositions, recorded_rooms, recordings
from rooms_api.store.tables import rooms
from rooms_api.store.upsert import insert_new

BATCH = 100
SPEC = (
    "audio_sources",
    "audio_sources_excluded",
    "video_layout",
    "resolution",
    "trim",
    "format",
    "status_callback",
    "status_callback_method",
)


class CompositionQueue:
    """`advance` is called again and again; `claim` is for compositors."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def advance(self, now: float) -> None:
        """Run the hooks of rooms whose recordings are done, and judge the compositions that waited for that."""
        await self._run_hooks(now)
        await self._judge(now)

    async def claim(self, owner: str, lease_s: float, now: float) -> Row[Any] | None:
        """
        Give the composition that has been ready for longest to a compositor for `lease_s` seconds, or None when there is none.

        One whose compositor let the lease run out is given again. The first time it becomes `processing`, and its receiver is told.
        """
        ready = (
            select(compositions)
            .where(
                compositions.c.status.in_((CompositionStatus.ENQUEUED, CompositionStatus.PROCESSING)),
                compositions.c.ready_at.is_not(None),
                or_(compositions.c.lease_until.is_(None), compositions.c.lease_until <= now),
            )
            .order_by(compositions.c.ready_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )

        def work(connection: Connection) -> Row[Any] | None:
            row = connection.execute(ready).first()
            if row is None:
                return None
            taken = update(compositions).where(compositions.c.sid == row.sid)
            connection.execute(
                taken.values(status=CompositionStatus.PROCESSING, lease_owner=owner, lease_until=now + lease_s)
            )
            if row.status == CompositionStatus.ENQUEUED and row.status_callback is not None:
                enqueue(connection, [composition_started(_facts(row), _receiver(row), now)], now)
            return row

        return await self._database.write(work)

    # -- hooks -----------------------------------------------------------------------------------------------------------------------

    async def _run_hooks(self, now: float) -> None:
        query = select(recorded_rooms).order_by(recorded_rooms.c.finished_at).limit(BATCH)
        for room in await self._database.read(lambda connection: list(connection.execute(query))):
            await self._database.write(lambda connection, room=room: self._run_hooks_for(connection, room, now))  # type: ignore[misc]  # mypy infers no type for a lambda's default

    def _run_hooks_for(self, connection: Connection, room: Row[Any], now: float) -> None:
        taken = delete(recorded_rooms).where(recorded_rooms.c.room_sid == room.room_sid)
        if not connection.execute(taken).rowcount:
            return  # another replica was faster
        hooks = (
            select(composition_hooks)
            .where(composition_hooks.c.account_sid == room.account_sid, composition_hooks.c.enabled)
            .order_by(composition_hooks.c.created_at, composition_hooks.c.sid)
        )
        owed: list[Callback] = []
        for hook in list(connection.execute(hooks)):
            spec = {name: getattr(hook, name) for name in SPEC}
            row = new_composition(room.account_sid, room.room_sid, spec, now, hook.sid)
            is_new = connection.execute(insert_new(self._database, compositions), row).rowcount
            if is_new and hook.status_callback is not None:
                facts = CompositionFacts(room.account_sid, room.room_sid, row["sid"])
                owed.append(composition_enqueued(facts, HookFacts(hook.sid, hook.friendly_name), _receiver(hook), now))
        enqueue(connection, owed, now)

    # -- sources ---------------------------------------------------------------------------------------------------------------------

    async def _judge(self, now: float) -> None:
        being_made = exists().where(
            recordings.c.account_sid == compositions.c.account_sid,
            recordings.c.room_sid == compositions.c.room_sid,
            recordings.c.status == RecordingStatus.PROCESSING,
        )
        waiting = (
            select(compositions)
            .join(rooms, rooms.c.sid == compositions.c.room_sid)
            .where(
                compositions.c.status == CompositionStatus.ENQUEUED,
                compositions.c.ready_at.is_(None),
                rooms.c.status != RoomStatus.IN_PROGRESS,
                ~being_made,
            )
            .order_by(compositions.c.created_at)
            .limit(BATCH)
        )
        for row in await self._database.read(lambda connection: list(connection.execute(waiting))):
            await self._database.write(lambda connection, row=row: _decide(connection, row, now))  # type: ignore[misc]  # mypy infers no type for a lambda's default


def _decide(connection: Connection, row: Row[Any], now: float) -> None:
    query = select(recordings).where(recordings.c.account_sid == row.account_sid, recordings.c.room_sid == row.room_sid)
    sources = [
        Source(
            sid=recording.sid,
            track_sid=recording.source_sid,
            participant_sid=recording.participant_sid,
            track_name=recording.track_name,
            kind=TrackKind(recording.type),
            status=RecordingStatus(recording.status),
            size_bytes=recording.size_bytes or 0,
        )
        for recording in connection.execute(query)
    ]
    layout = stored_layout(row.video_layout)
    code = reason_to_fail(wanted_sources(row.audio_sources, row.audio_sources_excluded, layout, sources))
    still_waiting = update(compositions).where(
        compositions.c.sid == row.sid,
        compositions.c.status == CompositionStatus.ENQUEUED,
        compositions.c.ready_at.is_(None),
    )
    if code is None:
        connection.execute(still_waiting.values(ready_at=now))
    elif connection.execute(still_waiting.values(status=CompositionStatus.FAILED)).rowcount and row.status_callback:
        message = f"{code}: {ERRORS[code].message}"
        enqueue(connection, [composition_failed(_facts(row), _receiver(row), now, "CompositionStart", message)], now)


def _facts(row: Row[Any]) -> CompositionFacts:
    return CompositionFacts(row.account_sid, row.room_sid, row.sid)


def _receiver(row: Row[Any]) -> Receiver:
    return Receiver(row.status_callback, row.status_callback_method)
