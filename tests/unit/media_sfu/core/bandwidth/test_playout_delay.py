from dataclasses import replace

from media_sfu.core.actions import UpTrackName
from media_sfu.core.bandwidth.playout_delay import PlayoutDelays
from media_sfu.forwarder import DownTrackStatistics, UpTrackStatistics

CAMERA = UpTrackName("PA1", "camera")
VIEW = ("PA2", "view")


def up(fraction_lost: float = 0.0, round_trip_s: float | None = None) -> dict[UpTrackName, UpTrackStatistics]:
    reading = UpTrackStatistics((), (), (), lost=0, fraction_lost=fraction_lost, jitter_s=0.0)
    return {CAMERA: replace(reading, round_trip_s=round_trip_s)}


def down(fraction_lost: float = 0.0, round_trip_s: float | None = None) -> dict[tuple[str, str], DownTrackStatistics]:
    return {VIEW: DownTrackStatistics(0, 0, 0, 0, fraction_lost, 0.0, round_trip_s, layer=0)}


def changes(delays: PlayoutDelays, now: float) -> list[float]:
    return [delay for _, delay in delays.changes([(VIEW, CAMERA)], now)]


def after(delays: PlayoutDelays, seconds: int, publisher=None, subscriber=None, start: int = 0) -> list[float]:
    """The delays that were told in so many seconds of the same readings."""
    told: list[float] = []
    for now in range(start, start + seconds):
        delays.receive(publisher or up(), subscriber or down(), now)
        told += changes(delays, now)
    return told


def test_without_loss_nothing_is_held_back():
    delays = PlayoutDelays()

    assert after(delays, 60, up(round_trip_s=0.3), down(round_trip_s=0.3)) == []
    assert delays.is_idle


def test_a_lossy_way_to_the_subscriber_costs_two_of_its_round_trips():
    assert after(PlayoutDelays(), 5, subscriber=down(0.05, 0.1)) == [0.35]


def test_where_much_is_lost_more_is_waited_for():
    assert after(PlayoutDelays(), 40, subscriber=down(0.15, 0.1))[-1] == 0.45
    assert after(PlayoutDelays(), 40, subscriber=down(0.2, 0.1))[-1] == 0.5


def test_both_ways_add_up():
    assert after(PlayoutDelays(), 5, up(0.05, 0.1), down(0.05, 0.1)) == [0.45]


def test_a_single_lost_packet_of_a_small_video_changes_nothing():
    delays = PlayoutDelays()

    sound = {("PA2", "sound"): down()[VIEW]}

    assert after(delays, 1, subscriber=down(0.07, 0.1) | sound) == []
    assert after(delays, 60, subscriber=down() | sound, start=1) == []
    assert delays.is_idle


def test_what_the_line_loses_of_the_sound_counts_for_the_pictures_too():
    sound = {("PA2", "sound"): down(0.2, 0.1)[VIEW]}

    assert after(PlayoutDelays(), 1, subscriber=down() | sound) == [0.35]


def test_the_delay_ends_well_after_the_loss():
    delays = PlayoutDelays()
    after(delays, 5, subscriber=down(0.05, 0.1))

    assert after(delays, 20, start=5) == []
    assert after(delays, 60, start=25) == [0.0]


def test_a_satellite_is_not_waited_for():
    assert after(PlayoutDelays(), 5, up(0.1, 0.6), down(0.1, 0.6)) == [0.5]


def test_a_subscription_that_ended_is_forgotten():
    delays = PlayoutDelays()
    after(delays, 5, subscriber=down(0.05, 0.1))
    delays.receive({}, {}, 6)

    assert delays.is_idle
