"""The network quality of a participant."""

from media_sfu.core.actions import UpTrackName
from media_sfu.core.network_quality import MediaQuality, NetworkQuality
from media_sfu.core.participant_quality import participant_quality
from media_sfu.core.statistics import Rates
from media_sfu.forwarder import DownTrackStatistics, UpTrackStatistics

from tests.kit.flowing_peers import flowing_peer

PEER = flowing_peer("bob", {"camera": 1}, {"camera": "alice"})


def readings(seconds: int, lost: float) -> Rates:
    """So many readings of Bob's tracks; his camera loses a share of its packets."""
    rates = Rates()
    for second in range(seconds):
        up = UpTrackStatistics((second,), (second * 1000,), (0.0,), 0, lost, 0.0)
        down = DownTrackStatistics(second, second * 5000, 0, 0, 0.0, 0.0, 0.01, 0)
        rates.receive({UpTrackName("bob", "camera"): up}, {("bob", "alice-camera"): down}, float(second + 1))
    return rates


def test_each_direction_has_its_own_quality() -> None:
    quality = participant_quality(PEER, readings(2, lost=0.05), None)

    assert quality is not None
    assert (quality.level, quality.audio) == (3, MediaQuality())
    assert (quality.video.send.level, quality.video.receive.level) == (3, 5)
    assert (quality.video.send.bitrate_bps, quality.video.receive.bitrate_bps) == (8_000, 40_000)


def test_the_round_trip_of_the_client_counts_for_all() -> None:
    quality = participant_quality(PEER, readings(2, lost=0.0), 0.4)

    assert quality is not None
    assert quality.levels(2) == {"level": 3, "audio": {"send": 3, "recv": 3}, "video": {"send": 3, "recv": 3}}


def test_before_the_first_measurement_nothing_is_known() -> None:
    assert participant_quality(PEER, readings(1, lost=0.0), None) is None


def test_who_is_not_connected_has_no_quality() -> None:
    peer = flowing_peer("bob")
    peer.connected = False

    assert participant_quality(peer, readings(2, lost=0.0), None) is None


def test_who_has_no_tracks_has_the_quality_of_the_line() -> None:
    assert participant_quality(flowing_peer("bob"), Rates(), None) == NetworkQuality()
