"""
What a client was told of the room over media signaling, and the next message that it must have: who speaks, and which of its tracks are off. Whether it
listens, and the form of messages, is `media_signaling`'s affair.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from media_sfu.core import media_signaling
from media_sfu.core.peer import Peer


@dataclass(slots=True)
class Notices:
    """
    Towards one client. `off` are the SIDs of tracks that it knows to be off: it remembers that of a track for as long as that is published, subscribed
    to or not.
    """

    speaker: str | None = None
    off: Set[str] = frozenset()

    def speaker_to_tell(self, latest: Sequence[str], peer: Peer) -> str | None:
        """
        The message that names the dominant speaker, or None when there is nothing new. `latest` are those who spoke, the latest first; nobody is shown to
        himself.

        Only somebody whom the client knows is named: of one that it does not know the SDK would say that nobody speaks, and not correct itself.
        """
        others = [sid for sid in latest if sid != peer.participant_sid]
        if self.speaker == next(iter(others), None):
            return None
        known = peer.known_sids | {self.speaker}
        speaker = next((sid for sid in others if sid in known), None)
        if speaker == self.speaker or (speaker is None and others):
            return None
        self.speaker = speaker
        return media_signaling.active_speaker(speaker)

    def switched_to_tell(self, off: Set[str], on: Set[str], is_published: Callable[[str], bool]) -> str | None:
        """
        The message that says what was switched, or None when nothing was. `off` and `on` are the SIDs of all tracks that the client is subscribed to and
        that flow or were paused.
        """
        newly_off, newly_on = off - self.off, self.off & on
        self.off = off | {sid for sid in self.off - on if is_published(sid)}
        if not newly_off and not newly_on:
            return None
        return media_signaling.track_switch_off(sorted(newly_off), sorted(newly_on))
