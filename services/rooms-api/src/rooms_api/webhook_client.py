"""
Sends one callback and hears the answer's status. Decides nothing: `webhooks.py` does.

Written on sockets, not on an HTTP library: the bytes of the request line must be those that were signed, and the address must be the one that was checked.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import h11

from rooms_api.core.addresses import is_public
from rooms_api.core.webhook import FailureReason, WebhookRequest

TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 5.0
"""For each address but the last, so that one that is dead does not hide the others."""
ADDRESSES = 4
MAX_ANSWER_BYTES = 64 * 1024
"""Of the answer's body, which nobody reads. Its head may have 16 KiB (h11)."""
FINISH_S = 2.0
CLOSE_S = 1.0
RESOLVERS = 32
"""Threads: a name server that does not answer holds one for each name, and must not hold up the others."""

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The IP addresses of a host. Raises `OSError`."""


class NoAnswer(Exception):
    """The receiver gave no answer. The message says why, in words for the delivery log; `reason` in classes for the metrics."""

    def __init__(self, reason: FailureReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class WebhookClient:
    """`allow_private` opens the operator's own network. `tls` verifies receivers, by the system's authorities unless told otherwise."""

    def __init__(
        self,
        allow_private: bool,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._allow_private = allow_private
        self._tls = tls or ssl.create_default_context()
        self._resolvers = ThreadPoolExecutor(RESOLVERS, "resolver")
        self._resolve = resolve or self._ask_system
        self._timeout_s = timeout_s

    async def send(self, request: WebhookRequest, headers: list[tuple[str, str]]) -> int:
        """Send, and return the status of the answer. `headers` come on top of those that the request itself needs. Raises `NoAnswer`."""
        writer = None
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = await self._connect(request, await self._addresses(request))
                exchange = _Exchange(reader, writer)
                status = await exchange.ask(request, headers)
            await exchange.finish()
        except TimeoutError as error:
            raise NoAnswer(FailureReason.TIMEOUT, f"No answer within {self._timeout_s:g} s") from error
        except ssl.SSLError as error:
            raise NoAnswer(
                FailureReason.TLS, f"TLS failed: {getattr(error, 'verify_message', '') or error.reason or error}"
            ) from error
        except OSError as error:
            raise NoAnswer(
                FailureReason.CONNECTION,
                f"Connection failed: {error.strerror or str(error) or 'closed by the receiver'}",
            ) from error
        except h11.ProtocolError as error:
            raise NoAnswer(FailureReason.HTTP, f"HTTP failed: {error}") from error
        except ValueError as error:  # of a host name that TLS cannot ask for
            raise NoAnswer(FailureReason.BAD_URL, f"The host name {request.host} is not valid") from error
        finally:
            if writer is not None:
                await _close(writer)
        return status

    async def _addresses(self, request: WebhookRequest) -> list[str]:
        """Where the host is. What is checked here is what is connected to: the name is not asked for again."""
        try:
            found = await self._resolve(request.host, request.port)
        except (OSError, UnicodeError) as error:
            raise NoAnswer(FailureReason.UNRESOLVED, f"The host name {request.host} cannot be resolved") from error
        allowed = [address for address in found if self._allow_private or is_public(address)]
        if not allowed:
            raise NoAnswer(
                FailureReason.PRIVATE_ADDRESS,
                f"Refused: {request.host} is at {', '.join(found) or 'no address'}, which is not on the public internet",
            )
        return allowed[:ADDRESSES]

    async def _ask_system(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._resolvers, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    async def _connect(
        self, request: WebhookRequest, addresses: list[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = self._tls if request.is_secure else None
        for address in addresses[:-1]:
            with contextlib.suppress(
                OSError, TimeoutError
            ):  # a TimeoutError of the outer deadline strikes again at the next await
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    return await _open(address, request, tls)
        return await _open(addresses[-1], request, tls)

    def close(self) -> None:
        self._resolvers.shutdown(wait=False, cancel_futures=True)


async def _open(
    address: str, request: WebhookRequest, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = request.host.rstrip(".") if tls else None
    return await asyncio.open_connection(address, request.port, ssl=tls, server_hostname=name)


class _Exchange:
    """One request and its answer on a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    async def ask(self, request: WebhookRequest, headers: list[tuple[str, str]]) -> int:
        """Write the request and read the answer's head. Raises `OSError`, `h11.ProtocolError`."""
        body = request.body.encode()
        sent = [("Host", request.authority), ("Accept", "*/*"), ("Connection", "close"), *headers]
        if request.authorization is not None:
            sent.append(("Authorization", request.authorization))
        if request.method != "GET":
            sent.append(("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"))
            sent.append(("Content-Length", str(len(body))))
        events: list[h11.Event] = [h11.Request(method=request.method, target=request.target, headers=sent)]
        events += [h11.Data(data=body), h11.EndOfMessage()] if body else [h11.EndOfMessage()]
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        await self._writer.drain()
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Response):
                return event.status_code

    async def finish(self) -> None:
        """Hear the rest as far as it is polite to: the answer is known."""
        left = MAX_ANSWER_BYTES
        with contextlib.suppress(OSError, h11.ProtocolError):
            async with asyncio.timeout(FINISH_S):
                while left > 0 and isinstance(event := await self._next_event(), h11.Data):
                    left -= len(event.data)

    async def _next_event(self) -> object:
        """The next part of the answer. Raises `ConnectionResetError` when there is no answer."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            received = await self._reader.read(MAX_ANSWER_BYTES)
            if not received and self._http.their_state is h11.SEND_RESPONSE:
                raise ConnectionResetError("closed without an answer")
            self._http.receive_data(received)
        return event


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
