"""Wires token-issuer together. The only place that knows all of its parts."""

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI
from service_kit.audit import AuditLog
from service_kit.bus import Bus
from service_kit.database import open_database
from service_kit.health import health_router
from service_kit.outage import answer_outages
from service_kit.rest import rest_app
from service_kit.serving import background

from token_issuer.keyring import Keyring
from token_issuer.rest.accounts import accounts_router
from token_issuer.rest.audit import audit_router
from token_issuer.rest.keys import keys_router
from token_issuer.rest.tokens import tokens_router
from token_issuer.settings import IssuerSettings
from token_issuer.store.store import Store
from token_issuer.store.tables import audit_events
from token_issuer.vault import Vault, load_master_key


def build_store(settings: IssuerSettings) -> Store:
    """Open the store. Raises `VaultError` when the master key cannot be used."""
    folder: Path = settings.data / "token-issuer"
    vault = Vault(load_master_key(settings.master_key_file or folder / "master.key"))
    return Store(open_database(settings.database_url, folder / "keys.db"), vault)


def build(settings: IssuerSettings, bus: Bus, store: Store, keyring: Keyring) -> FastAPI:
    """Make the HTTP application. `keyring` was prepared."""
    audit = AuditLog(store, audit_events, settings.audit_retention_days, time.time)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with background(audit.run()):
            yield

    app = rest_app(
        "token-issuer", keyring.verify_credentials, policy=settings.edge_policy(), audit=audit, lifespan=lifespan
    )
    answer_outages(app)
    app.include_router(health_router({"bus": lambda: bus.is_connected, "database": store.is_ready}))
    app.include_router(accounts_router(keyring))
    app.include_router(keys_router(keyring))
    app.include_router(audit_router(audit))
    app.include_router(tokens_router(keyring, settings))
    return app
