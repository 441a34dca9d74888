"""Run by Alembic: applies the migrations that `service_kit.database.migrate` was asked for, on its connection."""

from alembic import context
from sqlalchemy import text

attributes = context.config.attributes
connection = attributes["connection"]
context.configure(
    connection=connection,
    version_table=attributes["version_table"],
    transactional_ddl=True,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":  # replicas that start together migrate one after the other
        lock = text("SELECT pg_advisory_xact_lock(hashtext(:name))")
        connection.execute(lock, {"name": attributes["version_table"]})
    context.run_migrations()
