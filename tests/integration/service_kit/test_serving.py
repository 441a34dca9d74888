"""How long a client may take to say what it wants."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from service_kit.serving import HttpProtocol

PATIENCE_S = 10.0
ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Hasty(HttpProtocol):
    request_s = 0.2


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Answer once the whole body has come."""
    message = await receive()
    while message.get("more_body"):
        message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"OK"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    config = uvicorn.Config(answer, http=Hasty, ws="none", lifespan="off", log_config=None)
    config.load()
    state = uvicorn.server.ServerState()
    server = await loop.create_server(lambda: Hasty(config, state, {}), "127.0.0.1")
    yield int(server.sockets[0].getsockname()[1])
    server.close()


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHo", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"]
)
async def test_who_does_not_finish_a_request_is_disconnected(port: int, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)

    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()


async def test_a_second_request_has_its_own_time_and_idling_before_it_is_free(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(2):
            writer.write(ASK)
            assert (await reader.readuntil(b"\r\n\r\nOK")).startswith(b"HTTP/1.1 200")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 2 * Hasty.request_s)
        writer.write(ASK[:9])
        assert await reader.read() == b""
    writer.close()
