"""Rooms, participants, tracks, subscriptions and the outbox of room events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("room_sid", sa.String(length=34), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("room_sid", "revision"),
    )
    op.create_index("outbox_by_age", "outbox", ["created_at"], unique=False)
    op.create_table(
        "participants",
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("room_sid", sa.String(length=34), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("identity", sa.String(length=128), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("end_reason", sa.String(length=32), nullable=True),
        sa.Column("deadline", sa.Double(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("session_hash", sa.String(length=64), nullable=False),
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("lease_epoch", sa.Integer(), nullable=False),
        sa.Column("node_id", sa.String(length=64), nullable=True),
        sa.Column("client_revision", sa.Integer(), nullable=False),
        sa.Column("peer_connection_ids", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("media_signaling", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("media_warnings", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("bandwidth_profile", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("publisher", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("published_revision", sa.Integer(), nullable=False),
        sa.Column("subscribed_revision", sa.Integer(), nullable=False),
        sa.Column("rules", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("rules_updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("sid"),
    )
    op.create_index("participants_by_gateway", "participants", ["status", "gateway_id"], unique=False)
    op.create_index("participants_by_identity", "participants", ["room_sid", "identity"], unique=False)
    op.create_index("participants_by_session", "participants", ["session_hash"], unique=True)
    op.create_index("participants_listed", "participants", ["room_sid", "status", "created_at", "sid"], unique=False)
    op.create_table(
        "rooms",
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("unique_name", sa.String(length=128), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("created_method", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("end_reason", sa.String(length=32), nullable=True),
        sa.Column("status_callback", sa.Text(), nullable=True),
        sa.Column("status_callback_method", sa.String(length=4), nullable=False),
        sa.Column("max_participants", sa.Integer(), nullable=False),
        sa.Column("max_participant_duration_s", sa.Integer(), nullable=False),
        sa.Column("empty_room_timeout_min", sa.Integer(), nullable=False),
        sa.Column("unused_room_timeout_min", sa.Integer(), nullable=False),
        sa.Column("record_participants_on_connect", sa.Boolean(), nullable=False),
        sa.Column("recording_rules", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("video_codecs", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("media_region", sa.String(length=8), nullable=True),
        sa.Column("audio_only", sa.Boolean(), nullable=False),
        sa.Column("large_room", sa.Boolean(), nullable=False),
        sa.Column("transcribe_participants_on_connect", sa.Boolean(), nullable=False),
        sa.Column("transcriptions_configuration", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("is_recording", sa.Boolean(), nullable=False),
        sa.Column("recording_revision", sa.Integer(), nullable=False),
        sa.Column("ever_joined", sa.Boolean(), nullable=False),
        sa.Column("empty_since", sa.Double(), nullable=True),
        sa.Column("peak_participants", sa.Integer(), nullable=False),
        sa.Column("active_participants", sa.Integer(), nullable=False),
        sa.Column("next_timeout", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("sid"),
    )
    op.create_index(
        "rooms_active",
        "rooms",
        ["active_participants"],
        unique=False,
        sqlite_where=sa.text("active_participants > 0"),
        postgresql_where=sa.text("active_participants > 0"),
    )
    op.create_index(
        "rooms_by_name", "rooms", ["account_sid", "unique_name", "status", "created_at", "sid"], unique=False
    )
    op.create_index(
        "rooms_due",
        "rooms",
        ["next_timeout"],
        unique=False,
        sqlite_where=sa.text("next_timeout IS NOT NULL"),
        postgresql_where=sa.text("next_timeout IS NOT NULL"),
    )
    op.create_index(
        "rooms_in_progress_name",
        "rooms",
        ["account_sid", "unique_name"],
        unique=True,
        sqlite_where=sa.text("status = 'in-progress'"),
        postgresql_where=sa.text("status = 'in-progress'"),
    )
    op.create_index("rooms_listed", "rooms", ["account_sid", "status", "created_at", "sid"], unique=False)
    op.create_table(
        "subscriptions",
        sa.Column("participant_sid", sa.String(length=34), nullable=False),
        sa.Column("track_sid", sa.String(length=34), nullable=False),
        sa.Column("room_sid", sa.String(length=34), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("publisher_sid", sa.String(length=34), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("participant_sid", "track_sid"),
    )
    op.create_index("subscriptions_by_room", "subscriptions", ["room_sid"], unique=False)
    op.create_table(
        "tracks",
        sa.Column("participant_sid", sa.String(length=34), nullable=False),
        sa.Column("client_track_id", sa.String(length=256), nullable=False),
        sa.Column("room_sid", sa.String(length=34), nullable=False),
        sa.Column("sid", sa.String(length=34), nullable=True),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("participant_sid", "client_track_id"),
    )
    op.create_index("tracks_by_room", "tracks", ["room_sid"], unique=False)
    op.create_index("tracks_by_sid", "tracks", ["sid"], unique=True)
