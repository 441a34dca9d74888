"""The signaling client against a scripted server on loopback."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import websockets
from roomwire.load_test.signaling import Refused, Signaling, SignalingFailed

CONNECTED = {"type": "connected", "version": 2, "session": "session-1", "sid": "RM1", "name": "room"}


class Script:
    """The server's end of one socket."""

    def __init__(self, socket: websockets.ServerConnection) -> None:
        self._socket = socket

    async def expect(self, kind: str) -> dict:
        """The next frame that is no heartbeat: `kind` is its type, or its body's."""
        while True:
            frame = json.loads(await self._socket.recv())
            if frame["type"] == "heartbeat" and kind != "heartbeat":
                continue
            body = frame.get("body", frame)
            assert kind in (frame["type"], body["type"]), frame
            return frame if frame["type"] == kind else body

    async def send(self, frame: dict) -> None:
        await self._socket.send(json.dumps(frame))

    async def say(self, body: dict) -> None:
        await self.send({"type": "msg", "body": body})

    async def welcome(self, timeout_ms: int = 5000) -> None:
        hello = await self.expect("hello")
        assert hello["body"] == {"type": "ice", "version": 1, "edge": "roaming", "token": "token"}
        await self.send({"type": "welcome", "negotiatedTimeout": timeout_ms})

    async def admit(self, timeout_ms: int = 5000) -> dict:
        await self.welcome(timeout_ms)
        await self.say({"type": "iced", "version": 1, "ice_servers": [], "ttl": 3600})
        connect = await self.expect("connect")
        await self.say(CONNECTED)
        return connect

    async def closed(self) -> None:
        await self._socket.wait_closed()

    async def close(self, code: int) -> None:
        await self._socket.close(code)


@asynccontextmanager
async def serving(play: Callable[[Script], Awaitable[None]]) -> AsyncIterator[str]:
    async def handle(socket: websockets.ServerConnection) -> None:
        await play(Script(socket))

    async with websockets.serve(handle, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/signaling"


async def ignore(body: dict) -> None:
    pass


async def test_connecting_acquires_ice_servers_first():
    connects = []

    async def play(script: Script) -> None:
        connects.append(await script.admit())

    async with serving(play) as url:
        connected = await Signaling(url, "token", ignore).connect(lambda: {"name": "room"})

    assert connected["session"] == "session-1"
    assert connects[0] | {"type": "connect", "version": 2, "token": "token", "name": "room"} == connects[0]


async def test_a_refused_token_says_its_code():
    async def play(script: Script) -> None:
        await script.welcome()
        await script.say({"type": "error", "version": 2, "code": 20104, "message": "Access Token expired"})

    async with serving(play) as url:
        with pytest.raises(Refused, match=r"Access Token expired \(20104\)") as refused:
            await Signaling(url, "token", ignore).connect(dict)

    assert refused.value.code == 20104


async def test_a_server_that_is_not_there_is_named():
    async with serving(ignore) as url:
        pass
    with pytest.raises(SignalingFailed, match=f"cannot reach {url}"):
        await Signaling(url, "token", ignore).connect(dict)


async def test_updates_are_handed_on_and_answered_in_the_session():
    updates, answers = [], []

    async def play(script: Script) -> None:
        await script.admit()
        await script.say({"type": "update", "version": 2, "n": 1})
        answers.append(await script.expect("update"))
        await script.expect("disconnect")
        await script.expect("bye")

    async with serving(play) as url:
        signaling = Signaling(url, "token", lambda body: answer(body))

        async def answer(body: dict) -> None:
            updates.append(body["n"])
            await signaling.update({"answer": body["n"]})
            await signaling.leave()

        await signaling.connect(dict)
        await signaling.run()

    assert updates == [1]
    assert answers == [{"type": "update", "version": 2, "session": "session-1", "answer": 1}]


async def test_heartbeats_keep_the_session_alive():
    async def play(script: Script) -> None:
        await script.admit(timeout_ms=300)
        for _ in range(3):
            await script.expect("heartbeat")
            await script.send({"type": "heartbeat"})
        await script.say({"type": "disconnected", "version": 2, "status": "completed"})

    async with serving(play) as url:
        signaling = Signaling(url, "token", ignore)
        await signaling.connect(dict)
        with pytest.raises(SignalingFailed, match="the room was completed"):
            await signaling.run()


async def test_a_silent_server_is_given_up():
    async def play(script: Script) -> None:
        await script.admit(timeout_ms=100)
        await script.closed()

    async with serving(play) as url:
        signaling = Signaling(url, "token", ignore)
        await signaling.connect(dict)
        with pytest.raises(SignalingFailed, match="fell silent"):
            await signaling.run()
        await signaling.leave()


async def test_a_closed_socket_is_reported_with_its_code():
    async def play(script: Script) -> None:
        await script.admit()
        await script.close(1012)

    async with serving(play) as url:
        signaling = Signaling(url, "token", ignore)
        await signaling.connect(dict)
        with pytest.raises(SignalingFailed, match=r"closed the socket \(1012\)"):
            await signaling.run()
