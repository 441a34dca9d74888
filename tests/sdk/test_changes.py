"""What happens in a room: every other client gets the right event of the SDK, and the REST resources agree."""

import asyncio

import pytest

from tests.kit.browser import Tab, audio, data, until, video
from tests.kit.people import PEOPLE, Join, OpenTab, hertz, meet, meets, tracks
from tests.kit.rest import Rest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def together(join: Join, *identities: str) -> list[Tab]:
    """These clients, each with the media of all others."""
    tabs = await asyncio.gather(*(join(identity) for identity in identities))
    await meet(*tabs)
    return tabs


async def test_mute_and_unmute(join: Join, rest: Rest) -> None:
    alice, bob, carol = await together(join, "alice", "bob", "carol")

    await alice.call("disable", "alice-microphone")
    for other in (bob, carol):
        await other.event("trackDisabled", track="alice-microphone", identity="alice", enabled=False)
        await other.silent("alice-microphone")
    await until(lambda: rest.published(alice.sid)["alice-microphone"] is False, "REST shows the track disabled")

    await alice.call("enable", "alice-microphone")
    for other in (bob, carol):
        await other.event("trackEnabled", track="alice-microphone", identity="alice", enabled=True)
        await other.hears("alice-microphone", hertz("alice"))
    await until(lambda: rest.published(alice.sid)["alice-microphone"] is True, "REST shows the track enabled")


async def test_camera_off_and_on(join: Join, rest: Rest) -> None:
    alice, bob = await together(join, "alice", "bob")

    await alice.call("disable", "alice-camera")
    await bob.event("trackDisabled", track="alice-camera", identity="alice")
    await until(lambda: rest.published(alice.sid)["alice-camera"] is False, "REST shows the track disabled")

    await alice.call("enable", "alice-camera")
    await bob.event("trackEnabled", track="alice-camera", identity="alice")
    await bob.sees("alice-camera", PEOPLE["alice"])


@pytest.mark.parametrize("kind", ["microphone", "camera", "chat"])
async def test_unpublish_and_publish_again(join: Join, rest: Rest, kind: str) -> None:
    alice, bob = await together(join, "alice", "bob")
    name = f"alice-{kind}"
    old = await bob.remote_track(name)

    await alice.call("unpublish", name)
    await bob.event("trackUnsubscribed", trackSid=old, identity="alice")
    await bob.event("trackUnpublished", trackSid=old, identity="alice")
    await until(lambda: name not in rest.published(alice.sid), "REST lists the track no more")

    wish = next(wish for wish in tracks("alice") if wish["name"] == name)
    published = await alice.publish(wish)
    new = published["trackSid"]
    assert new != old
    await bob.event("trackPublished", trackSid=new, identity="alice")
    await bob.event("trackSubscribed", trackSid=new, identity="alice")
    assert rest.published(alice.sid)[name] is True
    match kind:
        case "microphone":
            await bob.hears(name, hertz("alice"))
        case "camera":
            await bob.sees(name, PEOPLE["alice"])
        case "chat":
            await alice.send(name, "again")
            assert await bob.received(name, 1) == ["again"]
    await meets(alice, "bob")


async def test_publish_more_tracks_later(join: Join, rest: Rest) -> None:
    alice = await join("alice", wishes=[])
    bob = await join("bob")
    await meets(alice, "bob")

    for wish in (audio("song", hertz=1000), video("screen", source=77), video("second", source=78), data("notes")):
        assert "error" not in await alice.publish(wish)

    await bob.hears("song", 1000)
    await bob.sees("screen", 77)
    await bob.sees("second", 78)
    await bob.remote_track("notes")
    await alice.send("notes", "one")
    assert await bob.received("notes", 1) == ["one"]
    await meets(alice, "bob")
    assert rest.published(alice.sid).keys() == {"song", "screen", "second", "notes"}


async def test_publishing_a_name_twice_fails_with_53304(join: Join) -> None:
    alice, bob = await together(join, "alice", "bob")

    answer = await alice.publish(audio("alice-microphone", hertz=900))

    assert answer["error"]["code"] == 53304
    await meets(bob, "alice")


