"""Creating and completing rooms, against a REST server of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from roomwire.load_test.rooms import RestRefused, Rooms
from roomwire.load_test.settings import Credentials

CREDENTIALS = Credentials("AC1", "SK1", "secret")


@asynccontextmanager
async def answering(status: str, body: str) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


async def test_a_deployment_that_is_gone_at_the_end_is_told_and_not_raised():
    """The report of what was measured must not be lost for it."""
    async with answering("201 Created", '{"sid": "RM1"}') as url:
        rooms = Rooms(url, CREDENTIALS)
        await rooms.create(["room"])

    (told,) = await rooms.complete()

    assert told.startswith("RM1 is still in progress: cannot reach http://127.0.0.1")


async def test_a_refused_key_says_why():
    async with answering("401 Unauthorized", '{"code": 20003, "message": "Authenticate"}') as url:
        with pytest.raises(RestRefused, match="refused the API key: Authenticate"):
            await Rooms(url, CREDENTIALS).create(["room"])
