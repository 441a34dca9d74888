"""A whole node over a real bus, with clients that have browsers' SDP and real sockets."""

import asyncio
import itertools
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from contract import subjects
from contract.media import (
    ClosePeer,
    CodecsReceived,
    DesiredState,
    FactTaken,
    MediaDone,
    MediaRefused,
    NodeLoad,
    PeerLost,
    SetDesired,
    media_fact,
)
from contract.rooms import Ended, LeaveReason, RoomEvent, RoomRevisions
from media_sfu.app import build
from media_sfu.engine import PacketForwarder
from media_sfu.settings import SfuSettings
from pydantic import TypeAdapter
from service_kit.bus import Bus

from tests.kit.media_peer import MediaPeer
from tests.kit.webrtc_client import rtp_packet, until

NODE = "node-under-test"


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NodeKit:
    """The node's HTTP side, the bus, and what the node publishes."""

    def __init__(self, bus: Bus, http: httpx.AsyncClient) -> None:
        self.bus = bus
        self.http = http
        self.facts: list[object] = []
        self.dies_of_facts = False
        self.loads: list[NodeLoad] = []

    async def person(self, room: str = "RM1") -> MediaPeer:
        peer = MediaPeer(self.bus, NODE, room)
        await peer.join()
        return peer

    async def metric(self, name: str) -> float:
        text = (await self.http.get("/metrics")).text
        return next(float(line.split(" ")[-1]) for line in text.splitlines() if line.startswith(name + " "))


@pytest.fixture
async def node(nats_url: str, tmp_path: Path) -> AsyncIterator[NodeKit]:
    settings = SfuSettings(
        nats_url=nats_url, data=tmp_path, node_id=NODE, sfu_port=free_udp_port(), sfu_drain_deadline_s=0.2
    )
    app = build(settings, PacketForwarder.bind)
    bus = await Bus.connect(nats_url, "test")

    async def fact(message: object) -> FactTaken:
        kit.facts.append(message)
        if kit.dies_of_facts:
            raise RuntimeError("dies before it is stored")
        return FactTaken()

    async def load(message: NodeLoad) -> None:
        kit.loads.append(message)

    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as http,
    ):
        kit = NodeKit(bus, http)
        await bus.answer(subjects.media_fact(NODE), media_fact, fact)
        await bus.listen(subjects.media_load(NODE), TypeAdapter(NodeLoad), load)
        await until(lambda: kit.loads)  # said after it listens: from now on it is asked in vain no more
        yield kit
    await bus.close()


def vp8(peer: MediaPeer, seq: int) -> bytes:
    return rtp_packet(seq, seq * 3000, peer.ssrc("video"), 96, b"\x10\x00\x9d\x01\x2a" + bytes(30), marker=True)


async def test_two_people_get_each_others_sound_pictures_and_data(node):
    alice, bob = await node.person(), await node.person()
    await bob.subscribe(alice)
    await alice.subscribe(bob)

    for sender, receiver in ((alice, bob), (bob, alice)):
        await until(lambda: receiver.signals)  # noqa: B023
        channel = sender.client.open_channel("data-of-" + sender.sid, ordered=False, max_retransmits=0)
        label = receiver.subscription_id("data", sender)
        await until(lambda: label in receiver.client.channels)  # noqa: B023
        assert (receiver.client.channels[label].ordered, receiver.client.channels[label].maxRetransmits) == (False, 0)
        channel.send("text")
        channel.send(b"\x00binary")
        await until(lambda: len(receiver.client.messages) == 2)  # noqa: B023
        assert receiver.client.messages == [(label, "text"), (label, b"\x00binary")]

        async def send_until_both_come(sender: MediaPeer, receiver: MediaPeer) -> None:
            for seq in range(500):
                sender.client.send_rtp(rtp_packet(seq, seq * 960, sender.ssrc("audio"), 111, b"opus"))
                sender.client.send_rtp(vp8(sender, seq))
                if {packet[1] & 0x7F for packet in receiver.client.rtp} >= {96, 111}:
                    return
                await asyncio.sleep(0.02)

        await send_until_both_come(sender, receiver)
        assert {packet[1] & 0x7F for packet in receiver.client.rtp} >= {96, 111}


async def test_a_thousand_messages_on_a_reliable_channel_come_whole_and_in_order(node):
    alice, bob = await node.person(), await node.person()
    await bob.subscribe(alice)
    channel = alice.client.open_channel("data-of-" + alice.sid)
    await until(lambda: channel.readyState == "open")

    for number in range(1000):
        channel.send(f"{number} " + "x" * 300)

    await until(lambda: len(bob.client.messages) == 1000, 20)
    assert [int(str(text).split(" ")[0]) for _, text in bob.client.messages] == list(range(1000))


async def test_a_broken_sdp_is_refused_and_harms_nobody(node):
    alice, bob = await node.person(), await node.person()
    mallory = MediaPeer(node.bus, NODE, "RM1")

    for sdp in ("", "v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", "\0" * 1000, "v=0\r\n" * 5000):
        reply = await mallory.ask(mallory.open_command(sdp))
        assert isinstance(reply, MediaRefused)
        assert reply.code in (53402, 53403, 53404)
    await bob.subscribe(alice)

    channel = alice.client.open_channel("data-of-" + alice.sid)
    await until(lambda: bob.client.channels)
    channel.send("unharmed")
    await until(lambda: [m for _, m in bob.client.messages] == ["unharmed"])
    assert await node.metric("roomwire_sfu_peers") == 2


