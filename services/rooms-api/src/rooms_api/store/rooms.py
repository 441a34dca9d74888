"""Loads rooms as aggregates and saves their changes by compare-and-set on the revision, with event and callbacks in the same transaction."""

import dataclasses
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from contract.rooms import (
    LeaveReason,
    ParticipantStatus,
    RoomStatus,
    RoomType,
    Subscription,
    TrackKind,
    TrackPriority,
)
from sqlalchemy import Connection, Table, bindparam, delete, insert, select, tuple_, update
from sqlalchemy.sql.functions import coalesce, count
from sqlalchemy.sql.functions import sum as sum_

from rooms_api.core.callbacks import Callback, room_callbacks
from rooms_api.core.change import Change
from rooms_api.core.participant import Participant, SubscribedTrack, Track
from rooms_api.core.room import Room
from rooms_api.core.rules import stored_rules
from rooms_api.core.settings import RoomSettings
from rooms_api.store.callbacks import enqueue, forget_identity
from rooms_api.store.database import Database
from rooms_api.store.quotas import Quotas
from rooms_api.store.recordings import load_recordings, write_recordings
from rooms_api.store.tables import ACTIVE, IN_PROGRESS, outbox, participants, rooms, subscriptions, tracks
from rooms_api.store.transcriptions import begin_with_room, end_with_room
from rooms_api.store.upsert import insert_new, upsert

REVISION = select(rooms.c.revision).where(rooms.c.sid == bindparam("sid"))
UPDATE_ROOM = update(rooms).where(
    rooms.c.sid == bindparam("known_sid"), rooms.c.revision == bindparam("known_revision")
)
INSERT_EVENT = insert(outbox)
DELETE_EVENT = delete(outbox).where(
    outbox.c.room_sid == bindparam("known_sid"), outbox.c.revision == bindparam("known_revision")
)


class Conflict(Exception):
    """Somebody else changed the room first: load it again."""


