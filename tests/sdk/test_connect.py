"""connect() in its two shapes, into rooms that exist and rooms that do not, and how it is refused."""

import time

import pytest

from tests.kit.browser import ConnectRefused, until
from tests.kit.people import Join, OpenTab, meets, tracks
from tests.kit.rest import Rest
from tests.kit.stack import Roomwire
from tests.kit.tokens import forge

NOW = int(time.time())
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_both_shapes_of_connect_meet(join: Join) -> None:
    acquiring = await join("alice")
    overriding = await join("bob", iceServers=[])

    await meets(acquiring, "bob")
    await meets(overriding, "alice")


async def test_the_first_client_makes_the_room_and_the_last_one_ends_it(join: Join, rest: Rest) -> None:
    alice = await join("alice")
    sid = alice.joined["sid"]

    assert alice.joined["name"] == rest.room
    assert rest.status(sid) == "in-progress"
    await alice.leave()
    await alice.event("disconnected", code=None)
    await until(lambda: rest.status(sid) == "completed", "the room has ended")


async def test_a_client_without_a_room_name_gets_a_room_of_its_own(roomwire: Roomwire, open_tab: OpenTab) -> None:
    alice = await open_tab("alice")

    await alice.connect(roomwire.token("alice"), ws_server=roomwire.ws_server, tracks=tracks("alice"))

    assert alice.joined["name"] == alice.joined["sid"]


async def test_the_room_of_the_token_is_joined(roomwire: Roomwire, room_name: str, open_tab: OpenTab) -> None:
    alice = await open_tab("alice")

    await alice.connect(roomwire.token("alice", room=room_name), ws_server=roomwire.ws_server)

    assert alice.joined["name"] == room_name


@pytest.mark.parametrize("options", [{}, {"iceServers": []}], ids=["acquire", "override"])
@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (20103, {"iss": "SK" + "f" * 32}),
        (20104, {"nbf": 1, "exp": 3600}),
        (20105, {"nbf": NOW + 3600, "exp": NOW + 7200}),
        (20106, {"grants": {"identity": "mallory"}}),
    ],
)
async def test_connect_is_rejected_with_the_tokens_fault(
    roomwire: Roomwire,
    room_name: str,
    open_tab: OpenTab,
    code: int,
    changes: dict[str, object],
    options: dict[str, object],
) -> None:
    token = forge(roomwire.account_sid, roomwire.key_sid, roomwire.key_secret, **changes)
    mallory = await open_tab("mallory")

    with pytest.raises(ConnectRefused) as refused:
        await mallory.connect(token, ws_server=roomwire.ws_server, name=room_name, **options)

    assert refused.value.code == code


async def test_connect_is_rejected_with_the_rooms_fault(
    roomwire: Roomwire, room_name: str, open_tab: OpenTab, rest: Rest, join: Join
) -> None:
    sid = rest.create(max_participants=1)
    await join("alice")
    bob = await open_tab("bob")

    with pytest.raises(ConnectRefused) as full:
        await bob.connect(roomwire.token("bob"), ws_server=roomwire.ws_server, name=room_name)
    rest.complete(sid)
    with pytest.raises(ConnectRefused) as completed:
        await bob.connect(roomwire.token("bob"), ws_server=roomwire.ws_server, name=sid)
    with pytest.raises(ConnectRefused) as nameless:
        await bob.connect(roomwire.token("bob"), ws_server=roomwire.ws_server, name="")

    assert (full.value.code, completed.value.code, nameless.value.code) == (53105, 53118, 53100)
