"""What clients' SDKs tell, and rooms by creation whatever their status."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("rooms_created", "rooms", ["account_sid", "created_at", "sid"])
    op.create_table(
        "telemetry",
        sa.Column("participant_sid", sa.String(length=34), nullable=False),
        sa.Column("room_sid", sa.String(length=34), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("counts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("codecs", sa.String(length=32), nullable=False),
        sa.Column("candidate_type", sa.String(length=8), nullable=True),
        sa.Column("protocol", sa.String(length=8), nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("participant_sid"),
    )
    op.create_index("telemetry_by_room", "telemetry", ["room_sid"])
    op.create_index("telemetry_by_age", "telemetry", ["updated_at"])
