"""A service is killed while two clients talk: media never stops, and what was asked meanwhile happens."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.kit.browser import ConnectRefused, Tab, video
from tests.kit.people import Join, OpenTab, meet, meets, seeing_throughout
from tests.kit.rest import Rest
from tests.kit.stack import Roomwire

pytestmark = pytest.mark.asyncio(loop_scope="session")

CATCH_UP_S = 15.0
"""Within this time of the service's return everything has happened that was asked meanwhile."""
TOLD_WITHIN_S = 15.0
"""Who asks for something new meanwhile gets it or is told. The gateway waits for 8 s, REST for 5 s."""
SERVER_BUSY = 53006


@asynccontextmanager
async def uninterrupted(tab: Tab, other: Tab) -> AsyncIterator[None]:
    """While the body runs, this tab goes on seeing that person, and nothing of that person goes away."""
    async with seeing_throughout(tab, other):
        yield
    assert await tab.count("trackUnsubscribed") == await tab.count("participantDisconnected") == 0


async def killed(roomwire: Roomwire, service: str) -> float:
    """Kill it, and wait until it runs again; the time of its return."""
    await asyncio.to_thread(roomwire.kill, service)
    return time.monotonic()


async def test_the_gateway_is_killed_with_a_publish_in_flight(join: Join, rest: Rest, roomwire: Roomwire) -> None:
    alice, bob = await join("alice"), await join("bob")
    await meet(alice, bob)

    async with uninterrupted(bob, alice), uninterrupted(alice, bob):
        publishing = await alice.begin_publish(video("alice-screen", source=91))
        returned_at = await killed(roomwire, "signaling-gateway")
        for tab in (alice, bob):
            await tab.event("reconnecting", code=53001)
            await tab.event("reconnected")
        assert "error" not in await publishing
        await bob.sees("alice-screen", 91)
        assert time.monotonic() - returned_at < CATCH_UP_S

    assert rest.participants() == {alice.sid: "connected", bob.sid: "connected"}
    assert [entry.name for entry in roomwire.data.iterdir() if "gateway" in entry.name] == []  # it has nothing to lose


async def connected_or_refused(tab: Tab, token: str, **options: Any) -> tuple[int | None, float]:
    """Connect; the code of the refusal, if any, and how long it took to know."""
    begun_at = time.monotonic()
    try:
        await tab.connect(token, **options)
    except ConnectRefused as refused:
        return refused.code, time.monotonic() - begun_at
    return None, time.monotonic() - begun_at


def created_or_refused(client: Client, name: str) -> tuple[int | None, float]:
    """Create a room over REST; the error's status, 0 when nobody listens, None when there is none; and how long it took to know."""
    begun_at = time.monotonic()
    try:
        client.video.v1.rooms.create(unique_name=name)
    except requests.ConnectionError:
        return 0, time.monotonic() - begun_at
    except TwilioRestException as refused:
        return refused.status, time.monotonic() - begun_at
    return None, time.monotonic() - begun_at


@pytest.mark.parametrize("service", ["rooms-api", "token-issuer", "nats"])
async def test_what_is_asked_while_a_service_is_away_happens_or_fails_clearly(
    join: Join, open_tab: OpenTab, roomwire: Roomwire, room_name: str, service: str
) -> None:
    alice, bob, carol = await join("alice"), await join("bob"), await open_tab("carol")
    await meet(alice, bob)
    place = {"ws_server": roomwire.ws_server, "name": room_name}
    client, name = roomwire.client(), f"{room_name}-rest"

    async with uninterrupted(bob, alice), uninterrupted(alice, bob):
        killing = asyncio.create_task(killed(roomwire, service))
        publishing = await alice.begin_publish(video("alice-screen", source=91))
        connecting = asyncio.create_task(connected_or_refused(carol, roomwire.token("carol"), tracks=(), **place))
        asking = asyncio.create_task(asyncio.to_thread(created_or_refused, client, name))
        returned_at = await killing
        assert "error" not in await publishing
        await bob.sees("alice-screen", 91)
        assert time.monotonic() - returned_at < CATCH_UP_S

        refused, took_s = await connecting
        assert took_s < TOLD_WITHIN_S
        if refused is not None:
            assert refused == SERVER_BUSY
            await carol.connect(roomwire.token("carol"), tracks=(), **place)
        await meets(carol, "alice")
        status, took_s = await asking
        assert took_s < TOLD_WITHIN_S
        assert status in (None, 0, 503)
        assert status is not None or client.video.v1.rooms(name).fetch().status == "in-progress"

    for tab in (alice, bob):
        assert await tab.count("reconnecting") == await tab.count("disconnected") == 0
