"""
Tables of what is made from media: recordings, compositions and their hooks, transcriptions, and the settings of both stores.

As in `tables`: times are epoch seconds, lists are paged by `(created_at, sid)`. What an application deleted stays for a while as metadata, with
`deleted_at`; `has_media` tells whether a file may still be there.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from rooms_api.store.tables import Json, Sid, metadata

NOT_DELETED = text("status <> 'deleted'")
"""Spelled as in the indexes: a bound parameter would keep the database from using them."""

recordings = Table(
    "recordings",
    metadata,
    Column("sid", Sid, primary_key=True),
    Column("account_sid", Sid, nullable=False),
    Column("room_sid", Sid, nullable=False),
    Column("participant_sid", Sid, nullable=False),
    Column("source_sid", Sid, nullable=False),
    Column("status", String(16), nullable=False),
    Column("type", String(8), nullable=False),
    Column("codec", String(8), nullable=False),
    Column("track_name", String(128), nullable=False),
    Column("offset_ms", BigInteger, nullable=False),
    Column("size_bytes", BigInteger),
    Column("duration_s", Integer),
    Column("status_callback", Text),
    Column("status_callback_method", String(4), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("deleted_at", Double),
    Column("has_media", Boolean, nullable=False),
)
Index(
    "recordings_listed",
    recordings.c.account_sid,
    recordings.c.created_at,
    recordings.c.sid,
    sqlite_where=NOT_DELETED,
    postgresql_where=NOT_DELETED,
)
Index(
    "recordings_by_status",
    recordings.c.account_sid,
    recordings.c.status,
    recordings.c.created_at,
    recordings.c.sid,
)
Index("recordings_by_room", recordings.c.account_sid, recordings.c.room_sid, recordings.c.created_at, recordings.c.sid)
Index(
    "recordings_by_participant",
    recordings.c.account_sid,
    recordings.c.participant_sid,
    recordings.c.created_at,
    recordings.c.sid,
)
Index(
    "recordings_by_source", recordings.c.account_sid, recordings.c.source_sid, recordings.c.created_at, recordings.c.sid
)
Index(
    "recordings_deleted",
    recordings.c.deleted_at,
    sqlite_where=text("deleted_at IS NOT NULL"),
    postgresql_where=text("deleted_at IS NOT NULL"),
)

recorded_rooms = Table(
    "recorded_rooms",
    metadata,
    Column("room_sid", Sid, primary_key=True),
    Column("account_sid", Sid, nullable=False),
    Column("finished_at", Double, nullable=False),
)
"""Completed rooms whose recordings are all done, and for which the composition hooks have not run yet. A queue: each row is deleted with what it caused."""

compositions = Table(
    "compositions",
    metadata,
    Column("sid", Sid, primary_key=True),
    Column("account_sid", Sid, nullable=False),
    Column("room_sid", Sid, nullable=False),
    Column("hook_sid", Sid),
    Column("status", String(16), nullable=False),
    Column("audio_sources", Json, nullable=False),
    Column("audio_sources_excluded", Json, nullable=False),
    Column("video_layout", Json, nullable=False),
    Column("resolution", String(9), nullable=False),
    Column("trim", Boolean, nullable=False),
    Column("format", String(4), nullable=False),
    Column("status_callback", Text),
    Column("status_callback_method", String(4), nullable=False),
    Column("bitrate_kbps", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("duration_s", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ready_at", Double),
    Column("lease_owner", String(64)),
    Column("lease_until", Double),
    Column("completed_at", Double),
    Column("deleted_at", Double),
    Column("has_media", Boolean, nullable=False),
)
"""`ready_at` is when the room had ended and its recordings were done: from then on a compositor may take the job, under a lease."""
Index(
    "compositions_listed",
    compositions.c.account_sid,
    compositions.c.created_at,
    compositions.c.sid,
    sqlite_where=NOT_DELETED,
    postgresql_where=NOT_DELETED,
)
Index(
    "compositions_by_status",
    compositions.c.account_sid,
    compositions.c.status,
    compositions.c.created_at,
    compositions.c.sid,
)
Index(
    "compositions_by_room",
    compositions.c.account_sid,
    compositions.c.room_sid,
    compositions.c.created_at,
    compositions.c.sid,
)
Index("compositions_by_hook", compositions.c.hook_sid, compositions.c.room_sid, unique=True)
Index(
    "compositions_waiting",
    compositions.c.created_at,
    sqlite_where=text("status = 'enqueued' AND ready_at IS NULL"),
    postgresql_where=text("status = 'enqueued' AND ready_at IS NULL"),
)
Index(
    "compositions_ready",
    compositions.c.ready_at,
    sqlite_where=text("status IN ('enqueued', 'processing') AND ready_at IS NOT NULL"),
    postgresql_where=text("status IN ('enqueued', 'processing') AND ready_at IS NOT NULL"),
)
Index(
    "compositions_deleted",
    compositions.c.deleted_at,
    sqlite_where=text("deleted_at IS NOT NULL"),
    postgresql_where=text("deleted_at IS NOT NULL"),
)

composition_hooks = Table(
    "composition_hooks",
    metadata,
    Column("sid", Sid, primary_key=True),
    Column("account_sid", Sid, nullable=False),
    Column("friendly_name", String(100), nullable=False),
    Column("folded_name", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("audio_sources", Json, nullable=False),
    Column("audio_sources_excluded", Json, nullable=False),
    Column("video_layout", Json, nullable=False),
    Column("resolution", String(9), nullable=False),
    Column("trim", Boolean, nullable=False),
    Column("format", String(4), nullable=False),
    Column("status_callback", Text),
    Column("status_callback_method", String(4), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double),
)
"""`folded_name` is the name without difference of case: databases do not agree on how to fold one."""
Index("composition_hooks_by_name", composition_hooks.c.account_sid, composition_hooks.c.friendly_name, unique=True)
Index(
    "composition_hooks_listed", composition_hooks.c.account_sid, composition_hooks.c.created_at, composition_hooks.c.sid
)

media_settings = Table(
    "media_settings",
    metadata,
    Column("account_sid", Sid, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("friendly_name", Text, nullable=False),
    Column("aws_credentials_sid", Sid),
    Column("encryption_key_sid", Sid),
    Column("aws_s3_url", Text),
    Column("aws_storage_enabled", Boolean, nullable=False),
    Column("encryption_enabled", Boolean, nullable=False),
)
"""`kind` is `recording` or `composition`."""

transcriptions = Table(
    "transcriptions",
    metadata,
    Column("ttid", String(64), primary_key=True),
    Column("room_sid", Sid, nullable=False),
    Column("account_sid", Sid, nullable=False),
    Column("status", String(16), nullable=False),
    Column("configuration", Json, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
)
Index("transcriptions_by_room", transcriptions.c.room_sid, unique=True)
Index(
    "transcriptions_started",
    transcriptions.c.room_sid,
    sqlite_where=text("status = 'started'"),
    postgresql_where=text("status = 'started'"),
)
