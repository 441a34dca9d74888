from dataclasses import replace

from roomwire.load_test.engine import Pace, ReceivedStream
from roomwire.load_test.reading import Reading, window_between

STREAM = ReceivedStream(
    ssrc=7,
    payload_type=96,
    expected=100,
    received=100,
    octets=1000,
    duplicates=0,
    reordered=0,
    nacked=0,
    recovered=0,
    first_s=0.0,
)
EMPTY = Reading(0.0, 0.0, 0, 0, 0, 0, {}, 0, 0, 0, 0, 0, [0, 0], Pace(0, 0, 0.0, 0))


def test_loss_is_what_was_expected_and_did_not_come():
    first = replace(EMPTY, received={(1, 7): STREAM})
    last = replace(EMPTY, time_s=10.0, received={(1, 7): replace(STREAM, expected=200, received=195)})
    window = window_between(first, last)

    assert (window.expected, window.received, window.lost) == (100, 95, 5)


def test_a_stream_that_got_nothing_is_no_stream_of_the_window():
    reading = replace(EMPTY, received={(1, 7): STREAM})
    window = window_between(reading, replace(reading, time_s=1.0))

    assert window.streams == 0


def test_a_stream_that_began_later_counts_whole():
    window = window_between(EMPTY, replace(EMPTY, time_s=1.0, received={(1, 7): STREAM}))

    assert (window.streams, window.received) == (1, 100)


def test_a_late_packet_from_before_the_window_is_no_negative_loss():
    first = replace(EMPTY, received={(1, 7): replace(STREAM, received=99)})
    last = replace(EMPTY, time_s=1.0, received={(1, 7): replace(STREAM, expected=110, received=110)})

    assert window_between(first, last).lost == 0


def test_cpu_time_is_a_share_of_a_core():
    assert window_between(EMPTY, replace(EMPTY, time_s=10.0, cpu_s=2.5)).cpu_share == 0.25
