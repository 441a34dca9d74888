"""
The tables, the same on SQLite and PostgreSQL. Times are epoch seconds; SIDs are primary keys.

Lists are paged by `(created_at, sid)`, newest first, and each list's filter has an index that ends in these two.
"""

from contract.rooms import ParticipantStatus
from service_kit.audit import audit_table
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

Sid = String(34)
Json = JSON(none_as_null=True)

rooms = Table(
    "rooms",
    metadata,
    Column("sid", Sid, primary_key=True),
    Column("account_sid", Sid, nullable=False),
    Column("unique_name", String(128), nullable=False),
    Column("status", String(16), nullable=False),
    Column("type", String(16), nullable=False),
    Column("created_method", String(8), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("end_reason", String(32)),
    Column("status_callback", Text),
    Column("status_callback_method", String(4), nullable=False),
    Column("max_participants", Integer, nullable=False),
    Column("max_participant_duration_s", Integer, nullable=False),
    Column("empty_room_timeout_min", Integer, nullable=False),
    Column("unused_room_timeout_min", Integer, nullable=False),
    Column("record_participants_on_connect", Boolean, nullable=False),
    Column("recording_rules", Json, nullable=False),
    Column("recording_rules_updated_at", Double),
    Column("video_codecs", Json, nullable=False),
    Column("media_region", String(8)),
    Column("audio_only", Boolean, nullable=False),
    Column("large_room", Boolean, nullable=False),
    Column("transcribe_participants_on_connect", Boolean, nullable=False),
    Column("transcriptions_configuration", Json),
    Column("revision", Integer, nullable=False),
    Column("is_recording", Boolean, nullable=False),
    Column("recording_revision", Integer, nullable=False),
    Column("ever_joined", Boolean, nullable=False),
    Column("empty_since", Double),
    Column("peak_participants", Integer, nullable=False),
    Column("active_participants", Integer, nullable=False),
    Column("next_timeout", Double),
    Column("happenings", Integer, nullable=False, server_default="0"),
)
IN_PROGRESS = text("status = 'in-progress'")
Index(
    "rooms_in_progress_name",
    rooms.c.account_sid,
    rooms.c.unique_name,
    unique=True,
    sqlite_where=IN_PROGRESS,
    postgresql_where=IN_PROGRESS,
)
Index("rooms_listed", rooms.c.account_sid, rooms.c.status, rooms.c.created_at, rooms.c.sid)
Index("rooms_created", rooms.c.account_sid, rooms.c.created_at, rooms.c.sid)
Index("rooms_by_name", rooms.c.account_sid, rooms.c.unique_name, rooms.c.status, rooms.c.created_at, rooms.c.sid)
Index(
    "rooms_due",
    rooms.c.next_timeout,
    sqlite_where=text("next_timeout IS NOT NULL"),
    postgresql_where=text("next_timeout IS NOT NULL"),
)
Index(
    "rooms_active",
    rooms.c.active_participants,
    sqlite_where=text("active_participants > 0"),
    postgresql_where=text("active_participants > 0"),
)

ACTIVE = (ParticipantStatus.CONNECTED, ParticipantStatus.RECONNECTING)
"""Statuses of participants who are in their room."""

participants = Table(
    "participants",
    metadata,
    Column("sid", Sid, primary_key=True),
    Column("room_sid", Sid, nullable=False),
    Column("account_sid", Sid, nullable=False),
    Column("identity", String(128), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("end_reason", String(32)),
    Column("deadline", Double),
    Column("revision", Integer, nullable=False),
    Column("session_hash", String(64), nullable=False),
    Column("gateway_id", String(64), nullable=False),
    Column("lease_epoch", Integer, nullable=False),
    Column("node_id", String(64)),
    Column("client_revision", Integer, nullable=False),
    Column("peer_connection_ids", Json, nullable=False),
    Column("media_signaling", Json, nullable=False),
    Column("media_warnings", Json, nullable=False),
    Column("bandwidth_profile", Json),
    Column("publisher", Json),
    Column("published_revision", Integer, nullable=False),
    Column("subscribed_revision", Integer, nullable=False),
    Column("rules", Json, nullable=False),
    Column("rules_updated_at", Double, nullable=False),
)
Index("participants_by_session", participants.c.session_hash, unique=True)
Index(
    "participants_listed",
    participants.c.room_sid,
    participants.c.status,
    participants.c.created_at,
    participants.c.sid,
)
Index("participants_by_identity", participants.c.room_sid, participants.c.identity)
Index("participants_by_gateway", participants.c.status, participants.c.gateway_id)

tracks = Table(
    "tracks",
    metadata,
    Column("participant_sid", Sid, primary_key=True),
    Column("client_track_id", String(256), primary_key=True),
    Column("room_sid", Sid, nullable=False),
    Column("sid", Sid),
    Column("kind", String(8), nullable=False),
    Column("name", String(128), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("priority", String(8), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("error_code", Integer),
)
"""Present publications; the failed ones have no SID. Those of a participant that is gone are deleted."""
Index("tracks_by_room", tracks.c.room_sid)
Index("tracks_by_sid", tracks.c.sid, unique=True)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("participant_sid", Sid, primary_key=True),
    Column("track_sid", Sid, primary_key=True),
    Column("room_sid", Sid, nullable=False),
    Column("id", String(64), nullable=False),
    Column("publisher_sid", Sid, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("error_code", Integer),
)
"""What participants receive now."""
Index("subscriptions_by_room", subscriptions.c.room_sid)

outbox = Table(
    "outbox",
    metadata,
    Column("room_sid", Sid, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("event", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)
"""Room events that may not have been published yet; deleted after they were."""
Index("outbox_by_age", outbox.c.created_at)

callbacks = Table(
    "callbacks",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("sid", Sid, nullable=False),
    Column("stream", String(64), nullable=False),
    Column("account_sid", Sid, nullable=False),
    Column("room_sid", Sid, nullable=False),
    Column("event", String(32), nullable=False),
    Column("url", Text, nullable=False),
    Column("method", String(4), nullable=False),
    Column("body", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("response_code", Integer),
    Column("error", Text),
    Column("created_at", Double, nullable=False),
    Column("owed_at", Double, nullable=False),
    Column("ended_at", Double),
)
"""Status callbacks that are owed, and those that were sent or given up, for the log. `position` is their order within a stream.

`owed_at` is when it was owed first, or last asked for again."""
Index("callbacks_by_sid", callbacks.c.sid, unique=True)
Index(
    "callbacks_pending",
    callbacks.c.stream,
    callbacks.c.position,
    sqlite_where=text("status = 'pending'"),
    postgresql_where=text("status = 'pending'"),
)
Index("callbacks_listed", callbacks.c.account_sid, callbacks.c.created_at, callbacks.c.sid)
Index("callbacks_by_status", callbacks.c.account_sid, callbacks.c.status, callbacks.c.created_at, callbacks.c.sid)
Index("callbacks_by_event", callbacks.c.account_sid, callbacks.c.event, callbacks.c.created_at, callbacks.c.sid)
Index("callbacks_by_room", callbacks.c.room_sid, callbacks.c.created_at, callbacks.c.sid)
Index(
    "callbacks_ended",
    callbacks.c.ended_at,
    sqlite_where=text("ended_at IS NOT NULL"),
    postgresql_where=text("ended_at IS NOT NULL"),
)

callback_streams = Table(
    "callback_streams",
    metadata,
    Column("stream", String(64), primary_key=True),
    Column("receiver", String(270), nullable=False),
    Column("due_at", Double, nullable=False),
    Column("lease", String(32)),
)
"""Streams that owe something. Nobody takes one before `due_at`: the next try, or, under a `lease`, the time at which its holder counts as gone."""
Index("callback_streams_due", callback_streams.c.due_at)

callback_attempts = Table(
    "callback_attempts",
    metadata,
    Column("callback_sid", Sid, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("response_code", Integer),
    Column("error", Text),
)
"""Tries of a callback, numbered from 1: what the receiver answered, or why there is no answer."""

audit_events = audit_table("audit_events", metadata)

telemetry = Table(
    "telemetry",
    metadata,
    Column("participant_sid", Sid, primary_key=True),
    Column("room_sid", Sid, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("counts", Json, nullable=False),
    Column("codecs", String(32), nullable=False),
    Column("candidate_type", String(8)),
    Column("protocol", String(8)),
    Column("error_code", Integer),
)
"""What the client's SDK told, folded. `codecs` are names between commas, one also at either end, so that one can be looked for."""
Index("telemetry_by_room", telemetry.c.room_sid)
Index("telemetry_by_age", telemetry.c.updated_at)
