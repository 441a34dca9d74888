"""
Calls over bad lines: everything between a browser and the node, ICE, DTLS and SCTP included, is lost, delayed, reordered and repeated by a seed.

In the short form one of two people has the bad line, so that one direction of the call shows what a publisher's loss does and the other what a
subscriber's does. `make soak` runs longer ones in which both have it: one packet in ten is lost on the whole way, or one in three.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tests.kit.browser import Tab, until
from tests.kit.people import OpenTab, meet, tracks
from tests.kit.stack import Roomwire
from tests.kit.udp_relay import Line, UdpRelay

pytestmark = pytest.mark.asyncio(loop_scope="session")

SETTLED_S = 5.0
"""Chromium's buffers have grown to what the line needs, by 0.1 s each second."""


@dataclass(frozen=True, slots=True)
class Call:
    """What happened to a camera and a microphone on their way to the other browser in `seconds`."""

    seconds: float
    frames_sent: int
    frames_decoded: int
    freezes: int
    frozen_s: float
    samples: int
    concealed: int

    @property
    def decoded_share(self) -> float:
        return self.frames_decoded / max(1, self.frames_sent)

    @property
    def frozen_share(self) -> float:
        return self.frozen_s / self.seconds

    @property
    def concealed_share(self) -> float:
        return self.concealed / max(1, self.samples)

    def __str__(self) -> str:
        return (
            f"{self.seconds:.1f} s: {self.frames_decoded} of {self.frames_sent} frames decoded ({self.decoded_share:.1%}), "
            f"{self.freezes} freezes of {self.frozen_s:.2f} s together ({self.frozen_share:.2%}), "
            f"{self.concealed} of {self.samples} samples concealed ({self.concealed_share:.2%})"
        )


async def stream(tab: Tab, direction: str, kind: str) -> dict[str, Any]:
    """The only RTP stream of a tab in this direction and of this kind."""

    async def found() -> dict[str, Any] | None:
        streams = await tab.call("statistics", f"{direction}-rtp")
        return next((one for one in streams if one["kind"] == kind), None)

    return dict(await until(found, f"{tab.name} has an {direction} {kind} stream"))


async def measure(sender: Tab, receiver: Tab, seconds: float) -> Call:
    """Watch this direction of the call for so long."""

    async def look() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        return (
            await stream(sender, "outbound", "video"),
            await stream(receiver, "inbound", "video"),
            await stream(receiver, "inbound", "audio"),
        )

    sent, seen, heard = await look()
    await asyncio.sleep(seconds)
    sent_later, seen_later, heard_later = await look()
    return Call(
        seconds=(seen_later["timestamp"] - seen["timestamp"]) / 1000,
        frames_sent=sent_later["framesSent"] - sent["framesSent"],
        frames_decoded=seen_later["framesDecoded"] - seen["framesDecoded"],
        freezes=seen_later["freezeCount"] - seen["freezeCount"],
        frozen_s=seen_later["totalFreezesDuration"] - seen["totalFreezesDuration"],
        samples=heard_later["totalSamplesReceived"] - heard["totalSamplesReceived"],
        concealed=heard_later["concealedSamples"] - heard["concealedSamples"],
    )


def bad_line(network: UdpRelay, seed: int, **conditions: float) -> None:
    """Whoever comes from now on has it."""
    network.up, network.down = Line(seed, **conditions), Line(seed + 1, **conditions)


async def call(behind: Roomwire, network: UdpRelay, open_tab: OpenTab, room: str) -> tuple[Tab, Tab]:
    """Alice comes with the lines as they are, then Bob with good ones."""
    alice, bob = await open_tab("alice"), await open_tab("bob")
    await join(behind, alice, room)
    await until(lambda: network.up.carried, "alice's line is in use")
    network.up, network.down = Line(0), Line(0)
    await join(behind, bob, room)
    await meet(alice, bob)
    return alice, bob


async def join(behind: Roomwire, tab: Tab, room: str) -> None:
    await tab.connect(behind.token(tab.name), tracks=tracks(tab.name), ws_server=behind.ws_server, name=room)


async def stayed_connected(*tabs: Tab) -> bool:
    return not any([await tab.count(event) for tab in tabs for event in ("reconnecting", "disconnected")])


async def judge(first: Tab, second: Tab, seconds: float, frozen_share: float) -> None:
    """Both directions of the call are nearly as if nothing was lost."""
    await asyncio.sleep(SETTLED_S)
    directions = await asyncio.gather(measure(first, second, seconds), measure(second, first, seconds))
    for who, seen in zip((first, second), directions, strict=True):
        print(f"\n{who.name} is seen and heard for {seen}")
    for seen in directions:
        assert seen.decoded_share > 0.95
        assert seen.frozen_share < frozen_share
        assert seen.concealed_share < 0.02
    assert await stayed_connected(first, second)


async def test_five_percent_loss_and_50_ms_each_way_are_hardly_noticed(
    behind: Roomwire, network: UdpRelay, open_tab: OpenTab, room_name: str
) -> None:
    bad_line(network, 1, loss=0.05, delay_s=0.05, reorder=0.01, repeat=0.01)
    up, down = network.up, network.down
    alice, bob = await call(behind, network, open_tab, room_name)

    await judge(alice, bob, 12, frozen_share=0.04)  # one freeze: the shortest that Chromium counts is 2 % of this
    await alice.send("alice-chat", *(f"line {n}" for n in range(100)))
    assert await bob.received("alice-chat", 100) == [f"line {n}" for n in range(100)]
    print(f"alice to the node: {up}\nthe node to alice: {down}")
    assert up.lost > 20
    assert down.lost > 20


async def test_at_twenty_percent_loss_the_call_goes_on(
    behind: Roomwire, network: UdpRelay, open_tab: OpenTab, room_name: str
) -> None:
    bad_line(network, 11, loss=0.2, delay_s=0.05)
    up, down = network.up, network.down
    alice, bob = await call(behind, network, open_tab, room_name)

    directions = await asyncio.gather(measure(alice, bob, 5), measure(bob, alice, 5))
    for who, seen in zip((alice, bob), directions, strict=True):
        print(f"\n{who.name} is seen and heard for {seen}")
        assert seen.decoded_share > 0.7
    await meet(bob, alice)
    print(f"alice to the node: {up}\nthe node to alice: {down}")
    assert up.lost > 40
    assert await stayed_connected(alice, bob)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_two_bad_lines_for_five_minutes(
    behind: Roomwire, network: UdpRelay, open_tab: OpenTab, room_name: str
) -> None:
    bad_line(network, 21, loss=0.05, delay_s=0.05, reorder=0.01, repeat=0.01)
    alice, bob = await open_tab("alice"), await open_tab("bob")
    for tab in (alice, bob):
        await join(behind, tab, room_name)
    await meet(alice, bob)

    await judge(alice, bob, 300, frozen_share=0.01)
    print(f"to the node: {network.up}\nfrom the node: {network.down}")
