"""Several replicas on one database: exactly one winner, no lost change, no event twice."""

import asyncio
from pathlib import Path

from contract.rooms import DescribeRoom, Done, Joined, LeaveRoom, NotDone, UpdateParticipant

from tests.integration.rooms_api.conftest import RoomsApi, eventually, running
from tests.kit.postgres import PostgresServer
from tests.kit.rooms import audio, join_command, video


async def test_one_of_many_creations_wins(replicas: list[RoomsApi]) -> None:
    answers = await asyncio.gather(
        *[replicas[number % 2].rest.post("/v1/Rooms", data={"UniqueName": "one"}) for number in range(10)]
    )

    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 9


async def test_a_database_that_goes_away_is_waited_for(
    surroundings: str, tmp_path: Path, own_postgres: PostgresServer
) -> None:
    async with running(surroundings, tmp_path, database_url=own_postgres.new_database()) as api:
        joined = await api.join("alice")
        command = UpdateParticipant(
            participant_sid=joined.participant_sid, lease_epoch=1, client_revision=2, tracks=(audio(),)
        )
        path = f"/v1/Rooms/{joined.snapshot.room.sid}"

        own_postgres.stop()
        assert await api.refusal("GET", path) == (503, 20503)
        assert await api.refusal("POST", "/v1/Rooms", UniqueName="other") == (503, 20503)
        assert (await api.command(command)).code == 53006
        assert (await api.rest.get("/readyz")).json() == {"ready": False, "failing": ["database"]}

        own_postgres.start()
        assert isinstance(await api.command(command), Done)
        assert (await api.get(path))["status"] == "in-progress"
        api.clock.offset_s = 24 * 3600
        await eventually(lambda: [event for event in api.events if event.ended])  # the loops go on as well


async def test_one_of_many_completions_wins(replicas: list[RoomsApi]) -> None:
    await replicas[0].create(UniqueName="one")
    sid = (await replicas[1].get("/v1/Rooms/one"))["sid"]
    answers = await asyncio.gather(
        *[replicas[number % 2].rest.post(f"/v1/Rooms/{sid}", data={"Status": "completed"}) for number in range(10)]
    )

    assert sorted(answer.status_code for answer in answers) == [202] + [400] * 9


async def test_the_last_seats_are_taken_once(replicas: list[RoomsApi]) -> None:
    await replicas[0].create(UniqueName="standup", MaxParticipants=3)
    commands = [join_command(f"client {number}") for number in range(12)]
    replies = await asyncio.gather(*[replicas[0].command(command) for command in commands])

    assert len([reply for reply in replies if isinstance(reply, Joined)]) == 3
    assert {reply.code for reply in replies if isinstance(reply, NotDone)} == {53105}


async def test_no_change_is_lost_and_every_revision_is_told_once(replicas: list[RoomsApi]) -> None:
    api = replicas[0]
    joined = await asyncio.gather(*[api.join(f"client {number}", audio()) for number in range(6)])
    sid = joined[0].snapshot.room.sid
    for revision in (2, 3):
        tracks = (audio(), video()) if revision == 2 else (audio(enabled=False), video())
        done = await asyncio.gather(
            *[
                api.command(
                    UpdateParticipant(
                        participant_sid=entry.participant_sid,
                        lease_epoch=1,
                        client_revision=revision,
                        tracks=tracks,
                    )
                )
                for entry in joined
            ]
        )
        assert all(isinstance(reply, Done) for reply in done)
    await api.command(LeaveRoom(participant_sid=joined[0].participant_sid, lease_epoch=1))
    snapshot = (
        await api.command(DescribeRoom(room_sid=sid, participant_sids=tuple(entry.participant_sid for entry in joined)))
    ).snapshot
    await eventually(lambda: len(api.events) == snapshot.revision)

    assert sorted(event.revision for event in api.events) == list(range(1, snapshot.revision + 1))
    assert len(snapshot.participants) == 5
    assert all([track.enabled for track in p.tracks] == [False, True] for p in snapshot.participants)
    assert all(len(session.subscriptions) == 8 for session in snapshot.sessions)
