"""Which layer of each of its video down tracks a subscriber gets, and what the shell must do when that changes. Who decides it is `subscribed_video`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from media_sfu.core.actions import (
    Action,
    PauseDownTrack,
    RequestKeyframe,
    ResumeDownTrack,
    SetTargetLayer,
    UpTrackName,
)
from media_sfu.core.peer import Down
from media_sfu.core.statistics import DownTrackName

MAX_TEMPORAL = 3
"""Temporal layers are not limited; VP8 has at most four (RFC 7741 section 4.2)."""


@dataclass(slots=True)
class _Forwarded:
    down: Down
    layer: int | None
    """None when it is off."""


class Forwarding:
    """The video down tracks of one subscriber, as the shell was told to forward them."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Forwarded] = {}

    def layer(self, subscription_id: str) -> int | None:
        """The layer that is forwarded; None for a track that is off or new."""
        track = self._tracks.get(subscription_id)
        return track.layer if track is not None else None

    def targets(self) -> Iterator[tuple[UpTrackName, int]]:
        """The up tracks that flow to this subscriber, and in which layer."""
        for track in self._tracks.values():
            if track.layer is not None:
                yield track.down.source, track.layer

    def forget_stopped(self, applied: Mapping[str, Down]) -> None:
        """`applied` are the down tracks that there are. One that was stopped, or started anew with other parameters, begins again with everything on."""
        stopped = [id_ for id_, track in self._tracks.items() if applied.get(id_) is not track.down]
        for subscription_id in stopped:
            del self._tracks[subscription_id]

    def set_layer(
        self, name: DownTrackName, down: Down, layer: int | None, *, is_simulcast: bool, is_full: bool
    ) -> list[Action]:
        """
        Forward this layer, or nothing for None. Returns what the shell must do for it.

        `is_full` says that the subscriber's line has a queue at present.
        """
        participant_sid, subscription_id = name
        track = self._tracks.get(subscription_id)
        if track is None:
            self._tracks[subscription_id] = _Forwarded(down, layer)
            return _begin(name, layer, is_simulcast=is_simulcast)
        former, track.layer = track.layer, layer
        if layer == former:
            return []
        if layer is None:
            return [PauseDownTrack(participant_sid, subscription_id)]
        actions: list[Action] = []
        if former is not None and layer < former and is_full:
            # What fills the line goes at once, not with the key frame of the lower layer: behind a full queue that would come late or never.
            actions += [
                PauseDownTrack(participant_sid, subscription_id),
                ResumeDownTrack(participant_sid, subscription_id),
            ]
        if is_simulcast:
            actions.append(SetTargetLayer(participant_sid, subscription_id, layer, MAX_TEMPORAL))
        if former is None:
            actions.append(ResumeDownTrack(participant_sid, subscription_id))
        if is_simulcast or former is None:
            actions.append(RequestKeyframe(down.source))
        return actions


def _begin(name: DownTrackName, layer: int | None, *, is_simulcast: bool) -> list[Action]:
    """A down track starts with everything on, and its key frame was asked for."""
    if layer is None:
        return [PauseDownTrack(*name)]
    return [SetTargetLayer(*name, layer, MAX_TEMPORAL)] if is_simulcast else []
