"""The way to the media node fails or changes: the clients come back by an ICE restart, or do not even notice."""

from collections.abc import Iterator

import pytest

from tests.kit.browser import Tab, chromium, until
from tests.kit.people import OpenTab, meet, meets, tracks
from tests.kit.stack import Roomwire, running
from tests.kit.udp_relay import UdpRelay

HAS_GATHERED = "[...window.connections][0].iceGatheringState === 'complete'"
OWN_CANDIDATES = "[...window.connections][0].localDescription.sdp.match(/^a=candidate.*$/gm) ?? []"
SELECTED_ADDRESS = """async () => {
  const stats = await [...window.connections][0].getStats();
  const { selectedCandidatePairId } = [...stats.values()].find(({ type }) => type === 'transport');
  const { address, port } = stats.get(stats.get(selectedCandidatePairId).remoteCandidateId);
  return [address, port];
}"""

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def join(roomwire: Roomwire, open_tab: OpenTab, room: str, identity: str) -> Tab:
    tab = await open_tab(identity)
    await tab.connect(roomwire.token(identity), tracks=tracks(identity), ws_server=roomwire.ws_server, name=room)
    return tab


async def test_a_dead_path_is_healed_by_an_ice_restart(
    behind: Roomwire, network: UdpRelay, open_tab: OpenTab, room_name: str
) -> None:
    alice = await join(behind, open_tab, room_name, "alice")
    bob = await join(behind, open_tab, room_name, "bob")
    await meet(alice, bob)
    await bob.remote_track("alice-chat")

    network.open = False
    await alice.event("reconnecting", code=53405, patience_s=30)
    await alice.send("alice-chat", "sent while away")
    network.open = True
    network.move()

    await alice.event("reconnected", patience_s=30)
    await meet(alice, bob)
    assert await bob.received("alice-chat", 1, patience_s=30) == ["sent while away"]
    assert await alice.count("trackUnsubscribed") == await bob.count("trackUnsubscribed") == 0


async def test_a_client_whose_address_changes_notices_nothing(
    behind: Roomwire, network: UdpRelay, open_tab: OpenTab, room_name: str
) -> None:
    alice = await join(behind, open_tab, room_name, "alice")
    bob = await join(behind, open_tab, room_name, "bob")
    await meet(alice, bob)

    network.move()

    await meet(alice, bob)
    await bob.remote_track("alice-chat")
    await alice.send("alice-chat", "from elsewhere")
    assert await bob.received("alice-chat", 1) == ["from elsewhere"]
    assert await alice.count("reconnecting") == await bob.count("reconnecting") == 0


@pytest.fixture(scope="module")
def over_ipv6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roomwire]:
    """A system whose node has an IPv6 address alone, and announces another before it that nobody answers at."""
    folder = tmp_path_factory.mktemp("over-ipv6")
    settings = {"ROOMWIRE_SFU_BIND": "::1", "ROOMWIRE_SFU_ANNOUNCED": "203.0.113.9:3478, [::1]"}
    with running(folder, settings) as roomwire:
        yield roomwire


async def test_clients_come_over_ipv6_and_past_an_address_that_does_not_answer(
    over_ipv6: Roomwire, open_tab: OpenTab, room_name: str
) -> None:
    alice, bob = await open_tab("alice"), await open_tab("bob")
    for tab in (alice, bob):
        await tab.connect(
            over_ipv6.token(tab.name), tracks=tracks(tab.name), ws_server=over_ipv6.ws_server, name=room_name
        )

    await meet(alice, bob)

    port = int(over_ipv6.stack.settings["ROOMWIRE_SFU_PORT"])
    for tab in (alice, bob):
        assert await tab.page.evaluate(SELECTED_ADDRESS) == ["::1", port]


async def test_a_viewer_whose_addresses_are_hidden_sees_everybody(
    roomwire: Roomwire, open_tab: OpenTab, room_name: str
) -> None:
    await join(roomwire, open_tab, room_name, "alice")
    async with chromium(devices=()) as browser, browser.tabs() as open_hidden:
        viewer = await open_hidden("viewer")
        await viewer.connect(roomwire.token("viewer"), ws_server=roomwire.ws_server, name=room_name)
        await meets(viewer, "alice")

        await until(lambda: viewer.page.evaluate(HAS_GATHERED), "the viewer gathered candidates")
        # None at all, where the browser finds no multicast network to register a name on.
        candidates = await viewer.page.evaluate(OWN_CANDIDATES)
        assert all(".local " in candidate for candidate in candidates), candidates
