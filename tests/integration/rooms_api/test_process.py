"""`python -m rooms_api` beside a real token-issuer: over a real socket, and after kill -9."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from roomwire.stack import Stack

ACCOUNT = "AC" + "1" * 32
TOKEN = "auth-token-of-a-test"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    settings = {"ROOMWIRE_ACCOUNT_SID": ACCOUNT, "ROOMWIRE_AUTH_TOKEN": TOKEN}
    with Stack(tmp_path, settings, ("token-issuer", "rooms-api"), logs=tmp_path / "logs") as stack:
        yield stack


@pytest.fixture
def rest(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.rooms_api_url, auth=(ACCOUNT, TOKEN), trust_env=False, timeout=30) as client:
        yield client


def test_a_process_serves_forwards_and_comes_back(stack: Stack, rest: httpx.Client) -> None:
    room = rest.post("/v1/Rooms", data={"UniqueName": "standup"})
    assert room.status_code == 201
    assert room.json()["url"].startswith(stack.rooms_api_url)
    assert rest.get("/v1/Rooms", auth=(ACCOUNT, "wrong")).json()["code"] == 20003

    closing = rest.get("/v1/Rooms/standup", headers={"Connection": "close"})
    assert closing.headers["connection"] == "close"

    key = rest.post(f"/2010-04-01/Accounts/{ACCOUNT}/Keys.json", data={"FriendlyName": "a b"})
    assert key.status_code == 201
    made = (key.json()["sid"], key.json()["secret"])
    assert rest.get("/v1/Rooms/standup", auth=made).status_code == 200
    assert rest.delete(f"/2010-04-01/Accounts/{ACCOUNT}/Keys/{made[0]}.json").status_code == 204

    pid = stack.pids["rooms-api"]
    stack.kill("rooms-api")
    stack.await_restart("rooms-api", pid)
    assert rest.get("/v1/Rooms/standup").json() == room.json()
    assert rest.get("/v1/Rooms/standup", auth=made).status_code == 401
