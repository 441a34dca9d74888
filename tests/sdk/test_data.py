"""Data tracks between two clients: nothing is lost, altered or swapped that must not be."""

import asyncio

import pytest

from tests.kit.browser import Tab, data
from tests.kit.people import Join

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def joined(join: Join, **options: object) -> tuple[Tab, Tab]:
    """Alice and Bob, each with a chat of those options, both subscribed."""
    alice = await join("alice", wishes=[data("alice-chat", **options)])
    bob = await join("bob", wishes=[data("bob-chat", **options)])
    await alice.remote_track("bob-chat")
    await bob.remote_track("alice-chat")
    return alice, bob


def letters(sender: str, count: int) -> list[str]:
    """Messages that all differ, of 10 to 1,000 characters, some beyond ASCII."""
    return [f"{sender} {number} " + "aé漢😀"[number % 4] * (number % 250) for number in range(count)]


async def test_a_thousand_messages_each_way_arrive_unaltered_and_in_order(join: Join) -> None:
    alice, bob = await joined(join)

    await asyncio.gather(alice.send("alice-chat", *letters("alice", 1000)), bob.send("bob-chat", *letters("bob", 1000)))

    assert await bob.received("alice-chat", 1000) == letters("alice", 1000)
    assert await alice.received("bob-chat", 1000) == letters("bob", 1000)


async def test_what_is_sent_at_once_after_subscribing_is_not_lost(join: Join) -> None:
    alice = await join("alice", wishes=[])
    bob = await join("bob", wishes=[])

    assert "error" not in await alice.publish(data("news"))
    await bob.remote_track("news")
    await alice.send("news", *letters("alice", 20))

    assert await bob.received("news", 20) == letters("alice", 20)


async def test_unordered_and_unreliable_stay_so(join: Join) -> None:
    alice, bob = await joined(join, ordered=False, maxRetransmits=0)

    for tab, track in ((bob, "alice-chat"), (alice, "bob-chat")):
        options = await tab.data_options(track)
        assert options == {"ordered": False, "reliable": False, "maxRetransmits": 0, "maxPacketLifeTime": None}
    await alice.send("alice-chat", "small")
    assert await bob.received("alice-chat", 1) == ["small"]


async def test_a_packet_life_time_stays_so(join: Join) -> None:
    _, bob = await joined(join, maxPacketLifeTime=500)

    options = await bob.data_options("alice-chat")

    assert options == {"ordered": True, "reliable": False, "maxRetransmits": None, "maxPacketLifeTime": 500}


async def test_binary_stays_binary(join: Join) -> None:
    alice, bob = await joined(join)
    every_byte = bytes(range(256))
    large = every_byte * 200

    await alice.send("alice-chat", every_byte, "text", large, b"")

    assert await bob.received("alice-chat", 4) == [every_byte, "text", large, b""]
