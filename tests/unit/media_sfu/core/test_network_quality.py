"""Network quality levels."""

import pytest
from media_sfu.core.network_quality import FlowQuality, MediaQuality, NetworkQuality, worst


@pytest.mark.parametrize(
    ("flow", "level"),
    [
        (FlowQuality(), 5),
        (FlowQuality(fraction_lost=0.02), 4),
        (FlowQuality(fraction_lost=0.05), 3),
        (FlowQuality(fraction_lost=0.5), 1),
        (FlowQuality(jitter_s=0.08), 3),
        (FlowQuality(round_trip_s=0.4), 3),
        (FlowQuality(fraction_lost=0.02, round_trip_s=0.6), 2),
    ],
)
def test_the_worst_measure_decides(flow: FlowQuality, level: int) -> None:
    assert flow.level == level


def test_detail_grows_with_the_report_level() -> None:
    quality = NetworkQuality(video=MediaQuality(send=FlowQuality(fraction_lost=0.05)))

    assert quality.levels(1) == {"level": 3}
    assert quality.levels(2) == {"level": 3, "audio": {"send": 5, "recv": 5}, "video": {"send": 3, "recv": 5}}
    assert quality.levels(3)["video"] == {
        "send": 3,
        "recv": 5,
        "sendStats": {
            "bandwidth": {"actual": 0.0, "available": 0.0, "level": 3},
            "latency": {"jitter": 0.0, "rtt": 0.0, "level": 5},
            "fractionLost": {"fractionLost": 0.05, "level": 3},
        },
        "recvStats": {
            "bandwidth": {"actual": 0.0, "available": 0.0, "level": 5},
            "latency": {"jitter": 0.0, "rtt": 0.0, "level": 5},
            "fractionLost": {"fractionLost": 0.0, "level": 5},
        },
    }


def test_several_tracks_count_by_their_worst() -> None:
    together = worst([FlowQuality(0.1, 0.01, None, 100), FlowQuality(0.0, 0.05, 0.2, 200)])

    assert together == FlowQuality(0.1, 0.05, 0.2, 300)
