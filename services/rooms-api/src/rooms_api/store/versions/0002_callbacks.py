"""Status callbacks: what is owed and to whom, the tries, and how much has happened in a room."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("happenings", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "callbacks",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("room_sid", sa.String(length=34), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("method", sa.String(length=4), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("response_code", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("owed_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("callbacks_by_sid", "callbacks", ["sid"], unique=True)
    op.create_index(
        "callbacks_pending",
        "callbacks",
        ["stream", "position"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("callbacks_listed", "callbacks", ["account_sid", "created_at", "sid"], unique=False)
    op.create_index("callbacks_by_status", "callbacks", ["account_sid", "status", "created_at", "sid"], unique=False)
    op.create_index("callbacks_by_event", "callbacks", ["account_sid", "event", "created_at", "sid"], unique=False)
    op.create_index("callbacks_by_room", "callbacks", ["room_sid", "created_at", "sid"], unique=False)
    op.create_index(
        "callbacks_ended",
        "callbacks",
        ["ended_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_table(
        "callback_streams",
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("receiver", sa.String(length=270), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("stream"),
    )
    op.create_index("callback_streams_due", "callback_streams", ["due_at"], unique=False)
    op.create_table(
        "callback_attempts",
        sa.Column("callback_sid", sa.String(length=34), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("response_code", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("callback_sid", "number"),
    )
