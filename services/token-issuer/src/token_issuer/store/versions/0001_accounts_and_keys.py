"""Accounts and keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "token_issuer_accounts",
        sa.Column("sid", sa.String(34), primary_key=True),
        sa.Column("friendly_name", sa.String(64), nullable=False),
        sa.Column("sealed_auth_token", sa.Text, nullable=False),
        sa.Column("created_s", sa.BigInteger, nullable=False),
        sa.Column("updated_s", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "token_issuer_keys",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("sid", sa.String(34), nullable=False, unique=True),
        sa.Column("account_sid", sa.String(34), sa.ForeignKey("token_issuer_accounts.sid"), nullable=False),
        sa.Column("friendly_name", sa.String(64), nullable=False),
        sa.Column("sealed_secret", sa.Text, nullable=False),
        sa.Column("created_s", sa.BigInteger, nullable=False),
        sa.Column("updated_s", sa.BigInteger, nullable=False),
        sa.Column("deleted_s", sa.BigInteger, nullable=True),
    )
    op.create_index("token_issuer_keys_of_account", "token_issuer_keys", ["account_sid", "deleted_s", "number"])
