"""Work that is done again and again until the service stops. What was begun is finished first, so that no transaction is torn apart."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog
from contract.errors import Refused
from service_kit.bus import BusUnavailable
from service_kit.tracing import start_trace
from sqlalchemy.exc import SQLAlchemyError

from rooms_api.lookout import Lookout

log = structlog.get_logger()

FINISH_S = 5.0


async def repeat(period_s: float, work: Callable[[], Awaitable[object]]) -> None:
    """
    Do `work`, pause, and so on until cancelled. A database or bus that is away is logged and waited for; any other failure ends the loop.
    """
    while True:
        await _round(period_s, work, None)


async def keep_watch(
    period_s: float,
    work: Callable[[], Awaitable[float | None]],
    lookout: Lookout,
    hurry: asyncio.Event | None = None,
) -> None:
    """
    As `repeat`, without the rounds that are not worth while; a pause ends early when `hurry` is set. `work` returns when it will have more to do, as far
    as it knows (`Lookout.done`).
    """

    async def look() -> None:
        lookout.done(await work())

    look.__name__ = work.__name__
    while True:
        if lookout.is_worth_while():
            lookout.begin()
            await _round(period_s, look, hurry)
        else:
            await _pause(period_s, hurry)


async def _round(period_s: float, work: Callable[[], Awaitable[object]], hurry: asyncio.Event | None) -> None:
    start_trace()  # what comes of this round can be followed
    running = asyncio.ensure_future(work())
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running], timeout=FINISH_S)
        running.cancel()
        raise
    except (SQLAlchemyError, BusUnavailable, Refused) as error:
        log.warning("cannot do now", work=work.__name__, error=repr(error))
        hurry = None  # what is away will not be back sooner
    await _pause(period_s, hurry)


async def _pause(period_s: float, hurry: asyncio.Event | None) -> None:
    if hurry is None:
        await asyncio.sleep(period_s)
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(period_s):
            await hurry.wait()
    hurry.clear()
