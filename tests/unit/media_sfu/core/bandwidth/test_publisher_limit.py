"""How much a publisher may send."""

from dataclasses import replace
from math import inf

import pytest
from media_sfu.core.bandwidth.publisher_limit import limitable, line_limit, receive_bps, shares_bps, size_limit
from media_sfu.core.media_signaling import Dimensions
from media_sfu.forwarder import UpTrackParameters

CAMERA = UpTrackParameters("video", 90000, (1,), (), {}, {}, {})
SIMULCAST = replace(CAMERA, ssrcs=(1, 2, 3))
MICROPHONE = replace(CAMERA, kind="audio")


def test_a_free_publisher_may_send_what_its_tracks_need() -> None:
    assert receive_bps([MICROPHONE]) == 100_000
    assert receive_bps([MICROPHONE, CAMERA, SIMULCAST]) == 9_100_000


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        ([CAMERA], True),
        ([MICROPHONE, CAMERA], True),
        ([MICROPHONE], False),
        ([CAMERA, CAMERA], False),
        ([SIMULCAST], False),
    ],
)
def test_only_a_single_video_of_one_layer_is_limited(tracks: list[UpTrackParameters], expected: bool) -> None:
    assert limitable(tracks) is expected


@pytest.mark.parametrize(
    ("budget", "lowest", "expected"),
    [
        (400, [1000], [400]),
        (400, [100, 150], [250, 300]),
        (400, [1000, 1000], [200, 200]),
        (inf, [100, 150], [inf, inf]),
    ],
)
def test_a_video_may_have_what_the_others_leave(budget: float, lowest: list[int], expected: list[float]) -> None:
    assert shares_bps(budget, lowest) == expected


@pytest.mark.parametrize(
    ("share", "sent", "limit"),
    [
        (inf, 1_000_000, inf),
        (340_000, 1_000_000, 306_000),
        (50_000, 1_000_000, 150_000),
        (1_000_000, 400_000, inf),
        (1_000_000, 500_000, 900_000),
        (4_000_000, 3_000_000, inf),
    ],
)
def test_a_limit_is_what_the_best_line_takes(share: float, sent: float, limit: float) -> None:
    assert line_limit(share, sent) == limit


@pytest.mark.parametrize(
    ("shown", "limit"),
    [
        (None, inf),
        (Dimensions(width=50, height=40), 300_000),
        (Dimensions(width=320, height=240), 300_000),
        (Dimensions(width=320, height=241), 1_000_000),
        (Dimensions(width=853, height=480), 1_000_000),
        (Dimensions(width=1024, height=720), inf),
    ],
)
def test_a_small_picture_needs_twice_what_its_simulcast_layer_would(shown: Dimensions | None, limit: float) -> None:
    assert size_limit(shown) == limit
