"""ICE-lite, DTLS and SCTP of the one port, against a real client over loopback sockets."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import astuple

import pytest
from media_sfu.core.actions import ChannelParameters, IceCredentials
from media_sfu.engine import PacketForwarder
from media_sfu.peer_transport import TransportConnected, TransportLost

from tests.kit.sfu_port import PortKit
from tests.kit.webrtc_client import until


@pytest.fixture
async def kit() -> AsyncIterator[PortKit]:
    kit = PortKit(PacketForwarder.bind)
    yield kit
    await kit.close()


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((), b"SRTP_AEAD_AES_128_GCM"),
        ((b"SRTP_AEAD_AES_256_GCM", b"SRTP_AES128_CM_SHA1_80"), b"SRTP_AEAD_AES_256_GCM"),
        ((b"SRTP_AES128_CM_SHA1_80",), b"SRTP_AES128_CM_SHA1_80"),
    ],
)
async def test_the_cheapest_common_srtp_profile_is_chosen(kit, offered, chosen):
    peer = await kit.open_peer(profiles=offered)

    assert peer.client.srtp_profile == chosen


async def test_a_client_with_another_certificate_than_its_sdp_is_refused(kit):
    stranger = await kit.start_peer(fingerprint=("sha-256", ":".join(["AB"] * 32)))

    ours = stranger.transport.fingerprint
    await stranger.client.connect(*astuple(stranger.credentials), (ours.algorithm, ours.value), data=False)

    await until(lambda: stranger.events)
    assert stranger.events == [TransportLost(closed_by_client=False)]


async def test_close_notify_says_that_the_client_is_gone(kit):
    peer = await kit.open_peer()

    await peer.client.close()

    await until(lambda: TransportLost(closed_by_client=True) in peer.events)


async def test_a_fragmented_client_hello_is_put_together(kit):
    peer = await kit.start_peer()
    sent = peer.client._send

    def split(data: bytes) -> None:
        hello = data[0] == 22 and data[13] == 1 and len(data) > 120
        if not hello:
            sent(data)
            return
        for record in fragment_handshake(data):
            sent(record)

    peer.client._pipe._send_now = split
    await kit.connect(peer)

    assert peer.events == [TransportConnected()]


def fragment_handshake(record: bytes) -> list[bytes]:
    """Cut a DTLS record with one handshake message into two records (RFC 6347 section 4.2.3)."""
    header, message = record[:13], record[25:]
    cut = len(message) // 2
    records = []
    for number, (offset, part) in enumerate(((0, message[:cut]), (cut, message[cut:]))):
        head = record[13:19] + offset.to_bytes(3, "big") + len(part).to_bytes(3, "big")
        head = head[:4] + record[17:19] + offset.to_bytes(3, "big") + len(part).to_bytes(3, "big")
        sequence = (int.from_bytes(header[5:11], "big") + number).to_bytes(6, "big")
        records.append(header[:5] + sequence + (len(head) + len(part)).to_bytes(2, "big") + head + part)
    return records


async def test_a_check_with_a_wrong_password_is_not_answered_and_binds_nothing(kit):
    peer = await kit.start_peer()
    peer.client.remote_ufrag, peer.client.remote_pwd = peer.credentials.ufrag, peer.credentials.pwd

    peer.client.send_raw(peer.client.make_check(password="guessed"))

    await until(lambda: kit.port.dropped["stun_bad_integrity"] == 1)
    assert peer.transport.ice.addresses == ()
    assert peer.client.checks_answered == 0


async def test_a_check_from_a_controlled_agent_is_told_of_the_role_conflict(kit):
    peer = await kit.start_peer()
    peer.client.remote_ufrag, peer.client.remote_pwd = peer.credentials.ufrag, peer.credentials.pwd

    peer.client.send_check(ice_controlling=None, ice_controlled=1)

    await until(lambda: peer.client.rtcp)
    assert peer.client.rtcp[0].attributes["ERROR-CODE"] == (487, "Role Conflict")


async def test_a_client_that_changes_its_address_goes_on(kit):
    peer = await kit.open_peer()
    channel = peer.client.open_channel("track")
    await until(lambda: channel.readyState == "open")
    before = peer.client.address

    await peer.client.change_address()
    peer.client.send_check()
    await until(lambda: peer.transport.ice.selected == peer.client.address)
    peer.transport.channels.open("down", ChannelParameters(), None).send("after")

    await until(lambda: ("down", "after") in peer.client.messages)
    assert peer.client.address != before
    assert channel.readyState == "open"


async def test_an_ice_restart_leaves_dtls_and_channels_alone(kit):
    peer = await kit.open_peer()
    old = peer.credentials
    new = IceCredentials("restarted", "a-new-password-of-22-characters")
    peer.transport.restart_ice(new)
    kit.port.add(peer.transport)

    peer.client.send_check()
    await until(lambda: peer.client.checks_answered >= 2)
    assert old.ufrag in peer.transport.ice.username_fragments
    await peer.client.change_address()
    await peer.client.check(new.ufrag, new.pwd)
    peer.transport.channels.open("down", ChannelParameters(), None).send(b"after")

    await until(lambda: ("down", b"after") in peer.client.messages)
    assert peer.transport.ice.username_fragments == (new.ufrag,)
    assert peer.events == [TransportConnected()]


async def test_consent_runs_out_after_30_seconds_and_comes_back_with_a_check(kit):
    peer = await kit.open_peer()
    peer.client.pause_checks()
    kit.clock.ahead_s = 29.0
    assert not peer.transport.expire(kit.clock())

    kit.clock.ahead_s = 31.0
    assert peer.transport.expire(kit.clock())
    assert peer.transport.ice.selected is None

    peer.client.send_check()
    await until(lambda: peer.transport.ice.selected == peer.client.address)


async def test_a_participant_cannot_take_the_address_of_another(kit):
    victim, thief = await kit.open_peer(), await kit.open_peer()
    victim.client.remote_ufrag, victim.client.remote_pwd = thief.credentials.ufrag, thief.credentials.pwd

    victim.client.send_check()

    await until(lambda: kit.port.dropped["stun_address_taken"] >= 1), kit.port.dropped
    assert thief.transport.ice.selected == thief.client.address


async def test_junk_from_strangers_and_from_peers_harms_nobody(kit):
    peer, other = await kit.open_peer(), await kit.open_peer()
    stranger = await kit.start_peer()
    for first in (0, 1, 22, 64, 127, 128, 200, 255):
        for length in (1, 2, 19, 20, 40, 1500):
            junk = bytes([first]) + os.urandom(length - 1)
            stranger.client.send_raw(junk)
            peer.client.send_raw(junk)
    peer.client.send_raw(stun_with_lying_length(peer.client.make_check()))

    other.transport.channels.open("down", ChannelParameters(), None).send("still here")
    peer.transport.channels.open("down", ChannelParameters(), None).send("me too")

    await until(lambda: ("down", "still here") in other.client.messages)
    await until(lambda: ("down", "me too") in peer.client.messages)
    assert kit.port.dropped["stun_malformed"] > 0


def stun_with_lying_length(check: bytes) -> bytes:
    return check[:22] + (60000).to_bytes(2, "big") + check[24:]


async def test_a_flood_of_checks_from_a_stranger_is_capped(kit):
    stranger = await kit.start_peer()
    stranger.client.remote_ufrag, stranger.client.remote_pwd = "nobody", "x" * 22

    for _ in range(2000):
        stranger.client.send_check()
        await asyncio.sleep(0)

    await until(lambda: kit.port.dropped["stun_rate"] > 1000)
    assert stranger.client.checks_answered == 0


async def test_sctp_that_breaks_the_rules_costs_its_sender_one_packet(kit):
    peer = await kit.open_peer()
    peer.client.open_channel("first")
    await until(lambda: "first" in peer.transport.channels.up)
    first = peer.client._sctp._data_channels[0]

    await peer.client._sctp._send(first.id, 50, b"\x03" + bytes(11))  # opens a channel that is open
    peer.client.open_channel("second")

    await until(lambda: "second" in peer.transport.channels.up)


async def test_300_connections_leave_nothing_behind(kit):
    tasks, descriptors = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))

    for _ in range(300):
        peer = await kit.open_peer()
        peer.client.open_channel("track")
        await until(lambda: "track" in peer.transport.channels.up)  # noqa: B023  # awaited in the same turn
        await kit.close_peer(peer)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)

    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert kit.port._transports == {}
    assert kit.port._by_fragment == {}


@pytest.mark.parametrize(
    ("bind", "host"), [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::", "::1"), ("::1", "::1")]
)
async def test_a_client_is_reached_over_both_ip_versions_and_a_wildcard_bind(bind, host):
    kit = PortKit(PacketForwarder.bind, bind, host)
    peer = await kit.open_peer()

    peer.transport.channels.open("down", ChannelParameters(), None).send("hello")

    await until(lambda: ("down", "hello") in peer.client.messages)
    assert peer.transport.ice.selected == peer.client.address
    await kit.close()
