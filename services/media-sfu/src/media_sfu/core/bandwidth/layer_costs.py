"""
What each simulcast layer of a track takes. Layers begin, end and grow within a second, so that the rate of a single one says little: a layer is taken for
what it took at most, less and less, and for what browsers usually spend until it was seen.
"""

from collections.abc import Mapping

from media_sfu.core.actions import UpTrackName
from media_sfu.core.statistics import UpTrackRates

NOMINAL_BPS = (150_000, 500_000, 1_500_000)
"""What Chromium spends on 320x180, 640x360 and 1280x720."""

FORGETTING = 0.85
"""Of what a layer took is still counted a second later. One that is off is remembered as it was."""


class LayerCosts:
    """Those of a room's up tracks."""

    def __init__(self) -> None:
        self._peaks_bps: dict[UpTrackName, list[float]] = {}

    def receive(self, rates: Mapping[UpTrackName, UpTrackRates]) -> None:
        """The rates of every up track; once a second."""
        peaks: dict[UpTrackName, list[float]] = {}
        for name, reading in rates.items():
            layers = reading.layers_bps
            former = self._peaks_bps.get(name, [])
            if len(former) != len(layers):
                former = [nominal_bps(layer) for layer in range(len(layers))]
            peaks[name] = [
                max(bps, peak * FORGETTING) if bps else peak for bps, peak in zip(layers, former, strict=True)
            ]
        self._peaks_bps = peaks

    def bps(self, name: UpTrackName, layer: int) -> float:
        peaks = self._peaks_bps.get(name, ())
        return peaks[layer] if layer < len(peaks) else nominal_bps(layer)


def nominal_bps(layer: int) -> float:
    return NOMINAL_BPS[min(layer, len(NOMINAL_BPS) - 1)]
