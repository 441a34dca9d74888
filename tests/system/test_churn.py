"""People come and go, and some vanish: afterwards nothing of them is left in any service, and none has grown."""

import asyncio
from pathlib import Path

import pytest

from tests.kit.browser import Chromium, chromium
from tests.kit.callers import calling
from tests.kit.churn import ROOMS, begin, come_and_go, vanish
from tests.kit.holdings import LONG, SHORT, Observer
from tests.kit.people import tracks
from tests.kit.stack import Roomwire, running

TABS = 50
TABS_AT_ONCE = 5


@pytest.mark.timeout(300)
async def test_nothing_is_left_of_people_who_come_and_go(tmp_path: Path) -> None:
    with running(tmp_path) as roomwire:
        observer = Observer(roomwire)
        async with calling(roomwire) as callers:
            await begin(roomwire, callers, observer)
            before = await observer.all_holdings()
            await vanish(callers, roomwire, 50)
            await come_and_go(callers, observer, 300)

        await observer.assert_as_before(before, SHORT)
        rooms = roomwire.client().video.v1.rooms
        assert [rooms(f"room-{number}").participants.list() for number in range(ROOMS)] == [[]] * ROOMS


async def kill_tabs(browser: Chromium, roomwire: Roomwire) -> None:
    """Fifty tabs publish and receive, and are killed."""
    async with browser.tabs() as open_tab:

        async def join_and_die(number: int) -> None:
            identity = ("alice", "bob", "carol", "dave")[number % 4]
            tab = await open_tab(identity)
            token = roomwire.token(f"{identity}-{number}")
            await tab.connect(
                token, ws_server=roomwire.ws_server, name=f"room-{number % ROOMS}", tracks=tracks(identity)
            )
            await tab.crash()

        for first in range(0, TABS, TABS_AT_ONCE):
            await asyncio.gather(*(join_and_die(number) for number in range(first, first + TABS_AT_ONCE)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_nothing_is_left_of_thousands_and_of_killed_tabs(tmp_path: Path) -> None:
    with running(tmp_path) as roomwire:
        observer = Observer(roomwire)
        async with calling(roomwire) as callers:
            await begin(roomwire, callers, observer)
            before = await observer.all_holdings()
            async with chromium() as browser:
                await kill_tabs(browser, roomwire)
            for _ in range(10):
                await vanish(callers, roomwire, 50)
                await come_and_go(callers, observer, 300)

        await observer.assert_as_before(before, LONG)
