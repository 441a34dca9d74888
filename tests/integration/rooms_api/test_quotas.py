"""Quotas of concurrent rooms and participants hold exactly, also when many come at once."""

import asyncio
from collections import Counter
from pathlib import Path

from contract.rooms import Joined, LeaveRoom, NotDone

from tests.integration.rooms_api.conftest import running
from tests.kit.rooms import join_command


async def test_no_more_rooms_than_the_quota(surroundings: str, tmp_path: Path, database_url: str | None) -> None:
    async with running(surroundings, tmp_path, database_url=database_url, max_concurrent_rooms=3) as api:
        answers = await asyncio.gather(*[api.rest.post("/v1/Rooms") for _ in range(8)])
        made = [answer.json()["sid"] for answer in answers if answer.status_code == 201]

        assert len(made) == 3
        assert Counter(answer.json().get("code") for answer in answers) == {None: 3, 53119: 5}
        assert await api.refusal("POST", "/v1/Rooms") == (400, 53119)
        await api.rest.post(f"/v1/Rooms/{made[0]}", data={"Status": "completed"})
        await api.create()
        refused = await api.command(join_command("alice", room="another"))
        assert (type(refused), refused.code) == (NotDone, 53119)


async def test_no_more_participants_than_the_quota(surroundings: str, tmp_path: Path, database_url: str | None) -> None:
    async with running(surroundings, tmp_path, database_url=database_url, max_concurrent_participants=3) as api:
        for number in range(4):
            await api.create(UniqueName=f"room {number}")
        replies = await asyncio.gather(
            *[api.command(join_command(f"person {number}", room=f"room {number % 4}")) for number in range(8)]
        )
        joined = [reply for reply in replies if isinstance(reply, Joined)]

        assert len(joined) == 3
        assert Counter(reply.code for reply in replies if isinstance(reply, NotDone)) == {53206: 5}
        first = joined[0]
        identity = first.snapshot.participants[-1].identity
        again = await api.join(identity, room=first.snapshot.room.name)
        await api.command(LeaveRoom(participant_sid=again.participant_sid, lease_epoch=1))
        await api.join("newcomer", room="room 0")