async def test_a_repeated_open_is_answered_the_same(node):
    alice = MediaPeer(node.bus, NODE, "RM1")
    first = await alice.join()

    again = await alice.ask(alice.open_command(alice.offer))

    assert again == first
    assert await node.metric("roomwire_sfu_peers") == 1


async def test_a_client_that_goes_is_told_to_the_room(node):
    alice = await node.person()

    await alice.client.close()

    await until(lambda: node.facts)
    assert node.facts == [PeerLost(room_sid="RM1", participant_sid=alice.sid, lease_epoch=1, closed_by_client=True)]


async def test_what_a_client_is_heard_in_is_told_to_the_room(node):
    alice = await node.person()

    for seq in range(200):
        alice.client.send_rtp(rtp_packet(seq, seq * 960, alice.ssrc("audio"), 111, b"opus"))
        if node.facts:
            break
        await asyncio.sleep(0.02)

    assert node.facts == [CodecsReceived(room_sid="RM1", participant_sid=alice.sid, codecs=("opus",))]


async def test_a_fact_is_told_again_until_the_rooms_have_it(node):
    alice = await node.person()
    node.dies_of_facts = True
    await alice.client.close()
    await until(lambda: node.facts)
    node.dies_of_facts = False
    bob = await node.person()
    await bob.client.close()

    await until(lambda: len(node.facts) == 3)
    assert [fact.participant_sid for fact in node.facts] == [alice.sid, alice.sid, bob.sid]


async def test_closing_a_peer_twice_is_no_error(node):
    alice = await node.person()
    await alice.leave()

    assert await alice.ask(ClosePeer(participant_sid=alice.sid, lease_epoch=1)) == MediaDone()
    assert await node.metric("roomwire_sfu_peers") == 0


async def test_a_participant_that_its_room_ended_loses_its_peer(node):
    alice, bob = await node.person(), await node.person()
    ended = (Ended(participant_sid=alice.sid, reason=LeaveReason.REMOVED),)

    await node.bus.publish(subjects.room_event("RM1"), RoomEvent(room_sid="RM1", revision=5, ended=ended))

    await until(lambda: alice.client.dtls_state == "closed")
    assert await node.metric("roomwire_sfu_peers") == 1
    await bob.leave()


async def test_the_node_says_its_load_each_second(node):
    await node.person()
    await node.bus.publish(subjects.ROOM_REVISIONS, RoomRevisions(revisions={}))

    await until(lambda: any(load.peers == 1 for load in node.loads))
    assert node.loads[-1].region == "us1"
    assert not node.loads[-1].draining


async def test_a_command_of_an_older_lease_is_stale(node):
    alice = await node.person()

    reply = await alice.ask(SetDesired(participant_sid=alice.sid, lease_epoch=0, desired=alice.desired))

    assert isinstance(reply, MediaRefused)
    assert reply.stale


async def test_a_peer_that_is_not_here_is_unknown(node):
    reply = await MediaPeer(node.bus, NODE, "RM1").ask(
        SetDesired(
            participant_sid="PA-nobody",
            lease_epoch=1,
            desired=DesiredState(revision=1, publications=(), subscriptions=()),
        )
    )

    assert isinstance(reply, MediaRefused)
    assert reply.unknown_peer


async def test_people_who_come_and_go_leave_nothing_behind(node):
    host = await node.person("RM-host")
    tasks, descriptors = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))

    for number in range(100):
        guest = await node.person("RM-host" if number % 2 else f"RM-{number}")
        await guest.subscribe(host)
        guest.client.open_channel("data-of-" + guest.sid)
        await host.subscribe(guest)
        await guest.leave()
    await host.subscribe()

    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert await node.metric("roomwire_sfu_rooms") == 1
    assert await node.metric("roomwire_sfu_peers") == 1
    assert await node.metric("roomwire_sfu_down_tracks") == 0
    assert await node.metric("roomwire_sfu_up_tracks") == 2


async def test_a_node_whose_packet_path_is_full_says_so_and_takes_nobody_new(node, monkeypatch):
    """Its readings come from a stand-in for a packet path that loses what comes; those who are in are served."""
    alice = await node.person()
    read = PacketForwarder.counters
    lost = itertools.count(1000, 1000)
    monkeypatch.setattr(
        PacketForwarder, "counters", lambda engine: {**read(engine), "drop_receive_queue_full": next(lost)}
    )
    await until(lambda: node.loads[-1].full)

    bob = MediaPeer(node.bus, NODE, "RM1")
    refused = await bob.ask(bob.open_command(alice.offer))

    assert isinstance(refused, MediaRefused)
    assert refused.code == 53305
    assert await alice.ask(alice.open_command(alice.offer)) == await alice.ask(alice.open_command(alice.offer))
    assert await node.metric("roomwire_sfu_full") == 1
