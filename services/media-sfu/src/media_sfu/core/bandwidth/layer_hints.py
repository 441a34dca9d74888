"""Which simulcast layers the publishers of a room shall send, over all their tracks. What one track's publisher is asked, and how often, is `publisher_hints`' affair."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from media_sfu.core.actions import UpTrackName
from media_sfu.core.bandwidth.publisher_hints import PublisherHints


@dataclass(frozen=True, slots=True)
class SimulcastTrack:
    """A video up track of several layers."""

    track_sid: str
    layers: int


@dataclass(frozen=True, slots=True)
class LayerHint:
    """A hint to send. `layers` low to high; `number` counts from 1 over the whole room."""

    publisher_sid: str
    number: int
    track_sid: str
    layers: tuple[bool, ...]


class LayerHints:
    """Those towards the clients that asked for them."""

    def __init__(self) -> None:
        self._tracks: dict[UpTrackName, PublisherHints] = {}
        self._last_number = 0

    def hints_to_send(
        self,
        tracks: Mapping[UpTrackName, SimulcastTrack],
        targets: Mapping[UpTrackName, Set[int]],
        now: float,
    ) -> list[LayerHint]:
        """
        `tracks` are all those of clients that listen to hints, `targets` the layers that somebody gets. One hint at a time for each publisher; call it
        again every second.
        """
        self._tracks = {name: self._tracks.get(name) or PublisherHints(track.layers) for name, track in tracks.items()}
        for name, track in tracks.items():
            self._tracks[name].want(_needed_layers(track.layers, targets.get(name, frozenset())), now)
        busy = {name.publisher_sid for name, hints in self._tracks.items() if hints.is_waiting(now)}
        to_send: list[LayerHint] = []
        for name, hints in self._tracks.items():
            if name.publisher_sid in busy:
                continue
            layers = hints.hint_to_send(self._last_number + 1, now)
            if layers is not None:
                busy.add(name.publisher_sid)
                self._last_number += 1
                to_send.append(LayerHint(name.publisher_sid, self._last_number, tracks[name].track_sid, layers))
        return to_send

    def receive_result(self, name: UpTrackName, number: int, result: str, now: float) -> None:
        """A client's answer to the hint of this number for one of its tracks."""
        if (hints := self._tracks.get(name)) is not None:
            hints.receive_result(number, result, now)

    def reset(self, name: UpTrackName) -> None:
        """The local track behind it was replaced: all layers are on again."""
        if (hints := self._tracks.get(name)) is not None:
            hints.reset()

    def forget(self, publisher_sid: str) -> None:
        """A publisher's peer is gone: a new one begins with all layers."""
        self._tracks = {name: hints for name, hints in self._tracks.items() if name.publisher_sid != publisher_sid}


def _needed_layers(layers: int, targets: Set[int]) -> tuple[bool, ...]:
    """
    All up to the highest that somebody gets: to the lower ones a subscriber falls back whose line gets slow, at once, and nobody knows whether a
    publisher has the bandwidth for the highest. The stock SDK's own tests expect it so too.
    """
    highest = max(targets, default=-1)
    return tuple(index <= highest for index in range(layers))
