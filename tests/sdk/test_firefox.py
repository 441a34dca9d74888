"""Firefox and Chromium in one room: everything that two Chromiums do."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.kit.browser import Tab, data, until, video
from tests.kit.firefox import Firefox, firefox
from tests.kit.people import PEOPLE, Join, OpenTab, hertz, meet, meets, tracks
from tests.kit.rest import Rest
from tests.kit.stack import Roomwire

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def fox() -> AsyncIterator[Firefox]:
    async with firefox() as fox:
        yield fox


@pytest_asyncio.fixture(loop_scope="session")
async def open_window(fox: Firefox) -> AsyncIterator[OpenTab]:
    async with fox.tabs() as open_window:
        yield open_window


@pytest_asyncio.fixture(loop_scope="session")
async def join_by_firefox(roomwire: Roomwire, room_name: str, open_window: OpenTab) -> Join:
    async def join(identity: str) -> Tab:
        tab = await open_window(identity)
        await tab.connect(
            roomwire.token(identity), ws_server=roomwire.ws_server, name=room_name, tracks=tracks(identity)
        )
        return tab

    return join


async def chat(one: Tab, other: Tab) -> None:
    """Each gets what the other writes."""
    for writer, reader in ((one, other), (other, one)):
        name = f"{writer.name}-chat"
        await reader.remote_track(name)
        await writer.send(name, f"from {writer.name}", bytes(range(256)))
        assert await reader.received(name, 2) == [f"from {writer.name}", bytes(range(256))]


async def test_firefox_and_chromium_share_a_room(join_by_firefox: Join, join: Join, rest: Rest) -> None:
    alice = await join_by_firefox("alice")
    bob = await join("bob")
    await meet(alice, bob)
    await chat(alice, bob)

    for one, other in ((alice, bob), (bob, alice)):
        microphone, camera = f"{one.name}-microphone", f"{one.name}-camera"
        await one.call("disable", microphone)
        await other.event("trackDisabled", track=microphone)
        await other.silent(microphone)
        await one.call("enable", microphone)
        await other.hears(microphone, hertz(one.name))

        old = await other.remote_track(camera)
        await one.call("unpublish", camera)
        await other.event("trackUnsubscribed", trackSid=old)
        for wish in (video(camera, source=PEOPLE[one.name]), video(f"{one.name}-screen", source=90), data("notes")):
            assert "error" not in await one.publish(wish)
        await other.sees(camera, PEOPLE[one.name])
        await other.sees(f"{one.name}-screen", 90)
        await one.call("unpublish", "notes")
    published = {name for sid in (alice.sid, bob.sid) for name in rest.published(sid)}
    assert len(published) == 8, "the track that the SDK adds in Firefox is not listed"

    carol = await join_by_firefox("carol")
    await meet(alice, bob, carol)
    for other in (alice, bob):
        await carol.sees(f"{other.name}-screen", 90)
    await chat(carol, bob)
    await alice.leave()
    for other in (bob, carol):
        await other.event("participantDisconnected", identity="alice")
    await until(lambda: alice.sid not in rest.participants(), "REST lists alice no more")
    await meets(bob, "carol")


async def test_a_camera_that_firefox_cannot_decode_fails_alone(join_by_firefox: Join, join: Join) -> None:
    bob = await join("bob", preferredVideoCodecs=["H264"])
    alice = await join_by_firefox("alice")

    await alice.event("trackSubscriptionFailed", code=53404, track="bob-camera")
    await alice.hears("bob-microphone", hertz("bob"))
    await meets(bob, "alice")


async def test_a_camera_that_firefox_cannot_encode_fails_alone(join_by_firefox: Join, join: Join, rest: Rest) -> None:
    rest.create(video_codecs=["H264"])
    bob = await join("bob")
    alice = await join_by_firefox("alice")

    await alice.event("trackPublicationFailed", code=53404, track="alice-camera")
    await bob.hears("alice-microphone", hertz("alice"))
    await chat(alice, bob)
    again = await alice.publish(video("again", source=9))
    assert again["error"]["code"] == 53404
    await until(lambda: set(rest.published(alice.sid)) == {"alice-microphone", "alice-chat"}, "REST lists no camera")
