"""Which simulcast layer of each video track a subscriber gets, or that it gets none for now. Pure: no state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contract.rooms import TrackPriority

from media_sfu.core.bandwidth.profile import Mode
from media_sfu.core.media_signaling import Dimensions

HEIGHTS = {1: (720,), 2: (240, 480), 3: (180, 360, 720)}
"""Layer heights, low to high, that the SDK makes of a camera: three from 960x540 up, two from 480x270 up."""

ENOUGH = 0.75
"""A layer is high enough for a picture from this share of its height on: scaling up by a third is not seen."""

RANKS = {TrackPriority.HIGH: 2, TrackPriority.STANDARD: 1, TrackPriority.LOW: 0}


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A video track that a subscriber could get. `layer` is the one it wants, `layers_bps` what each one up to that costs.
    """

    id: str
    priority: TrackPriority
    layer: int
    layers_bps: tuple[int, ...]


def wanted_layer(layers: int, dimensions: Dimensions | None) -> int:
    """The lowest layer that fills a picture of this size, of so many; the highest when the size is unknown."""
    if dimensions is None:
        return layers - 1
    height = max(dimensions.height, dimensions.width * 9 / 16)
    heights = HEIGHTS.get(layers, HEIGHTS[3])
    return next((index for index, own in enumerate(heights) if own >= height * ENOUGH), layers - 1)


def least_bps(candidates: Sequence[Candidate]) -> float:
    """What the lowest layer of the most important of these candidates costs; 0 without any."""
    first = max(candidates, key=lambda candidate: RANKS[candidate.priority], default=None)
    return first.layers_bps[0] if first is not None else 0.0


def allocate(
    candidates: Sequence[Candidate], mode: Mode, budget_bps: float, max_tracks: int | None, *, switch_off: bool
) -> Mapping[str, int | None]:
    """
    The layer of each candidate, or None for off. Of candidates with equal priorities the earlier ones come first. With `switch_off` False every track keeps its lowest layer, whatever the budget; `max_tracks` is
    the application's wish and holds all the same.
    """
    ranked = sorted(candidates, key=lambda candidate: -RANKS[candidate.priority])
    admitted = ranked if max_tracks is None else ranked[:max_tracks]
    layers: dict[str, int | None] = {candidate.id: None for candidate in candidates}
    left = budget_bps
    served: list[Candidate] = []
    for candidate in admitted:
        if candidate.layers_bps[0] <= left or not switch_off:
            left -= candidate.layers_bps[0]
            layers[candidate.id] = 0
            served.append(candidate)
    for group in _groups(served, mode):
        left = _raise(group, layers, left)
    return layers


def _groups(served: Sequence[Candidate], mode: Mode) -> Sequence[Sequence[Candidate]]:
    """Who is raised together: all; those of a priority; each alone."""
    if mode is Mode.GRID:
        return [served]
    if mode is Mode.COLLABORATION:
        return [[c for c in served if RANKS[c.priority] == rank] for rank in (2, 1, 0)]
    return [[candidate] for candidate in served]


def _raise(group: Sequence[Candidate], layers: dict[str, int | None], left: float) -> float:
    """Raise each of a group by a layer in turn until it has what it wants or nothing is left."""
    raised = True
    while raised:
        raised = False
        for candidate in group:
            layer = layers[candidate.id]
            if layer is None or layer >= candidate.layer:
                continue
            cost = candidate.layers_bps[layer + 1] - candidate.layers_bps[layer]
            if cost <= left:
                left -= cost
                layers[candidate.id] = layer + 1
                raised = True
    return left
