"""Network quality levels, 1 (very bad) to 5 (excellent; 0, gone, is for clients to find out), from what RTCP says of a participant's tracks. The thresholds are our own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

LOSS = (0.01, 0.03, 0.08, 0.20)
JITTER_S = (0.03, 0.06, 0.1, 0.2)
ROUND_TRIP_S = (0.15, 0.3, 0.5, 0.8)
"""Up to the first bound 5, up to the second 4 ..., above the last 1."""


@dataclass(frozen=True, slots=True)
class FlowQuality:
    """One kind of media in one direction. Shares from 0 to 1, seconds, bits per second; `round_trip_s` None where it was not measured."""

    fraction_lost: float = 0.0
    jitter_s: float = 0.0
    round_trip_s: float | None = None
    bitrate_bps: float = 0.0

    @property
    def loss_level(self) -> int:
        return _level(self.fraction_lost, LOSS)

    @property
    def latency_level(self) -> int:
        jitter = _level(self.jitter_s, JITTER_S)
        return jitter if self.round_trip_s is None else min(jitter, _level(self.round_trip_s, ROUND_TRIP_S))

    @property
    def level(self) -> int:
        return min(self.loss_level, self.latency_level)

    def statistics(self) -> dict[str, object]:
        """In the client's form."""
        return {
            "bandwidth": {"actual": self.bitrate_bps, "available": self.bitrate_bps, "level": self.level},
            "latency": {"jitter": self.jitter_s, "rtt": self.round_trip_s or 0.0, "level": self.latency_level},
            "fractionLost": {"fractionLost": self.fraction_lost, "level": self.loss_level},
        }


@dataclass(frozen=True, slots=True)
class MediaQuality:
    """One kind of media, as the participant sends and receives it."""

    send: FlowQuality = field(default_factory=FlowQuality)
    receive: FlowQuality = field(default_factory=FlowQuality)

    def levels(self, detail: int) -> dict[str, object]:
        """In the client's form; with the statistics from detail 3 on."""
        levels: dict[str, object] = {"send": self.send.level, "recv": self.receive.level}
        if detail >= 3:
            levels |= {"sendStats": self.send.statistics(), "recvStats": self.receive.statistics()}
        return levels


@dataclass(frozen=True, slots=True)
class NetworkQuality:
    """A participant's."""

    audio: MediaQuality = field(default_factory=MediaQuality)
    video: MediaQuality = field(default_factory=MediaQuality)

    @property
    def level(self) -> int:
        return min(flow.level for media in (self.audio, self.video) for flow in (media.send, media.receive))

    def levels(self, detail: int) -> dict[str, object]:
        """In the client's form: the level, and from detail 2 on those of audio and video."""
        levels: dict[str, object] = {"level": self.level}
        if detail >= 2:
            levels |= {"audio": self.audio.levels(detail), "video": self.video.levels(detail)}
        return levels


def worst(flows: Iterable[FlowQuality]) -> FlowQuality:
    """Several tracks of a kind and direction as one: the worst of each measure, the sum of the bitrates."""
    known = list(flows)
    return FlowQuality(
        fraction_lost=max((flow.fraction_lost for flow in known), default=0.0),
        jitter_s=max((flow.jitter_s for flow in known), default=0.0),
        round_trip_s=max((flow.round_trip_s for flow in known if flow.round_trip_s is not None), default=None),
        bitrate_bps=sum(flow.bitrate_bps for flow in known),
    )


def _level(value: float, bounds: Sequence[float]) -> int:
    return next((5 - index for index, bound in enumerate(bounds) if value <= bound), 1)
