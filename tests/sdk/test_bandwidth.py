"""What bandwidth profiles do on real lines: nothing on a free one; on a slow one the track that matters least goes, and comes back when there is room."""

import asyncio
import time
from math import inf

import pytest

from tests.kit.browser import Tab, until, video
from tests.kit.people import PEOPLE, OpenTab
from tests.kit.stack import Roomwire
from tests.kit.udp_relay import Line, UdpRelay

pytestmark = pytest.mark.asyncio(loop_scope="session")

WATCHED_S = 6.0
"""Longer than an estimate from too little needs to lose a camera."""


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
    await alice.connect(
        behind.token("alice"),
        tracks=[video("alice-camera", source=1, fps=10)],
        ws_server=behind.ws_server,
        name=room_name,
    )
    await alice.publish(video("wall", source=9, width=640, height=480, fps=24) | {"priority": "low"})
    network.down = line = Line(1, rate_bps=250_000)
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
    assert set(await switched_off(bob)) == {"wall"}


async def sends_top_layer(tab: Tab) -> bool:
    streams = await tab.call("statistics", "outbound-rtp")
    return any(stream.get("frameHeight") == 540 for stream in streams)


WIDTH = 960


async def shown_width(tab: Tab, sid: str) -> int:
    size: list[int] = await tab.call("size", sid)
    return size[0]


async def sees_lower_layer(tab: Tab, sid: str) -> bool:
    """Which of the lower ones fits a line depends on what an encoder that is short of CPU makes of them."""
    return 0 < await shown_width(tab, sid) < WIDTH


async def sees_highest_layer(tab: Tab, sid: str) -> bool:
    return await shown_width(tab, sid) == WIDTH


async def test_of_simulcast_a_slow_line_gets_a_lower_layer_and_a_free_one_the_highest(
    behind: Roomwire, network: UdpRelay, room_name: str, open_tab: OpenTab
) -> None:
    alice, bob = await open_tab("alice"), await open_tab("bob")
    network.up, network.down = Line(0), Line(0)
    await alice.connect(
        behind.token("alice"),
        tracks=[video("alice-camera", source=1, width=WIDTH, height=540)],
        ws_server=behind.ws_server,
        name=room_name,
        preferredVideoCodecs="auto",
    )
    await until(lambda: sends_top_layer(alice), "alice sends every layer", patience_s=30)
    network.down = line = Line(1, rate_bps=400_000)
    profile = everything_shown("grid")
    await bob.connect(behind.token("bob"), ws_server=behind.ws_server, name=room_name, bandwidthProfile=profile)
    sid = await bob.remote_track("alice-camera")
    joined = time.monotonic()
    await until(lambda: sees_lower_layer(bob, sid), "bob sees a lower layer")
    await bob.sees("alice-camera", PEOPLE["alice"], more=5)
    slow = time.monotonic()
    await bob.sees("alice-camera", PEOPLE["alice"], more=20)

    line.rate_bps = inf
    free = time.monotonic()
    await until(lambda: sees_highest_layer(bob, sid), "bob sees the highest layer", patience_s=30)
    await bob.sees("alice-camera", PEOPLE["alice"], more=5)
    print(
        f"a lower layer after {slow - joined:.1f} s, the highest {time.monotonic() - free:.1f} s later\nto bob: {line}"
    )
    assert await switched_off(bob) == []


async def test_a_camera_without_simulcast_is_made_to_fit_the_line_of_its_only_viewer(
    behind: Roomwire, network: UdpRelay, room_name: str, open_tab: OpenTab
) -> None:
    alice, bob = await open_tab("alice"), await open_tab("bob")
    network.up, network.down = Line(0), Line(0)
    camera = video("alice-camera", source=1, width=640, height=480, fps=24)
    await alice.connect(behind.token("alice"), tracks=[camera], ws_server=behind.ws_server, name=room_name)
    network.down = line = Line(1, rate_bps=400_000)
    profile = everything_shown("grid")
    await bob.connect(behind.token("bob"), ws_server=behind.ws_server, name=room_name, bandwidthProfile=profile)
    await bob.sees("alice-camera", PEOPLE["alice"], more=60)
    before = line.lost, line.carried
    await bob.sees("alice-camera", PEOPLE["alice"], more=60)

    print(f"to bob: {line}, {line.lost - before[0]} lost of {line.carried - before[1]} at the end")
    assert await switched_off(bob) == []


async def video_target_bps(tab: Tab) -> float:
    """What the browser means to send of its only video."""
    streams = await tab.call("statistics", "outbound-rtp")
    return sum(float(stream.get("targetBitrate", 0)) for stream in streams if stream["kind"] == "video")


async def test_a_camera_without_simulcast_sends_less_while_everybody_shows_it_small(
    roomwire: Roomwire, room_name: str, open_tab: OpenTab
) -> None:
    alice, bob = await open_tab("alice"), await open_tab("bob")
    camera = video("alice-camera", source=1, width=640, height=480, fps=24)
    await alice.connect(roomwire.token("alice"), tracks=[camera], ws_server=roomwire.ws_server, name=room_name)
    profile = everything_shown("grid")
    await bob.connect(roomwire.token("bob"), ws_server=roomwire.ws_server, name=room_name, bandwidthProfile=profile)
    await bob.sees("alice-camera", PEOPLE["alice"])

    async def aims_at(least_bps: float, most_bps: float) -> bool:
        return least_bps <= await video_target_bps(alice) <= most_bps

    await until(lambda: aims_at(700_000, inf), "alice sends a large picture")
    started = time.monotonic()
    await bob.call("prefer", "alice-camera", 160, 120)
    await until(lambda: aims_at(1, 400_000), "alice sends a small picture")
    small = time.monotonic()
    await bob.sees("alice-camera", PEOPLE["alice"])
    await bob.call("prefer", "alice-camera", 1280, 720)
    await until(lambda: aims_at(700_000, inf), "alice sends a large picture again")
    print(f"less after {small - started:.1f} s, all of it again {time.monotonic() - small:.1f} s later")
