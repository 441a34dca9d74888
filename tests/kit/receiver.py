"""An application's endpoint for status callbacks: records what comes, to the byte, and answers as it is told."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import h11

Answer = Callable[["Received"], Awaitable[int] | int]
"""The status to answer a request with."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request, `target` being the very text of its request line."""

    method: str
    target: str
    headers: dict[str, str]
    body: str

    @property
    def values(self) -> dict[str, str]:
        """The parameters, wherever they are."""
        return dict(parse_qsl(self.body or urlsplit(self.target).query, keep_blank_values=True))

    @property
    def event(self) -> str:
        return self.values["StatusCallbackEvent"]

    @property
    def number(self) -> int:
        return int(self.values["SequenceNumber"])


@dataclass(slots=True)
class Receiver:
    """`answer` may be replaced at any time. `received` has everything, repetitions too, in order of arrival."""

    port: int
    answer: Answer = lambda _: 200
    received: list[Received] = field(default_factory=list)
    scheme: str = "http"
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/told"

    def events(self, room_sid: str | None = None) -> list[str]:
        """Names of the events of one room, or of all."""
        return [one.event for one in self.received if room_sid in (None, one.values.get("RoomSid"))]

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self.serving.add(task)
        task.add_done_callback(self.serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        with contextlib.suppress(OSError, h11.ProtocolError):
            request: h11.Request | None = None
            body = b""
            while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(65536))
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.ConnectionClosed):
                    return
            assert request is not None
            headers = {name.decode(): value.decode() for name, value in request.headers}
            one = Received(request.method.decode(), request.target.decode(), headers, body.decode())
            self.received.append(one)
            status = self.answer(one)
            if isinstance(status, Awaitable):
                status = await status
            location = [("Location", self.url)] if 300 <= status < 400 else []
            head = h11.Response(status_code=status, headers=[("Content-Length", "2"), *location])
            for part in (head, h11.Data(data=b"OK"), h11.EndOfMessage()):
                writer.write(connection.send(part) or b"")
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiving(
    port: int = 0, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Listen on a free port, or on this one."""
    receiver = Receiver(port)
    server = await asyncio.start_server(receiver.accept, host, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    receiver.scheme = "https" if tls else "http"
    try:
        yield receiver
    finally:
        server.close()
        for task in receiver.serving:
            task.cancel()
        await asyncio.gather(*receiver.serving, return_exceptions=True)
