"""What the forwarder's counters come to: rates of layers and tracks, from one reading a second to the next."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from media_sfu.core.actions import UpTrackName
from media_sfu.core.network_quality import FlowQuality
from media_sfu.forwarder import DownTrackStatistics, UpTrackStatistics

DownTrackName = tuple[str, str]
"""Subscriber's SID and subscription id."""


@dataclass(frozen=True, slots=True)
class UpTrackRates:
    """`layers_bps` low to high."""

    layers_bps: tuple[int, ...]
    quality: FlowQuality


class Rates:
    """The rates of a room's tracks. A track that has only one reading has rate 0."""

    def __init__(self) -> None:
        self._up: Mapping[UpTrackName, UpTrackStatistics] = {}
        self._down: Mapping[DownTrackName, DownTrackStatistics] = {}
        self._read_s = 0.0
        self.measured: Set[UpTrackName | DownTrackName] = frozenset()
        """Tracks with a reading before the last one: what is said of these is a second's truth, and no zero of the start."""
        self.up: Mapping[UpTrackName, UpTrackRates] = {}
        self.down: dict[str, dict[str, FlowQuality]] = {}
        """By subscriber and subscription."""

    def receive(
        self,
        up: Mapping[UpTrackName, UpTrackStatistics],
        down: Mapping[DownTrackName, DownTrackStatistics],
        now: float,
    ) -> None:
        """The present counters of every track of the room. Both mappings are kept."""
        elapsed_s = max(now - self._read_s, 0.001)
        self.up = {name: _up_rates(reading, self._up.get(name), elapsed_s) for name, reading in up.items()}
        self.down = {}
        for name, reading in down.items():
            participant_sid, subscription_id = name
            flows = self.down.setdefault(participant_sid, {})
            flows[subscription_id] = _flow(reading, self._down.get(name), elapsed_s)
        self.measured = {*(up.keys() & self._up.keys()), *(down.keys() & self._down.keys())}
        self._up, self._down, self._read_s = up, down, now


def _flow(reading: DownTrackStatistics, former: DownTrackStatistics | None, elapsed_s: float) -> FlowQuality:
    before = former.octets if former is not None else reading.octets
    return FlowQuality(
        reading.fraction_lost, reading.jitter_s, reading.round_trip_s, _bps(reading.octets, before, elapsed_s)
    )


def _up_rates(reading: UpTrackStatistics, former: UpTrackStatistics | None, elapsed_s: float) -> UpTrackRates:
    before = former.octets if former is not None and len(former.octets) == len(reading.octets) else reading.octets
    layers = tuple(_bps(now, then, elapsed_s) for now, then in zip(reading.octets, before, strict=True))
    return UpTrackRates(
        layers_bps=layers,
        quality=FlowQuality(reading.fraction_lost, reading.jitter_s, None, sum(layers)),
    )


def _bps(octets: int, before: int, elapsed_s: float) -> int:
    # A counter that went back belongs to a track that was started anew under the same name.
    return int(max(0, octets - before) * 8 / elapsed_s)
