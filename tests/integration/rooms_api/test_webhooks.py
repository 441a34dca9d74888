"""Status callbacks from the commit to the receiver: a whole rooms-api, a real receiver."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from contract.rooms import LeaveRoom, UpdateParticipant
from rooms_api import webhooks
from rooms_api.core import receivers
from roomwire.stack import free_port
from twilio.request_validator import RequestValidator

from tests.integration.rooms_api.conftest import AUTH_TOKEN, RoomsApi, eventually, on_sqlite_alone, running
from tests.kit.receiver import Received, Receiver, receiving
from tests.kit.rooms import audio

LIFE = [
    "room-created",
    "participant-connected",
    "track-added",
    "track-disabled",
    "track-enabled",
    "track-removed",
    "participant-disconnected",
    "room-ended",
]


@pytest.fixture
async def api(surroundings: str, tmp_path: Path, database_url: str | None) -> AsyncIterator[RoomsApi]:
    async with running(surroundings, tmp_path, database_url=database_url, allow_private_callbacks=True) as api:
        yield api


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def create(api: RoomsApi, receiver: Receiver, name: str = "standup", **parameters: Any) -> str:
    room = await api.create(UniqueName=name, StatusCallback=receiver.url, **parameters)
    return str(room["sid"])


async def live(api: RoomsApi, room_sid: str, name: str = "standup") -> None:
    """Everything that applications are told of happens once in the room, and it ends."""
    joined = await api.join("ada", audio(name="my mic"), room=name)
    for revision, enabled in ((2, False), (3, True)):
        await api.command(
            UpdateParticipant(
                participant_sid=joined.participant_sid,
                lease_epoch=1,
                client_revision=revision,
                tracks=(audio(name="my mic", enabled=enabled),),
            )
        )
    await api.command(LeaveRoom(participant_sid=joined.participant_sid, lease_epoch=1))
    await end(api, room_sid)


async def end(api: RoomsApi, room_sid: str) -> None:
    assert (await api.rest.post(f"/v1/Rooms/{room_sid}", data={"Status": "completed"})).status_code == 202


async def test_everything_is_told_once_in_order_and_signed(api: RoomsApi, receiver: Receiver) -> None:
    sid = await create(api, receiver)
    await live(api, sid)
    await eventually(lambda: len(receiver.received) == len(LIFE))

    assert receiver.events(sid) == LIFE
    assert [one.number for one in receiver.received] == list(range(8))
    validator = RequestValidator(AUTH_TOKEN)
    for one in receiver.received:
        assert (one.method, one.target) == ("POST", "/told")
        assert validator.validate(receiver.url, one.values, one.headers["x-twilio-signature"])
    assert len({one.headers["i-twilio-idempotency-token"] for one in receiver.received}) == 8


@on_sqlite_alone
async def test_a_get_is_signed_with_its_query(api: RoomsApi, receiver: Receiver) -> None:
    url = f"{receiver.url}?x=it's"
    await api.create(UniqueName="café & bar", StatusCallback=url, StatusCallbackMethod="GET")
    await eventually(lambda: receiver.received)

    [one] = receiver.received
    assert one.method == "GET"
    assert one.values["RoomName"] == "café & bar"
    called = f"http://127.0.0.1:{receiver.port}{one.target}"
    assert called.startswith(url + "&")
    assert RequestValidator(AUTH_TOKEN).validate(called, {}, one.headers["x-twilio-signature"])


@on_sqlite_alone
async def test_what_fails_is_tried_again_the_same_and_holds_back_what_comes_later(
    api: RoomsApi, receiver: Receiver
) -> None:
    answers = iter([500, 429])
    receiver.answer = lambda _: next(answers, 200)
    sid = await create(api, receiver)
    await end(api, sid)
    await eventually(lambda: len(receiver.received) == 4)

    assert receiver.events() == ["room-created", "room-created", "room-created", "room-ended"]
    first, *others = receiver.received[:3]
    for other in others:
        assert other.body == first.body
        assert other.headers == first.headers


@on_sqlite_alone
async def test_other_answers_are_final(api: RoomsApi, receiver: Receiver) -> None:
    answers = iter([404, 302])
    receiver.answer = lambda _: next(answers)
    await end(api, await create(api, receiver))
    await eventually(lambda: len(receiver.received) == 2)

    assert receiver.events() == ["room-created", "room-ended"]


@on_sqlite_alone
async def test_receivers_that_do_not_answer_slow_nobody_else(
    api: RoomsApi, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than may have connections, and each of them of several rooms."""
    for name, number in {"NEW_AT_ONCE": 6, "HANGING_AT_ONCE": 4, "OTHERS_AT_ONCE": 16, "QUICK_S": 1.0}.items():
        monkeypatch.setattr(receivers, name, number)
    await end(api, await create(api, receiver, "before"))
    await eventually(lambda: receiver.events() == ["room-created", "room-ended"])

    async def silence(_: Received) -> int:
        await asyncio.Event().wait()
        return 200

    async with AsyncExitStack() as stack:
        dead = [await stack.enter_async_context(receiving()) for _ in range(9)]
        for number, one in enumerate(dead):
            one.answer = silence
            await asyncio.gather(*[create(api, one, f"dead {number} {room}") for room in range(3)])
        await eventually(lambda: sum(len(one.received) for one in dead) == 6)
        for number in range(3):
            sid = await create(api, receiver, f"room {number}")
            await end(api, sid)
            await eventually(lambda sid=sid: receiver.events(sid) == ["room-created", "room-ended"], 10.0)
        assert max(len(one.received) for one in dead) == 1
        fresh = await stack.enter_async_context(receiving())
        await create(api, fresh, "somebody new")
        await eventually(lambda: fresh.events() == ["room-created"], 10.0)


