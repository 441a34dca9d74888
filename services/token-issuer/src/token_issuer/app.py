"""Wires token-issuer together. The only place that knows all of its parts."""

from pathlib import Path

from fastapi import FastAPI
from service_kit.bus import Bus
from service_kit.database import open_database
from service_kit.health import health_router
from service_kit.rest import rest_app

from token_issuer.keyring import Keyring
from token_issuer.rest.accounts import accounts_router
from token_issuer.rest.keys import keys_router
from token_issuer.rest.tokens import tokens_router
from token_issuer.settings import IssuerSettings
from token_issuer.store.store import Store
from token_issuer.vault import Vault, load_master_key


def build_store(settings: IssuerSettings) -> Store:
    """Open the store. Raises `VaultError` when the master key cannot be used."""
    folder: Path = settings.data / "token-issuer"
    vault = Vault(load_master_key(settings.master_key_file or folder / "master.key"))
    return Store(open_database(settings.database_url, folder / "keys.db"), vault)


def build(settings: IssuerSettings, bus: Bus, store: Store, keyring: Keyring) -> FastAPI:
    """Make the HTTP application. `keyring` was prepared."""
    app = rest_app("token-issuer", keyring.verify_credentials, policy=settings.edge_policy())
    app.include_router(health_router({"bus": lambda: bus.is_connected, "database": store.is_ready}))
    app.include_router(accounts_router(keyring))
    app.include_router(keys_router(keyring))
    app.include_router(tokens_router(keyring, settings))
    return app
