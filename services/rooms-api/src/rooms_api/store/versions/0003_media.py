"""What is made from media: recordings, compositions and hooks, transcriptions, settings; when recording rules were last changed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "composition_hooks",
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("friendly_name", sa.String(length=100), nullable=False),
        sa.Column("folded_name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("audio_sources", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("audio_sources_excluded", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("video_layout", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("resolution", sa.String(length=9), nullable=False),
        sa.Column("trim", sa.Boolean(), nullable=False),
        sa.Column("format", sa.String(length=4), nullable=False),
        sa.Column("status_callback", sa.Text(), nullable=True),
        sa.Column("status_callback_method", sa.String(length=4), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("sid"),
    )
    op.create_index("composition_hooks_by_name", "composition_hooks", ["account_sid", "friendly_name"], unique=True)
    op.create_index("composition_hooks_listed", "composition_hooks", ["account_sid", "created_at", "sid"], unique=False)
    op.create_table(
        "compositions",
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("room_sid", sa.String(length=34), nullable=False),
        sa.Column("hook_sid", sa.String(length=34), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("audio_sources", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("audio_sources_excluded", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("video_layout", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("resolution", sa.String(length=9), nullable=False),
        sa.Column("trim", sa.Boolean(), nullable=False),
        sa.Column("format", sa.String(length=4), nullable=False),
        sa.Column("status_callback", sa.Text(), nullable=True),
        sa.Column("status_callback_method", sa.String(length=4), nullable=False),
        sa.Column("bitrate_kbps", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("duration_s", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ready_at", sa.Double(), nullable=True),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("completed_at", sa.Double(), nullable=True),
        sa.Column("deleted_at", sa.Double(), nullable=True),
        sa.Column("has_media", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("sid"),
    )
    op.create_index("compositions_by_hook", "compositions", ["hook_sid", "room_sid"], unique=True)
    op.create_index(
        "compositions_by_room", "compositions", ["account_sid", "room_sid", "created_at", "sid"], unique=False
    )
    op.create_index(
        "compositions_by_status", "compositions", ["account_sid", "status", "created_at", "sid"], unique=False
    )
    op.create_index(
        "compositions_deleted",
        "compositions",
        ["deleted_at"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "compositions_listed",
        "compositions",
        ["account_sid", "created_at", "sid"],
        unique=False,
        sqlite_where=sa.text("status <> 'deleted'"),
        postgresql_where=sa.text("status <> 'deleted'"),
    )
    op.create_index(
        "compositions_ready",
        "compositions",
        ["ready_at"],
        unique=False,
        sqlite_where=sa.text("status IN ('enqueued', 'processing') AND ready_at IS NOT NULL"),
        postgresql_where=sa.text("status IN ('enqueued', 'processing') AND ready_at IS NOT NULL"),
    )
    op.create_index(
        "compositions_waiting",
        "compositions",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("status = 'enqueued' AND ready_at IS NULL"),
        postgresql_where=sa.text("status = 'enqueued' AND ready_at IS NULL"),
    )
    op.create_table(
        "media_settings",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("friendly_name", sa.Text(), nullable=False),
        sa.Column("aws_credentials_sid", sa.String(length=34), nullable=True),
        sa.Column("encryption_key_sid", sa.String(length=34), nullable=True),
        sa.Column("aws_s3_url", sa.Text(), nullable=True),
        sa.Column("aws_storage_enabled", sa.Boolean(), nullable=False),
        sa.Column("encryption_enabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "kind"),
    )
    op.create_table(
        "recorded_rooms",
        sa.Column("room_sid", sa.String(length=34), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("room_sid"),
    )
    op.create_table(
        "recordings",
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("room_sid", sa.String(length=34), nullable=False),
        sa.Column("participant_sid", sa.String(length=34), nullable=False),
        sa.Column("source_sid", sa.String(length=34), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("type", sa.String(length=8), nullable=False),
        sa.Column("codec", sa.String(length=8), nullable=False),
        sa.Column("track_name", sa.String(length=128), nullable=False),
        sa.Column("offset_ms", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("duration_s", sa.Integer(), nullable=True),
        sa.Column("status_callback", sa.Text(), nullable=True),
        sa.Column("status_callback_method", sa.String(length=4), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("deleted_at", sa.Double(), nullable=True),
        sa.Column("has_media", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("sid"),
    )
    op.create_index(
        "recordings_by_participant", "recordings", ["account_sid", "participant_sid", "created_at", "sid"], unique=False
    )
    op.create_index("recordings_by_room", "recordings", ["account_sid", "room_sid", "created_at", "sid"], unique=False)
    op.create_index(
        "recordings_by_source", "recordings", ["account_sid", "source_sid", "created_at", "sid"], unique=False
    )
    op.create_index("recordings_by_status", "recordings", ["account_sid", "status", "created_at", "sid"], unique=False)
    op.create_index(
        "recordings_deleted",
        "recordings",
        ["deleted_at"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "recordings_listed",
        "recordings",
        ["account_sid", "created_at", "sid"],
        unique=False,
        sqlite_where=sa.text("status <> 'deleted'"),
        postgresql_where=sa.text("status <> 'deleted'"),
    )
    op.create_table(
        "transcriptions",
        sa.Column("ttid", sa.String(length=64), nullable=False),
        sa.Column("room_sid", sa.String(length=34), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("configuration", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("ttid"),
    )
    op.create_index("transcriptions_by_room", "transcriptions", ["room_sid"], unique=True)
    op.create_index(
        "transcriptions_started",
        "transcriptions",
        ["room_sid"],
        unique=False,
        sqlite_where=sa.text("status = 'started'"),
        postgresql_where=sa.text("status = 'started'"),
    )
    op.add_column("rooms", sa.Column("recording_rules_updated_at", sa.Double(), nullable=True))
