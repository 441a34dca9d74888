"""What clients and the media node tell each other beside the tracks: speakers, network quality, switching off, priorities, layers."""

from typing import Any

import pytest

from tests.kit.browser import Tab, audio, until, video
from tests.kit.people import PEOPLE, Join, hertz, meet

pytestmark = pytest.mark.asyncio(loop_scope="session")

MANUAL = {
    "bandwidthProfile": {
        "video": {"mode": "collaboration", "clientTrackSwitchOffControl": "manual", "contentPreferencesMode": "manual"}
    }
}


def camera(identity: str, **options: Any) -> list[dict[str, Any]]:
    return [video(f"{identity}-camera", source=PEOPLE[identity], **options)]


def microphone(identity: str) -> list[dict[str, Any]]:
    return [audio(f"{identity}-microphone", hertz=hertz(identity))]


async def latest_speaker(tab: Tab) -> str | None:
    told = [event["identity"] for event in await tab.events() if event["event"] == "dominantSpeakerChanged"]
    return told[-1] if told else None


async def test_the_dominant_speaker_is_the_one_who_speaks(join: Join) -> None:
    alice = await join("alice", wishes=microphone("alice"))
    carol = await join("carol", wishes=[], dominantSpeaker=True)
    await carol.event("dominantSpeakerChanged", identity="alice")
    bob = await join("bob", wishes=microphone("bob"), dominantSpeaker=True)
    await alice.call("disable", "alice-microphone")
    await carol.event("dominantSpeakerChanged", identity="bob")
    assert await latest_speaker(bob) != "bob"

    await bob.leave()
    await until(lambda: _is_not(carol, "bob"), "who has left is no longer the dominant speaker")


async def _is_not(tab: Tab, identity: str) -> bool:
    return await latest_speaker(tab) != identity


async def test_network_quality_is_told_of_everybody(join: Join) -> None:
    alice = await join("alice", networkQuality={"local": 1, "remote": 1})
    bob = await join("bob", networkQuality={"local": 3, "remote": 3})

    for tab in (alice, bob):
        for sid in (alice.sid, bob.sid):
            seen = await tab.event("networkQualityLevelChanged", sid=sid)
            assert 1 <= seen["level"] <= 5


async def test_a_track_is_switched_off_and_on_as_the_client_asks(join: Join) -> None:
    await join("alice", wishes=camera("alice"))
    bob = await join("bob", wishes=[], **MANUAL)
    await bob.sees("alice-camera", PEOPLE["alice"])

    await bob.call("switchOff", "alice-camera")
    await bob.event("trackSwitchedOff", track="alice-camera")
    still = (await bob.pictures("alice-camera")).frames
    await bob.call("switchOn", "alice-camera")
    await bob.event("trackSwitchedOn", track="alice-camera")
    pictures = await bob.sees("alice-camera", PEOPLE["alice"])

    assert pictures.frames > still
    assert await lost(bob) == 0


async def lost(tab: Tab) -> int:
    return sum(stream["packetsLost"] or 0 for stream in await tab.call("inbound"))


async def test_a_hidden_picture_is_not_sent(join: Join) -> None:
    await join("alice", wishes=camera("alice"))
    bob = await join("bob", wishes=[], bandwidthProfile={"video": {"mode": "grid"}})
    await bob.sees("alice-camera", PEOPLE["alice"])

    await bob.call("display", "alice-camera", False)
    await bob.event("trackSwitchedOff", track="alice-camera")
    await bob.call("display", "alice-camera", True)
    await until(lambda: _is_on(bob, "alice-camera"), "the track is on again")
    await bob.sees("alice-camera", PEOPLE["alice"])


async def _is_on(tab: Tab, name: str) -> bool:
    return not await tab.call("isSwitchedOff", name)


async def _is_off(tab: Tab, name: str) -> bool:
    return bool(await tab.call("isSwitchedOff", name))


async def test_of_more_tracks_than_wanted_the_priority_decides(join: Join) -> None:
    await join("alice", wishes=camera("alice"))
    await join("bob", wishes=camera("bob"))
    carol = await join("carol", wishes=[], bandwidthProfile={"video": {"maxTracks": 1}})
    for name in ("alice-camera", "bob-camera"):
        await carol.remote_track(name)

    for shown, other in (("bob-camera", "alice-camera"), ("alice-camera", "bob-camera")):
        await carol.call("setPriority", shown, "high")
        await carol.call("setPriority", other, "low")
        await until(lambda other=other: _is_off(carol, other), f"{other} is off")
        await until(lambda shown=shown: _is_on(carol, shown), f"{shown} is on")
        await carol.sees(shown, PEOPLE[shown.removesuffix("-camera")], more=3)


async def test_a_small_picture_gets_a_small_layer_and_a_large_one_a_large_layer(join: Join) -> None:
    alice = await join("alice", wishes=camera("alice", width=960, height=540, fps=10), preferredVideoCodecs="auto")
    bob = await join("bob", wishes=[], **MANUAL)
    sid = await bob.remote_track("alice-camera")
    await bob.sees("alice-camera", PEOPLE["alice"], more=3)

    await bob.call("prefer", "alice-camera", 240, 135)
    await until(lambda: _is_wide(bob, sid, 240), "the small layer is shown", patience_s=30)
    await bob.call("prefer", "alice-camera", 960, 540)
    await until(lambda: _is_wide(bob, sid, 960), "the large layer is shown", patience_s=45)
    await bob.sees("alice-camera", PEOPLE["alice"], more=3)
    assert alice.errors == []


async def _is_wide(tab: Tab, sid: str, width: int) -> bool:
    shown: list[int] = await tab.call("size", sid)
    return shown[0] == width


async def test_everything_at_once_disturbs_no_media(join: Join) -> None:
    everything = {
        "dominantSpeaker": True,
        "networkQuality": {"local": 3, "remote": 3},
        "preferredVideoCodecs": "auto",
        "bandwidthProfile": {"video": {"mode": "presentation", "dominantSpeakerPriority": "high"}},
    }
    alice = await join("alice", **everything)
    bob = await join("bob", **everything)

    await meet(alice, bob)
    assert alice.errors == bob.errors == []
