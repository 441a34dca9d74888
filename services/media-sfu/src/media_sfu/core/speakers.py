"""Who speaks: the dominant speaker of a room, from the audio levels that publishers send with their packets (RFC 6464)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SILENCE_DB = -127.0
SPEECH_DB = -50.0
"""Quieter than this is room noise; speech into a microphone with automatic gain is at -35 to -15."""
MARGIN_DB = 4.0
"""How much louder another one must be to take over while the dominant speaker speaks."""
TAKEOVER_S = 0.6
"""For how long: longer than a cough, shorter than a sentence."""
SMOOTHING = 0.4
"""Share of a new level in the smoothed one, at five levels a second."""


@dataclass(slots=True)
class _Place:
    """One of the places among the speakers that must be won: who holds it, and who has been loud enough for it since when."""

    holder: str | None = None
    louder_since_s: dict[str, float] = field(default_factory=dict)

    def winner(self, holder: str | None, levels_db: Mapping[str, float], now: float) -> str | None:
        """Who takes the place from its present holder, if anybody does. `levels_db` are those of all who may."""
        bar, wait_s = SPEECH_DB, 0.0
        if holder is not None:
            bar, wait_s = max(bar, levels_db[holder] + MARGIN_DB), TAKEOVER_S
        if holder != self.holder:
            self.holder = holder
            self.louder_since_s.clear()
        loud = [sid for sid, level in levels_db.items() if level >= bar and sid != holder]
        self.louder_since_s = {sid: self.louder_since_s.get(sid, now) for sid in loud}
        waited = [sid for sid, since_s in self.louder_since_s.items() if now >= since_s + wait_s]
        return max(waited, key=lambda sid: (levels_db[sid], sid), default=None)


class Speakers:
    """
    The participants that were dominant, the latest first. Somebody who falls silent stays dominant until another speaks: pauses are part of speech.
    """

    def __init__(self) -> None:
        self._levels_db: dict[str, float] = {}
        """Smoothed, in dBov."""
        self._dominant: list[str] = []
        self._places = (_Place(), _Place())
        """The first, and that of the speaker whom the first one is shown: two who talk at once see each other."""

    @property
    def latest(self) -> tuple[str, ...]:
        """
        The dominant speaker, the one before, who is shown to the dominant speaker (nobody is shown to himself), and so on. Levels of these are wanted
        for as long as they are in the room, heard or not.
        """
        return tuple(self._dominant)

    def receive_levels(self, levels_db: Mapping[str, float | None], now: float) -> bool:
        """
        The loudest level of each participant with audio since the last call, in dBov (0 loudest, -127 silence; None: nothing came). About five
        times a second. Returns whether the first or the second of `latest` is another now.
        """
        before = self._dominant[: len(self._places)]
        self._dominant = [sid for sid in self._dominant if sid in levels_db]
        smoothed: dict[str, float] = {}
        for sid, level in levels_db.items():
            former = self._levels_db.get(sid, SILENCE_DB)
            heard = SILENCE_DB if level is None else level
            # A peak counts more than a pause: rise at once half of the way, fall slowly.
            smoothed[sid] = former + (heard - former) * (0.5 if heard > former else SMOOTHING / 2)
        self._levels_db = smoothed
        for index, place in enumerate(self._places):
            self._fill(index, place, now)
        return self._dominant[: len(self._places)] != before

    def _fill(self, index: int, place: _Place, now: float) -> None:
        above, below = self._dominant[:index], self._dominant[index:]
        levels_db = {sid: level for sid, level in self._levels_db.items() if sid not in above}
        winner = place.winner(next(iter(below), None), levels_db, now)
        if winner is not None:
            self._dominant = [*above, winner, *(sid for sid in below if sid != winner)]

    def dominant(self) -> str | None:
        """The dominant speaker, if anybody has spoken."""
        return next(iter(self._dominant), None)
