"""Which codecs a room speaks: the room's list decides what is possible, each publisher's browser what is used."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tests.kit.browser import Tab, audio, until, video
from tests.kit.people import PEOPLE, Join, hertz, meet
from tests.kit.rest import Rest

pytestmark = pytest.mark.asyncio(loop_scope="session")

MEASURED_S = 2.0


async def stream(tab: Tab, name: str) -> dict[str, Any]:
    """Statistics of a remote track that flows."""
    sid = await tab.remote_track(name)

    async def flowing() -> dict[str, Any] | None:
        streams = await tab.call("inbound")
        return next((one for one in streams if one["trackSid"] == sid and one["codec"]), None)

    return dict(await until(flowing, f"{tab.name} receives {name}"))


async def codec(tab: Tab, name: str) -> str:
    return str((await stream(tab, name))["codec"]).upper()


async def test_an_h264_room_has_cameras_and_a_shared_screen_in_h264(join: Join, rest: Rest) -> None:
    rest.create(video_codecs=["H264"])
    alice = await join("alice", preferredVideoCodecs="auto")  # simulcast is VP8's alone: one stream is sent
    bob = await join("bob")
    await meet(alice, bob)

    assert "error" not in await alice.publish(video("screen", source=77, width=640, height=360, fps=5))
    await bob.sees("screen", 77, more=3)

    for name in ("alice-camera", "screen"):
        assert await codec(bob, name) == "H264"
    assert await codec(alice, "bob-camera") == "H264"


async def test_each_publishers_preference_counts_and_everybody_sees_both(join: Join) -> None:
    alice = await join("alice", preferredVideoCodecs=["H264"])
    bob = await join("bob", preferredVideoCodecs=[{"codec": "VP8", "simulcast": True}])
    carol = await join("carol", wishes=[])

    for viewer in (bob, carol):
        await viewer.sees("alice-camera", PEOPLE["alice"])
        assert await codec(viewer, "alice-camera") == "H264"
    for viewer in (alice, carol):
        await viewer.sees("bob-camera", PEOPLE["bob"])
        assert await codec(viewer, "bob-camera") == "VP8"


async def test_the_room_s_codecs_limit_the_publishers_preference(join: Join, rest: Rest) -> None:
    rest.create(video_codecs=["VP8"])
    await join("alice", preferredVideoCodecs=["H264", "VP8"])
    bob = await join("bob", wishes=[])

    await bob.sees("alice-camera", PEOPLE["alice"])

    assert await codec(bob, "alice-camera") == "VP8"


async def test_an_audio_only_room_refuses_cameras_and_carries_voices(join: Join, rest: Rest) -> None:
    rest.create(audio_only=True)
    alice = await join("alice")
    bob = await join("bob", wishes=[audio("bob-microphone", hertz=hertz("bob"))])

    await alice.event("trackPublicationFailed", code=53125, track="alice-camera")
    await alice.hears("bob-microphone", hertz("bob"))
    await bob.hears("alice-microphone", hertz("alice"))
    assert (await bob.publish(video("late", source=9)))["error"]["code"] == 53125
    await until(lambda: set(rest.published(alice.sid)) == {"alice-microphone", "alice-chat"}, "REST lists no camera")


async def test_redundant_sound_and_silence_that_costs_little(join: Join) -> None:
    alice = await join("alice", preferredAudioCodecs=["red", "opus"])
    bob = await join("bob", preferredAudioCodecs=[{"codec": "opus", "dtx": True}])
    await bob.hears("alice-microphone", hertz("alice"))
    await alice.hears("bob-microphone", hertz("bob"))

    redundant, plain = await asyncio.gather(traffic(bob, "alice-microphone"), traffic(alice, "bob-microphone"))
    assert redundant.octets / redundant.packets > 1.5 * plain.octets / plain.packets, (redundant, plain)
    await bob.call("disable", "bob-microphone")
    await alice.silent("bob-microphone")
    silence = await traffic(alice, "bob-microphone")
    assert silence.packets < plain.packets / 2, (silence, plain)


@dataclass(frozen=True)
class Traffic:
    packets: int
    octets: int


async def traffic(tab: Tab, name: str) -> Traffic:
    """What comes of a remote track in the next two seconds of the page's own clock."""
    before = await stream(tab, name)
    await tab.page.evaluate("ms => new Promise(done => setTimeout(done, ms))", MEASURED_S * 1000)
    after = await stream(tab, name)
    return Traffic(
        after["packetsReceived"] - before["packetsReceived"], after["bytesReceived"] - before["bytesReceived"]
    )
