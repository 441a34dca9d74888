"""The story that every user starts with: a room by REST, tokens, two clients, then a third and a fourth."""

import pytest

from tests.kit.browser import until
from tests.kit.people import Join, meet, meets
from tests.kit.rest import Rest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_two_clients_see_and_hear_and_read_each_other(rest: Rest, join: Join) -> None:
    sid = rest.create()

    alice = await join("alice")
    bob = await join("bob")

    assert alice.joined["sid"] == bob.joined["sid"] == sid
    assert alice.joined["name"] == rest.room
    assert [p["identity"] for p in bob.joined["participants"]] == ["alice"]
    await alice.event("participantConnected", identity="bob", sid=bob.sid)
    await meet(bob, alice)
    await alice.remote_track("bob-chat")
    await bob.remote_track("alice-chat")
    await alice.send("alice-chat", "hello bob", bytes([0, 255, 10, 13]))
    await bob.send("bob-chat", "hello alice")
    assert await bob.received("alice-chat", 2) == ["hello bob", bytes([0, 255, 10, 13])]
    assert await alice.received("bob-chat", 1) == ["hello alice"]
    assert rest.participants() == {alice.sid: "connected", bob.sid: "connected"}
    assert rest.published(alice.sid) == {"alice-microphone": True, "alice-camera": True, "alice-chat": True}


async def test_a_client_is_told_its_own_track_sids(rest: Rest, join: Join) -> None:
    alice = await join("alice")

    async def named() -> bool:
        return all(track["trackSid"] for track in (await alice.state())["local"]["tracks"])

    await until(named, "every local track has its SID")
    bob = await join("bob")
    for track in (await alice.state())["local"]["tracks"]:
        assert await bob.remote_track(track["track"]) == track["trackSid"]


async def test_a_third_and_a_fourth_join_late_and_see_everything(join: Join) -> None:
    alice = await join("alice")
    bob = await join("bob")
    await meets(bob, "alice")

    carol = await join("carol")
    dave = await join("dave")

    tabs = {"alice": alice, "bob": bob, "carol": carol, "dave": dave}
    assert {p["identity"] for p in carol.joined["participants"]} == {"alice", "bob"}
    assert {p["identity"] for p in dave.joined["participants"]} == {"alice", "bob", "carol"}
    await meet(*tabs.values())
    for name, tab in tabs.items():
        for other in tabs.keys() - {name}:
            await tab.remote_track(f"{other}-chat")
    for name, tab in tabs.items():
        await tab.send(f"{name}-chat", f"{name} is here")
    for name, tab in tabs.items():
        for other in tabs.keys() - {name}:
            assert await tab.received(f"{other}-chat", 1) == [f"{other} is here"]
    for event, identities in {"alice": ["bob", "carol", "dave"], "bob": ["carol", "dave"], "carol": ["dave"]}.items():
        told = [e["identity"] for e in await tabs[event].events() if e["event"] == "participantConnected"]
        assert told == identities


async def test_a_viewer_without_tracks_sees_everything(join: Join, rest: Rest) -> None:
    await join("alice")

    viewer = await join("bob", wishes=[])

    await meets(viewer, "alice")
    assert rest.published(viewer.sid) == {}