class NameTaken(Exception):
    """A room in progress has that name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Unpublished:
    """A room event that is committed, and not known to be published. `event` is JSON."""

    room_sid: str
    revision: int
    event: str


@dataclasses.dataclass(frozen=True, slots=True)
class Totals:
    """Rooms in progress, participants that are connected or reconnecting, and events that wait to be published or deleted."""

    rooms: int
    participants: int
    unpublished: int


class RoomStore:
    """Rooms in the database. Knows no caching: that is the caller's."""

    def __init__(self, database: Database, quotas: Quotas | None = None) -> None:
        self._database = database
        self._quotas = quotas or Quotas()
        self._insert_room = insert_new(database, rooms, (rooms.c.account_sid, rooms.c.unique_name), IN_PROGRESS)
        self._upserts = {table: upsert(database, table) for table in (participants, tracks, subscriptions)}

    # -- finding ---------------------------------------------------------------------------------------------------------------------

    async def revision(self, room_sid: str) -> int | None:
        return await self._database.read(lambda c: c.scalar(REVISION, {"sid": room_sid}))

    async def load(self, room_sid: str) -> Room | None:
        """The room with everybody who is connected or reconnecting, at one revision."""

        def work(connection: Connection) -> Room | None:
            while True:
                room = _load(connection, room_sid)
                # The parts come from several queries: the revision tells whether a change came in between.
                if room is None or room.revision == connection.scalar(REVISION, {"sid": room_sid}):
                    return room

        return await self._database.read(work)

    async def find_in_progress(self, account_sid: str, name: str) -> str | None:
        """The SID of the account's room in progress that has this name."""
        query = select(rooms.c.sid).where(
            rooms.c.account_sid == account_sid,
            rooms.c.unique_name == name,
            rooms.c.status == RoomStatus.IN_PROGRESS,
        )
        return await self._database.read(lambda c: c.scalar(query))

    async def is_known_name(self, account_sid: str, name: str) -> bool:
        """Tell whether the account ever had a room of this name."""
        query = select(rooms.c.sid).where(rooms.c.account_sid == account_sid, rooms.c.unique_name == name).limit(1)
        return await self._database.read(lambda c: c.scalar(query) is not None)

    async def name(self, account_sid: str, room_sid: str) -> str | None:
        """The name of the account's room with this SID, in any state."""
        query = select(rooms.c.unique_name).where(rooms.c.sid == room_sid, rooms.c.account_sid == account_sid)
        return await self._database.read(lambda c: c.scalar(query))

    async def find_session(self, session_hash: str) -> tuple[str, str] | None:
        """Room and participant SID of a session."""
        query = select(participants.c.room_sid, participants.c.sid).where(participants.c.session_hash == session_hash)
        row = await self._database.read(lambda c: c.execute(query).first())
        return (row.room_sid, row.sid) if row else None

    async def room_of(self, participant_sid: str) -> str | None:
        query = select(participants.c.room_sid).where(participants.c.sid == participant_sid)
        return await self._database.read(lambda c: c.scalar(query))

    async def next_timeout(self) -> float | None:
        """The earliest timeout of a room."""
        query = select(rooms.c.next_timeout).where(rooms.c.next_timeout.is_not(None)).order_by(rooms.c.next_timeout)
        return await self._database.read(lambda c: c.scalar(query.limit(1)))

    async def due(self, now: float, limit: int = 100) -> list[str]:
        """SIDs of rooms with a timeout at or before `now`, the longest overdue first."""
        query = select(rooms.c.sid).where(rooms.c.next_timeout <= now).order_by(rooms.c.next_timeout).limit(limit)
        return await self._database.read(lambda c: list(c.scalars(query)))

    async def active_revisions(self) -> dict[str, int]:
        """The revision of every room with somebody in it."""
        query = select(rooms.c.sid, rooms.c.revision).where(rooms.c.active_participants > 0)
        return await self._database.read(lambda c: {row.sid: row.revision for row in c.execute(query)})

    async def totals(self) -> Totals:
        """How much there is at the moment."""
        in_progress = select(count(), coalesce(sum_(rooms.c.active_participants), 0)).where(
            rooms.c.next_timeout.is_not(None),  # which a room has for as long as it is in progress; that index is small
            rooms.c.status == RoomStatus.IN_PROGRESS,
        )
        waiting = select(count()).select_from(outbox)

        def work(connection: Connection) -> Totals:
            row = connection.execute(in_progress).one()
            return Totals(row[0], row[1], connection.scalar(waiting) or 0)

        return await self._database.read(work)

    async def gateways(self) -> set[str]:
        """The gateways that hold sockets of connected participants."""
        query = select(participants.c.gateway_id).where(participants.c.status == ParticipantStatus.CONNECTED).distinct()
        return await self._database.read(lambda c: set(c.scalars(query)))

    async def leases_at_gateway(self, gateway_id: str) -> dict[str, int]:
        """The lease epochs of the connected participants at this gateway, by participant SID."""
        query = select(participants.c.sid, participants.c.lease_epoch).where(
            participants.c.status == ParticipantStatus.CONNECTED, participants.c.gateway_id == gateway_id
        )
        return await self._database.read(lambda c: {row.sid: row.lease_epoch for row in c.execute(query)})

    async def rooms_at_gateway(self, gateway_id: str) -> list[str]:
        """SIDs of rooms with connected participants at this gateway."""
        query = (
            select(participants.c.room_sid)
            .where(participants.c.status == ParticipantStatus.CONNECTED, participants.c.gateway_id == gateway_id)
            .distinct()
        )
        return await self._database.read(lambda c: list(c.scalars(query)))

    # -- writing ---------------------------------------------------------------------------------------------------------------------

    async def insert(self, room: Room, change: Change, now: float) -> None:
        """Store a new room. Raises `NameTaken`, and `Refused` 53119 when the account may have no more."""

        def work(connection: Connection) -> None:
            if connection.execute(self._insert_room, _fixed(room) | _moving(room)).rowcount != 1:
                raise NameTaken
            self._quotas.check_rooms(connection, room.account_sid)
            begin_with_room(connection, room)
            self._write_parts(connection, room, change, now)

        await self._database.write(work, made=room.sid)

    async def save(self, room: Room, change: Change, now: float) -> None:
        """
        Store a change. Raises `Conflict` when the room in the database is not the one that the change was made to, and `AlreadyRecorded` for a
        recording that begins again. Raises `Refused` 53206 when the account may have no more participants.
        """

        def work(connection: Connection) -> None:
            known = {"known_sid": room.sid, "known_revision": change.event.revision - 1}
            if connection.execute(UPDATE_ROOM, _moving(room) | known).rowcount != 1:
                raise Conflict
            self._quotas.check_participants(connection, room.account_sid, change)
            self._write_parts(connection, room, change, now)

        await self._database.write(work)

    async def anonymize(self, participant_sid: str, now: float) -> None:
        """Write a participant's SID over its identity, and drop what its client said of itself."""
        statement = (
            update(participants)
            .where(participants.c.sid == participant_sid)
            .values(identity=participants.c.sid, publisher=None, updated_at=now)
        )

        def work(connection: Connection) -> None:
            connection.execute(statement)
            forget_identity(connection, participant_sid)

        await self._database.write(work)

    def _write_parts(self, connection: Connection, room: Room, change: Change, now: float) -> None:
        gone = [p.sid for p in change.participants if p.status is ParticipantStatus.DISCONNECTED]
        if gone:
            connection.execute(delete(tracks).where(tracks.c.participant_sid.in_(gone)))
            connection.execute(delete(subscriptions).where(subscriptions.c.participant_sid.in_(gone)))
        unpublished = [(sid, track_id) for sid, track_id, track in change.tracks if track is None]
        if unpublished:
            connection.execute(
                delete(tracks).where(tuple_(tracks.c.participant_sid, tracks.c.client_track_id).in_(unpublished))
            )
        left = [(sid, track_sid) for sid, track_sid, subscribed in change.subscriptions if subscribed is None]
        for batch in _batches(left, 200):
            connection.execute(
                delete(subscriptions).where(
                    tuple_(subscriptions.c.participant_sid, subscriptions.c.track_sid).in_(batch)
                )
            )
        self._upsert(connection, participants, [_participant(room, p) for p in change.participants])
        self._upsert(
            connection, tracks, [_track(room, sid, track) for sid, _, track in change.tracks if track is not None]
        )
        self._upsert(
            connection,
            subscriptions,
            [_subscription(room, sid, entry) for sid, _, entry in change.subscriptions if entry is not None],
        )
        connection.execute(
            INSERT_EVENT,
            {
                "room_sid": room.sid,
                "revision": change.event.revision,
                "event": change.event.model_dump_json(),
                "created_at": now,
            },
        )
        end_with_room(connection, room, change)
        of_recordings = self._write_recordings(connection, room, change)
        enqueue(connection, [*room_callbacks(room, change.happened), *of_recordings], now)

    def _write_recordings(self, connection: Connection, room: Room, change: Change) -> list[Callback]:
        if not change.recordings and change.event.room is None:
            return []
        return write_recordings(self._database, connection, room, change)

    def _upsert(self, connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            connection.execute(self._upserts[table], rows)

    # -- outbox ----------------------------------------------------------------------------------------------------------------------

    async def oldest_unpublished(self) -> float | None:
        """When the oldest event was committed that is not known to be published."""
        query = select(outbox.c.created_at).order_by(outbox.c.created_at).limit(1)
        return await self._database.read(lambda c: c.scalar(query))

    async def unpublished(self, before: float, limit: int = 200) -> list[Unpublished]:
        """Events committed before `before` and not known to be published, each room's in order."""
        query = (
            select(outbox.c.room_sid, outbox.c.revision, outbox.c.event)
            .where(outbox.c.created_at < before)
            .order_by(outbox.c.created_at, outbox.c.revision)
            .limit(limit)
        )
        return await self._database.read(
            lambda c: [Unpublished(row.room_sid, row.revision, row.event) for row in c.execute(query)]
        )

    async def forget_published(self, published: Sequence[tuple[str, int]]) -> None:
        """Delete these events, by room SID and revision, from the outbox."""
        rows = [{"known_sid": sid, "known_revision": revision} for sid, revision in published]
        if rows:
            await self._database.write(lambda c: c.execute(DELETE_EVENT, rows))


def as_stored(room: Room) -> Any:  # it has a row's attributes
    """The room as a query would find it."""
    return SimpleNamespace(**_fixed(room), **_moving(room))


def _batches(items: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


# -- rows and aggregates ---------------------------------------------------------------------------------------------------------------


def _fixed(room: Room) -> dict[str, Any]:
    """The columns that never change."""
    settings = room.settings
    return {
        "sid": room.sid,
        "account_sid": room.account_sid,
        "unique_name": room.name,
        "created_method": room.created_method,
        "created_at": room.created_at,
        "type": settings.type,
        "status_callback": settings.status_callback,
        "status_callback_method": settings.status_callback_method,
        "max_participants": settings.max_participants,
        "max_participant_duration_s": settings.max_participant_duration_s,
        "empty_room_timeout_min": settings.empty_room_timeout_min,
        "unused_room_timeout_min": settings.unused_room_timeout_min,
        "record_participants_on_connect": settings.record_participants_on_connect,
        "video_codecs": list(settings.video_codecs),
        "media_region": settings.media_region,
        "audio_only": settings.audio_only,
        "large_room": settings.large_room,
        "transcribe_participants_on_connect": settings.transcribe_participants_on_connect,
        "transcriptions_configuration": settings.transcriptions_configuration,
    }


def _moving(room: Room) -> dict[str, Any]:
    """The columns that commands change."""
    return {
        "status": room.status,
        "updated_at": room.updated_at,
        "ended_at": room.ended_at,
        "end_reason": room.end_reason,
        "revision": room.revision,
        "is_recording": room.is_recording,
        "recording_revision": room.recording_revision,
        "recording_rules": [rule.members() for rule in room.settings.recording_rules],
        "recording_rules_updated_at": room.recording_rules_updated_at,
        "ever_joined": room.ever_joined,
        "empty_since": room.empty_since,
        "peak_participants": room.peak_participants,
        "active_participants": len(room.participants),
        "next_timeout": room.next_timeout(),
        "happenings": room.happenings,
    }


def _participant(room: Room, participant: Participant) -> dict[str, Any]:
    return {
        "sid": participant.sid,
        "room_sid": room.sid,
        "account_sid": room.account_sid,
        "identity": participant.identity,
        "status": participant.status,
        "created_at": participant.created_at,
        "updated_at": participant.updated_at,
        "ended_at": participant.ended_at,
        "end_reason": participant.end_reason,
        "deadline": participant.deadline,
        "revision": participant.revision,
        "session_hash": participant.session_hash,
        "gateway_id": participant.gateway_id,
        "lease_epoch": participant.lease_epoch,
        "node_id": participant.node_id,
        "client_revision": participant.client_revision,
        "peer_connection_ids": list(participant.peer_connection_ids),
        "media_signaling": list(participant.media_signaling),
        "media_warnings": list(participant.media_warnings),
        "bandwidth_profile": participant.bandwidth_profile,
        "publisher": participant.publisher,
        "published_revision": participant.published_revision,
        "subscribed_revision": participant.subscribed_revision,
        "rules": [rule.members() for rule in participant.rules],
        "rules_updated_at": participant.rules_updated_at,
    }


def _track(room: Room, participant_sid: str, track: Track) -> dict[str, Any]:
    return {
        "participant_sid": participant_sid,
        "client_track_id": track.client_track_id,
        "room_sid": room.sid,
        "sid": track.sid,
        "kind": track.kind,
        "name": track.name,
        "enabled": track.enabled,
        "priority": track.priority,
        "created_at": track.created_at,
        "updated_at": track.updated_at,
        "error_code": track.error_code,
    }


def _subscription(room: Room, participant_sid: str, subscribed: SubscribedTrack) -> dict[str, Any]:
    return {
        "participant_sid": participant_sid,
        "track_sid": subscribed.message.track_sid,
        "room_sid": room.sid,
        "id": subscribed.message.id,
        "publisher_sid": subscribed.message.publisher_sid,
        "kind": subscribed.message.kind,
        "created_at": subscribed.created_at,
        "updated_at": subscribed.updated_at,
        "error_code": subscribed.message.error_code,
    }


def _load(connection: Connection, room_sid: str) -> Room | None:
    row = (connection.execute(select(rooms).where(rooms.c.sid == room_sid))).first()
    if row is None:
        return None
    room = Room(
        sid=row.sid,
        account_sid=row.account_sid,
        name=row.unique_name,
        settings=RoomSettings(
            type=RoomType(row.type),
            status_callback=row.status_callback,
            status_callback_method=row.status_callback_method,
            max_participants=row.max_participants,
            max_participant_duration_s=row.max_participant_duration_s,
            empty_room_timeout_min=row.empty_room_timeout_min,
            unused_room_timeout_min=row.unused_room_timeout_min,
            record_participants_on_connect=row.record_participants_on_connect,
            recording_rules=stored_rules(row.recording_rules),
            video_codecs=tuple(row.video_codecs),
            media_region=row.media_region,
            audio_only=row.audio_only,
            large_room=row.large_room,
            transcribe_participants_on_connect=row.transcribe_participants_on_connect,
            transcriptions_configuration=row.transcriptions_configuration,
        ),
        created_method=row.created_method,
        created_at=row.created_at,
        updated_at=row.updated_at,
        status=RoomStatus(row.status),
        revision=row.revision,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        is_recording=row.is_recording,
        recording_revision=row.recording_revision,
        recording_rules_updated_at=row.recording_rules_updated_at,
        ever_joined=row.ever_joined,
        empty_since=row.empty_since,
        peak_participants=row.peak_participants,
        happenings=row.happenings,
    )
    if row.active_participants:
        _load_people(connection, room)
    if row.is_recording:
        room.recordings.processing = load_recordings(connection, room.account_sid, room_sid)
    return room


def _load_people(connection: Connection, room: Room) -> None:
    found = connection.execute(
        select(participants)
        .where(participants.c.room_sid == room.sid, participants.c.status.in_(ACTIVE))
        .order_by(participants.c.created_at, participants.c.sid)
    )
    for row in found:
        room.participants[row.sid] = Participant(
            sid=row.sid,
            identity=row.identity,
            session_hash=row.session_hash,
            gateway_id=row.gateway_id,
            node_id=row.node_id,
            rules=stored_rules(row.rules),
            created_at=row.created_at,
            updated_at=row.updated_at,
            rules_updated_at=row.rules_updated_at,
            revision=row.revision,
            published_revision=row.published_revision,
            subscribed_revision=row.subscribed_revision,
            lease_epoch=row.lease_epoch,
            client_revision=row.client_revision,
            status=ParticipantStatus(row.status),
            deadline=row.deadline,
            ended_at=row.ended_at,
            end_reason=LeaveReason(row.end_reason) if row.end_reason else None,
            peer_connection_ids=tuple(row.peer_connection_ids),
            media_signaling=tuple(row.media_signaling),
            media_warnings=tuple(row.media_warnings),
            bandwidth_profile=row.bandwidth_profile,
            publisher=row.publisher,
        )
    for row in connection.execute(
        select(tracks).where(tracks.c.room_sid == room.sid).order_by(tracks.c.created_at, tracks.c.client_track_id)
    ):
        if owner := room.participants.get(row.participant_sid):
            owner.tracks[row.client_track_id] = Track(
                client_track_id=row.client_track_id,
                kind=TrackKind(row.kind),
                sid=row.sid,
                name=row.name,
                enabled=row.enabled,
                priority=TrackPriority(row.priority),
                created_at=row.created_at,
                updated_at=row.updated_at,
                error_code=row.error_code,
            )
    for row in connection.execute(
        select(subscriptions)
        .where(subscriptions.c.room_sid == room.sid)
        .order_by(subscriptions.c.created_at, subscriptions.c.track_sid)
    ):
        if owner := room.participants.get(row.participant_sid):
            owner.subscriptions[row.track_sid] = SubscribedTrack(
                Subscription(
                    id=row.id,
                    track_sid=row.track_sid,
                    publisher_sid=row.publisher_sid,
                    kind=TrackKind(row.kind),
                    error_code=row.error_code,
                ),
                created_at=row.created_at,
                updated_at=row.updated_at,
            )
