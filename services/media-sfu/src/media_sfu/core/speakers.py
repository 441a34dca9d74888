"""Who speaks: the dominant speaker of a room, from the audio levels that publishers send with their packets (RFC 6464)."""

from collections.abc import Mapping
from dataclasses import dataclass

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
class _Voice:
    level_db: float = SILENCE_DB
    louder_since_s: float | None = None


class Speakers:
    """
    The participants that were dominant, the latest first. Somebody who falls silent stays dominant until another speaks: pauses are part of speech.
    """

    def __init__(self) -> None:
        self._voices: dict[str, _Voice] = {}
        self._dominant: list[str] = []

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
        times a second. Returns whether the dominant speaker is another now.
        """
        for gone in self._voices.keys() - levels_db.keys():
            del self._voices[gone]
        before = self.dominant()
        self._dominant = [sid for sid in self._dominant if sid in levels_db]
        for sid, level in levels_db.items():
            voice = self._voices.setdefault(sid, _Voice())
            heard = SILENCE_DB if level is None else level
            # A peak counts more than a pause: rise at once half of the way, fall slowly.
            voice.level_db += (heard - voice.level_db) * (0.5 if heard > voice.level_db else SMOOTHING / 2)
        self._choose(now)
        return self.dominant() != before

    def dominant(self) -> str | None:
        """The dominant speaker, if anybody has spoken."""
        return next(iter(self._dominant), None)

    def _choose(self, now: float) -> None:
        current = self._dominant[0] if self._dominant else None
        bar = SPEECH_DB
        if current is not None:
            bar = max(bar, self._voices[current].level_db + MARGIN_DB)
        for voice in self._voices.values():
            if voice.level_db < bar:
                voice.louder_since_s = None
            elif voice.louder_since_s is None:
                voice.louder_since_s = now
        wait = TAKEOVER_S if current is not None else 0.0
        candidates = [
            (voice.level_db, sid)
            for sid, voice in self._voices.items()
            if sid != current and voice.louder_since_s is not None and now >= voice.louder_since_s + wait
        ]
        if candidates:
            _, sid = max(candidates)
            self._dominant = [sid, *(other for other in self._dominant if other != sid)]
            for voice in self._voices.values():
                voice.louder_since_s = None
