"""Pausing, simulcast and temporal layers: the subscriber sees one stream without a gap in sequence, time or picture ids."""

import itertools

import pytest

from tests.kit.packets import nack, rtp, sender_report, vp8

LOW, MIDDLE, HIGH = 0x1111, 0x2221, 0x3331
SECOND = 1 << 32
"""Of NTP time, 32.32 fixed point."""


def gaps(packets):
    return [(after.seq - before.seq) & 0xFFFF for before, after in itertools.pairwise(packets)]


def test_a_pause_leaves_no_gap_in_numbers_and_tells_the_true_time(camera):
    before = camera.publish(rtp(1, 0, vp8(7, tl0=3, tid=0, key=True)), now=10.0)
    camera.engine.pause_down_track(camera.down)
    assert camera.publish(*(rtp(n, 3000 * n, vp8(7 + n, tl0=3 + n, tid=0)) for n in range(2, 30)), now=11.0) == []
    camera.engine.resume_down_track(camera.down)
    assert camera.publish(rtp(30, 90000, vp8(40, tl0=40, tid=0)), now=11.0) == []

    after = camera.publish(rtp(31, 93000, vp8(41, tl0=41, tid=0, key=True)), now=11.03)

    assert gaps(before + after) == [1]
    assert [p.time for p in before + after] == [0, 93000]
    assert [p.picture for p in before + after] == [(7, 3, 0), (8, 4, 0)]


def test_audio_resumes_with_the_next_packet(microphone):
    def say(*seqs):
        return microphone.publish(*(rtp(n, 960 * n, b"opus", ssrc=0x4441, payload_type=111) for n in seqs))

    before = say(1, 2)
    microphone.engine.pause_down_track(microphone.down)
    say(*range(3, 50))
    microphone.engine.resume_down_track(microphone.down)
    after = say(50, 51)

    assert gaps(before + after) == [1, 1, 1]
    assert [p.time for p in after] == [48000, 48960]


def test_what_was_lost_before_a_pause_still_finds_its_place(camera):
    camera.publish(rtp(1, 0, vp8(key=True)), rtp(3, 0, vp8()), now=10.0)
    camera.engine.pause_down_track(camera.down)
    camera.publish(rtp(4, 0, vp8()), now=10.0)
    camera.engine.resume_down_track(camera.down)
    [after] = camera.publish(rtp(5, 0, vp8(key=True)), now=10.01)

    [late] = camera.publish(rtp(2, 0, vp8(body=b"late")), now=10.02)

    assert (late.seq, after.seq, late.payload[-4:]) == (2, 4, b"late")


def test_the_first_layer_that_flows_is_taken(simulcast):
    [packet] = simulcast.publish(rtp(1, 0, vp8(key=True, body=b"low"), ssrc=LOW))

    assert packet.payload.endswith(b"low")


def test_a_switch_waits_for_the_key_frame_and_leaves_no_gap(simulcast):
    first = simulcast.publish(rtp(100, 5000, vp8(10, tl0=1, tid=0, key=True), ssrc=LOW), now=10.0)
    second = simulcast.publish(
        rtp(7000, 800000, vp8(500, tl0=90, tid=0), ssrc=HIGH), rtp(101, 8000, vp8(11, tl0=2, tid=0), ssrc=LOW), now=10.1
    )
    third = simulcast.publish(
        rtp(7001, 809000, vp8(501, tl0=91, tid=0, key=True), ssrc=HIGH),
        rtp(102, 9000, vp8(12, tl0=3, tid=0), ssrc=LOW),
        now=10.2,
    )

    packets = first + second + third
    assert gaps(packets) == [1, 1]
    assert [p.picture for p in packets] == [(10, 1, 0), (11, 2, 0), (12, 3, 0)]
    assert [p.time for p in packets] == [5000, 8000, 8000 + 9000]  # by arrival: 0.1 s later
    assert simulcast.engine.down_track_statistics([simulcast.down])[0].layer == 2


