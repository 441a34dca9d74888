"""Accounts, Keys, SigningKeys, Tokens over HTTP."""

import re
import sqlite3
from pathlib import Path

import pytest

from tests.integration.token_issuer.conftest import (
    ACCOUNT_SID,
    API_KEY,
    API_SECRET,
    AUTH_TOKEN,
    Issuer,
    running,
    settings,
)
from tests.kit.nats import NatsServer
from tests.kit.postgres import PostgresServer

BASE = f"/2010-04-01/Accounts/{ACCOUNT_SID}"


async def test_a_key_is_made_shown_once_renamed_and_deleted(issuer: Issuer) -> None:
    async with issuer.client() as client:
        created = await client.post(f"{BASE}/Keys.json", data={"FriendlyName": "web"})
        key = created.json()
        path = f"{BASE}/Keys/{key['sid']}.json"
        fetched = await client.get(path)
        renamed = await client.post(path, data={"FriendlyName": "server"})
        as_signing_key = await client.get(path.replace("/Keys/", "/SigningKeys/"))
        deleted = await client.delete(path)
        gone = await client.get(path)

    assert created.status_code == 201
    assert len(key["secret"]) >= 32
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", key["date_created"])
    assert fetched.json() == {name: key[name] for name in ("sid", "friendly_name", "date_created", "date_updated")}
    assert (renamed.status_code, renamed.json()["friendly_name"]) == (200, "server")
    assert as_signing_key.json() == renamed.json()
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (gone.status_code, gone.json()["code"]) == (404, 20404)
    assert gone.json()["message"] == f"The requested resource {path.removeprefix('/2010-04-01')} was not found"


async def test_pages_are_newest_first_and_stand_still_while_keys_come_and_go(issuer: Issuer) -> None:
    async with issuer.client() as client:
        made = [(await client.post(f"{BASE}/Keys.json", data={"FriendlyName": str(n)})).json()["sid"] for n in range(3)]
        first = (await client.get(f"{BASE}/Keys.json", params={"PageSize": 2})).json()
        await client.post(f"{BASE}/Keys.json")
        await client.delete(f"{BASE}/Keys/{made[2]}.json")
        second = (await client.get(first["next_page_uri"])).json()

    assert [key["sid"] for key in first["keys"]] == [made[2], made[1]]
    assert [key["sid"] for key in second["keys"]] == [made[0], API_KEY]
    assert second["next_page_uri"] is None
    assert "secret" not in first["keys"][0]


async def test_signing_keys_are_listed_under_their_own_name(issuer: Issuer) -> None:
    async with issuer.client() as client:
        body = (await client.get(f"{BASE}/SigningKeys.json")).json()

    assert [key["sid"] for key in body["signing_keys"]] == [API_KEY]


@pytest.mark.parametrize(("length", "status"), [(0, 201), (64, 201), (65, 400)])
async def test_the_length_of_a_name(issuer: Issuer, length: int, status: int) -> None:
    async with issuer.client() as client:
        answer = await client.post(f"{BASE}/Keys.json", data={"FriendlyName": "é" * length})

    assert answer.status_code == status
    assert answer.json().get("code") == (20002 if status == 400 else None)


async def test_the_account_shows_itself_to_its_auth_token(issuer: Issuer) -> None:
    async with issuer.client() as client:
        account = (await client.get(f"{BASE}.json")).json()

    assert (account["sid"], account["status"], account["type"]) == (ACCOUNT_SID, "active", "Full")
    assert account["auth_token"] == AUTH_TOKEN
    assert account["subresource_uris"]["keys"] == f"{BASE}/Keys.json"


@pytest.mark.parametrize("path", [f"{BASE}.json", f"{BASE}/Keys.json", f"{BASE}/SigningKeys/{API_KEY}.json"])
async def test_a_key_may_not_manage_keys(issuer: Issuer, path: str) -> None:
    async with issuer.client(API_KEY, API_SECRET) as client:
        answer = await client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


@pytest.mark.parametrize(
    ("user", "password"),
    [(ACCOUNT_SID, API_SECRET), (API_KEY, AUTH_TOKEN), ("AC" + "2" * 32, AUTH_TOKEN), ("", ""), ("SK1", "x")],
)
async def test_wrong_credentials_are_401_wherever_they_ask(issuer: Issuer, user: str, password: str) -> None:
    async with issuer.client(user, password) as client:
        answers = [await client.get(path) for path in (f"{BASE}.json", "/nowhere")]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json()["code"] == 20003


async def test_another_account_is_invisible(issuer: Issuer) -> None:
    async with issuer.client() as client:
        answer = await client.get(f"/2010-04-01/Accounts/AC{'2' * 32}/Keys.json")

    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


async def test_tokens_carry_turn_credentials(issuer: Issuer) -> None:
    async with issuer.client(API_KEY, API_SECRET) as client:
        answer = await client.post(f"{BASE}/Tokens.json", data={"Ttl": "60"})
    body = answer.json()

    assert answer.status_code == 201
    assert body["ttl"] == "60"
    assert body["ice_servers"] == [
        {"url": "stun:h:3478", "urls": "stun:h:3478"},
        {"url": "turn:h:3478", "urls": "turn:h:3478", "username": body["username"], "credential": body["password"]},
    ]


