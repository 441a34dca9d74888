"""Rooms whose browsers talk to each other: the server relays signaling and never touches media."""

import pytest

from tests.kit.browser import data, video
from tests.kit.people import Join, meet, meets
from tests.kit.rest import Rest

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("kind", ["peer-to-peer", "go"])
async def test_two_meet(join: Join, rest: Rest, kind: str) -> None:
    rest.create(type=kind)
    alice, bob = await join("alice"), await join("bob")

    await meet(alice, bob)
    await alice.remote_track("bob-chat")
    await bob.send("bob-chat", "hello")
    assert await alice.received("bob-chat", 1) == ["hello"]
    assert (await alice.state())["mediaRegion"] is None


async def test_a_third_joins_publishes_and_leaves(join: Join, rest: Rest) -> None:
    rest.create(type="peer-to-peer")
    alice, bob = await join("alice"), await join("bob")
    await meets(alice, "bob")
    carol = await join("carol")
    await meet(alice, bob, carol)

    assert "error" not in await carol.publish(video("carol-screen", source=93))
    assert "error" not in await alice.publish(data("alice-notes"))
    for tab in (alice, bob):
        await tab.sees("carol-screen", 93)
    await carol.remote_track("alice-notes")

    await carol.leave()
    await alice.event("participantDisconnected", identity="carol")
    await meet(alice, bob)
