"""The delivery log over REST: what was sent, what came back, and sending it again."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from contract.rooms import LeaveRoom

from tests.integration.rooms_api.conftest import RoomsApi, eventually, on_sqlite_alone, running
from tests.kit.receiver import Receiver, receiving

HOUR_S = 3600.0


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def api(surroundings: str, tmp_path: Path, database_url: str | None) -> AsyncIterator[RoomsApi]:
    async with running(surroundings, tmp_path, database_url=database_url, allow_private_callbacks=True) as api:
        yield api


async def create_and_end(api: RoomsApi, url: str) -> str:
    sid = (await api.create(UniqueName="standup", StatusCallback=url))["sid"]
    assert (await api.rest.post(f"/v1/Rooms/{sid}", data={"Status": "completed"})).status_code == 202
    return str(sid)


async def listed(api: RoomsApi, query: str = "") -> list[Any]:
    return list((await api.get(f"/v1/StatusCallbacks?{query}"))["status_callbacks"])


async def test_what_was_delivered_is_listed_and_fetched(api: RoomsApi, receiver: Receiver) -> None:
    sid = await create_and_end(api, receiver.url)
    await eventually(lambda: listed_with(api, "delivered", 2))
    ended, created = await listed(api, f"RoomSid={sid}&Status=delivered")

    assert [entry["status_callback_event"] for entry in (ended, created)] == ["room-ended", "room-created"]
    assert created["status_callback"] == receiver.url
    assert created["status_callback_method"] == "POST"
    assert created["parameters"] == receiver.received[0].values
    assert created["sid"] == receiver.received[0].headers["i-twilio-idempotency-token"]
    assert (created["attempt_count"], created["response_code"], created["error"]) == (1, 200, None)
    assert created["date_created"] is not None
    assert created["date_completed"] is not None
    assert created["url"] == f"http://api.test/v1/StatusCallbacks/{created['sid']}"

    fetched = await api.get(f"/v1/StatusCallbacks/{created['sid']}")
    [attempt] = fetched.pop("attempts")
    assert fetched == created
    assert (attempt["number"], attempt["response_code"], attempt["error"]) == (1, 200, None)
    assert attempt["duration_ms"] >= 0


async def listed_with(api: RoomsApi, status: str, number: int) -> bool:
    return len(await listed(api, f"Status={status}")) == number


async def was_tried(api: RoomsApi, sid: str) -> bool:
    return bool((await api.get(f"/v1/StatusCallbacks/{sid}"))["attempt_count"])


@on_sqlite_alone
async def test_filters_pages_and_refusals(api: RoomsApi, receiver: Receiver) -> None:
    sid = await create_and_end(api, receiver.url)
    await create_and_end(api, receiver.url)
    await eventually(lambda: listed_with(api, "delivered", 4))

    assert len(await listed(api, "StatusCallbackEvent=room-ended")) == 2
    assert len(await listed(api, f"StatusCallbackEvent=room-ended&RoomSid={sid}")) == 1
    assert await listed(api, "Status=pending") == []
    assert await listed(api, "DateCreatedBefore=2020-01-01") == []
    assert len(await listed(api, "DateCreatedAfter=2020-01-01")) == 4
    first = await api.get("/v1/StatusCallbacks?PageSize=3")
    second = await api.get(first["meta"]["next_page_url"])
    assert first["meta"]["key"] == "status_callbacks"
    assert [len(page["status_callbacks"]) for page in (first, second)] == [3, 1]
    assert second["meta"]["next_page_url"] is None
    assert await api.refusal("GET", "/v1/StatusCallbacks?Status=lost") == (400, 20001)
    assert await api.refusal("GET", f"/v1/StatusCallbacks/CB{'0' * 32}") == (404, 20404)
    assert await api.refusal("POST", f"/v1/StatusCallbacks/CB{'0' * 32}/Replay") == (404, 20404)
    assert await api.refusal("POST", "/v1/StatusCallbacks/standup/Replay") == (404, 20404)


async def test_what_was_given_up_is_sent_again_when_asked_for(api: RoomsApi, receiver: Receiver) -> None:
    receiver.answer = lambda _: 503
    await create_and_end(api, receiver.url)
    [tried] = await eventually(lambda: listed(api, "StatusCallbackEvent=room-created"))
    await eventually(lambda: was_tried(api, tried["sid"]))
    api.clock.offset_s = 25 * HOUR_S
    await eventually(lambda: listed_with(api, "failed", 2))
    ended, created = await listed(api)

    tries = created["attempt_count"]
    assert tries >= 2  # a second one is due a second after the first
    assert (ended["attempt_count"], created["response_code"]) == (1, 503)

    receiver.answer = lambda _: 200
    replayed = await api.rest.post(f"/v1/StatusCallbacks/{created['sid']}/Replay")
    assert (replayed.status_code, replayed.json()["status"]) == (202, "pending")
    await eventually(lambda: listed_with(api, "delivered", 1))
    fetched = await api.get(f"/v1/StatusCallbacks/{created['sid']}")
    assert [attempt["response_code"] for attempt in fetched["attempts"]] == [503] * tries + [200]
    assert receiver.received[-1].body == receiver.received[0].body
    assert receiver.received[-1].headers == receiver.received[0].headers


@on_sqlite_alone
async def test_what_is_owed_is_sent_at_once_when_asked_for(api: RoomsApi, receiver: Receiver) -> None:
    receiver.answer = lambda _: 503
    await create_and_end(api, receiver.url)
    [created] = await eventually(lambda: listed(api, "StatusCallbackEvent=room-created"))
    await eventually(lambda: was_tried(api, created["sid"]))
    api.clock.offset_s = -HOUR_S  # the next try is far away now
    receiver.answer = lambda _: 200

    await api.rest.post(f"/v1/StatusCallbacks/{created['sid']}/Replay")
    await eventually(lambda: listed_with(api, "delivered", 2))
    assert [one.event for one in receiver.received[-2:]] == ["room-created", "room-ended"]


async def test_a_refused_address_is_a_failed_try_with_the_reason(
    surroundings: str, tmp_path: Path, receiver: Receiver
) -> None:
    async with running(surroundings, tmp_path, callback_retry_hours=0) as api:
        await create_and_end(api, f"http://localhost:{receiver.port}/")
        await eventually(lambda: listed_with(api, "failed", 2))
        entries = await listed(api)

    assert receiver.received == []
    for entry in entries:
        assert entry["response_code"] is None
        assert entry["error"].startswith("Refused: localhost is at ")


@on_sqlite_alone
async def test_the_log_holds_no_name_that_was_to_be_forgotten(api: RoomsApi, receiver: Receiver) -> None:
    await api.create(UniqueName="standup", StatusCallback=receiver.url)
    joined = await api.join("zoe")
    await api.command(LeaveRoom(participant_sid=joined.participant_sid, lease_epoch=1))
    room_sid = joined.snapshot.room.sid
    await api.rest.post(f"/v1/Rooms/{room_sid}", data={"Status": "completed"})
    await eventually(lambda: listed_with(api, "delivered", 4))
    path = f"/v1/Rooms/{room_sid}/Participants/{joined.participant_sid}/Anonymize"
    assert (await api.rest.post(path)).status_code == 200

    [entry] = await listed(api, "StatusCallbackEvent=participant-connected")
    assert entry["parameters"]["ParticipantIdentity"] == joined.participant_sid
    assert "zoe" not in str(await listed(api))  # no SID has these letters


async def test_the_log_is_kept_for_a_while(surroundings: str, tmp_path: Path, receiver: Receiver) -> None:
    async with running(surroundings, tmp_path, allow_private_callbacks=True) as api:
        receiver.answer = lambda one: 200 if one.event == "room-created" else 503
        await create_and_end(api, receiver.url)
        await eventually(lambda: len(receiver.received) >= 2)  # what is refused comes again
        assert len(await listed(api)) == 2
    async with running(surroundings, tmp_path, allow_private_callbacks=True, callback_log_days=1e-9) as api:
        await eventually(lambda: listed_with(api, "delivered", 0))
        assert await listed_with(api, "pending", 1)
