"""Who gets into a room, and with which code the others do not."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from twilio.rest import Client

from tests.kit.signaling import SignalingClient, signaling
from tests.kit.stack import Roomwire


async def test_a_completed_room_is_53118(client: Client, roomwire: Roomwire, room_name: str) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)
    client.video.v1.rooms(room.sid).update(status="completed")

    async with signaling(roomwire.ws_server) as socket:
        answer = await socket.join(roomwire.token("alice"), room.sid)

    assert (answer["type"], answer["code"]) == ("error", 53118)


async def test_everybody_in_a_completed_room_is_told(client: Client, roomwire: Roomwire, room_name: str) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)

    async with signaling(roomwire.ws_server) as alice, signaling(roomwire.ws_server) as bob:
        await alice.join(roomwire.token("alice"), room_name)
        await bob.join(roomwire.token("bob"), room_name)
        client.video.v1.rooms(room.sid).update(status="completed")
        told = [await socket.body("disconnected") for socket in (alice, bob)]

    assert [message["status"] for message in told] == ["completed", "completed"]


async def test_a_full_room_is_53105_until_somebody_leaves(client: Client, roomwire: Roomwire, room_name: str) -> None:
    client.video.v1.rooms.create(unique_name=room_name, max_participants=2)

    async with AsyncExitStack() as stack:
        alice, bob, carol, again = [await stack.enter_async_context(signaling(roomwire.ws_server)) for _ in range(4)]
        await alice.join(roomwire.token("alice"), room_name)
        await bob.join(roomwire.token("bob"), room_name)
        refused = await carol.join(roomwire.token("carol"), room_name)
        await bob.leave()
        await left(alice, "bob")
        welcome = await again.join(roomwire.token("carol"), room_name)

    assert (refused["type"], refused["code"]) == ("error", 53105)
    assert welcome["type"] == "connected"


async def left(socket: SignalingClient, identity: str) -> None:
    """Wait until this client is told that a participant is gone."""
    while True:
        update = await socket.body("update")
        if any(p["identity"] == identity and p["state"] == "disconnected" for p in update.get("participants", [])):
            return


async def test_one_of_many_gets_the_last_seat(client: Client, roomwire: Roomwire, room_name: str) -> None:
    client.video.v1.rooms.create(unique_name=room_name, max_participants=1)

    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(signaling(roomwire.ws_server)) for _ in range(5)]
        answers = await asyncio.gather(
            *(socket.join(roomwire.token(f"guest-{n}"), room_name) for n, socket in enumerate(sockets))
        )

    assert sorted(answer.get("code", 0) for answer in answers) == [0, 53105, 53105, 53105, 53105]


async def test_the_older_of_two_with_one_identity_is_53205(roomwire: Roomwire, room_name: str) -> None:
    async with signaling(roomwire.ws_server) as older, signaling(roomwire.ws_server) as newer:
        first = await older.join(roomwire.token("alice"), room_name)
        second = await newer.join(roomwire.token("alice"), room_name)
        told = await older.body("error")

    assert told["code"] == 53205
    assert second["type"] == "connected"
    assert second["participant"]["sid"] != first["participant"]["sid"]
    assert [p for p in second["participants"] if p["sid"] == first["participant"]["sid"]] == []


@pytest.mark.parametrize("kind", ["peer-to-peer", "go"])
async def test_rooms_whose_browsers_talk_to_each_other_have_no_media_region(
    client: Client, roomwire: Roomwire, room_name: str, kind: str
) -> None:
    client.video.v1.rooms.create(unique_name=room_name, type=kind)

    async with signaling(roomwire.ws_server) as socket:
        answer = await socket.join(roomwire.token("alice"), room_name)

    assert answer["type"] == "connected"
    assert "media_region" not in answer["options"]
    assert [entry["description"]["type"] for entry in answer["peer_connections"]] == ["close"]


async def test_the_first_client_makes_the_room(client: Client, roomwire: Roomwire, room_name: str) -> None:
    async with signaling(roomwire.ws_server) as socket:
        joined = await socket.join(roomwire.token("alice"), room_name)
        room = client.video.v1.rooms(room_name).fetch()
        await socket.leave()

    assert (joined["sid"], joined["name"]) == (room.sid, room_name)


async def test_a_client_that_names_no_room_gets_one_named_by_its_sid(client: Client, roomwire: Roomwire) -> None:
    async with signaling(roomwire.ws_server) as socket:
        joined = await socket.join(roomwire.token("alice"))
        await socket.leave()

    assert joined["name"] == joined["sid"]


async def test_a_room_is_joined_by_its_sid_too(client: Client, roomwire: Roomwire, room_name: str) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)

    async with signaling(roomwire.ws_server) as socket:
        joined = await socket.join(roomwire.token("alice"), room.sid)
        await socket.leave()

    assert (joined["sid"], joined["name"]) == (room.sid, room_name)


async def test_a_lost_client_comes_back_with_its_session(roomwire: Roomwire, room_name: str) -> None:
    token = roomwire.token("alice")
    async with signaling(roomwire.ws_server) as watcher:
        await watcher.join(roomwire.token("bob"), room_name)
        async with signaling(roomwire.ws_server) as socket:
            joined = await socket.join(token, room_name)
            peer = joined["peer_connections"][0]["id"]
        async with signaling(roomwire.ws_server) as socket:
            await socket.hello(
                {
                    "type": "sync",
                    "version": 2,
                    "session": joined["session"],
                    "token": token,
                    "name": room_name,
                    "participant": {"revision": 1, "tracks": []},
                    "peer_connections": [{"id": peer}],
                }
            )
            synced = await socket.body("synced", "error")
            await socket.leave()

    assert synced["type"] == "synced"
    assert [p["identity"] for p in synced["participants"] if p["identity"] != "alice"] == ["bob"]
    assert [one["id"] for one in synced["peer_connections"]] == [peer]


async def test_an_unknown_session_is_53001(roomwire: Roomwire, room_name: str) -> None:
    async with signaling(roomwire.ws_server) as socket:
        await socket.hello(
            {
                "type": "sync",
                "version": 2,
                "session": "nobody's",
                "token": roomwire.token("alice"),
                "name": room_name,
                "participant": {"revision": 1, "tracks": []},
                "peer_connections": [],
            }
        )
        answer = await socket.body("synced", "error")

    assert (answer["type"], answer["code"]) == ("error", 53001)


async def test_an_idle_client_gets_heartbeats(roomwire: Roomwire, room_name: str) -> None:
    async with signaling(roomwire.ws_server) as socket:
        welcome = await socket.hello({"type": "ice", "version": 1, "token": roomwire.token("alice")})
        while (await socket.frame())["type"] != "heartbeat":
            pass

    assert 200 < welcome["negotiatedTimeout"] <= 5000
