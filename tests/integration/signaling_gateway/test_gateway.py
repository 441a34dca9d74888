"""The gateway as a client sees it: real sockets, a real bus, stand-ins for the owners."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets
from contract.insights import TelemetryEvent
from contract.media import ApplyDescription, ClosePeer, OpenPeer, SetDesired
from contract.rooms import (
    CheckSessions,
    DetachSession,
    GatewayAlive,
    JoinRoom,
    LeaveReason,
    LeaveRoom,
    ParticipantStatus,
    SessionsChecked,
)
from contract.subjects import ALL_GATEWAYS_ALIVE, ALL_INSIGHTS_EVENTS, gateway_sessions
from pydantic import TypeAdapter
from service_kit.bus import Bus
from signaling_gateway.core import session

from tests.integration.signaling_gateway.conftest import RunningGateway, running_gateway, running_owners
from tests.integration.signaling_gateway.owners import Owners
from tests.kit import room_states
from tests.kit.browser import until
from tests.kit.nats import NatsServer
from tests.kit.signaling import SignalingClient, connect_message, signaling


async def join(client: SignalingClient, identity: str = "alice", **members: Any) -> dict[str, Any]:
    connected = await client.join(f"good-{identity}", "standup", **members)
    assert connected["type"] == "connected", connected
    return connected


async def update(client: SignalingClient, **members: Any) -> None:
    await client.say({"type": "update", "version": 2, "session": client.session, **members})


async def test_a_client_connects_with_ice_first(gateway: RunningGateway, owners: Owners) -> None:
    async with signaling(gateway.url) as client:
        iced = await client.acquire("good-alice")
        assert iced["ice_servers"] == []

        await client.say(connect_message("good-alice", "standup"))
        connected = await client.body("connected", "error")

    assert connected["peer_connections"][0]["description"]["type"] == "answer"
    assert connected["participant"]["identity"] == "alice"
    assert owners.verifications == 1


async def test_a_client_connects_in_its_hello(gateway: RunningGateway, owners: Owners) -> None:
    async with signaling(gateway.url) as client:
        connected = await join(client)

    assert connected["options"]["session_timeout"] == 30
    assert client.frames[0]["type"] == "welcome"


async def test_a_bad_token_is_refused(gateway: RunningGateway, owners: Owners) -> None:
    async with signaling(gateway.url) as client:
        assert (await client.join("bad-alice", "standup"))["code"] == 20107
        assert await client.closed() == 4000

    assert owners.commands(JoinRoom) == []


async def test_a_full_room_is_refused(gateway: RunningGateway, owners: Owners) -> None:
    async with signaling(gateway.url) as client:
        assert (await client.join("good-alice", "full"))["code"] == 53105


async def test_clients_hear_of_each_other(gateway: RunningGateway, owners: Owners) -> None:
    async with signaling(gateway.url) as alice, signaling(gateway.url) as bob:
        await join(alice)
        connected = await join(bob, "bob")
        assert [p["identity"] for p in connected["participants"]] == ["alice"]
        assert (await alice.body("update"))["participants"][0]["identity"] == "bob"

        await update(bob, participant={"revision": 2, "tracks": [{"id": "cam", "kind": "video", "name": "camera"}]})
        told = (await alice.body("update"))["participants"][0]
        assert [t["name"] for t in told["tracks"]] == ["camera"]
        published = (await bob.body("update"))["published"]
        assert published["tracks"] == [{"id": "cam", "sid": "MT-cam", "state": "ready"}]

        await bob.leave()
        assert (await alice.body("update"))["participants"][0]["state"] == "disconnected"


async def test_offers_go_both_ways(gateway: RunningGateway, owners: Owners) -> None:
    async with signaling(gateway.url) as client:
        connected = await join(client)
        peer = connected["peer_connections"][0]["id"]

        await update(
            client,
            peer_connections=[{"id": peer, "description": {"type": "offer", "revision": 2, "sdp": "v=0"}}],
        )
        answer = (await client.body("update"))["peer_connections"][0]["description"]
        assert (answer["type"], answer["revision"]) == ("answer", 2)

        await owners.offer(connected["participant"]["sid"], peer, 3)
        offer = (await client.body("update"))["peer_connections"][0]["description"]
        assert (offer["type"], offer["revision"]) == ("offer", 3)


@pytest.mark.parametrize(
    "frame",
    [
        "no json",
        "{}",
        b"\xff\xfe",
        '{"type":"msg","body":{"type":"update","participant":{"revision":-1}}}',
        '{"type":"msg","body":{"type":"connect"}}',
        json.dumps({"type": "msg", "body": {"type": "update", "session": "x" * 100_000}}),
    ],
)
async def test_a_bad_message_harms_nobody_else(gateway: RunningGateway, owners: Owners, frame: str | bytes) -> None:
    async with signaling(gateway.url) as alice, signaling(gateway.url) as mallory:
        await join(alice)
        await join(mallory, "mallory")
        await mallory.send(frame)

        assert (await mallory.body("error"))["code"] == 53004
        assert await mallory.closed() == 4000
        await alice.body("update")
        assert (await alice.body("update"))["participants"][0]["state"] == "disconnected"


async def test_a_frame_that_is_too_long_closes_its_socket(gateway: RunningGateway, owners: Owners) -> None:
    async with signaling(gateway.url) as client:
        await join(client)
        await client.send("x" * (1 << 20) + "y")

        assert await client.closed() == 1009


async def test_a_lost_socket_is_resumed(gateway: RunningGateway, owners: Owners) -> None:
    async with signaling(gateway.url) as bob:
        await join(bob, "bob")
        async with signaling(gateway.url) as alice:
            connected = await join(alice)
        assert (await bob.body("update"))["participants"][0]["state"] == "connected"
        assert (await bob.body("update"))["participants"][0]["state"] == "reconnecting"

        async with signaling(gateway.url) as alice:
            await alice.hello(sync(connected))
            synced = await alice.body("synced", "error")
            assert synced["type"] == "synced"
            assert [p["identity"] for p in synced["participants"]] == ["bob"]
            assert synced["peer_connections"] == [{"id": connected["peer_connections"][0]["id"]}]
            assert (await bob.body("update"))["participants"][0]["state"] == "connected"


def sync(connected: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "sync",
        "version": 2,
        "session": connected["session"],
        "token": "good-alice",
        "name": "standup",
        "participant": {"revision": 1, "tracks": []},
        "peer_connections": [{"id": connected["peer_connections"][0]["id"]}],
    }


async def test_a_session_taken_by_another_socket_drops_the_first(gateway: RunningGateway, owners: Owners) -> None:
    async with signaling(gateway.url) as first, signaling(gateway.url) as second:
        connected = await join(first)
        await second.hello(sync(connected))
        await second.body("synced")

        assert await first.closed() == 4001
        assert owners.commands(DetachSession) == []


async def test_a_gateway_that_stood_still_drops_nobody_unheard(gateway: RunningGateway, owners: Owners) -> None:
    """For the loop an hour passes at once, as when its machine slept: all its timers are due, and nothing has been read."""
    loop = asyncio.get_running_loop()
    clock = loop.time
    async with signaling(gateway.url) as client:
        await join(client)
        loop.time = lambda: clock() + 3600  # type: ignore[method-assign]  # the loop is this test's own, and its clock must not go back
        while (await client.frame())["type"] != "heartbeat":
            pass
        await client.leave()
        await until(lambda: LeaveReason.LEFT in [leave.reason for leave in owners.commands(LeaveRoom)], "alice left")


async def test_a_page_that_is_gone_has_little_time(gateway: RunningGateway, owners: Owners) -> None:
    async with websockets.connect(gateway.url) as socket:
        client = SignalingClient(socket)
        await join(client)
        await socket.close(1001)

    detach = (await until(lambda: owners.commands(DetachSession), "detached"))[0]
    assert detach.grace_s == 2.0


async def test_goodbye_leaves_and_closes_the_peer(gateway: RunningGateway, owners: Owners) -> None:
    async with signaling(gateway.url) as client:
        await join(client)
        await client.leave()

    await until(lambda: owners.commands(LeaveRoom) and owners.commands(ClosePeer), "left")
    assert owners.commands(DetachSession) == []


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (LeaveReason.ROOM_COMPLETED, ("disconnected", "completed")),
        (LeaveReason.REMOVED, ("disconnected", "disconnected")),
        (LeaveReason.DUPLICATE_IDENTITY, ("error", 53205)),
    ],
)
async def test_who_is_out_is_told_why(
    gateway: RunningGateway, owners: Owners, reason: LeaveReason, told: tuple[str, Any]
) -> None:
    async with signaling(gateway.url) as client:
        connected = await join(client)
        await owners.end(connected["participant"]["sid"], reason)

        body = await client.body("disconnected", "error")
        assert (body["type"], body.get("status") or body.get("code")) == told
        await until(lambda: owners.commands(ClosePeer), "peer closed")


async def test_the_loss_of_the_last_event_is_noticed(gateway: RunningGateway, owners: Owners) -> None:
    async with signaling(gateway.url) as client:
        await join(client)
        owners.silent_events = True
        await owners.publish(participants=(room_states.participant("PA77", 99, identity="carol"),))
        await owners.tell_revision()

        assert (await client.body("update"))["participants"][0]["identity"] == "carol"


async def test_commands_wait_for_owners_that_are_away(gateway: RunningGateway, owners: Owners) -> None:
    async with signaling(gateway.url) as client:
        await join(client)
        await owners.stop()
        await update(client, participant={"revision": 2, "tracks": [{"id": "cam", "kind": "video"}]})
        await asyncio.sleep(0.5)  # let the first tries fail
        await owners.start()

        assert (await client.body("update"))["published"]["tracks"][0]["state"] == "ready"
        await until(lambda: owners.desired_revision == owners.snapshot.revision, "node told")


async def test_nothing_is_lost_when_the_bus_restarts(nats_server: NatsServer) -> None:
    async with (
        running_owners(nats_server.url) as owners,
        running_gateway(nats_server.url) as gateway,
        signaling(gateway.url) as client,
    ):
        connected = await join(client)
        nats_server.kill()
        missed = room_states.participant("PA77", owners.snapshot.revision + 1, identity="carol")
        owners.snapshot = owners.snapshot.model_copy(
            update={
                "revision": owners.snapshot.revision + 1,
                "participants": (*owners.snapshot.participants, missed),
            }
        )
        offer = {"type": "offer", "revision": 2, "sdp": "v=0"}
        await update(client, peer_connections=[{"id": connected["peer_connections"][0]["id"], "description": offer}])
        nats_server.start()

        told = [await client.body("update"), await client.body("update")]
        assert {"participants", "peer_connections"} <= {key for body in told for key in body}
        await until(lambda: owners.commands(SetDesired), "node told again")


async def test_without_owners_a_connect_fails_clearly(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "DEADLINE_S", 1.0)
    async with signaling(gateway.url) as client:
        await client.hello()
        started = asyncio.get_running_loop().time()
        await client.say({"type": "ice", "version": 1, "token": "good-alice"})
        error = await client.body("error")  # heartbeats come meanwhile

        assert error["code"] == 53006
        assert asyncio.get_running_loop().time() - started < 12


async def test_a_gateway_that_stops_sends_its_clients_elsewhere(nats_url: str, owners: Owners) -> None:
    async with running_gateway(nats_url) as gateway, signaling(gateway.url) as client:
        await join(client)
        gateway.server.should_exit = True

        assert await client.closed() == 1012

    assert len(owners.commands(DetachSession)) == 1


async def test_a_key_that_changed_is_verified_again(gateway: RunningGateway, owners: Owners) -> None:
    async def verify_once() -> None:
        async with signaling(gateway.url) as client:
            await client.acquire("good-alice")

    await verify_once()
    await verify_once()
    assert owners.verifications == 1

    await owners.change_key()

    async def asked_again() -> bool:
        await verify_once()
        return owners.verifications == 2

    await until(asked_again, "verified again")


async def test_nothing_is_left_behind(gateway: RunningGateway, owners: Owners) -> None:
    async def once() -> None:
        async with signaling(gateway.url) as client:
            await join(client)
            await client.leave()

    await once()
    await until(lambda: len(owners.commands(ClosePeer)) == 1, "left")
    tasks = len(asyncio.all_tasks())
    for count in range(2, 12):
        await once()
        await until(lambda count=count: len(owners.commands(ClosePeer)) == count, "left")

    await until(lambda: len(asyncio.all_tasks()) <= tasks, "no task left")
    async with httpx.AsyncClient(base_url=gateway.http_url) as http:
        assert "roomwire_gateway_sockets 0.0" in (await http.get("/metrics")).text


async def test_a_gateway_says_that_it_lives(gateway: RunningGateway, owners: Owners, nats_url: str) -> None:
    bus = await Bus.connect(nats_url, "listener")
    alive: list[GatewayAlive] = []

    async def hear(message: GatewayAlive) -> None:
        alive.append(message)

    await bus.listen(ALL_GATEWAYS_ALIVE, TypeAdapter(GatewayAlive), hear)
    await until(lambda: len(alive) >= 2, "two signs of life")
    await bus.close()

    assert len({message.gateway_id for message in alive}) == 1


async def test_a_gateway_says_which_sessions_it_does_not_hold(nats_url: str, owners: Owners) -> None:
    bus = await Bus.connect(nats_url, "asker")
    async with running_gateway(nats_url) as gateway, signaling(gateway.url) as client:
        await join(client)
        gateway_id = owners.commands(JoinRoom)[-1].gateway_id

        async def lost(leases: dict[str, int]) -> tuple[str, ...]:
            subject, asked = gateway_sessions(gateway_id), CheckSessions(leases=leases)
            return (await bus.request(subject, asked, TypeAdapter(SessionsChecked))).lost

        assert await lost({"PA1": 1, "PA2": 1}) == ("PA2",)
        assert await lost({"PA1": 2}) == ("PA1",)
        await client.leave()
        await until(lambda: len(owners.commands(ClosePeer)) == 1, "left")

        async def is_released() -> bool:
            return await lost({"PA1": 1}) == ("PA1",)

        await until(is_released, "released")
    await bus.close()


async def test_telemetry_of_participants_goes_on_the_bus(
    gateway: RunningGateway, owners: Owners, nats_url: str
) -> None:
    """That of a preflight test, which is in no room, is taken, and goes nowhere."""
    bus = await Bus.connect(nats_url, "listener")
    heard: list[TelemetryEvent] = []

    async def hear(message: TelemetryEvent) -> None:
        heard.append(message)

    await bus.listen(ALL_INSIGHTS_EVENTS, TypeAdapter(TelemetryEvent), hear)
    room, participant = "RM" + "0" * 32, "PA" + "1" * 32
    async with (
        telemetry(gateway, "PREFLIGHT_ROOM_SID", "PREFLIGHT_PARTICIPANT") as preflight,
        telemetry(gateway, room, participant) as client,
    ):
        for socket, group in ((preflight, "preflight"), (client, "room")):
            event = {"group": group, "name": "connected", "payload": {"elapsedTime": 5}}
            await socket.send(json.dumps({"type": "event", "version": 1, "session": "s", "timestamp": 1000, **event}))
        await until(lambda: heard, "telemetry")
    await bus.close()

    assert [(event.room_sid, event.identity, event.group) for event in heard] == [(room, "alice", "room")]


@asynccontextmanager
async def telemetry(
    gateway: RunningGateway, room_sid: str, participant_sid: str
) -> AsyncIterator[websockets.ClientConnection]:
    """A telemetry socket that was let in."""
    async with websockets.connect(gateway.telemetry_url) as socket:
        publisher = {"name": "twilio-video.js", "roomSid": room_sid, "participantSid": participant_sid}
        await socket.send(json.dumps({"type": "connect", "version": 1, "token": "good-alice", "publisher": publisher}))
        assert json.loads(await socket.recv())["type"] == "connected"
        yield socket


async def test_the_state_of_reconnecting_participants_is_known_to_late_joiners(
    gateway: RunningGateway, owners: Owners
) -> None:
    async with signaling(gateway.url) as alice:
        await join(alice)
    await until(
        lambda: owners.snapshot.participants[0].status is ParticipantStatus.RECONNECTING, "alice is reconnecting"
    )
    async with signaling(gateway.url) as bob:
        connected = await join(bob, "bob")

    assert connected["participants"][0]["state"] == "reconnecting"
    assert len(owners.commands(OpenPeer)) == 2
    assert owners.commands(ApplyDescription) == []
