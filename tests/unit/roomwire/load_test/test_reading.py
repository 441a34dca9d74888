from dataclasses import replace

from roomwire.load_test.engine import Pace, ReceivedStream, SentStream
from roomwire.load_test.reading import Reading, Totals, window_between

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
    last_s=0.0,
    silence_s=0.0,
)
SENT = SentStream(ssrc=1, payload_type=96, packets=50, octets=5000, frames=10, keyframes=1, retransmitted=0)
NONE = Totals(0, 0, 0, 0, 0)
EMPTY = Reading(0.0, 0.0, {}, {}, NONE, [0, 0], Pace(0, 0, 0.0, 0))


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


def test_what_is_sent_is_counted_for_each_endpoint():
    first = replace(EMPTY, sent={(1, 1): SENT})
    last = replace(EMPTY, time_s=1.0, sent={(1, 1): replace(SENT, packets=80), (1, 2): SENT, (2, 1): SENT})
    window = window_between(first, last)

    assert window.sent_by == {1: 30 + 50, 2: 50}
    assert window.sent_packets == 130


def test_of_the_totals_the_window_has_what_came_in_it():
    first, last = (replace(EMPTY, totals=totals) for totals in (Totals(1, 2, 3, 4, 5), Totals(1, 3, 5, 7, 9)))

    assert window_between(first, last).totals == Totals(0, 1, 2, 3, 4)


def test_a_stream_flows_while_its_last_packet_is_new():
    reading = replace(EMPTY, time_s=10.0, received={(1, 7): replace(STREAM, last_s=9.0), (1, 8): STREAM})

    assert reading.flowing(within_s=2.0) == 1


def test_a_silence_that_goes_on_counts():
    paused = replace(STREAM, last_s=9.5, silence_s=3.0)
    ended = replace(STREAM, last_s=6.0, silence_s=0.1)

    assert replace(EMPTY, time_s=10.0, received={(1, 7): paused}).longest_silence_s == 3.0
    assert replace(EMPTY, time_s=10.0, received={(1, 7): paused, (1, 8): ended}).longest_silence_s == 4.0
    assert EMPTY.longest_silence_s == 0.0
