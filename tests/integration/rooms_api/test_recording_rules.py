"""Recording rules over REST, and that a node's desired set follows from them."""

import json

from tests.integration.rooms_api.conftest import RoomsApi, on_sqlite_alone, running
from tests.kit.rooms import audio


@on_sqlite_alone
async def test_a_room_that_records_nothing_says_so(api: RoomsApi) -> None:
    room = await api.create(UniqueName="standup")

    assert await api.get("/v1/Rooms/standup/RecordingRules") == {
        "room_sid": room["sid"],
        "rules": [{"type": "exclude", "all": True}],
        "date_created": room["date_created"],
        "date_updated": room["date_created"],
    }


@on_sqlite_alone
async def test_a_room_is_created_with_its_rules(api: RoomsApi) -> None:
    rules = [{"type": "include", "kind": "audio", "publisher": "alice"}]
    await api.create(UniqueName="every", RecordParticipantsOnConnect="true")
    await api.create(UniqueName="some", RecordParticipantsOnConnect="true", RecordingRules=json.dumps(rules))

    assert (await api.get("/v1/Rooms/every/RecordingRules"))["rules"] == [{"type": "include", "all": True}]
    assert (await api.get("/v1/Rooms/some/RecordingRules"))["rules"] == rules


async def test_rules_are_replaced_and_kept(surroundings: str, tmp_path) -> None:
    rules = [{"type": "include", "all": True}, {"type": "exclude", "track": "screen", "kind": "video"}]
    async with running(surroundings, tmp_path) as api:
        await api.create(UniqueName="standup")
        await api.join("alice", audio())
        api.clock.offset_s = 60
        answer = await api.rest.post("/v1/Rooms/standup/RecordingRules", data={"Rules": json.dumps(rules)})
        replaced = answer.json()
    async with running(surroundings, tmp_path) as api:
        kept = await api.get("/v1/Rooms/standup/RecordingRules")
        await api.join("bob", audio())
        after_another_change = await api.get("/v1/Rooms/standup/RecordingRules")

    assert answer.status_code == 200
    assert replaced["rules"] == [rules[0], {"type": "exclude", "kind": "video", "track": "screen"}]
    assert replaced["date_updated"] > replaced["date_created"]
    assert kept == after_another_change == replaced


@on_sqlite_alone
async def test_bad_rules_are_refused_and_the_old_ones_stay(api: RoomsApi) -> None:
    await api.create(UniqueName="standup")
    path = "/v1/Rooms/standup/RecordingRules"

    for bad in (
        "",
        "nonsense",
        "[]",
        '{"type":"include","all":true}',
        '[{"type":"include","kind":"data"}]',
        '[{"type":"include","kind":"wideo"}]',
        '[{"type":"include","all":"true"}]',
        '[{"type":"include","all":true,"kind":"audio"}]',
        '[{"type":"include","priority":"high"}]',
        '[{"type":"include","kind":"audio","kind":"video"}]',
        json.dumps([{"type": "include", "all": True}] * 21),
    ):
        assert await api.refusal("POST", path, Rules=bad) == (400, 53120), bad
    assert await api.refusal("POST", path) == (400, 20001)
    assert (await api.get(path))["rules"] == [{"type": "exclude", "all": True}]


@on_sqlite_alone
async def test_where_nothing_can_be_recorded_rules_are_refused(api: RoomsApi) -> None:
    rules = '[{"type":"include","all":true}]'
    ended = await api.create()
    await api.rest.post(f"/v1/Rooms/{ended['sid']}", data={"Status": "completed"})
    direct = await api.create(Type="go")
    peer = await api.create(Type="peer-to-peer")

    assert await api.refusal("POST", f"/v1/Rooms/{ended['sid']}/RecordingRules", Rules=rules) == (400, 53118)
    for room in (direct, peer):
        assert await api.refusal("POST", f"/v1/Rooms/{room['sid']}/RecordingRules", Rules=rules) == (400, 53122)
    assert (await api.get(f"/v1/Rooms/{ended['sid']}/RecordingRules"))["room_sid"] == ended["sid"]
    assert await api.refusal("GET", "/v1/Rooms/nowhere/RecordingRules") == (404, 20404)
