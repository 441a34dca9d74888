"""
Pictures of every state of the demo, on a desktop and on a telephone, light and dark, to be looked at: `make screenshots`.

It starts the whole system. The person whose page is shown uses the demo; the others are tabs of the test page.
"""

import asyncio
import json
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.kit.browser import SDK, Chromium, Tab, audio, chromium, data, until, video
from tests.kit.relay import relay
from tests.kit.stack import Roomwire, running

SIZES = {"desktop": {"width": 1280, "height": 800}, "telephone": {"width": 390, "height": 844}}
SCHEMES = ("light", "dark")
PEOPLE = ("Grace Hopper", "Maximiliane Konstantinopoulou-Featherstonehaugh", "林美玲")
MESSAGES = (
    "Good morning! Are we complete?",
    "The minutes: https://example.org/a/rather/long/address/that-does-not-fit-in-one-line/at-all?really=true",
    "Danke 👍",
)
NO_DEVICES = """
for (const name of ['getUserMedia', 'getDisplayMedia'])
  navigator.mediaDevices[name] = () => Promise.reject(new DOMException('Permission denied', 'NotAllowedError'));
"""


class Album:
    """Takes each state in every size and colour, into one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    async def take(self, page: Page, name: str) -> None:
        self._number += 1
        for size, viewport in SIZES.items():
            await page.set_viewport_size(viewport)
            for scheme in SCHEMES:
                await page.emulate_media(color_scheme=scheme)
                await page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 150)))")
                await page.screenshot(path=self._folder / f"{self._number:02}-{name}-{size}-{scheme}.png")


async def join(tab: Tab, roomwire: Roomwire, room: str, *, camera: bool = True) -> None:
    number = PEOPLE.index(tab.name) + 1
    wishes = [audio("microphone", hertz=300 + 200 * number), data("chat")]
    if camera:
        wishes.append(video("camera", source=40 * number, width=640, height=360, fps=10))
    await tab.connect(roomwire.token(tab.name), ws_server=roomwire.ws_server, name=room, tracks=wishes)


async def tiles(page: Page, count: int) -> None:
    """Wait for this many tiles."""
    await page.wait_for_function("n => document.querySelectorAll('.tile').length === n", arg=count)


async def call(browser: Chromium, roomwire: Roomwire, demo: str, line: Any, album: Album) -> None:
    """From the lobby to the end of the room."""
    room = "weekly planning"
    async with (
        browser.visit(f"{demo}/?room={room}", permissions=["camera", "microphone"]) as page,
        browser.tabs() as open_tab,
    ):
        await page.wait_for_selector("#preview[data-camera=on]")
        await album.take(page, "lobby")
        await page.fill("#name", "Ada Lovelace")
        await page.click("#join-button")
        await tiles(page, 1)
        await album.take(page, "alone")
        others = []
        for name in PEOPLE:
            others.append(await open_tab(name))
            await join(others[-1], roomwire, room, camera=name != PEOPLE[1])
            await tiles(page, len(others) + 1)
            await page.wait_for_function("document.querySelector('.tile:not(.local).with-video')")
            await album.take(page, f"{len(others) + 1}-people")
        await others[0].call("disable", "microphone")
        await page.click("#mic")
        await page.click("#cam")
        await album.take(page, "muted")
        await page.click("#cam")
        await page.click("#chat")
        await album.take(page, "chat-empty")
        for other, text in zip(others, MESSAGES, strict=True):
            await other.send("chat", json.dumps({"type": "chat", "text": text}))
        await page.fill("#message", "Yes, everybody is here.")
        await page.press("#message", "Enter")
        await until(lambda: page.locator("#messages li").count(), "the messages")
        await album.take(page, "chat")
        await page.click("#people-button")
        await album.take(page, "people")
        await page.keyboard.press("Escape")
        await others[1].publish(video("screen", source=7, width=1280, height=720, fps=5))
        await page.wait_for_function(
            "document.querySelector('.tile.screen video')?.getVideoPlaybackQuality().totalVideoFrames > 1"
        )
        await album.take(page, "screen")
        await page.click("#chat")
        await album.take(page, "screen-and-chat")
        await page.keyboard.press("Escape")
        line.open = False
        line.cut()
        await page.wait_for_selector("#banner:not([hidden])")
        await album.take(page, "reconnecting")
        line.open = True
        await page.wait_for_selector("#banner", state="hidden")
        roomwire.client().video.v1.rooms(room).update(status="completed")
        await page.wait_for_selector("#join-problem:not([hidden])")
        await page.wait_for_selector("#preview[data-camera=on]")
        await album.take(page, "ended")


async def refusals(browser: Chromium, roomwire: Roomwire, demo: str, album: Album) -> None:
    """No devices, and a room without a seat."""
    roomwire.client().video.v1.rooms.create(unique_name="full", max_participants=1)
    async with browser.visit("about:blank") as page, browser.tabs() as open_tab:
        await join(await open_tab(PEOPLE[0]), roomwire, "full")
        await page.add_init_script(NO_DEVICES)
        await page.goto(f"{demo}/?room=full&name=Ada Lovelace")
        await page.wait_for_selector("#preview[data-camera=off]")
        await album.take(page, "denied")
        await page.click("#join-button")
        await page.wait_for_selector("#join-problem:not([hidden])")
        await album.take(page, "full")
        await page.fill("#room", "quiet")
        await page.click("#join-button")
        await tiles(page, 1)
        await album.take(page, "without-devices")


async def main(folder: Path) -> None:
    album = Album(folder)
    with running(Path(tempfile.mkdtemp())) as roomwire:
        async with AsyncExitStack() as opened:
            line = await opened.enter_async_context(
                relay("127.0.0.1", int(roomwire.ws_server.split(":")[2].split("/")[0]))
            )
            stack = roomwire.stack
            stack.settings |= {
                "ROOMWIRE_DEMO_API_KEY": roomwire.key_sid,
                "ROOMWIRE_DEMO_API_SECRET": roomwire.key_secret,
                "ROOMWIRE_DEMO_NODE_MODULES": str(SDK.parents[2]),
                "ROOMWIRE_SIGNALING_URL": f"ws://127.0.0.1:{line.port}/signaling",
            }
            stack.start_service("demo")
            browser = await opened.enter_async_context(chromium())
            await refusals(browser, roomwire, stack.demo_url, album)
            await call(browser, roomwire, stack.demo_url, line, album)


if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp(prefix="roomwire-screenshots-"))
    asyncio.run(main(folder))
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")
