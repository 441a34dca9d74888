"""Fixtures of the tests with the stock SDK: one Chromium for the session, a tab for each client."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.kit.browser import Chromium, Tab, Wish, chromium
from tests.kit.people import Join, OpenTab, tracks
from tests.kit.rest import Rest
from tests.kit.stack import Roomwire, running
from tests.kit.udp_relay import Line, UdpRelay, udp_relay


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Chromium]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def open_tab(browser: Chromium) -> AsyncIterator[OpenTab]:
    """Opens a tab by name."""
    async with browser.tabs() as open_tab:
        yield open_tab


@pytest_asyncio.fixture(loop_scope="session")
async def join(roomwire: Roomwire, room_name: str, open_tab: OpenTab) -> Join:
    """
    Opens a tab and connects it under an identity of `PEOPLE`, with microphone, camera and chat unless `wishes` says otherwise.

    Further options are those of the SDK's connect().
    """

    async def join(identity: str, wishes: list[Wish] | None = None, **options: Any) -> Tab:
        tab = await open_tab(identity)
        options = {"ws_server": roomwire.ws_server, "name": room_name} | options
        await tab.connect(roomwire.token(identity), tracks=tracks(identity) if wishes is None else wishes, **options)
        return tab

    return join


@pytest_asyncio.fixture(loop_scope="session")
async def rest(roomwire: Roomwire, room_name: str) -> Rest:
    return Rest(roomwire.client(), room_name)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def shared_network() -> AsyncIterator[UdpRelay]:
    async with udp_relay() as network:
        yield network


@pytest.fixture
def network(shared_network: UdpRelay) -> UdpRelay:
    """The line between clients and the node of `behind`: a good one, until the test makes it worse."""
    shared_network.up, shared_network.down, shared_network.open = Line(0), Line(0), True
    return shared_network


@pytest.fixture(scope="session")
def behind(shared_network: UdpRelay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roomwire]:
    """A system whose node is reached over the line only."""
    folder = tmp_path_factory.mktemp("behind")
    with running(folder, {"ROOMWIRE_SFU_ANNOUNCED": f"127.0.0.1:{shared_network.port}"}) as roomwire:
        shared_network.aim(("127.0.0.1", int(roomwire.stack.settings["ROOMWIRE_SFU_PORT"])))
        yield roomwire
