"""An application that never moved on from an older SDK, in a room with the newest one."""

import pytest

from tests.kit.browser import Chromium
from tests.kit.people import Join, meets, tracks
from tests.kit.rest import Rest
from tests.kit.stack import Roomwire

pytestmark = pytest.mark.asyncio(loop_scope="session")

OLDER_SDK = "twilio-video-2.20"
EVERYTHING = {
    "dominantSpeaker": True,
    "networkQuality": {"local": 3, "remote": 3},
    "bandwidthProfile": {"video": {"mode": "collaboration"}},
}


async def test_an_older_sdk_does_all_that_it_can(
    browser: Chromium, roomwire: Roomwire, room_name: str, join: Join, rest: Rest
) -> None:
    bob = await join("bob", **EVERYTHING)
    async with browser.tabs(OLDER_SDK) as open_tab:
        alice = await open_tab("alice")
        await alice.connect(
            roomwire.token("alice"),
            ws_server=roomwire.ws_server,
            name=room_name,
            tracks=tracks("alice"),
            **EVERYTHING,
        )
        await meets(alice, "bob")
        await meets(bob, "alice")
        for one, other in ((alice, bob), (bob, alice)):
            await other.remote_track(f"{one.name}-chat")
            await one.send(f"{one.name}-chat", "text", b"\x00\xff")
            assert await other.received(f"{one.name}-chat", 2) == ["text", b"\x00\xff"]
            await one.call("disable", f"{one.name}-microphone")
            await other.event("trackDisabled", track=f"{one.name}-microphone")
            await one.event("networkQualityLevelChanged", sid=other.sid)

        await alice.call("unpublish", "alice-camera")
        await bob.event("trackUnpublished", track="alice-camera")
        assert "error" not in await alice.publish(tracks("alice")[1])
        await bob.sees("alice-camera", 1)
        rest.remove(alice.sid)
        await alice.event("disconnected", code=None)
        await bob.event("participantDisconnected", identity="alice")
