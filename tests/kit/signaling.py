"""
A signaling client that speaks the client protocol by hand: for tests of what a stock SDK never sends, and of the socket alone.

It answers nothing by itself and knows no media: its offer is one that a real Chromium once made.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets

Message = dict[str, Any]
CHROMIUM_OFFER = (Path(__file__).parent / "fixtures" / "chromium-offer.sdp").read_bytes().decode()
"""One audio, one video and one data section. The client's DTLS side of it never speaks."""
PATIENCE_S = 30.0


class Closed(Exception):
    """The server closed the socket, with this code."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        super().__init__(f"socket closed with {code}")


class SignalingClient:
    """One socket. Frames are sent as given; what comes is kept in order in `frames`."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self.frames: list[Message] = []
        self.session: str | None = None

    async def send(self, frame: Message | str | bytes) -> None:
        await self._socket.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def say(self, body: Message) -> None:
        """Send an RSP message."""
        await self.send({"type": "msg", "body": body})

    async def frame(self) -> Message:
        """The next frame. Raises `Closed`, or `TimeoutError` after `PATIENCE_S`."""
        try:
            text = await asyncio.wait_for(self._socket.recv(), PATIENCE_S)
        except websockets.ConnectionClosed as closed:
            raise Closed(closed.rcvd.code if closed.rcvd else None) from None
        frame = json.loads(text)
        self.frames.append(frame)
        return dict(frame)

    async def body(self, *types: str) -> Message:
        """The next RSP message of one of these types; others, heartbeats too, are passed over."""
        while True:
            frame = await self.frame()
            if frame["type"] == "msg" and frame["body"]["type"] in types:
                return dict(frame["body"])

    async def hello(self, body: Message | None = None) -> Message:
        """Say hello, with an RSP message in it if given, and wait for `welcome`."""
        frame = {"type": "hello", "id": str(uuid.uuid4()), "version": 2, "timeout": 5000}
        await self.send(frame | ({"body": body} if body else {}))
        while (answer := await self.frame())["type"] != "welcome":
            assert answer["type"] == "heartbeat", answer
        return answer

    async def join(self, token: str, room: str | None = None, **members: Any) -> Message:
        """Hello with a `connect` in it; returns the `connected` or the `error`."""
        await self.hello(connect_message(token, room, **members))
        answer = await self.body("connected", "error")
        self.session = answer.get("session")
        return answer

    async def acquire(self, token: str) -> Message:
        """Hello with an `ice` request in it; returns the `iced` or the `error`."""
        await self.hello({"type": "ice", "version": 1, "edge": "roaming", "token": token})
        return await self.body("iced", "error")

    async def leave(self) -> None:
        await self.say({"type": "disconnect", "version": 2, "session": self.session})
        await self.send({"type": "bye"})
        await self._socket.close(1000)

    async def closed(self) -> int | None:
        """Read until the server closes the socket; returns its code."""
        try:
            while True:
                await self.frame()
        except Closed as closed:
            return closed.code


def connect_message(token: str, room: str | None, **members: Any) -> Message:
    """A `connect` with one audio, one video and one data track, as the SDK writes it. `members` replace or add."""
    audio, video = (line.split()[1] for line in CHROMIUM_OFFER.splitlines() if line.startswith("a=msid:"))
    message: Message = {
        "type": "connect",
        "version": 2,
        "token": token,
        "name": room,
        "format": "unified",
        "ice_servers": "overrode",
        "publisher": {"name": "twilio-video.js", "sdk_version": "2.36.0", "user_agent": "tests"},
        "participant": {
            "revision": 1,
            "tracks": [
                {"id": audio, "kind": "audio", "name": "microphone", "enabled": True, "priority": "standard"},
                {"id": video, "kind": "video", "name": "camera", "enabled": True, "priority": "standard"},
            ],
        },
        "peer_connections": [
            {"id": str(uuid.uuid4()), "description": {"type": "offer", "revision": 1, "sdp": CHROMIUM_OFFER}}
        ],
        "subscribe": {"revision": 1, "rules": [{"type": "include", "all": True}]},
    }
    return message | members


@asynccontextmanager
async def signaling(ws_server: str) -> AsyncIterator[SignalingClient]:
    """Open a socket; it is dropped without goodbye at the end, unless the test left before."""
    async with websockets.connect(ws_server, open_timeout=PATIENCE_S, ping_interval=None) as socket:
        yield SignalingClient(socket)
