"""The tables of token-issuer. Their history is in `versions`."""

from service_kit.audit import audit_table
from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

accounts = Table(
    "token_issuer_accounts",
    metadata,
    Column("sid", String(34), primary_key=True),
    Column("friendly_name", String(64), nullable=False),
    Column("sealed_auth_token", Text, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("updated_s", BigInteger, nullable=False),
)

keys = Table(
    "token_issuer_keys",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("sid", String(34), nullable=False, unique=True),
    Column("account_sid", String(34), ForeignKey("token_issuer_accounts.sid"), nullable=False),
    Column("friendly_name", String(64), nullable=False),
    Column("sealed_secret", Text, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("updated_s", BigInteger, nullable=False),
    # A deleted key is kept: sessions that began with it may still resume, and a configured key stays revoked.
    Column("deleted_s", BigInteger, nullable=True),
    Index("token_issuer_keys_of_account", "account_sid", "deleted_s", "number"),
)
"""`number` is the order of creation, which pages follow."""

audit_events = audit_table("token_issuer_audit_events", metadata)
