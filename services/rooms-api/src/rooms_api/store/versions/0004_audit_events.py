"""The audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("actor_sid", sa.String(length=34), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("resource_sid", sa.String(length=34), nullable=True),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("sid"),
    )
    op.create_index("audit_events_by_age", "audit_events", ["created_at"])
    op.create_index("audit_events_listed", "audit_events", ["account_sid", "created_at", "sid"])
    op.create_index("audit_events_by_actor", "audit_events", ["account_sid", "actor_sid", "created_at", "sid"])
    op.create_index("audit_events_by_resource", "audit_events", ["account_sid", "resource_sid", "created_at", "sid"])
