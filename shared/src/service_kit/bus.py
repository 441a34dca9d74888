"""The bus: typed messages over NATS. Parses at the door, carries the trace id, gives every wait a deadline."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from prometheus_client import Gauge
from pydantic import BaseModel, TypeAdapter, ValidationError

from service_kit.settings import server_names
from service_kit.tracing import TRACE_HEADER, current_trace, start_trace

log = structlog.get_logger()

SUBSCRIPTIONS = Gauge("roomwire_bus_subscriptions", "Subjects of the bus that are listened to")

T = TypeVar("T")
REQUEST_TIMEOUT_S = 5.0
QUIET_S = 3.0
"""A start that waits longer for the bus says so."""


class BusUnavailable(Exception):
    """Nobody answered in time, or the bus is away. The request may or may not have been carried out."""


class Bus:
    """One connection to NATS. Reconnects for ever; subscriptions survive."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reconnected: list[Callable[[], Awaitable[None]]] = []
        self._running: set[asyncio.Task[None]] = set()

    @classmethod
    async def connect(cls, url: str, name: str, user_credentials: str | None = None) -> "Bus":
        """Connect, waiting for the server as long as it takes. `url` may list several servers, separated by commas."""
        client = Client()
        bus = cls(client)

        failure: Exception | None = None

        async def on_error(error: Exception) -> None:
            nonlocal failure
            failure = error
            log.debug("bus error", error=repr(error))

        async def on_disconnected() -> None:
            log.warning("bus disconnected")

        async def on_reconnected() -> None:
            log.info("bus reconnected")
            for callback in bus._reconnected:
                await callback()

        async def tell_that_it_waits() -> None:
            await asyncio.sleep(QUIET_S)
            log.warning("waiting for the bus", servers=server_names(url), error=repr(failure))

        options: dict[str, Any] = {"user_credentials": user_credentials} if user_credentials else {}
        waiting = asyncio.create_task(tell_that_it_waits())
        try:
            await client.connect(
                servers=[part.strip() for part in url.split(",")],
                name=name,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=1,
                ping_interval=5,
                max_outstanding_pings=2,
                pending_size=8 * 1024 * 1024,
                error_cb=on_error,
                disconnected_cb=on_disconnected,
                reconnected_cb=on_reconnected,
                **options,
            )
        finally:
            waiting.cancel()
        return bus

    @property
    def is_connected(self) -> bool:
        return self._client.is_connected

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Call this after each reconnect: what was published meanwhile is lost, so ask for snapshots."""
        self._reconnected.append(callback)

    async def publish(self, subject: str, message: BaseModel) -> None:
        """Publish without waiting for anybody. While the bus is away, messages are buffered up to 8 MiB, then `BusUnavailable`."""
        try:
            await self._client.publish(subject, message.model_dump_json().encode(), headers=_headers())
        except (nats.errors.Error, OSError) as error:
            raise BusUnavailable(f"cannot publish on {subject}") from error

    async def request(
        self, subject: str, message: BaseModel, reply: TypeAdapter[T], timeout_s: float = REQUEST_TIMEOUT_S
    ) -> T:
        """Ask and wait for the answer. Raises `BusUnavailable` after `timeout_s`, or at once when nobody listens."""
        asker = asyncio.current_task()
        cancels = asker.cancelling() if asker else 0
        try:
            answer = await self._client.request(
                subject, message.model_dump_json().encode(), timeout=timeout_s, headers=_headers()
            )
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise BusUnavailable(f"no answer on {subject}") from error
        finally:
            # The client waits by `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that comes together with the answer:
            # https://github.com/python/cpython/issues/86296. The task would go on, and who stops it would wait for ever.
            if asker and asker.cancelling() > cancels:
                raise asyncio.CancelledError
        try:
            return reply.validate_json(answer.data)
        except ValidationError as error:
            raise BusUnavailable(f"unreadable answer on {subject}") from error

    async def answer(
        self,
        subject: str,
        request: TypeAdapter[T],
        handler: Callable[[T], Awaitable[BaseModel]],
        queue: str = "",
        concurrency: int = 256,
    ) -> "Subscription":
        """
        Answer requests. Each runs in a task of its own, at most `concurrency` at once (then the next ones wait in the connection).
        A handler that raises is logged and answers nothing: the asker runs into its deadline.
        """
        slots = asyncio.Semaphore(concurrency)

        async def run(message: Msg) -> None:
            try:
                _adopt_trace(message)
                parsed = _parse(request, message)
                if parsed is None:
                    return
                result = await handler(parsed)
                await message.respond(result.model_dump_json().encode())
            except (nats.errors.Error, OSError) as error:
                log.warning("cannot answer", subject=subject, error=repr(error))
            except Exception:
                log.exception("request failed", subject=subject)
            finally:
                slots.release()

        async def receive(message: Msg) -> None:
            await slots.acquire()
            self._spawn(run(message))

        return Subscription(await self._client.subscribe(subject, queue=queue, cb=receive))

    async def listen(
        self, subject: str, kind: TypeAdapter[T], handler: Callable[[T], Awaitable[None]], queue: str = ""
    ) -> "Subscription":
        """Hear messages, one after the other in order of arrival. A handler that raises is logged; the next message goes on."""

        async def receive(message: Msg) -> None:
            _adopt_trace(message)
            parsed = _parse(kind, message)
            if parsed is None:
                return
            try:
                await handler(parsed)
            except Exception:
                log.exception("message failed", subject=message.subject)

        return Subscription(await self._client.subscribe(subject, queue=queue, cb=receive))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self, deadline_s: float = 5.0) -> None:
        """Stop hearing, finish what is being answered (at most `deadline_s`), and disconnect."""
        try:
            async with asyncio.timeout(deadline_s):
                if self._client.is_connected:
                    await self._client.drain()
                    if self._running:
                        await asyncio.gather(*self._running, return_exceptions=True)
        except (TimeoutError, nats.errors.Error):
            log.debug("bus drain cut short")
        for task in self._running:
            task.cancel()
        await self._client.close()


class Subscription:
    """What `answer` and `listen` return: stop it, once, when it is no longer wanted."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        SUBSCRIPTIONS.inc()

    async def stop(self) -> None:
        SUBSCRIPTIONS.dec()
        with contextlib.suppress(nats.errors.Error):  # the connection may be gone, and the subscription with it
            await self._inner.unsubscribe()


def _headers() -> dict[str, str] | None:
    trace = current_trace()
    return {TRACE_HEADER: trace} if trace else None


def _adopt_trace(message: Msg) -> None:
    start_trace((message.headers or {}).get(TRACE_HEADER))


def _parse(kind: TypeAdapter[T], message: Msg) -> T | None:
    try:
        return kind.validate_json(message.data)
    except ValidationError as error:
        log.warning(
            "unreadable message",
            subject=message.subject,
            errors=error.errors(include_input=False, include_url=False)[:3],
        )
        return None