def test_a_switch_tells_the_true_time_when_both_layers_have_sender_reports(simulcast):
    simulcast.publish(sender_report(LOW, 100 * SECOND, 5000), sender_report(HIGH, 101 * SECOND, 1_000_000), now=9.9)
    simulcast.publish(rtp(100, 5000, vp8(key=True), ssrc=LOW), now=10.0)

    [packet] = simulcast.publish(rtp(1, 1_000_000 - 81_000, vp8(key=True), ssrc=HIGH), now=10.15)

    assert packet.time == 5000 + 9000  # captured 0.1 s after the other, though it came 0.15 s later


def test_time_never_stands_still_or_goes_back_at_a_switch(simulcast):
    first = simulcast.publish(rtp(100, 5000, vp8(key=True), ssrc=LOW), now=10.0)
    second = simulcast.publish(rtp(1, 77, vp8(key=True), ssrc=HIGH), now=10.0)

    assert [p.time for p in first + second] == [5000, 5001]


def test_a_lower_target_is_reached_at_its_key_frame(simulcast):
    simulcast.publish(rtp(1, 0, vp8(key=True), ssrc=LOW), rtp(1, 0, vp8(key=True), ssrc=HIGH), now=10.0)
    simulcast.engine.set_target_layer(simulcast.down, 0, 3)
    assert simulcast.publish(rtp(2, 3000, vp8(), ssrc=LOW), now=10.03) == []

    [still] = simulcast.publish(rtp(2, 3000, vp8(body=b"high"), ssrc=HIGH), now=10.04)
    [low] = simulcast.publish(rtp(3, 6000, vp8(key=True, body=b"low"), ssrc=LOW), now=10.06)

    assert (still.payload[-4:], low.payload[-3:]) == (b"high", b"low")
    assert gaps([still, low]) == [1]


def test_a_layer_above_the_target_is_never_taken(simulcast):
    simulcast.engine.set_target_layer(simulcast.down, 0, 3)

    assert simulcast.publish(rtp(1, 0, vp8(key=True), ssrc=MIDDLE), rtp(1, 0, vp8(key=True), ssrc=HIGH)) == []


def test_a_silent_layer_gives_way_to_one_that_flows(simulcast):
    simulcast.publish(rtp(1, 0, vp8(key=True), ssrc=HIGH), now=10.0)
    assert simulcast.publish(rtp(1, 0, vp8(key=True), ssrc=MIDDLE), now=10.5) == []

    assert len(simulcast.publish(rtp(2, 0, vp8(key=True), ssrc=MIDDLE), now=11.5)) == 1
    assert simulcast.engine.down_track_statistics([simulcast.down])[0].layer == 1


def test_a_wish_for_key_frames_goes_to_the_awaited_layers(simulcast):
    simulcast.engine.request_keyframe(simulcast.up)
    simulcast.wait(9.0)
    assert [p.media for p in simulcast.rtcp() if p.kind == 206] == [HIGH, MIDDLE, LOW]
    simulcast.publish(rtp(1, 0, vp8(key=True), ssrc=LOW), rtp(1, 0, vp8(), ssrc=HIGH), now=10.0)

    simulcast.engine.request_keyframe(simulcast.up)
    simulcast.wait(10.35)

    assert [p.media for p in simulcast.rtcp() if p.kind == 206] == [HIGH]


def test_nacks_after_a_switch_are_answered_from_the_layer_of_the_time(simulcast):
    [low] = simulcast.publish(rtp(100, 0, vp8(key=True, body=b"low"), ssrc=LOW), now=10.0)
    [high] = simulcast.publish(rtp(7000, 0, vp8(key=True, body=b"high"), ssrc=HIGH), now=10.1)

    again = simulcast.feedback(nack(0xAAAA, low.seq, high.seq), now=10.2)

    assert [p.payload[2:] for p in again] == [low.payload, high.payload]
    assert [p.time for p in again] == [low.time, high.time]


PATTERN = (0, 2, 1, 2)
"""Temporal ids of VP8 with three layers, as libvpx sends them."""


