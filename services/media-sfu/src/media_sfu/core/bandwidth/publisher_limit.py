"""
How much a publisher may send. A video of one layer has no smaller one to fall back to: where the line of everybody who sees it is too slow for it, the
publisher shall send less, instead of a picture that is switched off or falls to pieces; where everybody shows it small, less too. Pure: no state.
"""

from collections.abc import Iterable, Sequence
from math import inf

from media_sfu.core.bandwidth.allocation import wanted_layer
from media_sfu.core.bandwidth.layer_costs import NOMINAL_BPS
from media_sfu.core.media_signaling import Dimensions
from media_sfu.forwarder import UpTrackParameters

AUDIO_BPS = 100_000
VIDEO_BPS = 3_000_000
SIMULCAST_BPS = 6_000_000
"""What a publisher may send of each kind of track. With a REMB of 3 Mbit/s Chromium sends one 720p layer well, but not three."""
LEAST_VIDEO_BPS = 150_000
"""Below this a camera shows nothing worth its place."""
HEADROOM = 0.9
"""Of a viewer's share: for what is sent again, and for rates that rise and fall."""
GENEROSITY = 2.0
"""A picture that is shown small may take so many times what the simulcast layer of that size would: it is a larger one, and shall soon be sharp when enlarged."""
PLENTY = 2.0
"""A limit of so many times what is sent limits nothing."""


def receive_bps(tracks: Iterable[UpTrackParameters]) -> int:
    """What a publisher of these tracks may send in all, on free lines."""
    total = AUDIO_BPS
    for track in tracks:
        if track.kind == "video":
            total += SIMULCAST_BPS if len(track.ssrcs) > 1 else VIDEO_BPS
    return total


def limitable(tracks: Iterable[UpTrackParameters]) -> bool:
    """Whether these are one video of one layer, and sounds: a limit is the publisher's alone to share out, and it must not hit another video."""
    videos = [track for track in tracks if track.kind == "video"]
    return len(videos) == 1 and len(videos[0].ssrcs) == 1


def shares_bps(budget_bps: float, lowest_bps: Sequence[int]) -> list[float]:
    """What each of a viewer's videos could have: all but the lowest layers of the others, and an equal part at least."""
    total = sum(lowest_bps)
    return [max(budget_bps / len(lowest_bps), budget_bps - (total - own)) for own in lowest_bps]


def line_limit(share_bps: float, sent_bps: float) -> float:
    """The limit for a video of which the best line to a viewer has room for `share_bps`; infinity when it needs none."""
    limit = max(LEAST_VIDEO_BPS, round(share_bps * HEADROOM)) if share_bps < inf else inf
    return limit if limit < min(VIDEO_BPS, PLENTY * sent_bps) else inf


def size_limit(shown: Dimensions | None) -> float:
    """The limit for a video that is shown this large at most; infinity when it needs none, or the size is not known."""
    if shown is None:
        return inf
    limit = GENEROSITY * NOMINAL_BPS[wanted_layer(len(NOMINAL_BPS), shown)]
    return limit if limit < VIDEO_BPS else inf
