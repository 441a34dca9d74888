"""Runs a service's HTTP application until it is told to stop, then drains within a deadline."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI

DRAIN_DEADLINE_S = 10


def run(service: Any) -> None:
    """Run a service's main coroutine on uvloop until it returns."""
    uvloop.run(service)


async def serve(app: FastAPI, host: str, port: int, **options: Any) -> None:
    """
    Serve until SIGTERM or SIGINT. The application's lifespan starts and stops the rest of the service.

    Further `uvicorn.Config` options pass through.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_DEADLINE_S,
        **options,
    )
    await uvicorn.Server(config).serve()


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