def three_layers(first, count, *, sync_at=(1, 2)):
    """Frames of two packets each, from number `first` on; those at `sync_at` of every four carry a layer sync."""
    packets = []
    for n in range(first, first + count):
        tid, tl0 = PATTERN[n % 4], n // 4
        common = {"tl0": tl0, "tid": tid, "key": n == 0, "sync": n % 4 in sync_at}
        packets.append(rtp(2 * n, 3000 * n, vp8(n, **common)))
        packets.append(rtp(2 * n + 1, 3000 * n, vp8(n, **{**common, "key": False}, start=False), marker=True))
    return packets


@pytest.mark.parametrize(("temporal", "kept"), [(0, [0]), (1, [0, 2]), (2, [0, 1, 2, 3])])
def test_temporal_layers_are_left_out_without_a_gap(camera, temporal, kept):
    camera.engine.set_target_layer(camera.down, 0, temporal)

    packets = camera.publish(*three_layers(0, 16))

    expected = [n for n in range(16) if n % 4 in kept]
    assert [p.time for p in packets] == [3000 * n for n in expected for _ in range(2)]
    assert gaps(packets) == [1] * (len(packets) - 1)
    assert [p.picture[0] for p in packets] == [n for n in range(len(expected)) for _ in range(2)]
    assert [p.picture[1] for p in packets] == [n // 4 for n in expected for _ in range(2)]


def test_a_higher_temporal_layer_begins_at_a_layer_sync(camera):
    camera.engine.set_target_layer(camera.down, 0, 0)
    camera.publish(*three_layers(0, 4))
    camera.engine.set_target_layer(camera.down, 0, 1)

    without_sync = camera.publish(*three_layers(4, 4, sync_at=()))
    with_sync = camera.publish(*three_layers(8, 4))

    assert [p.picture[2] for p in without_sync] == [0, 0]
    assert [p.picture[2] for p in with_sync] == [0, 0, 1, 1]


def test_a_lower_temporal_layer_waits_for_the_next_frame(camera):
    packets = three_layers(0, 8)
    before = camera.publish(*packets[:3])  # the first packet of frame 1, which has temporal id 2
    camera.engine.set_target_layer(camera.down, 0, 0)
    after = camera.publish(*packets[3:])

    assert [p.picture[2] for p in before + after] == [0, 0, 2, 2, 0, 0]
    assert gaps(before + after) == [1] * 5


def test_a_late_packet_of_a_layer_left_out_is_filled_with_padding(camera):
    """Its number was kept free while it was not known what it is: an empty packet spares the subscriber a loss."""
    camera.engine.set_target_layer(camera.down, 0, 0)
    packets = three_layers(0, 5)
    camera.publish(*packets[:2], *packets[3:])

    [filler] = camera.publish(packets[2])

    assert (filler.payload, filler.padding) == (b"", 4)
    assert filler.seq == 2


def test_picture_ids_of_seven_bits_stay_so(camera):
    camera.engine.set_target_layer(camera.down, 0, 0)

    packets = camera.publish(
        rtp(1, 0, vp8(126, tl0=0, tid=0, key=True, short=True)),
        rtp(2, 3000, vp8(127, tl0=0, tid=1, short=True)),
        rtp(3, 6000, vp8(0, tl0=1, tid=0, short=True)),
        rtp(4, 9000, vp8(1, tl0=2, tid=0, short=True)),
    )

    assert [p.picture[0] for p in packets] == [126, 127, 0]


def test_picture_ids_of_fifteen_bits_wrap(camera):
    camera.engine.set_target_layer(camera.down, 0, 0)

    packets = camera.publish(
        rtp(1, 0, vp8(32766, tl0=255, tid=0, key=True)),
        rtp(2, 3000, vp8(32767, tl0=255, tid=1)),
        rtp(3, 6000, vp8(0, tl0=0, tid=0)),
        rtp(4, 9000, vp8(1, tl0=1, tid=0)),
    )

    assert [p.picture for p in packets] == [(32766, 255, 0), (32767, 0, 0), (0, 1, 0)]


def test_a_source_that_begins_anew_far_away_costs_no_loss(camera):
    first = camera.publish(rtp(1, 0, vp8(key=True)))
    second = camera.publish(rtp(20000, 0, vp8(key=True)))

    assert gaps(first + second) == [1]