async def metrics(api: RoomsApi) -> dict[str, float]:
    """Those of callbacks, without `roomwire_callback`."""
    lines = (await api.rest.get("/metrics")).text.splitlines()
    told = dict(line.removeprefix("roomwire_callback").rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return defaultdict(float, {name: float(value) for name, value in told.items()})


async def test_operators_see_what_is_owed_delivered_failed_and_given_up(
    surroundings: str, tmp_path: Path, database_url: str | None, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MEASURING_S", 0.05)
    async with running(surroundings, tmp_path, database_url=database_url, allow_private_callbacks=True) as api:
        before = await metrics(api)
        answers = iter([500, 200])
        receiver.answer = lambda _: next(answers, 503)
        sid = await create(api, receiver)
        await eventually(lambda: len(receiver.received) == 2)
        silent = await api.create(UniqueName="nobody", StatusCallback=f"http://127.0.0.1:{free_port()}/told")
        await end(api, sid)
        await end(api, silent["sid"])

        async def shown(**expected: float) -> bool:
            now = await metrics(api)
            return all(now[name] - before[name] >= value for name, value in expected.items())

        async def owed(number: int) -> bool:
            return (await metrics(api))["s_pending"] == number

        await eventually(lambda: owed(3))
        await eventually(lambda: shown(s_delivered_total=1, _delivery_seconds_count=1, _delivery_seconds_sum=0.5))
        await eventually(lambda: shown(**{'_failures_total{reason="server_error"}': 2}))
        await eventually(lambda: shown(**{'_failures_total{reason="connection"}': 1}))
        api.clock.offset_s = 25 * 3600.0
        await eventually(lambda: shown(s_given_up_total=3))
        await eventually(lambda: owed(0))


async def test_several_replicas_share_the_work(
    surroundings: str, tmp_path: Path, database_url: str | None, receiver: Receiver
) -> None:
    settings = {"database_url": database_url, "allow_private_callbacks": True}
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(running(surroundings, tmp_path, **settings)) for _ in range(2)]

        async def act(number: int) -> str:
            sid = await create(replicas[number % 2], receiver, f"room {number}")
            await end(replicas[(number + 1) % 2], sid)
            return sid

        sids = await asyncio.gather(*[act(number) for number in range(10)])
        await eventually(lambda: len(receiver.received) >= 20)

    assert len(receiver.received) == 20
    for sid in sids:
        assert receiver.events(sid) == ["room-created", "room-ended"]


async def test_what_has_no_answer_when_a_process_stops_is_sent_by_the_next(
    surroundings: str, tmp_path: Path, receiver: Receiver
) -> None:
    arrived, answered = asyncio.Event(), asyncio.Event()

    async def late(_: Received) -> int:
        arrived.set()
        await answered.wait()
        return 200

    receiver.answer = late
    async with running(surroundings, tmp_path, allow_private_callbacks=True) as first:
        await create(first, receiver)
        await arrived.wait()
    async with running(surroundings, tmp_path, allow_private_callbacks=True):
        await eventually(lambda: len(receiver.received) == 2)
        answered.set()
