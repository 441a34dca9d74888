"""Bandwidth profiles as clients send them."""

from typing import Any

import pytest
from contract.rooms import TrackPriority
from media_sfu.core.bandwidth.profile import UNBOUNDED, Mode, SwitchOff, video_profile
from media_sfu.core.media_signaling import Dimensions


def test_a_whole_profile_is_read() -> None:
    profile = video_profile(
        {
            "video": {
                "mode": "presentation",
                "max_subscription_bandwidth": 2400000,
                "max_tracks": 5,
                "active_speaker_priority": "high",
                "track_switch_off": "disabled",
                "render_dimensions": {"high": {"width": 1280, "height": 720}, "standard": {}, "low": None},
            }
        }
    )

    assert profile.mode is Mode.PRESENTATION
    assert profile.max_subscription_bandwidth == 2_400_000
    assert profile.max_tracks == 5
    assert profile.active_speaker_priority is TrackPriority.HIGH
    assert profile.track_switch_off is SwitchOff.DISABLED
    assert profile.render_dimensions == {TrackPriority.HIGH: Dimensions(width=1280, height=720)}


@pytest.mark.parametrize("given", [None, {}, {"video": None}, {"video": 7}])
def test_no_profile_switches_nothing_off(given: dict[str, Any] | None) -> None:
    assert video_profile(given) == UNBOUNDED


@pytest.mark.parametrize(
    "video",
    [
        {"mode": "nonsense"},
        {"max_tracks": 0},
        {"max_subscription_bandwidth": "much"},
        {"render_dimensions": {"high": {"width": -1, "height": 1}}},
        {"render_dimensions": {"nobody": {"width": 1, "height": 1}}},
        {"unknown": {}},
    ],
)
def test_what_makes_no_sense_is_as_if_absent(video: dict[str, Any]) -> None:
    assert video_profile({"video": video}) == video_profile({"video": {}})
