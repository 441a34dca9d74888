"""
The client's half of the signaling protocol, as far as a load tester needs it: hello, ice, connect, updates, heartbeats, disconnect. It knows no
SDP and no media, and does not resume: a lost socket is the end, and is reported.

Source: PROTOCOL.md.
"""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import websockets

Message = dict[str, Any]
"""A protocol message as parsed from JSON; its members are checked where they are read."""
PATIENCE_S = 15.0
HEARTBEAT_MS = 5000


class SignalingFailed(Exception):
    """The server cannot be reached, ended the session, or broke the protocol."""


class Refused(SignalingFailed):
    """The server answered with an error of the protocol."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


class Signaling:
    """One socket and its session. `run` reads until the end; updates go to `on_update`, one at a time."""

    def __init__(self, url: str, token: str, on_update: Callable[[Message], Awaitable[None]]) -> None:
        self._url = url
        self._token = token
        self._on_update = on_update
        self._socket: websockets.ClientConnection | None = None
        self._session: str | None = None
        self._silence_s = HEARTBEAT_MS / 1000
        self._leaving = False

    async def connect(self, make_connect: Callable[[], Message]) -> Message:
        """
        Say hello, acquire ICE servers, connect; returns `connected`. `make_connect` gives the members of the connect message beyond token and
        format.

        Raises Refused or SignalingFailed.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._connect(make_connect)
        except TimeoutError:
            raise SignalingFailed(f"no answer from {self._url} within {PATIENCE_S:.0f} s") from None
        except (OSError, websockets.WebSocketException) as error:
            raise SignalingFailed(f"cannot reach {self._url}: {error}") from error

    async def _connect(self, make_connect: Callable[[], Message]) -> Message:
        self._socket = await websockets.connect(self._url, open_timeout=PATIENCE_S, ping_interval=None, max_size=2**24)
        body = {"type": "ice", "version": 1, "edge": "roaming", "token": self._token}
        hello = {"type": "hello", "id": str(uuid.uuid4()), "version": 2, "timeout": HEARTBEAT_MS, "body": body}
        await self._send(hello)
        welcome = await self._next_frame("welcome")
        self._silence_s = float(welcome["negotiatedTimeout"]) / 1000
        await self._next_body("iced")
        await self._say({"type": "connect", "version": 2, "token": self._token, "format": "unified", **make_connect()})
        connected = await self._next_body("connected")
        self._session = str(connected["session"])
        return connected

    async def run(self) -> None:
        """Read updates and keep the session alive until `leave`. Raises Refused or SignalingFailed when the server ends it."""
        heartbeats = asyncio.create_task(self._send_heartbeats())
        try:
            await self._read()
        finally:
            heartbeats.cancel()

    async def _read(self) -> None:
        while True:
            try:
                async with asyncio.timeout(3 * self._silence_s):
                    frame = await self._receive()
            except TimeoutError:
                raise SignalingFailed("the server fell silent") from None
            except SignalingFailed:
                if self._leaving:
                    return
                raise
            if frame.get("type") == "msg":
                await self._receive_body(frame["body"])

    async def _receive_body(self, body: Message) -> None:
        match body.get("type"):
            case "update":
                await self._on_update(body)
            case "error":
                raise _refusal(body)
            case "disconnected":
                over = body.get("status") == "completed"
                raise SignalingFailed("the room was completed" if over else "the participant was removed")
            case _:
                pass  # as the SDK: what is not known is ignored

    async def update(self, members: Message) -> None:
        """Send an `update`. A socket that is closing takes it without effect."""
        await self._say({"type": "update", "version": 2, "session": self._session, **members})

    async def leave(self) -> None:
        """Disconnect and close; `run` returns."""
        self._leaving = True
        if self._socket is None:
            return
        if self._session:
            await self._say({"type": "disconnect", "version": 2, "session": self._session})
            await self._send({"type": "bye"})
        await self._socket.close(1000)

    # -- frames --------------------------------------------------------------------------------------------------------------------

    async def _send_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(max(0.2, self._silence_s - 0.2))
            await self._send({"type": "heartbeat"})

    async def _next_frame(self, kind: str) -> Message:
        while True:
            frame = await self._receive()
            if frame.get("type") == kind:
                return frame
            if frame.get("type") in ("busy", "bad"):
                raise SignalingFailed(f"the server is {frame['type']}: {frame.get('reason', 'try again later')}")

    async def _next_body(self, kind: str) -> Message:
        while True:
            body: Message = (await self._next_frame("msg"))["body"]
            if body.get("type") == kind:
                return body
            if body.get("type") == "error":
                raise _refusal(body)

    async def _say(self, body: Message) -> None:
        await self._send({"type": "msg", "body": body})

    async def _send(self, frame: Message) -> None:
        assert self._socket
        try:
            await self._socket.send(json.dumps(frame))
        except websockets.ConnectionClosed:
            return  # the reading side reports it

    async def _receive(self) -> Message:
        assert self._socket
        try:
            frame: Message = json.loads(await self._socket.recv())
        except websockets.ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            raise SignalingFailed(f"the server closed the socket ({code})") from None
        except ValueError as error:
            raise SignalingFailed("the server sent something that is not JSON") from error
        return frame


def _refusal(body: Message) -> Refused:
    return Refused(int(body.get("code", 53000)), str(body.get("message", "refused")))
