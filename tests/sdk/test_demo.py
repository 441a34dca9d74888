"""The demo as two people use it: they see and hear each other, chat, mute, reconnect and leave, on a desktop and on a telephone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.kit.browser import SDK, Chromium, until
from tests.kit.stack import Roomwire

pytestmark = pytest.mark.asyncio(loop_scope="session")

DESKTOP = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
TELEPHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
WATCH_BANNER = """() => {
  const banner = document.querySelector("#banner");
  window.bannerHidden = [];
  new MutationObserver(() => window.bannerHidden.push(banner.hidden)).observe(banner, { attributes: true });
}"""
REMOTE_VIDEO = ".tile:not(.local).with-video video"


@pytest.fixture(scope="session")
def demo_url(shared_roomwire: Roomwire) -> str:
    """The demo beside the running system."""
    stack = shared_roomwire.stack
    stack.settings |= {
        "ROOMWIRE_DEMO_API_KEY": shared_roomwire.key_sid,
        "ROOMWIRE_DEMO_API_SECRET": shared_roomwire.key_secret,
        "ROOMWIRE_DEMO_NODE_MODULES": str(SDK.parents[2]),
    }
    stack.start_service("demo")
    return stack.demo_url


@pytest_asyncio.fixture(loop_scope="session")
async def pair(
    demo_url: str, roomwire: Roomwire, room_name: str, browser: Chromium
) -> AsyncIterator[tuple[Page, Page]]:
    """Ada at her desk and Grace on her telephone, in one room."""
    async with AsyncExitStack() as opened:
        pages = []
        for name, options in (("Ada Lovelace", DESKTOP), ("Grace Hopper", TELEPHONE)):
            address = f"{demo_url}/?room={room_name}&name={name}"
            permissions = ["camera", "microphone"]
            page = await opened.enter_async_context(browser.visit(address, permissions=permissions, **options))
            await page.wait_for_selector("#preview[data-camera=on]")
            await page.click("#join-button")
            await page.wait_for_selector("#call:not([hidden])")
            pages.append(page)
        ada, grace = pages
        for page in pages:
            await page.wait_for_selector(REMOTE_VIDEO)
        yield ada, grace


async def moves(page: Page) -> None:
    """Wait until the other's picture goes on."""
    before = await page.eval_on_selector(REMOTE_VIDEO, "video => video.getVideoPlaybackQuality().totalVideoFrames")
    await page.wait_for_function(
        "([selector, before]) => document.querySelector(selector)?.getVideoPlaybackQuality().totalVideoFrames > before + 5",
        arg=[REMOTE_VIDEO, before],
    )


async def sticking_out(page: Page) -> list[str]:
    """What does not fit on the screen."""
    found: list[str] = await page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && !e.closest(".messages, svg, video"))
          .filter((e) => { const box = e.getBoundingClientRect(); return box.right > innerWidth + 1 || box.bottom > innerHeight + 1; })
          .map((e) => `${e.tagName}#${e.id}.${e.className}`)"""
    )
    return found


async def nameless_buttons(page: Page) -> int:
    """Buttons that a screen reader could only call "button"."""
    count: int = await page.evaluate(
        "[...document.querySelectorAll('button')].filter(b => b.checkVisibility() && !b.ariaLabel && !b.innerText.trim()).length"
    )
    return count


async def test_two_people_talk(pair: tuple[Page, Page]) -> None:
    ada, grace = pair
    for page in pair:
        await moves(page)
        assert await sticking_out(page) == []
        assert await nameless_buttons(page) == 0

    await grace.click("#chat")
    await grace.fill("#message", "<b>Hello</b> Ada")
    await grace.press("#message", "Enter")
    await ada.wait_for_function("document.querySelector('#unread').textContent === '1'")
    await ada.keyboard.press("c")
    assert await ada.inner_text("#messages li p") == "<b>Hello</b> Ada"
    assert await ada.is_hidden("#unread")
    await ada.keyboard.press("Escape")
    assert await ada.is_hidden("#chat-panel")
    assert await ada.evaluate("document.activeElement.id") == "chat"

    await grace.click("#chat-panel [data-close]")
    await grace.keyboard.press("m")
    await grace.keyboard.press("v")
    await ada.wait_for_selector(".tile:not(.local):not(.with-video) .muted:not([hidden])")
    assert await grace.get_attribute("#mic", "aria-label") == "Microphone off"
    await grace.keyboard.press("m")
    await grace.keyboard.press("v")
    await ada.wait_for_selector(".tile:not(.local).with-video .muted[hidden]", state="attached")

    await ada.click("#screen")
    await grace.wait_for_selector(".presenting .tile.screen.with-video")
    assert "Ada Lovelace's screen" in await grace.inner_text(".tile.screen .label")
    assert await sticking_out(grace) == []
    await ada.click("#screen")
    await grace.wait_for_selector(".tiles:not(.presenting)")
    await moves(grace)


async def test_people_come_back_and_go(pair: tuple[Page, Page], roomwire: Roomwire) -> None:
    ada, grace = pair
    await ada.evaluate(WATCH_BANNER)
    roomwire.kill("signaling-gateway")

    async def told_and_over() -> bool:
        hidden = await ada.evaluate("window.bannerHidden")
        return False in hidden and hidden[-1] is True

    await until(told_and_over, "the banner came and went", 30)
    await moves(ada)

    await ada.click("#leave")
    await ada.wait_for_selector("#lobby:not([hidden]) #preview[data-camera=on]")
    await grace.wait_for_function("document.querySelectorAll('.tile').length === 1")
    await ada.click("#join-button")
    await grace.wait_for_selector(REMOTE_VIDEO)
    await moves(grace)

    ada.on("dialog", lambda dialog: dialog.accept())
    await ada.click("#people-button")
    await ada.click("#end-room")
    for page in pair:
        await page.wait_for_selector("#lobby:not([hidden])")
        assert await page.inner_text("#join-problem") == "The room has ended."


async def test_the_keyboard_reaches_every_control(demo_url: str, browser: Chromium) -> None:
    async with browser.visit(f"{demo_url}/?room=r", permissions=["camera", "microphone"], **DESKTOP) as page:
        await page.wait_for_selector("#preview[data-camera=on]")
        await page.focus("#lobby-mic")
        reached = []
        for _step in range(7):
            reached.append(await page.evaluate("document.activeElement.id"))
            await page.keyboard.press("Tab")

        assert reached[:4] == ["lobby-mic", "lobby-cam", "name", "room"]
        assert "join-button" in reached
        assert await sticking_out(page) == []