@pytest.mark.parametrize("ttl", ["0", "86401", "x", ""])
async def test_a_lifetime_out_of_range_is_refused(issuer: Issuer, ttl: str) -> None:
    async with issuer.client() as client:
        answer = await client.post(f"{BASE}/Tokens.json", data={"Ttl": ttl})

    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid parameter Ttl")


async def test_an_access_token_can_be_had_without_a_helper_library(issuer: Issuer) -> None:
    async with issuer.client() as client:
        answer = await client.post(f"{BASE}/AccessTokens.json", data={"Identity": "alice", "Room": "standup"})
        missing = await client.post(f"{BASE}/AccessTokens.json")
        unknown = await client.post(f"{BASE}/AccessTokens.json", data={"Identity": "a", "KeySid": "SK" + "9" * 32})
    verified = await issuer.keyring.verify_token(answer.json()["token"], resuming=False)

    assert answer.status_code == 201
    assert (verified.type, getattr(verified, "identity", None)) == ("token-verified", "alice")
    assert missing.json()["message"] == "Missing required parameter Identity in the post body"
    assert unknown.status_code == 404


async def test_changes_of_keys_are_audited_and_minting_is_not(issuer: Issuer) -> None:
    async with issuer.client() as client:
        key = (await client.post(f"{BASE}/Keys.json", data={"FriendlyName": "web"})).json()["sid"]
        await client.post(f"{BASE}/Keys/{key}.json", data={"FriendlyName": "x" * 65})
        await client.post(f"{BASE}/Tokens.json")
        await client.post(f"{BASE}/AccessTokens.json", data={"Identity": "alice"})
        await client.delete(f"{BASE}/SigningKeys/{key}.json")
        first = (await client.get(f"{BASE}/AuditEvents.json", params={"PageSize": 2, "ResourceSid": key})).json()
        second = (await client.get(first["next_page_uri"])).json()
    events = [*first["audit_events"], *second["audit_events"]]

    assert [(event["method"], event["status"], event["code"]) for event in events] == [
        ("DELETE", 204, None),
        ("POST", 400, 20002),
        ("POST", 201, None),
    ]
    assert {(event["actor_sid"], event["resource_sid"]) for event in events} == {(ACCOUNT_SID, key)}
    assert events[2]["parameters"] == ["FriendlyName"]
    assert first.keys() - {"end", "first_page_uri", "next_page_uri", "page", "page_size", "previous_page_uri"} == {
        "audit_events",
        "start",
        "uri",
    }


async def test_no_key_is_made_renamed_or_deleted_without_its_event(issuer: Issuer, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "token-issuer" / "keys.db") as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON token_issuer_audit_events BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    async with issuer.client() as client:
        path = f"{BASE}/Keys/{API_KEY}.json"
        answers = [
            await client.post(f"{BASE}/Keys.json", data={"FriendlyName": "web"}),
            await client.post(path, data={"FriendlyName": "web"}),
            await client.delete(path),
        ]
        left = (await client.get(f"{BASE}/Keys.json")).json()["keys"]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(500, 20500)] * 3
    assert [(key["sid"], key["friendly_name"]) for key in left] == [(API_KEY, "")]


async def test_a_change_of_a_key_and_its_event_are_one_transaction(issuer: Issuer, tmp_path: Path) -> None:
    """Nothing is put right afterwards: it could not be."""
    with sqlite3.connect(tmp_path / "token-issuer" / "keys.db") as database:
        database.execute(
            "CREATE TRIGGER kept BEFORE UPDATE ON token_issuer_audit_events BEGIN SELECT RAISE(ABORT, 'kept'); END"
        )
    async with issuer.client() as client:
        key = (await client.post(f"{BASE}/Keys.json")).json()["sid"]
        await client.post(f"{BASE}/Keys/{key}.json", data={"FriendlyName": "server"})
        await client.delete(f"{BASE}/SigningKeys/{key}.json")
        events = (await client.get(f"{BASE}/AuditEvents.json")).json()["audit_events"]

    assert [(event["resource_sid"], event["status"]) for event in events] == [(key, 204), (key, 200), (key, 201)]


async def test_an_api_key_may_not_read_the_audit_log(issuer: Issuer) -> None:
    async with issuer.client(API_KEY, API_SECRET) as client:
        answer = await client.get(f"{BASE}/AuditEvents.json")

    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


async def test_health_needs_no_credentials_and_readiness_asks_what_it_needs(issuer: Issuer) -> None:
    async with issuer.client("x", "y") as client:
        ready = await client.get("/readyz")
        await issuer.bus.close()
        away = await client.get("/readyz")
        alive = await client.get("/healthz")

    assert ready.json() == {"ready": True, "failing": []}
    assert (away.status_code, away.json()["failing"]) == (503, ["bus"])
    assert alive.status_code == 200


async def test_while_the_database_is_away_the_answer_to_a_key_and_to_the_account_is_to_come_back_later(
    tmp_path: Path, nats_server: NatsServer, own_postgres: PostgresServer
) -> None:
    async with running(settings(tmp_path, database_url=own_postgres.new_database()), nats_server.url) as issuer:
        own_postgres.stop()
        async with issuer.client() as account, issuer.client(API_KEY, API_SECRET) as key:
            answers = [await account.get(f"{BASE}/Keys.json"), await key.post(f"{BASE}/Tokens.json")]
            own_postgres.start()
            back = await key.post(f"{BASE}/Tokens.json")

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, 20503)] * 2
    assert back.status_code == 201
