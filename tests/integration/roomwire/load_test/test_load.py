"""A whole run against a signaling server of the test's own."""

import asyncio
import io

import pytest
import websockets
from roomwire.load_test.load import Interrupted, LoadTest
from roomwire.load_test.progress import Progress
from roomwire.load_test.settings import Credentials, LoadSettings

CREDENTIALS = Credentials("AC1", "SK1", "a secret of at least thirty-two octets")


async def test_an_interrupt_does_not_wait_for_a_deployment_that_never_answers():
    asked = asyncio.Event()

    async def say_nothing(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        asked.set()
        await socket.wait_closed()

    async with websockets.serve(say_nothing, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}/signaling"
        test = LoadTest(LoadSettings("room", 1, 1, 60.0, url, CREDENTIALS), Progress(io.StringIO()))
        run = asyncio.create_task(test.run())
        await asked.wait()
        test.interrupt()

        async with asyncio.timeout(10):  # the server's answer would have been waited for 15 s
            with pytest.raises(Interrupted):
                await run
