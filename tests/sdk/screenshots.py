"""
Pictures of every state of the demo, on a desktop and on a telephone, light and dark, to be looked at: `make screenshots`.

It starts the whole system, and walks through all states; with names as arguments it takes pictures of those alone (`make screenshots SHOTS="lobby ended"`). The person whose page is shown uses the demo; the others are tabs of the test page, and in a crowd callers without a browser.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import Page
from roomwire.load_test.signaling import Refused

from tests.kit.browser import Chromium, Tab, audio, chromium, data, until, video
from tests.kit.callers import Callers, calling
from tests.kit.demo import refuse, start_demo
from tests.kit.relay import Relay, relay
from tests.kit.stack import Roomwire, running

SIZES = {"desktop": {"width": 1280, "height": 800}, "telephone": {"width": 390, "height": 844}}
SCHEMES = ("light", "dark")
PEOPLE = ("Grace Hopper", "Maximiliane Konstantinopoulou-Featherstonehaugh", "José Núñez")
MESSAGES = (
    ("Good morning! Are we complete?", "I have ten minutes."),
    ("The minutes: https://example.org/a/rather/long/address/that-does-not-fit-in-one-line/at-all?really=true",),
    ("¡Gracias!",),
)
TRIES = 10
PATIENCE_MS = 120_000
"""Nobody watches: a busy machine may take its time."""


class Album:
    """Takes each state in every size and colour, into one folder. Some names, or with none given all."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._names = names
        self._number = 0

    async def take(self, page: Page, name: str) -> None:
        self._number += 1
        if self._names and name not in self._names:
            return
        for size, viewport in SIZES.items():
            await page.set_viewport_size(viewport)
            for scheme in SCHEMES:
                await page.emulate_media(color_scheme=scheme)
                await page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 150)))")
                await page.screenshot(path=self._folder / f"{self._number:02}-{name}-{size}-{scheme}.png")


async def join(tab: Tab, roomwire: Roomwire, room: str) -> None:
    number = PEOPLE.index(tab.name) + 1
    wishes = [audio("microphone", hertz=300 + 200 * number), data("chat")]
    if number == 1:
        wishes.append(video("camera", source=40, width=640, height=360, fps=10))
    if number == 3:  # a telephone, held upright
        wishes.append(video("camera", source=120, width=360, height=640, fps=10))
    await tab.connect(roomwire.token(tab.name), ws_server=roomwire.ws_server, name=room, tracks=wishes)


async def tiles(page: Page, count: int) -> None:
    """Wait for this many tiles."""
    await page.wait_for_function("n => document.querySelectorAll('.tile').length === n", arg=count)


async def seat(callers: Callers, identity: str, room: str) -> None:
    """Join, again if a service of a busy machine did not answer in its time."""
    for _again in range(TRIES):
        with contextlib.suppress(Refused):
            await callers.join(identity, room)
            return
    raise AssertionError(f"{identity} was refused {TRIES} times")


