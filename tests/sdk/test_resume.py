"""A client's signaling socket is lost: it comes back with its session, and media never stops."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.kit.browser import audio, data, video
from tests.kit.people import Join, hertz, meet, meets, seeing_throughout
from tests.kit.relay import Relay, relay
from tests.kit.rest import Rest
from tests.kit.stack import Roomwire

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def weak_line(roomwire: Roomwire) -> AsyncIterator[Relay]:
    """A way to the gateway that the test can cut."""
    gateway = urlsplit(roomwire.ws_server)
    async with relay(str(gateway.hostname), int(gateway.port or 80)) as line:
        yield line


def through(line: Relay) -> str:
    return f"ws://127.0.0.1:{line.port}/signaling"


async def test_a_lost_socket_is_resumed_and_media_goes_on(join: Join, rest: Rest, weak_line: Relay) -> None:
    alice = await join("alice", ws_server=through(weak_line))
    bob = await join("bob")
    await meet(alice, bob)

    async with seeing_throughout(bob, alice), seeing_throughout(alice, bob):
        weak_line.cut()
        await alice.event("reconnecting", code=53001)
        await alice.event("reconnected")
        await bob.event("participantReconnecting", identity="alice", sid=alice.sid)
        await bob.event("participantReconnected", identity="alice", sid=alice.sid)

    assert await bob.count("trackUnsubscribed") == await bob.count("participantDisconnected") == 0
    assert rest.participants() == {alice.sid: "connected", bob.sid: "connected"}


async def test_what_is_published_on_both_sides_meanwhile_arrives(join: Join, weak_line: Relay) -> None:
    alice = await join("alice", ws_server=through(weak_line))
    bob = await join("bob")
    await meets(alice, "bob")

    weak_line.open = False
    weak_line.cut()
    await alice.event("reconnecting")
    await bob.event("participantReconnecting", identity="alice")
    begun = await alice.begin_publish(video("alice-screen", source=91))
    assert "error" not in await bob.publish(video("bob-screen", source=92))
    assert "error" not in await bob.publish(data("bob-notes"))
    weak_line.open = True

    await alice.event("reconnected")
    assert "error" not in await begun
    await bob.sees("alice-screen", 91)
    await alice.sees("bob-screen", 92)
    await alice.remote_track("bob-notes")
    await meet(alice, bob)


async def test_who_came_and_spoke_meanwhile_is_the_dominant_speaker(join: Join, weak_line: Relay) -> None:
    alice = await join("alice", wishes=[], dominantSpeaker=True, ws_server=through(weak_line))
    carol = await join("carol", wishes=[], dominantSpeaker=True)
    weak_line.open = False
    weak_line.cut()
    await join("bob", wishes=[audio("bob-microphone", hertz=hertz("bob"))])
    await carol.event("dominantSpeakerChanged", identity="bob")
    weak_line.open = True

    await alice.event("dominantSpeakerChanged", identity="bob")
    assert await alice.count("dominantSpeakerChanged") == 1


async def test_two_losses_in_a_row_are_survived(join: Join, weak_line: Relay) -> None:
    alice = await join("alice", ws_server=through(weak_line))
    bob = await join("bob")
    await meets(bob, "alice")

    weak_line.cut()
    await alice.event("reconnecting")
    weak_line.cut()
    await alice.event("reconnected")
    weak_line.cut()

    await bob.event("participantReconnected")
    await meet(bob, alice)
