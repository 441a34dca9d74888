"""Callers who come and go, and callers who vanish."""

import asyncio
from urllib.parse import urlsplit

from tests.kit.callers import Callers
from tests.kit.holdings import Observer
from tests.kit.relay import relay
from tests.kit.stack import Roomwire

AT_ONCE = 10
ROOMS = 5


async def begin(roomwire: Roomwire, callers: Callers, observer: Observer) -> None:
    """Make the rooms, and let three callers come and go: what a service makes at first need is there afterwards."""
    for number in range(ROOMS):
        await asyncio.to_thread(roomwire.client().video.v1.rooms.create, unique_name=f"room-{number}")
    await asyncio.gather(*(callers.join(f"visitor-{number}", "room-0") for number in range(3)))
    await callers.close()
    await observer.await_nothing_left()


async def vanish(callers: Callers, roomwire: Roomwire, count: int) -> None:
    """So many are cut off at once, in rooms of their own: no goodbye on the socket, nor to the media server."""
    target = urlsplit(roomwire.ws_server)
    async with relay(target.hostname or "", target.port or 0) as line:
        url = f"ws://127.0.0.1:{line.port}/signaling"
        gone = []
        for first in range(0, count, AT_ONCE):
            numbers = range(first, first + AT_ONCE)
            gone += await asyncio.gather(*(callers.join(f"lost-{n}", f"lost-{n % ROOMS}", url) for n in numbers))
        line.open = False
        line.cut()
        await asyncio.gather(*(callers.vanish(caller) for caller in gone))


async def come_and_go(callers: Callers, observer: Observer, count: int) -> None:
    """So many join and leave, a few at a time."""

    async def visit(number: int) -> None:
        for cycle in range(count // AT_ONCE):
            await callers.leave(await callers.join(f"visitor-{number}", f"room-{cycle % ROOMS}"))
            observer.count_visit()

    await asyncio.gather(*(visit(number) for number in range(AT_ONCE)))
