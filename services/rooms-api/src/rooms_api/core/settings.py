"""What a room is created with, and the limits and defaults of the room types."""

from dataclasses import dataclass
from typing import Any

from contract.rooms import RoomType

from rooms_api.core.rules import EXCLUDE_ALL, Rules

MAX_PUBLISHED_TRACKS = 170
"""Published tracks in a group room at one time; 0 in the others means unconstrained."""
SMALL_TYPES = {RoomType.GROUP_SMALL: 4, RoomType.PEER_TO_PEER: 10, RoomType.GO: 2}
"""Most participants in the types whose bound no operator moves."""
DIRECT_TYPES = frozenset({RoomType.PEER_TO_PEER, RoomType.GO})
"""Types whose media never touches a media server."""
VIDEO_CODECS = ("VP8", "H264")
SESSION_TIMEOUT_S = 30
MAX_DURATION_S = 24 * 3600
"""A room ends this long after its creation."""


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """The parameters of a room. Timeouts are in minutes, as the REST contract has them; an empty timeout of 0 makes a room ad hoc."""

    type: RoomType = RoomType.GROUP
    status_callback: str | None = None
    status_callback_method: str = "POST"
    max_participants: int = 50
    max_participant_duration_s: int = 14400
    empty_room_timeout_min: int = 5
    unused_room_timeout_min: int = 5
    record_participants_on_connect: bool = False
    recording_rules: Rules = EXCLUDE_ALL
    video_codecs: tuple[str, ...] = VIDEO_CODECS
    media_region: str | None = "us1"
    audio_only: bool = False
    large_room: bool = False
    transcribe_participants_on_connect: bool = False
    transcriptions_configuration: dict[str, Any] | None = None

    @property
    def max_published_tracks(self) -> int:
        """0 means unconstrained."""
        return 0 if self.type in DIRECT_TYPES else MAX_PUBLISHED_TRACKS


def most_participants(kind: RoomType, group_bound: int) -> int:
    """The highest `MaxParticipants` of a room type. `group_bound` is the operator's for group rooms."""
    return SMALL_TYPES.get(kind, group_bound)
