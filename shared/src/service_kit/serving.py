"""Runs a service's HTTP application until it is told to stop, then drains within a deadline."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any

import h11
import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from service_kit.envelope import error_body

DRAIN_DEADLINE_S = 10
REQUEST_S = 30.0
KEEP_ALIVE_S = 75
"""Longer than proxies keep an idle connection (nginx, AWS: 60 s): a proxy that asks on one which we close at that moment answers 502 to its client."""

log = structlog.get_logger()


class HttpProtocol(H11Protocol):
    """
    Answers what is no HTTP in the error envelope as well: a client that parses our answers meets nothing else.

    A request has `request_s` to arrive whole, the first one from the beginning of the connection: who sends slowly, or nothing, must not hold a
    connection for ever.
    """

    request_s = REQUEST_S
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.request_s, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_awaiting_request():
            self._forget_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.request_s, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget_deadline()

    def _is_awaiting_request(self) -> bool:
        """Tell whether the rest of a request is still to come. A WebSocket has a protocol of its own."""
        if self.transport.get_protocol() is not self:
            return False
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def send_400_response(self, msg: str) -> None:
        """The connection is closed after it: where a next request would begin is unknown."""
        headers = [("content-type", "application/json"), ("connection", "close")]
        body = json.dumps(error_body(20001, msg)).encode()
        for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def run(service: Any) -> None:
    """Run a service's main coroutine on uvloop until it returns."""
    uvloop.run(service)


async def serve(app: FastAPI, host: str, port: int, **options: Any) -> None:
    """
    Serve until SIGTERM or SIGINT. The application's lifespan starts and stops the rest of the service.

    Further `uvicorn.Config` options pass through. Without the option `ws`, a request to become a WebSocket is answered as the request that it is too.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        http=HttpProtocol,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_DEADLINE_S,
        **({"ws": "none"} | options),
    )
    await _Server(config).serve()


class _Server(uvicorn.Server):
    """
    Wakes once a second, for the Date header, and at once for a signal. uvicorn's own loop looks ten times a second whether a signal came: on an idle node
    that is most of the work.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._exiting = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        log.info("listening", host=self.config.host, port=self.config.port)
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._exiting.wait()
        log.info("stopping")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._exiting.set)


@contextlib.asynccontextmanager
async def background(*tasks: Any) -> AsyncIterator[None]:
    """Run coroutines beside the body and cancel them at its end. One that fails ends the process: a service without its loops is no service."""
    running = [asyncio.create_task(task) for task in tasks]

    def stop_on_failure(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "background task failed", "exception": task.exception()}
            )
            signal.raise_signal(signal.SIGTERM)

    for task in running:
        task.add_done_callback(stop_on_failure)
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
