"""The demo as people use it: they see and hear each other, chat, mute, reconnect, leave and come back, on a desktop and on a telephone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.kit.browser import SDKS, Chromium, until
from tests.kit.demo import refuse, start_demo
from tests.kit.stack import Roomwire

pytestmark = pytest.mark.asyncio(loop_scope="session")

DESKTOP = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
TELEPHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
BOTH = ["camera", "microphone"]
AXE = SDKS / "axe-core" / "axe.min.js"
WATCH_BANNER = """() => {
  const banner = document.querySelector("#banner");
  window.bannerHidden = [];
  new MutationObserver(() => window.bannerHidden.push(banner.hidden)).observe(banner, { attributes: true });
}"""
REMOTE_VIDEO = ".tile:not(.local).with-video video"


@pytest.fixture(scope="session")
def demo_url(shared_roomwire: Roomwire) -> str:
    """The demo beside the running system."""
    return start_demo(shared_roomwire)


@pytest_asyncio.fixture(loop_scope="session")
async def pair(
    demo_url: str, roomwire: Roomwire, room_name: str, browser: Chromium
) -> AsyncIterator[tuple[Page, Page]]:
    """Ada at her desk and Grace on her telephone, in one room."""
    async with AsyncExitStack() as opened:
        pages = []
        for name, options in (("Ada Lovelace", DESKTOP), ("Grace Hopper", TELEPHONE)):
            address = f"{demo_url}/?room={room_name}&name={name}"
            page = await opened.enter_async_context(browser.visit(address, permissions=BOTH, **options))
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


async def faults(page: Page) -> list[str]:
    """What axe has against the page as it is now: names, roles, contrast, landmarks (WCAG A and AA, and best practices)."""
    if not await page.evaluate("'axe' in window"):
        await page.add_script_tag(path=AXE)
    await page.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )  # laid out anew
    found: list[str] = await page.evaluate(
        """async () => (await axe.run()).violations.flatMap(({ id, nodes }) =>
          nodes.map(({ target, any }) => `${id}: ${target} ${any.map(({ message }) => message)}`))"""
    )
    return found


async def test_two_people_talk(pair: tuple[Page, Page]) -> None:
    ada, grace = pair
    for page in pair:
        await moves(page)
        assert await sticking_out(page) == []

    await grace.click("#chat")
    await grace.fill("#message", "<b>Hello</b> https://example.org/?a=b, Ada")
    await grace.press("#message", "Enter")
    await ada.wait_for_function("document.querySelector('#unread').textContent === '1'")
    await ada.keyboard.press("c")
    assert await ada.inner_text("#messages li p") == "<b>Hello</b> https://example.org/?a=b, Ada"
    assert await ada.get_attribute("#messages li a", "href") == "https://example.org/?a=b"
    assert await ada.is_hidden("#unread")
    await ada.keyboard.press("Escape")
    assert await ada.is_hidden("#chat-panel")
    assert await ada.evaluate("document.activeElement.id") == "chat"

    await grace.click("#chat-panel [data-close]")
    await grace.keyboard.press("m")
    await grace.keyboard.press("v")
    await ada.wait_for_selector(".tile:not(.local):not(.with-video) .muted:not([hidden])")
    assert await grace.get_attribute("#mic", "aria-pressed") == "false"
    await grace.keyboard.press("m")
    await grace.keyboard.press("v")
    await ada.wait_for_selector(".tile:not(.local).with-video .muted[hidden]", state="attached")
    await moves(ada)

    await ada.click("#screen")
    await grace.wait_for_selector(".presenting .tile.screen.with-video")
    assert "Ada Lovelace's screen" in await grace.inner_text(".tile.screen .label")
    assert await sticking_out(grace) == []
    await ada.click("#stop-sharing")
    await grace.wait_for_selector(".tiles:not(.presenting)")
    await moves(grace)


async def test_people_come_back_and_go(pair: tuple[Page, Page], roomwire: Roomwire, room_name: str) -> None:
    ada, grace = pair
    await ada.evaluate(WATCH_BANNER)
    roomwire.kill("signaling-gateway")

    async def told_and_over() -> bool:
        hidden = await ada.evaluate("window.bannerHidden")
        return False in hidden and hidden[-1] is True

    await until(told_and_over, "the banner came and went", 30)
    await moves(ada)

    await ada.click("#leave")
    await ada.wait_for_selector("#ended:not([hidden])")
    assert await ada.inner_text("#ended-title") == "You have left the room."
    await grace.wait_for_function("document.querySelectorAll('.tile').length === 1")
    await ada.click("#rejoin")
    await grace.wait_for_selector(REMOTE_VIDEO)
    await moves(grace)

    roomwire.client().video.v1.rooms(room_name).participants("Grace Hopper").update(status="disconnected")
    await grace.wait_for_selector("#ended:not([hidden])")
    assert await grace.inner_text("#ended-title") == "You were removed from the room."
    await grace.click("#rejoin")
    await grace.wait_for_selector(REMOTE_VIDEO)

    await ada.click("#people-button")
    await ada.click("#end-room")
    await ada.click("#end-for-all")
    for page in pair:
        await page.wait_for_selector("#ended:not([hidden])")
        assert await page.inner_text("#ended-title") == "The room has ended."
    await until(lambda: f"demo: {room_name}: room-ended" in roomwire.logs(), "the demo hears of the end")


async def test_a_refused_camera_can_be_allowed_later(
    demo_url: str, roomwire: Roomwire, room_name: str, browser: Chromium
) -> None:
    async with browser.visit("about:blank", permissions=BOTH, **DESKTOP) as page:
        await refuse(page, "video")
        await page.goto(f"{demo_url}/?room={room_name}&name=Ada")
        await page.wait_for_selector("#lobby-mic[aria-pressed=true]")
        assert "does not let this page use your camera" in await page.inner_text("#preview-note")
        await page.click("#join-button")
        await page.wait_for_selector("#call:not([hidden])")
        await page.click("#cam")
        await page.wait_for_selector("#toasts :text('does not let this page use your camera')")
        await page.evaluate("window.refused = []")
        await page.click("#cam")
        await page.wait_for_selector(".tile.local.with-video")
        async with browser.visit(f"{demo_url}/?room={room_name}&name=Bob", permissions=BOTH, **TELEPHONE) as other:
            await other.wait_for_selector("#present:text('Ada is in this room.')")
            await other.click("#join-button")
            await other.wait_for_selector(REMOTE_VIDEO)
            await moves(other)


async def test_axe_finds_no_fault(demo_url: str, room_name: str, browser: Chromium) -> None:
    address = f"{demo_url}/?room={room_name}&name=Ada"
    async with browser.visit(address, permissions=BOTH, reduced_motion="reduce", **DESKTOP) as page:
        await page.wait_for_selector("#preview[data-camera=on]")
        assert await faults(page) == []
        await page.click("#join-button")
        await page.wait_for_selector("#call:not([hidden])")
        await page.click("#mic")
        for panel, scheme in (("#chat", "light"), ("#people-button", "dark")):
            await page.emulate_media(color_scheme=scheme)
            await page.click(panel)
            assert await faults(page) == []
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        await page.wait_for_selector("#settings[open]")
        assert await faults(page) == []
        await page.keyboard.press("Escape")
        await page.click("#leave")
        await page.wait_for_selector("#ended:not([hidden])")
        assert await faults(page) == []


async def test_the_keyboard_reaches_every_control(demo_url: str, browser: Chromium) -> None:
    async with browser.visit(f"{demo_url}/?room=r", permissions=BOTH, **DESKTOP) as page:
        await page.wait_for_selector("#preview[data-camera=on]")
        await page.focus("#lobby-mic")
        reached = []
        for _step in range(7):
            reached.append(await page.evaluate("document.activeElement.id"))
            await page.keyboard.press("Tab")

        assert reached[:4] == ["lobby-mic", "lobby-cam", "name", "room"]
        assert "join-button" in reached
        assert await sticking_out(page) == []