async def test_leave(join: Join, rest: Rest) -> None:
    alice, bob, carol = await together(join, "alice", "bob", "carol")

    await alice.leave()

    for other in (bob, carol):
        await other.event("trackUnsubscribed", track="alice-camera", identity="alice")
        await other.event("participantDisconnected", identity="alice", sid=alice.sid)
        assert await other.count("participantReconnecting", identity="alice") == 0
        assert await other.count("trackUnpublished", identity="alice") == 0
    assert rest.participants() == {bob.sid: "connected", carol.sid: "connected"}
    assert rest.participants(status="disconnected") == {alice.sid: "disconnected"}
    await meets(bob, "carol")


async def test_a_closed_tab_is_gone_within_seconds(join: Join, rest: Rest) -> None:
    alice, bob = await together(join, "alice", "bob")

    await alice.close()

    await bob.event("participantDisconnected", identity="alice", patience_s=8)
    assert rest.participants() == {bob.sid: "connected"}


async def test_a_killed_tab_is_reconnecting_and_then_gone(join: Join, rest: Rest) -> None:
    alice, bob = await together(join, "alice", "bob")

    await alice.crash()

    await bob.event("participantReconnecting", identity="alice")
    await bob.event("participantDisconnected", identity="alice", patience_s=45)
    assert rest.participants() == {bob.sid: "connected"}


async def test_a_room_completed_by_rest(join: Join, rest: Rest) -> None:
    sid = rest.create()
    alice, bob = await together(join, "alice", "bob")

    rest.complete(sid)

    for tab in (alice, bob):
        await tab.event("disconnected", code=53118)
        assert (await tab.state())["state"] == "disconnected"
    assert rest.status(sid) == "completed"
    assert rest.participants(sid) == {alice.sid: "disconnected", bob.sid: "disconnected"}


async def test_a_participant_removed_by_rest(join: Join, rest: Rest) -> None:
    alice, bob, carol = await together(join, "alice", "bob", "carol")

    rest.remove("alice")

    await alice.event("disconnected", code=None)
    for other in (bob, carol):
        await other.event("participantDisconnected", identity="alice", sid=alice.sid)
    assert rest.participants() == {bob.sid: "connected", carol.sid: "connected"}
    await meets(bob, "carol")


async def test_subscribe_rules_of_rest_act_on_who_is_there(join: Join, rest: Rest) -> None:
    alice, bob = await together(join, "alice", "bob")
    names = {"alice-microphone", "alice-camera", "alice-chat"}

    rest.subscribe(bob.sid, {"type": "exclude", "all": True})
    for name in names:
        await bob.event("trackUnsubscribed", track=name, identity="alice")
    assert rest.subscribed(bob.sid) == set()

    by_kind, by_name = {"publisher": "alice", "kind": "audio"}, {"track": "alice-camera"}
    rest.subscribe(bob.sid, {"type": "include"} | by_kind, {"type": "include"} | by_name)
    await bob.hears("alice-microphone", hertz("alice"))
    await bob.sees("alice-camera", PEOPLE["alice"])
    assert rest.subscribed(bob.sid) == names - {"alice-chat"}

    rest.subscribe(bob.sid, {"type": "include", "all": True})
    await bob.remote_track("alice-chat")
    await alice.send("alice-chat", "again")
    assert await bob.received("alice-chat", 1) == ["again"]
    assert await bob.count("trackUnpublished") == 0
    await meets(alice, "bob")


async def test_the_same_identity_twice(join: Join, rest: Rest) -> None:
    older, bob = await together(join, "alice", "bob")

    newer = await join("alice")

    await older.event("disconnected", code=53205)
    await bob.event("participantDisconnected", identity="alice", sid=older.sid)
    await bob.event("participantConnected", identity="alice", sid=newer.sid)
    assert rest.participants() == {newer.sid: "connected", bob.sid: "connected"}
    await meets(bob, "alice")
    await meets(newer, "bob")


async def test_a_reloaded_page_comes_back_as_a_new_participant(join: Join, open_tab: OpenTab, rest: Rest) -> None:
    alice, bob = await together(join, "alice", "bob")

    await alice.close()
    again = await join("alice")

    await bob.event("participantDisconnected", sid=alice.sid)
    await bob.event("participantConnected", sid=again.sid)
    await meets(bob, "alice")
    assert rest.participants() == {again.sid: "connected", bob.sid: "connected"}