async def call(browser: Chromium, roomwire: Roomwire, demo: str, line: Relay, callers: Callers, album: Album) -> None:
    """From the lobby to the end of the room."""
    room = "weekly planning"
    async with (
        browser.visit(f"{demo}/?room={room}", permissions=["camera", "microphone"]) as page,
        browser.tabs() as open_tab,
    ):
        page.set_default_timeout(PATIENCE_MS)
        await page.wait_for_selector("#preview[data-camera=on]")
        await album.take(page, "lobby")
        await page.fill("#name", "Ada Lovelace")
        await page.click("#join-button")
        await tiles(page, 1)
        await page.wait_for_selector(".tile.local.with-video")
        await album.take(page, "alone")
        others = []
        for name in PEOPLE:
            others.append(await open_tab(name))
            await join(others[-1], roomwire, room)
            await tiles(page, len(others) + 1)
            await page.wait_for_selector(".tile:not(.local).with-video")
            if name != PEOPLE[1]:
                await page.wait_for_function("document.querySelector('.tile:last-child video')?.videoWidth > 0")
            await album.take(page, f"{len(others) + 1}-people")
        await others[0].call("disable", "microphone")
        await page.click("#mic")
        await page.click("#cam")
        await page.wait_for_selector(".tile.local:not(.with-video)")
        await album.take(page, "muted")
        await page.click("#cam")
        await page.click("#chat")
        await album.take(page, "chat-empty")
        for other, texts in zip(others, MESSAGES, strict=True):
            for text in texts:
                await other.send("chat", json.dumps({"type": "chat", "text": text}))
        await page.fill("#message", "Yes, everybody is here.")
        await page.press("#message", "Enter")

        async def arrived() -> bool:
            return await page.locator("#messages li").count() == 1 + sum(map(len, MESSAGES))

        await until(arrived, "the messages", PATIENCE_MS / 1000)
        await album.take(page, "chat")
        await page.click("#people-button")
        await album.take(page, "people")
        await page.click("#end-room")
        await album.take(page, "end-dialog")
        await page.keyboard.press("Escape")
        await page.keyboard.press("Escape")
        await page.click("#settings-button")
        await album.take(page, "settings")
        await page.keyboard.press("Escape")
        await page.click("#screen")
        await page.wait_for_selector("#sharing:not([hidden])")
        await album.take(page, "sharing")
        await page.click("#stop-sharing")
        await others[1].publish(video("screen", source=7, width=1280, height=720, fps=5))
        await page.wait_for_function("document.querySelector('.tile.screen video')?.videoWidth > 0")
        await album.take(page, "screen")
        await page.click("#chat")
        await album.take(page, "screen-and-chat")
        await page.keyboard.press("Escape")
        await others[0].publish(video("screen", source=8, width=1280, height=720, fps=5))
        await page.wait_for_function("document.querySelectorAll('.tile.screen.with-video').length === 2")
        await album.take(page, "two-screens")
        for other in (0, 1):
            await others[other].call("unpublish", "screen")
        await page.wait_for_selector(".tiles:not(.presenting)")
        for count in (9, 16):
            while await page.locator(".tile").count() < count:
                number = await page.locator(".tile").count()
                await seat(callers, f"Guest {number}", room)
                await tiles(page, number + 1)
            await album.take(page, f"{count}-people")
        await others[1].publish(video("screen", source=7, width=1280, height=720, fps=5))
        await page.wait_for_function("document.querySelector('.tile.screen video')?.videoWidth > 0")
        await album.take(page, "16-people-and-screen")
        line.open = False
        line.cut()
        await page.wait_for_selector("#banner:not([hidden])")
        await album.take(page, "reconnecting")
        line.open = True
        await page.wait_for_selector("#banner", state="hidden")
        roomwire.client().video.v1.rooms(room).update(status="completed")
        await page.wait_for_selector("#ended:not([hidden])")
        await album.take(page, "ended")


async def refusals(browser: Chromium, roomwire: Roomwire, demo: str, album: Album) -> None:
    """No devices, and a room without a seat."""
    roomwire.client().video.v1.rooms.create(unique_name="full", max_participants=1)
    async with (
        browser.visit("about:blank", permissions=["camera", "microphone"]) as page,
        browser.tabs() as open_tab,
    ):
        page.set_default_timeout(PATIENCE_MS)
        await join(await open_tab(PEOPLE[0]), roomwire, "full")
        await refuse(page, "audio", "video")
        await page.goto(f"{demo}/?room=full&name=Ada Lovelace")
        await page.wait_for_selector("#present:not(:empty)")
        await page.wait_for_selector("#preview[data-camera=off]")
        await album.take(page, "denied")
        await page.click("#join-button")
        await page.wait_for_selector("#join-problem:not([hidden])")
        await album.take(page, "full")
        await page.fill("#room", "quiet")
        await page.click("#join-button")
        await tiles(page, 1)
        await album.take(page, "without-devices")


async def main(folder: Path, names: Sequence[str]) -> None:
    album = Album(folder, names)
    with running(Path(tempfile.mkdtemp())) as roomwire:
        async with AsyncExitStack() as opened:
            line = await opened.enter_async_context(
                relay("127.0.0.1", int(roomwire.ws_server.split(":")[2].split("/")[0]))
            )
            demo = start_demo(roomwire, ROOMWIRE_SIGNALING_URL=f"ws://127.0.0.1:{line.port}/signaling")
            browser = await opened.enter_async_context(chromium())
            callers = await opened.enter_async_context(calling(roomwire))
            await refusals(browser, roomwire, demo, album)
            await call(browser, roomwire, demo, line, callers, album)


if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp(prefix="roomwire-screenshots-"))
    print(f"Pictures go to {folder}", flush=True)
    asyncio.run(main(folder, sys.argv[1:]))
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")
