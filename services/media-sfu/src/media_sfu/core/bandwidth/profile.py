"""A client's bandwidth profile: how it wants its download to be shared out."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from contract.model import Message
from contract.rooms import TrackPriority
from pydantic import Field, ValidationError

from media_sfu.core.media_signaling import Dimensions


class Mode(Enum):
    """Equal shares; by priority, one step each; everything for the highest priority first."""

    GRID = "grid"
    COLLABORATION = "collaboration"
    PRESENTATION = "presentation"


class SwitchOff(Enum):
    """When tracks may be switched off for want of bandwidth. `PREDICTED` is treated as `DETECTED`: nothing is predicted here."""

    DETECTED = "detected"
    PREDICTED = "predicted"
    DISABLED = "disabled"


class VideoProfile(Message):
    """Members that are absent set no bound; bandwidth in bits per second."""

    mode: Mode = Mode.GRID
    max_subscription_bandwidth: int | None = Field(default=None, gt=0)
    max_tracks: int | None = Field(default=None, gt=0)
    active_speaker_priority: TrackPriority = TrackPriority.STANDARD
    track_switch_off: SwitchOff = SwitchOff.PREDICTED
    render_dimensions: dict[TrackPriority, Dimensions] = {}


UNBOUNDED = VideoProfile(track_switch_off=SwitchOff.DISABLED)
"""For a client that has given no profile: it expects no track to be switched off."""


def video_profile(bandwidth_profile: Mapping[str, Any] | None) -> VideoProfile:
    """
    Read the client's form. A member that makes no sense is as if absent: a profile is a wish, and no reason to end a session.

    `Any`: the profile is opaque JSON up to here.
    """
    video = (bandwidth_profile or {}).get("video")
    if not isinstance(video, Mapping):
        return UNBOUNDED
    members = {name: value for name, value in video.items() if name in VideoProfile.model_fields and value is not None}
    if isinstance(sizes := members.get("render_dimensions"), Mapping):
        members["render_dimensions"] = {
            name: size
            for name, size in sizes.items()
            if isinstance(size, Mapping) and {"width", "height"} <= size.keys()
        }
    while True:
        try:
            return VideoProfile.model_validate(members)
        except ValidationError as error:
            for detail in error.errors():
                members.pop(str(detail["loc"][0]), None)
