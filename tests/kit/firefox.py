"""
Real Firefox with the stock client SDK: tabs that tests use as they use Chromium's.

Firefox speaks WebDriver BiDi on a socket of its own; `FirefoxPage` has the few calls of Playwright's `Page` that a `Tab` makes. Playwright itself
drives only a Firefox that it has patched.

Source: W3C WebDriver BiDi.
"""

import asyncio
import itertools
import json
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets

from tests.kit.browser import Tab, page_server, tabs, until
from tests.kit.people import OpenTab

START_S = 60.0
"""How long Firefox may take to listen. Three seconds on a quiet machine."""

PREFERENCES = {
    "media.navigator.streams.fake": True,
    "permissions.default.camera": 1,  # a page that may use neither has no candidate but that of its default route
    "permissions.default.microphone": 1,
    "media.peerconnection.ice.loopback": True,  # else it has no candidate that reaches 127.0.0.1
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.cubeb.force_mock_context": True,  # without a sound card no AudioContext starts
    "media.cubeb.sandbox": False,  # the mock is of the page's process
    "media.gmp-manager.url": "",  # do not look for codecs on the internet
    "dom.min_background_timeout_value": 4,  # the window that is not on top draws as fast as the other
    "remote.prefs.recommended": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
}


class FirefoxPage:
    """A window of Firefox, with the names of Playwright's `Page`."""

    def __init__(self, bidi: "_Bidi", context: str) -> None:
        self._bidi = bidi
        self.context = context

    def on(self, event: str, handler: Callable[[Any], None]) -> None:
        """`pageerror`, with the exception's text; other events of Playwright's are not told."""
        if event == "pageerror":
            self._bidi.on_exception(self.context, handler)

    async def goto(self, address: str) -> None:
        await self._bidi.command("browsingContext.navigate", context=self.context, url=address, wait="complete")

    async def evaluate(self, expression: str, argument: Any = None) -> Any:
        """Value of an expression, or of a function called with `argument`. Raises `AssertionError` when it throws."""
        source = f"""(async () => {{
          const value = ({expression});
          return JSON.stringify(await (typeof value === 'function' ? value({json.dumps(argument)}) : value));
        }})()"""
        answer = await self._bidi.command(
            "script.evaluate", target={"context": self.context}, expression=source, awaitPromise=True
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"].get("value", "null"))

    async def wait_for_function(self, expression: str) -> None:
        await until(lambda: self.evaluate(f"Boolean({expression})"), expression)

    async def close(self) -> None:
        await self._bidi.command("browsingContext.close", context=self.context)


class _Bidi:
    """The one socket: commands and their answers, and the exceptions that pages do not catch."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._on_exception: dict[str, Callable[[Any], None]] = {}

    def on_exception(self, context: str, handler: Callable[[Any], None]) -> None:
        self._on_exception[context] = handler

    async def command(self, method: str, **parameters: Any) -> Any:
        number = next(self._ids)
        answered = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        return await answered

    async def read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            if message["type"] == "event":
                self._tell(message["params"])
                continue
            answered = self._waiting.pop(message["id"])
            if answered.done():
                continue
            if message["type"] == "success":
                answered.set_result(message["result"])
            else:
                answered.set_exception(AssertionError(f"{message['error']}: {message['message']}"))

    def _tell(self, entry: dict[str, Any]) -> None:
        handler = self._on_exception.get(entry["source"].get("context", ""))
        if entry["type"] == "javascript" and entry["level"] == "error" and handler is not None:
            handler(entry["text"])


class Firefox:
    """The browser process, and the local server that gives the page."""

    def __init__(self, bidi: _Bidi, address: str) -> None:
        self._bidi = bidi
        self._address = address

    @asynccontextmanager
    async def tabs(self) -> AsyncIterator[OpenTab]:
        """As `Chromium.tabs`. Each is a window: only a tab in front draws its pictures."""

        async def new_tab(name: str) -> Tab:
            created = await self._bidi.command("browsingContext.create", type="window")
            return Tab(FirefoxPage(self._bidi, created["context"]), name)  # type: ignore[arg-type]  # has what a Tab needs

        async with tabs(new_tab, FirefoxPage.close, self._address) as open_tab:
            yield open_tab


def find_firefox() -> str:
    """Path of the browser: `$FIREFOX`, or what the system has."""
    for candidate in (os.environ.get("FIREFOX"), shutil.which("firefox-esr"), shutil.which("firefox")):
        if candidate and Path(candidate).exists():
            return candidate
    raise RuntimeError("no Firefox: install it (Debian: apt-get install firefox-esr) or set FIREFOX to its path")


@asynccontextmanager
async def firefox() -> AsyncIterator[Firefox]:
    """Start the browser with a profile of its own, and stop it."""
    with page_server() as address, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        (Path(profile) / "user.js").write_text("\n".join(lines))
        process = await asyncio.create_subprocess_exec(
            *(find_firefox(), "--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", profile),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HOME": profile, "MOZ_CRASHREPORTER_DISABLE": "1"},
            start_new_session=True,
        )
        assert process.stderr is not None
        try:
            listening = await asyncio.wait_for(_listening(process.stderr), START_S)
            async with (
                websockets.connect(f"{listening}/session", max_size=None) as socket,
                asyncio.TaskGroup() as running,
            ):
                bidi = _Bidi(socket)
                tasks = [running.create_task(bidi.read()), running.create_task(_drain(process.stderr))]
                await bidi.command("session.new", capabilities={})
                await bidi.command("session.subscribe", events=["log.entryAdded"])
                yield Firefox(bidi, address)
                for task in tasks:
                    task.cancel()
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _listening(stderr: asyncio.StreamReader) -> str:
    said = []
    async for line in stderr:
        if found := re.search(rb"WebDriver BiDi listening on (ws://\S+)", line):
            return found[1].decode()
        said.append(line.decode(errors="replace"))
    raise RuntimeError("Firefox ended before it listened: " + "".join(said[-10:]))


async def _drain(stderr: asyncio.StreamReader) -> None:
    while await stderr.read(65_536):
        pass
