"""What bandwidth profiles do on real lines: nothing on a free one; on a slow one the track that matters least goes, and comes back when there is room."""

import asyncio
from math import inf

import pytest

from tests.kit.browser import Tab, video
from tests.kit.people import PEOPLE, OpenTab
from tests.kit.stack import Roomwire
from tests.kit.udp_relay import Line, UdpRelay

pytestmark = pytest.mark.asyncio(loop_scope="session")

WATCHED_S = 6.0
"""Without send times, Chromium's estimates lost a camera within seconds."""


def everything_shown(mode: str) -> dict[str, object]:
    """A profile by which the client itself switches nothing off: not what is scrolled out of sight."""
    return {"video": {"mode": mode, "clientTrackSwitchOffControl": "manual", "contentPreferencesMode": "manual"}}


async def switched_off(tab: Tab) -> list[str]:
    return [event["track"] for event in await tab.events() if event["event"] == "trackSwitchedOff"]


async def test_on_a_free_line_nothing_is_switched_off(roomwire: Roomwire, room_name: str, open_tab: OpenTab) -> None:
    alice = await open_tab("alice")
    wishes = [video("alice-camera", source=1, width=640, height=480), video("screen", source=9, width=960, height=540)]
    await alice.connect(roomwire.token("alice"), tracks=wishes, ws_server=roomwire.ws_server, name=room_name)
    bob = await open_tab("bob")
    await bob.connect(
        roomwire.token("bob"),
        ws_server=roomwire.ws_server,
        name=room_name,
        bandwidthProfile=everything_shown("presentation"),
    )
    await bob.sees("screen", 9)
    await asyncio.sleep(WATCHED_S)

    await bob.sees("alice-camera", PEOPLE["alice"])
    await bob.sees("screen", 9)
    assert await switched_off(bob) == []


async def test_on_a_slow_line_the_least_track_goes_and_comes_back(
    behind: Roomwire, network: UdpRelay, room_name: str, open_tab: OpenTab
) -> None:
    alice, bob = await open_tab("alice"), await open_tab("bob")
    network.up, network.down = Line(0), Line(0)
    await alice.connect(
        behind.token("alice"),
        tracks=[video("alice-camera", source=1, fps=10)],
        ws_server=behind.ws_server,
        name=room_name,
    )
    await alice.publish(video("wall", source=9, width=640, height=480, fps=24) | {"priority": "low"})
    network.down = line = Line(1, rate_bps=400_000)
    await bob.connect(
        behind.token("bob"),
        ws_server=behind.ws_server,
        name=room_name,
        bandwidthProfile=everything_shown("collaboration"),
    )
    await bob.event("trackSwitchedOff", track="wall", patience_s=30)
    await bob.sees("alice-camera", PEOPLE["alice"])

    line.rate_bps = inf
    await bob.event("trackSwitchedOn", track="wall", patience_s=45)
    await bob.sees("wall", 9, more=80)  # for longer than an estimate needs to follow
    print(f"to bob: {line}")
    assert await switched_off(bob) == ["wall"]
