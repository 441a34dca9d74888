"""token-issuer as it runs: its database, its bus, its HTTP application; its clock is the test's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from service_kit.bus import Bus
from token_issuer.app import build, build_store
from token_issuer.handlers import answer_bus
from token_issuer.keyring import Keyring
from token_issuer.settings import IssuerSettings

from tests.kit.api_reference import hold_against_reference
from tests.kit.nats import NatsServer

ACCOUNT_SID = "AC" + "1" * 32
AUTH_TOKEN = "t" * 32
API_KEY = "SK" + "1" * 32
API_SECRET = "s" * 32


@dataclass
class Issuer:
    """The running service."""

    app: FastAPI
    bus: Bus
    keyring: Keyring

    def client(self, user: str = ACCOUNT_SID, password: str = AUTH_TOKEN) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app)
        hooks = {"response": [hold_against_reference]}
        return httpx.AsyncClient(transport=transport, base_url="http://test", auth=(user, password), event_hooks=hooks)


def settings(tmp_path: Path, **changes: object) -> IssuerSettings:
    values: dict[str, object] = {
        "data": tmp_path,
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "api_keys": {API_KEY: API_SECRET},
    }
    return IssuerSettings(**{**values, **changes})  # type: ignore[arg-type]  # each test's own values


@asynccontextmanager
async def running(chosen: IssuerSettings, nats_url: str) -> AsyncIterator[Issuer]:
    store = build_store(chosen)
    bus = await Bus.connect(nats_url, "token-issuer")
    keyring = Keyring(store, bus)
    await keyring.prepare(chosen)
    await answer_bus(bus, keyring)
    yield Issuer(build(chosen, bus, store, keyring), bus, keyring)
    await bus.close()
    await store.close()


@pytest.fixture
async def issuer(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[Issuer]:
    chosen = settings(tmp_path, turn_secret="turn-secret", turn_urls=("stun:h:3478", "turn:h:3478"))
    async with running(chosen, nats_server.url) as issuer:
        yield issuer
