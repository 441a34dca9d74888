"""A service is killed while two clients talk: media never stops, and what was asked meanwhile happens."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from tests.kit.browser import ConnectRefused, Tab, video
from tests.kit.people import Join, meets
from tests.kit.rest import Rest
from tests.kit.stack import Roomwire

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONGEST_GAP_S = 1.0
"""Between two pictures; 15 a second are drawn, the rest is the machine's noise."""
CATCH_UP_S = 10.0
"""Within this time of the service's return everything has happened that was asked meanwhile."""
TOLD_WITHIN_S = 14.0
"""The gateway gives an owner 8 s and its last try 3 s more; the rest is the time that a tab takes to open."""
SERVER_BUSY = 53006


@asynccontextmanager
async def uninterrupted(tab: Tab, identity: str) -> AsyncIterator[None]:
    """While the body runs, this tab goes on seeing that person, and nothing of that person goes away."""
    since = len((await tab.pictures(f"{identity}-camera")).times_s) - 1
    yield
    await meets(tab, identity)
    times = (await tab.pictures(f"{identity}-camera")).times_s[since:]
    assert max(later - earlier for earlier, later in pairwise(times)) < LONGEST_GAP_S
    assert await tab.count("trackUnsubscribed") == await tab.count("participantDisconnected") == 0


async def killed(roomwire: Roomwire, service: str) -> float:
    """Kill it, and wait until it runs again; the time of its return."""
    await asyncio.to_thread(roomwire.kill, service)
    return time.monotonic()


async def test_the_gateway_is_killed_with_a_publish_in_flight(join: Join, rest: Rest, roomwire: Roomwire) -> None:
    alice, bob = await join("alice"), await join("bob")
    await meets(alice, "bob")
    await meets(bob, "alice")

    async with uninterrupted(bob, "alice"), uninterrupted(alice, "bob"):
        publishing = await alice.begin_publish(video("alice-screen", source=91))
        returned_at = await killed(roomwire, "signaling-gateway")
        for tab in (alice, bob):
            await tab.event("reconnecting", code=53001)
            await tab.event("reconnected")
        assert "error" not in await publishing
        await bob.sees("alice-screen", 91)
        assert time.monotonic() - returned_at < CATCH_UP_S

    assert rest.participants() == {alice.sid: "connected", bob.sid: "connected"}


@pytest.mark.parametrize("service", ["rooms-api", "nats"])
async def test_what_is_published_while_a_service_is_away_arrives(join: Join, roomwire: Roomwire, service: str) -> None:
    alice, bob = await join("alice"), await join("bob")
    await meets(alice, "bob")
    await meets(bob, "alice")

    async with uninterrupted(bob, "alice"), uninterrupted(alice, "bob"):
        killing = asyncio.create_task(killed(roomwire, service))
        publishing = await alice.begin_publish(video("alice-screen", source=91))
        returned_at = await killing
        assert "error" not in await publishing
        await bob.sees("alice-screen", 91)
        assert time.monotonic() - returned_at < CATCH_UP_S

    for tab in (alice, bob):
        assert await tab.count("reconnecting") == await tab.count("disconnected") == 0


async def joined_or_refused(join: Join, identity: str) -> tuple[Tab | None, int | None]:
    try:
        return await join(identity), None
    except ConnectRefused as refused:
        return None, refused.code


async def test_who_connects_while_the_token_issuer_is_away_gets_in_or_is_told(join: Join, roomwire: Roomwire) -> None:
    alice, bob = await join("alice"), await join("bob")
    await meets(bob, "alice")

    async with uninterrupted(bob, "alice"):
        killing = asyncio.create_task(killed(roomwire, "token-issuer"))
        begun_at = time.monotonic()
        carol, refused = await joined_or_refused(join, "carol")
        assert time.monotonic() - begun_at < TOLD_WITHIN_S
        await killing
        if carol is None:
            assert refused == SERVER_BUSY
            carol = await join("carol")
        await meets(carol, "alice")
        await meets(alice, "carol")
