"""Both clients publish and unpublish without a break, so that offers of both sides cross; in the end everybody agrees, and media flows."""

import asyncio
import json
import random
from collections.abc import Callable

import pytest
from playwright.async_api import Page, WebSocket

from tests.kit.browser import Tab, audio, until
from tests.kit.people import OpenTab, meet, tracks
from tests.kit.rest import Rest
from tests.kit.stack import Roomwire

pytestmark = pytest.mark.asyncio(loop_scope="session")

CYCLES = 200
LONGEST_PAUSE_MS = 30
SEED = 20260104
PATIENCE_S = 90.0

CYCLE = """
async ([name, hertz, pauses]) => {
  const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
  for (const [before, after] of pauses) {
    const publishing = window.kit.publish({ kind: 'audio', name, hertz });
    await pause(before);
    const published = await publishing;
    if (published.error) throw new Error(JSON.stringify(published.error));
    window.kit.unpublish(name);
    await pause(after);
  }
}
"""


class Offers:
    """Reads a tab's signaling socket: how many offers the client made, and how many of them the server's own offer crossed."""

    def __init__(self, page: Page) -> None:
        self.made = self.collided = 0
        self._unanswered: int | None = None
        page.on("websocket", self._watch)

    def _watch(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda text: self._read(text, self._sent))
        socket.on("framereceived", lambda text: self._read(text, self._received))

    def _read(self, text: str | bytes, note: Callable[[str, int], None]) -> None:
        body = json.loads(text).get("body", {})
        for entry in body.get("peer_connections", []):
            if description := entry.get("description"):
                note(description["type"], description["revision"])

    def _sent(self, kind: str, revision: int) -> None:
        if kind == "offer":
            self.made += 1
            self._unanswered = revision
        elif kind == "answer":
            self._unanswered = None

    def _received(self, kind: str, revision: int) -> None:
        if kind == "answer":
            self._unanswered = None
        elif kind == "offer" and self._unanswered is not None:
            self.collided += 1


@pytest.mark.timeout(300)
async def test_offers_that_cross_settle(
    open_tab: OpenTab, roomwire: Roomwire, room_name: str, rest: Rest, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(SEED)
    alice, bob = await open_tab("alice"), await open_tab("bob")
    offers = [Offers(tab.page) for tab in (alice, bob)]
    for tab in (alice, bob):
        await tab.connect(
            roomwire.token(tab.name), ws_server=roomwire.ws_server, name=room_name, tracks=tracks(tab.name)
        )
    await meet(alice, bob)

    await asyncio.gather(*(cycle(tab, f"{tab.name}-song", chance) for tab in (alice, bob)))
    for tab, hertz in ((alice, 1500), (bob, 1900)):
        assert "error" not in await tab.publish(audio(f"{tab.name}-last", hertz=hertz))

    await bob.hears("alice-last", 1500)
    await alice.hears("bob-last", 1900)
    await meet(alice, bob)
    expected = {f"{name}-{what}" for name in ("alice", "bob") for what in ("microphone", "camera", "chat", "last")}
    await until(lambda: track_names(alice, bob, expected), "both know the same tracks", PATIENCE_S)
    for tab in (alice, bob):
        names = set(rest.published(tab.sid))
        assert names == {name for name in expected if name.startswith(tab.name)}
    made, collided = sum(seen.made for seen in offers), sum(seen.collided for seen in offers)
    with capsys.disabled():
        print(f"\n{CYCLES} cycles: {made} offers of clients, {collided} collided with the server's")
    assert collided > 0, "no offers crossed: nothing was proved"


async def cycle(tab: Tab, name: str, chance: random.Random) -> None:
    """Publish and unpublish a track, with the test's random pauses in milliseconds."""
    pauses = [[chance.uniform(0, LONGEST_PAUSE_MS), chance.uniform(0, LONGEST_PAUSE_MS)] for _ in range(CYCLES // 2)]
    await tab.page.evaluate(CYCLE, [name, 700, pauses])


async def track_names(alice: Tab, bob: Tab, expected: set[str]) -> bool:
    """Whether each of both sees exactly the other's tracks, subscribed to all of them."""
    for tab, other in ((alice, "bob"), (bob, "alice")):
        (participant,) = (await tab.state())["participants"]
        names = {track["track"] for track in participant["tracks"] if track["subscribed"]}
        if names != {name for name in expected if name.startswith(other)} or len(names) != len(participant["tracks"]):
            return False
    return True
