"""What a load test is asked to do: the room, the clients, the streams, and the deployment with its credentials."""

import math
from dataclasses import dataclass, field

from roomwire.load_test.dtls import PROFILES
from roomwire.load_test.engine import StreamPlan
from roomwire.load_test.sdp import PAYLOAD_TYPES

AUDIO_FRAMES_PER_S = 50
AUDIO_OCTETS = 80
PACKET_OCTETS = 1100
SMALLEST_PACKET_OCTETS = 100
SILENT_S = 2.0
"""A track without a packet for so long, or for three frames, has stopped."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key of an account; tokens are signed with its secret."""

    account_sid: str
    key_sid: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Video:
    """A VP8-like stream. `frames_per_s` frames of equal size, in packets of at most `PACKET_OCTETS`."""

    bitrate_bps: int = 1_056_000
    frames_per_s: float = 30.0

    def plan(self, ssrc: int) -> StreamPlan:
        octets = max(SMALLEST_PACKET_OCTETS, round(self.bitrate_bps / 8 / self.frames_per_s))
        packets = math.ceil(octets / PACKET_OCTETS)
        last = max(SMALLEST_PACKET_OCTETS, octets - (packets - 1) * PACKET_OCTETS)
        return StreamPlan(
            ssrc,
            PAYLOAD_TYPES["video"],
            "video",
            self.frames_per_s,
            packets,
            max(last, PACKET_OCTETS if packets > 1 else last),
            last,
        )


def audio_plan(ssrc: int) -> StreamPlan:
    """An Opus-like stream: 50 packets a second of 80 octets (32 kbit/s)."""
    return StreamPlan(ssrc, PAYLOAD_TYPES["audio"], "audio", AUDIO_FRAMES_PER_S, 1, AUDIO_OCTETS, AUDIO_OCTETS)


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """
    Every room has `publishers` and `subscribers`; with more than one room their names are `room`-1, `room`-2 ... `all_to_all` lets publishers receive
    each other. `base_url` is the REST API's: with it rooms are created before and completed after; else the first participant creates them.
    """

    room: str
    publishers: int
    subscribers: int
    duration_s: float
    signaling_url: str
    credentials: Credentials
    base_url: str | None = None
    rooms: int = 1
    all_to_all: bool = False
    video: Video | None = Video()
    audio: bool = True
    joins_per_s: float = 20.0
    join_patience_s: float = 20.0
    profiles: tuple[str, ...] = tuple(PROFILES)

    @property
    def room_names(self) -> list[str]:
        return [self.room] if self.rooms == 1 else [f"{self.room}-{number}" for number in range(1, self.rooms + 1)]

    @property
    def participants(self) -> int:
        return self.rooms * (self.publishers + self.subscribers)

    @property
    def silent_s(self) -> float:
        """After so many seconds without a packet a track has stopped."""
        return max(SILENT_S, 3 / self.video.frames_per_s) if self.video else SILENT_S

    def streams(self, first_ssrc: int) -> tuple[StreamPlan, ...]:
        """What one publisher sends."""
        audio = (audio_plan(first_ssrc),) if self.audio else ()
        return (*audio, self.video.plan(first_ssrc + 1)) if self.video else audio
