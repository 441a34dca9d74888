"""The audit log: what is in it after changes over REST, and who may read it."""

import sqlite3
from pathlib import Path
from typing import Any

import httpx

from tests.integration.rooms_api.conftest import AUTH_TOKEN, KEY, OTHER_ACCOUNT, RoomsApi, on_sqlite_alone, running
from tests.kit.rooms import ACCOUNT

UNKNOWN = "RM" + "9" * 32
SOUND = {"AudioSources": "*"}
RULES = {"Rules": '[{"type":"exclude","all":true}]'}


async def events(api: RoomsApi, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get(f"/v1/AuditEvents?{query}"))["audit_events"]
    return found


async def test_each_change_is_there_with_who_what_and_result_before_it_is_answered(api: RoomsApi) -> None:
    made = await api.rest.post("/v1/Rooms", data={"UniqueName": "one", "Type": "go"}, auth=(KEY, AUTH_TOKEN))
    room = made.json()["sid"]
    await api.join("alice", room="one")
    await api.rest.post("/v1/Rooms/one/Participants/alice/", data={"Status": "disconnected"})
    await api.rest.post(f"/v1/Rooms/{room}", data={"Status": "wrong"})
    await api.get(f"/v1/Rooms/{room}")
    refused, removed, created = await events(api)

    assert created == {
        "sid": created["sid"],
        "account_sid": ACCOUNT,
        "actor_sid": KEY,
        "date_created": created["date_created"],
        "method": "POST",
        "resource": "/v1/Rooms",
        "resource_sid": room,
        "parameters": ["UniqueName", "Type"],
        "status": 201,
        "code": None,
        "trace_id": made.headers["twilio-request-id"].removeprefix("RQ"),
        "url": f"http://api.test/v1/AuditEvents/{created['sid']}",
    }
    assert await api.get(f"/v1/AuditEvents/{created['sid']}") == created
    assert removed["resource"] == "/v1/Rooms/one/Participants/alice"
    assert removed["resource_sid"].startswith("PA")
    assert (removed["actor_sid"], removed["status"]) == (ACCOUNT, 202)
    assert (refused["resource_sid"], refused["status"], refused["code"]) == (room, 400, 53112)


async def test_no_change_is_made_without_its_event(surroundings: str, tmp_path: Path) -> None:
    async with running(surroundings, tmp_path) as api:
        room = (await api.create())["sid"]
        with sqlite3.connect(tmp_path / "rooms-api" / "rooms.db") as database:
            database.execute("CREATE TRIGGER full BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'full'); END")

        assert await api.refusal("POST", f"/v1/Rooms/{room}", Status="completed") == (500, 20500)
        assert (await api.get(f"/v1/Rooms/{room}"))["status"] == "in-progress"


async def test_each_change_and_its_event_are_one_transaction(surroundings: str, tmp_path: Path) -> None:
    """Nothing is put right afterwards: it could not be."""
    async with running(surroundings, tmp_path) as api:
        with sqlite3.connect(tmp_path / "rooms-api" / "rooms.db") as database:
            database.execute("CREATE TRIGGER kept BEFORE UPDATE ON audit_events BEGIN SELECT RAISE(ABORT, 'kept'); END")
        room = (await api.create(UniqueName="one"))["sid"]
        alice = (await api.join("alice", room="one")).participant_sid
        hook = (await api.rest.post("/v1/CompositionHooks", data={"FriendlyName": "h"} | SOUND)).json()["sid"]
        ttid = (await api.rest.post("/v1/Rooms/one/Transcriptions")).json()["ttid"]
        composition = (await api.rest.post("/v1/Compositions", data={"RoomSid": room} | SOUND)).json()["sid"]
        expected = [(room, 201), (hook, 201), (room, 202), (composition, 201)]
        for path, data, sid, status in (
            ("/v1/Rooms/one/Participants/alice/SubscribeRules", RULES, alice, 200),
            ("/v1/Rooms/one/RecordingRules", RULES, room, 200),
            (f"/v1/Rooms/one/Transcriptions/{ttid}", {"Status": "stopped"}, room, 202),
            (f"/v1/CompositionHooks/{hook}", {"FriendlyName": "i"} | SOUND, hook, 200),
            ("/v1/RecordingSettings/Default", {"FriendlyName": "s"}, None, 200),
            ("/v1/Rooms/one/Participants/alice", {"Status": "disconnected"}, alice, 202),
            ("/v1/Rooms/one", {"Status": "completed"}, room, 202),
            (f"/v1/Rooms/{room}/Participants/{alice}/Anonymize", {}, alice, 200),
        ):
            answer = await api.rest.post(path, data=data)
            assert answer.status_code == status, answer.text
            expected.append((sid, status))
        assert (await api.rest.delete(f"/v1/CompositionHooks/{hook}")).status_code == 204

        kept = [(event["resource_sid"], event["status"]) for event in reversed(await events(api))]
    assert kept == [*expected, (hook, 204)]


@on_sqlite_alone
async def test_what_cannot_change_anything_is_not_there(api: RoomsApi) -> None:
    for method, path in (("DELETE", "/v1/Rooms"), ("PUT", "/v1/Rooms"), ("GET", f"/v1/Rooms/{UNKNOWN}")):
        await api.rest.request(method, path)
    await api.rest.post("/v1/Rooms", auth=(ACCOUNT, "wrong"))

    assert await events(api) == []


@on_sqlite_alone
async def test_a_change_that_found_nothing_is_there(api: RoomsApi) -> None:
    await api.rest.post(f"/v1/Rooms/{UNKNOWN}", data={"Status": "completed"})

    ((event),) = await events(api)
    assert (event["resource_sid"], event["status"], event["code"]) == (UNKNOWN, 404, 20404)


async def test_the_list_is_paged_and_filtered(api: RoomsApi) -> None:
    rooms = [(await api.create(UniqueName=f"room {number}"))["sid"] for number in range(3)]
    await api.rest.post("/v1/Rooms/room%201", data={"Status": "completed"}, auth=(KEY, AUTH_TOKEN))

    first = await api.get("/v1/AuditEvents?PageSize=3&ActorSid=" + ACCOUNT)
    assert [event["resource_sid"] for event in first["audit_events"]] == rooms[::-1]
    assert first["meta"]["next_page_url"] is None
    assert [event["status"] for event in await events(api, f"ResourceSid={rooms[1]}")] == [202, 201]
    second = await api.get((await api.get("/v1/AuditEvents?PageSize=3"))["meta"]["next_page_url"])
    assert [event["resource_sid"] for event in second["audit_events"]] == rooms[:1]
    assert await events(api, "DateCreatedBefore=2020-01-01") == []


@on_sqlite_alone
async def test_only_the_auth_token_of_the_account_may_read_it(api: RoomsApi) -> None:
    await api.create()
    sid = (await events(api))[0]["sid"]

    for path in ("/v1/AuditEvents", f"/v1/AuditEvents/{sid}"):
        by_key = await api.rest.get(path, auth=(KEY, AUTH_TOKEN))
        assert (by_key.status_code, by_key.json()["code"]) == (401, 20003)
    other = httpx.BasicAuth(OTHER_ACCOUNT, AUTH_TOKEN)
    assert (await api.rest.get("/v1/AuditEvents", auth=other)).json()["audit_events"] == []
    assert (await api.rest.get(f"/v1/AuditEvents/{sid}", auth=other)).status_code == 404
