"""Relaying of data tracks over real SCTP: nothing lost on reliable channels, nobody held back for ever by a subscriber that is gone."""

from collections.abc import AsyncIterator

import pytest
from aiortc import RTCDataChannel
from media_sfu.core.actions import ChannelParameters
from media_sfu.data_channels import QUEUE_OCTETS, DownChannel, UpChannel
from media_sfu.engine import PacketForwarder

from tests.kit.sfu_port import PortKit, PortPeer
from tests.kit.webrtc_client import until


@pytest.fixture
async def kit() -> AsyncIterator[PortKit]:
    kit = PortKit(PacketForwarder.bind)
    yield kit
    await kit.close()


async def publish(peer: PortPeer, **reliability: object) -> UpChannel:
    channel = peer.client.open_channel("track", **reliability)
    await until(lambda: channel.readyState == "open")
    return peer.transport.channels.up["track"]


def subscribe(kit: PortKit, up: UpChannel, peer: PortPeer) -> DownChannel:
    down = peer.transport.channels.open("track-1", up.parameters, None)
    up.add_subscriber(down, kit.clock())
    return down


def sent_by(peer: PortPeer) -> RTCDataChannel:
    """The client's end of the channel that it published."""
    return next(iter(peer.client._sctp._data_channels.values()))


def texts(peer: PortPeer) -> list[str | bytes]:
    return [data for _, data in peer.client.messages]


async def test_text_stays_text_and_binary_binary_empty_ones_too(kit):
    alice, bob = await kit.open_peer(), await kit.open_peer()
    up = await publish(alice)
    subscribe(kit, up, bob)

    for data in ("text", b"\x00\xff", "", b"", "\u00e9\U0001f600"):
        sent_by(alice).send(data)

    await until(lambda: len(texts(bob)) == 5)
    assert texts(bob) == ["text", b"\x00\xff", "", b"", "\u00e9\U0001f600"]


async def test_the_subscribers_channel_has_the_publishers_reliability(kit):
    alice, bob = await kit.open_peer(), await kit.open_peer()
    up = await publish(alice, ordered=False, max_life_ms=250)
    subscribe(kit, up, bob)

    channel = await until(lambda: bob.client.channels.get("track-1"))
    assert (channel.ordered, channel.maxPacketLifeTime, channel.maxRetransmits) == (False, 250, None)


async def test_what_is_sent_before_the_subscribers_channel_is_there_is_not_lost(kit):
    alice = await kit.open_peer()
    up = await publish(alice)
    for number in range(100):
        up.receive(f"early {number}", kit.clock())
    bob = await kit.start_peer()
    subscribe(kit, up, bob)
    for number in range(100):
        up.receive(f"waiting {number}", kit.clock())

    await kit.connect(bob)

    await until(lambda: len(texts(bob)) == 200)
    assert texts(bob) == [f"early {n}" for n in range(100)] + [f"waiting {n}" for n in range(100)]


async def test_a_late_subscriber_does_not_get_old_messages(kit):
    alice, bob = await kit.open_peer(), await kit.open_peer()
    up = await publish(alice)
    up.receive("old", kit.clock())
    kit.clock.ahead_s += 6.0

    subscribe(kit, up, bob)
    up.receive("new", kit.clock())

    await until(lambda: texts(bob))
    assert texts(bob) == ["new"]


async def test_a_fast_publisher_is_slowed_down_and_nothing_is_lost(kit):
    alice, bob = await kit.open_peer(), await kit.open_peer()
    up = await publish(alice)
    subscribe(kit, up, bob)
    message = "x" * 60_000
    count = 60

    for number in range(count):
        sent_by(alice).send(f"{number} {message}")

    await until(lambda: len(texts(bob)) == count, 60)
    assert [int(str(text).split(" ")[0]) for text in texts(bob)] == list(range(count))
    await until(lambda: alice.transport._sctp._advertised_rwnd == 1024 * 1024)


async def test_a_subscriber_that_is_gone_narrows_the_window_only_for_a_while(kit):
    alice = await kit.open_peer()
    gone = await kit.start_peer()
    up = await publish(alice)
    down = subscribe(kit, up, gone)
    sctp = alice.transport._sctp

    up.receive("x" * 200_000, kit.clock())
    assert sctp._advertised_rwnd == 1024 * 1024 - 200_000

    kit.clock.ahead_s += 6.0
    gone.transport.channels.handle_timeout()
    assert sctp._advertised_rwnd == 1024 * 1024
    up.receive("x" * 200_000, kit.clock())
    assert sctp._advertised_rwnd == 1024 * 1024
    assert not down.is_closed


async def test_a_subscriber_too_far_behind_loses_its_channel_and_not_a_message(kit):
    alice, bob = await kit.open_peer(), await kit.open_peer()
    gone = await kit.start_peer()
    up = await publish(alice)
    behind = subscribe(kit, up, gone)
    subscribe(kit, up, bob)

    for count in range(1, QUEUE_OCTETS // 200_000 + 2):
        up.receive("x" * 200_000, kit.clock())
        await until(lambda: len(texts(bob)) == count, 20)  # noqa: B023

    assert behind.is_closed
    up.receive("goes on", kit.clock())
    await until(lambda: texts(bob)[-1:] == ["goes on"])


async def test_an_unreliable_channel_drops_what_is_too_much_and_holds_nobody_back(kit):
    alice = await kit.open_peer()
    gone = await kit.start_peer()
    up = await publish(alice, ordered=False, max_retransmits=0)
    down = subscribe(kit, up, gone)

    for _ in range(10):
        up.receive(b"x" * 60_000, kit.clock())

    assert down.dropped == 6
    assert alice.transport._sctp._advertised_rwnd == 1024 * 1024


async def test_closing_a_channel_releases_what_waits_in_it(kit):
    alice = await kit.open_peer()
    gone = await kit.start_peer()
    up = await publish(alice)
    subscribe(kit, up, gone)
    up.receive("x" * 100_000, kit.clock())

    gone.transport.channels.close_down("track-1")

    assert alice.transport._sctp._advertised_rwnd == 1024 * 1024


async def test_a_client_may_not_open_a_label_twice(kit):
    alice = await kit.open_peer()
    await publish(alice)

    again = alice.client.open_channel("track")

    await until(lambda: again.readyState == "closed")
    assert list(alice.transport.channels.up) == ["track"]


async def test_messages_on_a_channel_of_ours_are_heard(kit):
    alice = await kit.open_peer()
    heard: list[str] = []
    alice.transport.channels.open("signaling", ChannelParameters(), heard.append)

    channel = await until(lambda: alice.client.channels.get("signaling"))
    channel.send('{"type":"ready"}')

    await until(lambda: heard == ['{"type":"ready"}'])
