"""
How long subscribers shall hold pictures back, so that what was lost comes again before it is missed. Browsers wait by themselves only for the round trip
to us, and not even for that when they send nothing; of the publisher's way to us they know nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from media_sfu.core.actions import UpTrackName
from media_sfu.core.statistics import DownTrackName
from media_sfu.forwarder import DownTrackStatistics, UpTrackStatistics

LOSSY = 0.01
"""Share of packets lost from which a way counts as lossy."""

VERY_LOSSY = (0.13, 0.17)
"""From each of these on, one more thing that is lost again is waited for: at 20 % loss every 14th packet is lost three times, what asks for it included."""

WEIGHT = 0.2
"""Of the newest second in that share, so that a single packet does not count: in a small video it is 7 % of a second."""

HOLD_S = 20.0
"""A way stays lossy for so long afterwards: delay that comes and goes is worse than delay."""

UNKNOWN_ROUND_TRIP_S = 0.1

SLACK_S = 0.15
"""
For noticing the gap by the next frame (67 ms at 15 pictures a second), for timers, and for browsers, which repeat a NACK only after more than the round trip.
Measured in Chromium on a busy machine with 5 % lost on both lines: held back for 0.35 s pictures froze for 4 % of five minutes, for 0.45 s not once in 50 s.
"""

LONGEST_S = 0.5

STEP_S = 0.05
"""A delay is a multiple of this, so that a round trip that wanders a little does not move it."""


@dataclass(slots=True)
class Way:
    """From a participant to us, or from us to a participant, all tracks together, when something was lost on it."""

    lost: float = 0.0
    heaviest: float = 0.0
    """The largest `lost` since the way became lossy."""
    lossy_until: float = 0.0
    round_trip_s: float = UNKNOWN_ROUND_TRIP_S

    def receive(self, fraction_lost: float, round_trip_s: float | None, now: float) -> None:
        """The reading of a second; `fraction_lost` from 0 to 1."""
        self.lost += (fraction_lost - self.lost) * WEIGHT
        if round_trip_s is not None:
            self.round_trip_s = round_trip_s
        if self.lost > LOSSY:
            self.heaviest = max(self.lost, self.heaviest if self.is_lossy(now) else 0.0)
            self.lossy_until = now + HOLD_S

    def is_lossy(self, now: float) -> bool:
        return now < self.lossy_until

    def is_calm(self, now: float) -> bool:
        return self.lost < LOSSY / 100 and now >= self.lossy_until


class PlayoutDelays:
    """Those of a room's video down tracks. A way on which nothing is lost costs nothing."""

    def __init__(self) -> None:
        self._up: dict[str, Way] = {}
        self._down: dict[str, Way] = {}
        self._told: dict[DownTrackName, float] = {}

    def receive(
        self,
        up: Mapping[UpTrackName, UpTrackStatistics],
        down: Mapping[DownTrackName, DownTrackStatistics],
        now: float,
    ) -> None:
        """The statistics of every track; once a second."""
        _update(self._up, ((name.publisher_sid, reading) for name, reading in up.items()), now)
        _update(self._down, ((name[0], reading) for name, reading in down.items()), now)
        if self._told:
            self._told = {name: delay for name, delay in self._told.items() if name in down}

    @property
    def is_idle(self) -> bool:
        """Nobody waits, and nobody needs to: `changes` would be empty."""
        return not (self._up or self._down or self._told)

    def changes(
        self, sources: Iterable[tuple[DownTrackName, UpTrackName]], now: float
    ) -> list[tuple[DownTrackName, float]]:
        """Of these video down tracks and their up tracks, those that need another delay than before, in seconds."""
        changed: list[tuple[DownTrackName, float]] = []
        for name, source in sources:
            ways = [way for way in (self._up.get(source.publisher_sid), self._down.get(name[0])) if way is not None]
            needed = min(LONGEST_S, _needed_s([way for way in ways if way.is_lossy(now)]))
            delay = round(round(needed / STEP_S) * STEP_S, 3)
            if delay != self._told.get(name, 0.0):
                self._told[name] = delay
                changed.append((name, delay))
        return changed


def _needed_s(ways: list[Way]) -> float:
    """
    Time for losing a packet once on each of these ways and getting it again, and then once more on one of them: at 5 % loss every 200th packet is lost
    twice, and with 15 packets a second each of those would be seen. Where much is lost, more often.
    """
    if not ways:
        return 0.0
    repeated = max((1 + sum(way.heaviest > bound for bound in VERY_LOSSY)) * way.round_trip_s for way in ways)
    return sum(way.round_trip_s for way in ways) + repeated + SLACK_S


def _update(
    ways: dict[str, Way], readings: Iterable[tuple[str, UpTrackStatistics | DownTrackStatistics]], now: float
) -> None:
    """Give each way the mean of its tracks: they share one line. Ways without tracks, and those that are calm again, go."""
    tracks: dict[str, list[float]] = {}
    round_trips: dict[str, float] = {}
    lossy: set[str] = set()
    for sid, reading in readings:
        tracks.setdefault(sid, []).append(reading.fraction_lost)
        if reading.fraction_lost:
            lossy.add(sid)
        if reading.round_trip_s is not None:
            round_trips[sid] = max(reading.round_trip_s, round_trips.get(sid, 0.0))
    for sid in lossy:
        ways.setdefault(sid, Way())
    for sid, way in list(ways.items()):
        if sid in tracks:
            way.receive(sum(tracks[sid]) / len(tracks[sid]), round_trips.get(sid), now)
        if sid not in tracks or way.is_calm(now):
            del ways[sid]
