"""Which codecs each participant has been received in: negotiated by the section that carries a track, and heard."""

from collections.abc import Mapping

from media_sfu.core.actions import UpTrackName
from media_sfu.forwarder import UpTrackStatistics


class ReceivedCodecs:
    """Costs nothing for a track once it was heard. `receive_statistics` tells what is new."""

    def __init__(self) -> None:
        self._unheard: dict[UpTrackName, str] = {}
        self._received: dict[str, set[str]] = {}

    def expect(self, name: UpTrackName, codec: str) -> None:
        """An up track was started; its packets will be of this codec."""
        self._unheard[name] = codec

    def forget(self, name: UpTrackName) -> None:
        """The up track was stopped."""
        self._unheard.pop(name, None)

    def forget_publisher(self, participant_sid: str) -> None:
        """The peer is gone with all its tracks."""
        self._received.pop(participant_sid, None)
        for name in [name for name in self._unheard if name.publisher_sid == participant_sid]:
            del self._unheard[name]

    def receive_statistics(self, up: Mapping[UpTrackName, UpTrackStatistics]) -> dict[str, tuple[str, ...]]:
        """The present counters of the up tracks. Returns all codecs of those participants that were heard in one more, by their SIDs."""
        grown: set[str] = set()
        for name in [name for name in self._unheard if name in up and any(up[name].packets)]:
            codec = self._unheard.pop(name)
            received = self._received.setdefault(name.publisher_sid, set())
            if codec not in received:
                received.add(codec)
                grown.add(name.publisher_sid)
        return {participant_sid: tuple(sorted(self._received[participant_sid])) for participant_sid in sorted(grown)}
