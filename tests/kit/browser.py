"""
Real Chromium with the stock client SDK: what a test does and sees as a user's application would.

`Chromium` owns the browser process and the local server of the page; a `Tab` is one client. The page itself is in `page/`.
"""

import asyncio
import functools
import http.server
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

PAGE = Path(__file__).parent / "page"
SDKS = Path(__file__).parent.parent / "sdk" / "node_modules"
SDK = "twilio-video"
"""The npm package of the newest SDK. Older ones are `twilio-video-2.20` and the like."""

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
DEVICES = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""A camera and a microphone, and leave to use them."""
PATIENCE_S = 30.0
"""How long a test waits for what must happen. No walk needs more than a few seconds; a loaded machine may."""

Wish = dict[str, Any]
"""A local track that a test wants: `kind`, `name` and what `page.js` says for that kind."""


def audio(name: str, *, hertz: int = 440) -> Wish:
    """A tone. Pitches should differ by 100 Hz or more to be told apart."""
    return {"kind": "audio", "name": name, "hertz": hertz}


def video(name: str, *, source: int, width: int = 320, height: int = 240, fps: int = 15) -> Wish:
    """Numbered pictures from `source` (0 to 255)."""
    return {"kind": "video", "name": name, "source": source, "width": width, "height": height, "fps": fps}


def data(name: str, **options: Any) -> Wish:
    """A data track; `ordered`, `maxRetransmits` and `maxPacketLifeTime` as the SDK takes them."""
    return {"kind": "data", "name": name, **options}


class NothingSuch(AssertionError):
    """What a test waited for did not happen in time."""


async def until(question: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """
    Ask until the answer is true, and return it. `question` may be a plain or a coroutine function; `what` says in the failure what was waited for.

    Raises `NothingSuch` after `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    while True:
        answer = question()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise NothingSuch(f"after {patience_s:g} s still not: {what} (last answer: {answer!r})")
        await asyncio.sleep(0.05)


class ConnectRefused(Exception):
    """`connect()` was rejected, with the SDK's error code."""

    def __init__(self, code: int | None, message: str) -> None:
        self.code = code
        super().__init__(f"{code} {message}")


@dataclass(frozen=True)
class Pictures:
    """Pictures of one remote track: how many were presented, and the numbers of those that could be read, with their times in seconds."""

    frames: int
    first_at_ms: float | None
    now_s: float
    times_s: tuple[float, ...]
    sources: tuple[int, ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Sound:
    """What is heard of one remote track: root mean square level (full scale is 1) and the loudest pitch."""

    level: float
    hertz: float


class Tab:
    """One client: a page of its own with the stock SDK. `events` are those of the room, in order, each a dict with `event` and its fields."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.joined: dict[str, Any] = {}
        self.errors: list[str] = []
        """Exceptions that nothing in the page caught: the server sent what the SDK cannot take."""
        self.console: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))

    async def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the page's `kit`."""
        return await self.page.evaluate("([f, args]) => window.kit[f](...args)", [function, list(arguments)])

    async def connect(
        self, token: str, *, ws_server: str, tracks: Sequence[Wish] = (), **options: Any
    ) -> dict[str, Any]:
        """
        `connect(token, {wsServer, ...options})` with these local tracks. Returns the room's state with `connectMs`.

        Raises `ConnectRefused` with the SDK's code.
        """
        answer = await self.call("connect", token, {"wsServer": ws_server, **options}, list(tracks))
        if "error" in answer:
            raise ConnectRefused(answer["error"]["code"], answer["error"]["message"])
        self.joined = answer
        return self.joined

    @property
    def sid(self) -> str:
        """SID of this tab's participant."""
        return str(self.joined["local"]["sid"])

    async def state(self) -> dict[str, Any]:
        return dict(await self.call("state"))

    async def leave(self) -> None:
        await self.call("leave")

    async def publish(self, wish: Wish) -> dict[str, Any]:
        """Publish; returns `track` and `trackSid`, or `error` with `code`."""
        return dict(await self.call("publish", wish))

    async def begin_publish(self, wish: Wish) -> asyncio.Task[dict[str, Any]]:
        """Publish without waiting for it."""
        return asyncio.create_task(self.publish(wish))

    async def events(self) -> list[dict[str, Any]]:
        return list(await self.page.evaluate("window.kit.events"))

    async def event(self, name: str, patience_s: float = PATIENCE_S, **fields: Any) -> dict[str, Any]:
        """Wait for an event with these fields, past ones included."""

        async def seen() -> dict[str, Any] | None:
            return next((e for e in await self.events() if _matches(e, name, fields)), None)

        try:
            return dict(await until(seen, f"{name} {fields}", patience_s))
        except NothingSuch as missing:
            told = "\n".join(f"    {event}" for event in await self.events())
            raise NothingSuch(f"{self.name}: {missing}\n  events:\n{told}") from None

    async def count(self, name: str, **fields: Any) -> int:
        """How many such events there were so far."""
        return sum(_matches(event, name, fields) for event in await self.events())

    async def remote_track(self, name: str) -> str:
        """Wait until this tab is subscribed to the track of that name; returns its SID. Of several in a row, the latest."""
        await self.event("trackSubscribed", track=name) if not await self._present(name) else None
        return str(await until(lambda: self._present(name), f"{self.name} has {name}"))

    async def _present(self, name: str) -> str | None:
        for participant in (await self.state())["participants"]:
            for track in participant["tracks"]:
                if track["track"] == name and track["subscribed"]:
                    return str(track["trackSid"])
        return None

    async def pictures(self, name: str) -> Pictures:
        """What was seen of a remote video track so far."""
        seen = await self.call("pictures", await self.remote_track(name))
        read = seen["read"]
        return Pictures(
            frames=seen["frames"],
            first_at_ms=seen["firstAt"],
            now_s=seen["now"] / 1000,
            times_s=tuple(at / 1000 for at, _, _ in read),
            sources=tuple(source for _, source, _ in read),
            numbers=tuple(number for _, _, number in read),
        )

    async def frames(self, name: str) -> int:
        """Frames of a video track of this tab that its browser has sent, or of a remote one that have come to it, shown or not."""
        return int(await self.call("frames", name))

    async def sees(self, name: str, source: int, more: int = 10) -> Pictures:
        """
        Wait until `more` further pictures of that remote track were read, each with another number, all drawn by `source`.
        """
        before = len((await self.pictures(name)).numbers)

        async def enough() -> Pictures | None:
            pictures = await self.pictures(name)
            return pictures if len(set(pictures.numbers[before:])) >= more else None

        pictures: Pictures = await until(enough, f"{self.name} sees {more} new pictures of {name}")
        assert set(pictures.sources[before:]) == {source}, f"{name}: pictures from {set(pictures.sources)}"
        return pictures

    async def hear(self, name: str) -> Sound:
        return Sound(**await self.call("hear", await self.remote_track(name)))

    async def hears(self, name: str, hertz: int) -> Sound:
        """Wait until that remote track sounds with this pitch (within 15 Hz, two bins of the meter)."""

        async def sounding() -> Sound | None:
            sound = await self.hear(name)
            return sound if sound.level > 0.02 and abs(sound.hertz - hertz) < 15 else None

        return Sound(**vars(await until(sounding, f"{self.name} hears {hertz} Hz of {name}")))

    async def silent(self, name: str) -> None:
        """Wait until that remote track is silent."""

        async def quiet() -> bool:
            return (await self.hear(name)).level < 0.001

        await until(quiet, f"{self.name} hears nothing of {name}")

    async def send(self, name: str, *messages: Any) -> None:
        """Send over a local data track: text, or bytes."""
        await self.call("sendAll", name, [_to_page(message) for message in messages])

    async def received(self, name: str, count: int, patience_s: float = PATIENCE_S) -> list[str | bytes]:
        """Wait for at least `count` messages of a remote data track; returns all of them, in order."""

        async def arrived() -> list[Any] | None:
            got = await self.call("received", name)
            return list(got) if len(got) >= count else None

        got = await until(arrived, f"{self.name} got {count} messages of {name}", patience_s)
        return [_from_page(message) for message in got]

    async def data_options(self, name: str) -> dict[str, Any]:
        """`ordered`, `reliable`, `maxRetransmits`, `maxPacketLifeTime` of a remote data track."""
        await self.remote_track(name)
        return dict(await self.call("dataOptions", name))

    async def close(self) -> None:
        """Close the tab as a user does, without leaving the room first."""
        await self.page.close()

    async def crash(self) -> None:
        """Kill the tab's renderer process: nothing in the page runs any more."""
        session = await self.page.context.new_cdp_session(self.page)
        crashed = asyncio.ensure_future(session.send("Page.crash"))
        await self.page.wait_for_event("crash")
        crashed.cancel()
        await asyncio.gather(crashed, return_exceptions=True)
        await self.page.close()


def _matches(event: dict[str, Any], name: str, fields: dict[str, Any]) -> bool:
    return event["event"] == name and all(event.get(key) == value for key, value in fields.items())


def _to_page(message: str | bytes) -> Any:
    return message if isinstance(message, str) else {"hex": message.hex()}


def _from_page(message: Any) -> str | bytes:
    return message if isinstance(message, str) else bytes.fromhex(message["hex"])


@asynccontextmanager
async def tabs(
    new_tab: Callable[[str], Awaitable[Tab]], close: Callable[[Any], Awaitable[None]], address: str
) -> AsyncIterator[Callable[[str], Any]]:
    """What `Chromium.tabs` says, for any browser: `new_tab` makes an empty one, `close` takes its page."""
    opened: list[Tab] = []

    async def open_tab(name: str) -> Tab:
        tab = await new_tab(name)
        opened.append(tab)
        await tab.page.goto(address)
        await tab.page.wait_for_function("window.kit")
        return tab

    try:
        yield open_tab
    finally:
        await asyncio.gather(*(close(tab.page) for tab in opened))
    uncaught = {tab.name: tab.errors for tab in opened if tab.errors}
    assert not uncaught, f"exceptions that the pages did not catch: {uncaught}"


class Chromium:
    """The browser process, and the local server that gives the page."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser
        self._address = address

    @asynccontextmanager
    async def tabs(self, sdk: str = SDK) -> AsyncIterator[Callable[[str], Any]]:
        """
        Gives a function that opens a tab by name, with the SDK of this npm package. All are closed at the end; an exception that a page did not catch
        fails the test.
        """

        async def new_tab(name: str) -> Tab:
            return Tab(await (await self._browser.new_context()).new_page(), name)

        address = self._address.replace(f"/{SDK}/", f"/{sdk}/")
        async with tabs(new_tab, lambda page: page.context.close(), address) as open_tab:
            yield open_tab

    @asynccontextmanager
    async def visit(self, address: str, **options: Any) -> AsyncIterator[Page]:
        """A page of somebody else's, in a context with these options. An exception that it did not catch fails the test."""
        context = await self._browser.new_context(**options)
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            await page.goto(address)
            yield page
        finally:
            await context.close()
        assert not errors, f"exceptions that the page did not catch: {errors}"


def find_chromium() -> str:
    """Path of the browser: `$CHROMIUM`, or what the system has."""
    for candidate in (os.environ.get("CHROMIUM"), "/usr/bin/chromium", shutil.which("chromium-browser")):
        if candidate and Path(candidate).exists():
            return candidate
    raise RuntimeError("no Chromium: install it (Debian: apt-get install chromium) or set CHROMIUM to its path")


@asynccontextmanager
async def chromium(devices: Sequence[str] = DEVICES) -> AsyncIterator[Chromium]:
    """Start the browser, and stop it. Without `devices` its pages may use none, and their addresses are hidden behind mDNS names."""
    with page_server() as address:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=find_chromium(), headless=True, args=[*FLAGS, *devices], chromium_sandbox=False
            )
            try:
                yield Chromium(browser, address)
            finally:
                await browser.close()


class page_server:
    """Serves `page/` and the SDK of an npm package, unmodified, on a free port of 127.0.0.1. The package's name is the folder in the address."""

    def __enter__(self) -> str:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_PageRequest))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/{SDK}/index.html"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _PageRequest(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        package, _, name = path.split("?")[0].lstrip("/").partition("/")
        return str(SDKS / package / "dist" / name if name == "twilio-video.js" else PAGE / name)

    def log_message(self, *_: object) -> None:
        pass
