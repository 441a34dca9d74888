from dataclasses import replace

import pytest
from media_sfu.forwarder import KeyframeRequested

from tests.kit.packets import (
    ReportBlock,
    fir,
    nack,
    one_byte_extensions,
    pli,
    receiver_report,
    rtp,
    sender_report,
    transport_feedback,
    vp8,
)
from tests.unit.media_sfu.engine.conftest import SUBSCRIBER, VIEW

SECOND = 1 << 32
"""Of NTP time, 32.32 fixed point."""


def test_a_nack_is_answered_by_rtx(camera):
    camera.publish(rtp(5, 3000, vp8(key=True), marker=True), now=10.0)

    [packet] = camera.feedback(nack(0xAAAA, 5), now=10.1)

    assert (packet.ssrc, packet.payload_type, packet.time, packet.marker) == (0xAAAB, 124, 3000, True)
    assert packet.payload == b"\x00\x05" + vp8(key=True)


def test_rtx_counts_by_itself(camera):
    camera.publish(rtp(5, 0, vp8(key=True)), rtp(6, 0, vp8()), now=10.0)

    first, second = camera.feedback(nack(0xAAAA, 5, 6), now=10.1)

    assert second.seq - first.seq == 1


def test_without_rtx_the_same_packet_comes_again(make_room):
    room = make_room(down=replace(VIEW, rtx_ssrc=None, rtx_payload_types={}))
    [first] = room.publish(rtp(5, 0, vp8(3, tl0=1, tid=0, key=True)), now=10.0)

    assert room.feedback(nack(0xAAAA, 5), now=10.1) == [first]


def test_a_nack_names_what_the_subscriber_saw(camera):
    """After a pause the numbers differ from the publisher's."""
    camera.publish(rtp(5, 0, vp8(key=True)), now=10.0)
    camera.engine.pause_down_track(camera.down)
    camera.publish(*(rtp(n, 0, vp8()) for n in range(6, 20)), now=10.1)
    camera.engine.resume_down_track(camera.down)
    [packet] = camera.publish(rtp(20, 0, vp8(key=True, body=b"fresh")), now=10.2)

    assert packet.seq == 6
    [again] = camera.feedback(nack(0xAAAA, 6), now=10.3)
    assert again.payload == b"\x00\x06" + vp8(key=True, body=b"fresh")
    assert camera.feedback(nack(0xAAAA, 20), now=10.4) == []


def test_a_packet_is_sent_again_at_most_once_in_a_round_trip(camera):
    camera.publish(rtp(5, 0, vp8(key=True)), now=10.0)

    assert len(camera.feedback(nack(0xAAAA, 5, 5), now=10.100)) == 1
    assert camera.feedback(nack(0xAAAA, 5), now=10.110) == []
    assert len(camera.feedback(nack(0xAAAA, 5), now=10.125)) == 1


def test_a_wish_that_comes_a_little_before_we_think_a_round_trip_is_over_is_met(camera):
    """The subscriber takes the round trip for 90 ms, we for 100."""
    camera.publish(sender_report(0x1111, 100 * SECOND, 0), now=9.0)
    camera.publish(rtp(1, 0, vp8(key=True)), now=9.5)
    camera.wait(10.0)
    [report] = [packet for packet in camera.rtcp(SUBSCRIBER) if packet.kind == 200]
    middle = report.sender_information[0] >> 16 & 0xFFFFFFFF
    camera.feedback(receiver_report(ReportBlock(0xAAAA, 0, 0, 1, 0, middle, 0x4000)), now=10.35)

    answers = [len(camera.feedback(nack(0xAAAA, 1), now=now)) for now in (10.4, 10.44, 10.49)]

    assert answers == [1, 0, 1]


def test_on_a_line_that_loses_much_without_a_queue_packets_are_sent_again_twice(camera):
    [packet] = camera.publish(rtp(1, 0, vp8(key=True), extensions=one_byte_extensions({2: b"abc"})), now=10.0)
    camera.feedback(transport_feedback(0, {0: 0}), now=10.1)
    camera.feedback(receiver_report(ReportBlock(0xAAAA, 52, 1, 1, 0, 0, 0)), now=10.1)

    first, second = camera.feedback(nack(0xAAAA, packet.seq), now=10.2)

    assert first.payload == second.payload
    assert second.seq - first.seq == 1


def test_on_a_full_line_one_packet_is_sent_again_for_eight_that_were_sent(camera):
    """The last one came 125 ms later than the first."""
    extensions = one_byte_extensions({2: b"abc"})
    camera.publish(*(rtp(seq, 0, vp8(key=True), extensions=extensions) for seq in range(20)), now=10.0)
    camera.feedback(transport_feedback(0, {0: 0, 1: 500}), now=10.1)
    camera.feedback(receiver_report(ReportBlock(0xAAAA, 52, 1, 1, 0, 0, 0)), now=10.1)

    assert len(camera.feedback(nack(0xAAAA, *range(20)), now=10.2)) == 2


def test_what_was_sent_before_a_pause_is_not_sent_again(camera):
    camera.publish(rtp(5, 0, vp8(key=True)), now=10.0)
    camera.engine.pause_down_track(camera.down)
    camera.engine.resume_down_track(camera.down)
    assert camera.feedback(nack(0xAAAA, 5), now=10.1) == []

    [after] = camera.publish(rtp(6, 0, vp8(key=True)), now=10.2)
    assert len(camera.feedback(nack(0xAAAA, 5, after.seq), now=10.3)) == 1


def test_a_subscriber_cannot_ask_for_more_than_it_was_sent(camera):
    """129 credits: 128 to begin with, one for the packet."""
    camera.publish(rtp(5, 0, vp8(key=True)), now=10.0)

    answers = sum(len(camera.feedback(nack(0xAAAA, 5), now=11 + n)) for n in range(200))

    assert answers == 129
    assert camera.count("drop_retransmit_limit") == 71


def test_a_packet_that_left_the_ring_is_not_sent_again(camera):
    camera.publish(rtp(0, 0, vp8(key=True)), now=10.0)
    for start in range(1, 1100, 50):
        camera.publish(*(rtp(n, 0, vp8()) for n in range(start, start + 50)), now=10.0)

    assert camera.feedback(nack(0xAAAA, 0), now=11.0) == []
    assert camera.count("retransmit_missed") == 1


def test_a_gap_is_nacked_after_the_time_for_reordering(camera):
    camera.publish(rtp(1, 0, vp8(key=True)), rtp(5, 0, vp8()), now=10.0)
    assert [p for p in camera.rtcp() if p.kind == 205] == []

    camera.wait(10.02)

    [packet] = camera.rtcp()
    assert (packet.kind, packet.count, packet.media, packet.nacked) == (205, 1, 0x1111, [2, 3, 4])


def test_mere_reordering_is_not_nacked(camera):
    camera.publish(rtp(1, 0, vp8(key=True)), rtp(3, 0, vp8()), now=10.0)
    camera.publish(rtp(2, 0, vp8()), now=10.005)
    camera.wait(10.02)

    assert [p.kind for p in camera.rtcp()] == []


def test_a_nack_is_not_repeated_before_a_round_trip(camera):
    camera.publish(rtp(1, 0, vp8(key=True)), rtp(3, 0, vp8()), now=10.0)
    camera.wait(10.02)

    camera.wait(10.05)
    assert camera.rtcp() == []
    camera.wait(10.15)
    assert [p.nacked for p in camera.rtcp() if p.kind == 205] == [[2]]


def test_on_a_line_that_loses_much_a_nack_is_sent_again_within_the_round_trip(camera):
    """One of three packets came in the second before."""
    camera.publish(rtp(1, 0, vp8(key=True)), now=10.0)
    camera.publish(rtp(4, 0, vp8()), now=10.5)
    camera.wait(11.1)
    camera.publish(rtp(6, 0, vp8()), now=11.2)

    asked = []
    for tick in range(30):
        camera.wait(11.21 + tick * 0.005)
        asked += [11.21 + tick * 0.005 for packet in camera.rtcp() if packet.kind == 205 and 5 in packet.nacked]

    assert asked == pytest.approx([11.21, 11.26, 11.31])


def test_nacks_stop_after_their_tries(camera):
    camera.publish(rtp(1, 0, vp8(key=True)), rtp(3, 0, vp8()), now=10.0)
    for n in range(100):
        camera.wait(10.0 + n / 10)

    assert camera.count("nacks_sent") <= 10
    assert camera.engine.up_track_statistics([camera.up])[0].nacks == camera.count("nacks_sent")


def test_what_the_publisher_sends_again_by_rtx_goes_to_its_place(camera):
    first, third = camera.publish(rtp(1, 0, vp8(key=True)), rtp(3, 3000, vp8()), now=10.0)
    camera.wait(10.02)

    repaired = rtp(900, 0, b"\x00\x02" + vp8(start=False), ssrc=0x1112, payload_type=97)
    [second] = camera.publish(repaired, now=10.06)

    assert (second.seq - first.seq, third.seq - first.seq) == (1, 2)
    assert (second.ssrc, second.payload_type, second.payload) == (0xAAAA, 120, vp8(start=False))
    assert camera.engine.up_track_statistics([camera.up])[0].recovered == 1
    camera.wait(10.9)
    assert [p for p in camera.rtcp() if p.kind == 205] == []


def test_rtx_that_nobody_asked_for_is_dropped(camera):
    camera.publish(rtp(1, 0, vp8(key=True)), now=10.0)

    assert camera.publish(rtp(900, 0, b"\x00\x01" + vp8(key=True), ssrc=0x1112, payload_type=97), now=10.1) == []
    assert camera.publish(rtp(901, 0, b"", ssrc=0x1112, payload_type=97, padding=255), now=10.1) == []


def test_a_pli_is_told_and_passed_on(camera):
    camera.publish(rtp(1, 0, vp8(key=True)), now=10.0)
    camera.feedback(pli(0xAAAA), now=10.1)

    assert camera.engine.events_received() == [KeyframeRequested(camera.down)]

    camera.engine.request_keyframe(camera.up, 0)
    camera.wait(10.1)
    [packet] = [p for p in camera.rtcp() if p.kind == 206]
    assert (packet.count, packet.media) == (1, 0x1111)


def test_a_fir_is_told_as_well(camera):
    camera.feedback(fir(0xAAAA), fir(0xBBBB), now=10.1)

    assert camera.engine.events_received() == [KeyframeRequested(camera.down)]


def test_key_frame_requests_of_one_source_are_300_ms_apart_and_none_is_lost(camera):
    camera.engine.request_keyframe(camera.up, 0)
    camera.wait(10.0)
    assert [p.count for p in camera.rtcp() if p.kind == 206] == [1]
    camera.publish(rtp(1, 0, vp8(key=True)), now=10.05)

    camera.engine.request_keyframe(camera.up, 0)
    camera.wait(10.1)
    assert camera.rtcp() == []
    camera.wait(10.31)
    assert [p.count for p in camera.rtcp() if p.kind == 206] == [1]


def test_a_key_frame_that_does_not_come_is_asked_for_again(camera):
    camera.engine.request_keyframe(camera.up)
    camera.wait(10.0)
    camera.wait(10.51)
    assert camera.count("keyframe_requests_sent") == 2

    camera.publish(rtp(1, 0, vp8(key=True)), now=10.6)
    for n in range(50):
        camera.wait(11 + n / 10)

    assert camera.count("keyframe_requests_sent") == 2


def test_somebody_who_has_pictures_does_not_wait(camera):
    camera.publish(rtp(1, 0, vp8(key=True)), now=10.0)
    camera.engine.request_keyframe(camera.up)
    camera.wait(10.1)

    assert camera.count("keyframe_requests_sent") == 0


def test_the_publisher_hears_its_limit_each_second(camera):
    camera.engine.set_receive_bitrate(camera.publisher, 1_500_000)
    camera.wait(10.0)

    report, estimate = camera.rtcp()
    assert (report.kind, report.count) == (201, 0)
    assert (estimate.kind, estimate.count, estimate.ssrcs) == (206, 15, [0x1111])
    assert abs(estimate.bitrate_bps - 1_500_000) < 8

    camera.wait(10.5)
    assert camera.rtcp() == []
    camera.wait(11.1)
    assert [p.kind for p in camera.rtcp()] == [201, 206]


def test_receiver_reports_are_true(camera):
    """Ten expected, two lost: RFC 3550 gives 2 * 256 / 10 = 51 of 256."""
    camera.wait(9.0)
    camera.publish(sender_report(0x1111, 5 * SECOND, 0), now=9.5)
    camera.publish(*(rtp(65530 + n, 900 * n, vp8(key=True)) for n in range(10) if n not in (3, 4)), now=9.5)
    camera.wait(10.0)

    [block] = [block for packet in camera.rtcp() if packet.kind == 201 for block in packet.blocks]

    assert (block.ssrc, block.fraction_lost, block.lost, block.highest) == (0x1111, 51, 2, 65536 + 3)
    assert block.last_report == 5 << 16
    assert block.delay == 0x8000  # half a second


def test_round_trip_and_loss_come_from_the_subscribers_reports(camera):
    camera.publish(sender_report(0x1111, 100 * SECOND, 0), now=9.0)
    camera.publish(rtp(1, 0, vp8(key=True)), now=9.5)
    camera.wait(10.0)
    [report] = [packet for packet in camera.rtcp(SUBSCRIBER) if packet.kind == 200]
    middle = report.sender_information[0] >> 16 & 0xFFFFFFFF

    camera.feedback(receiver_report(ReportBlock(0xAAAA, 64, 3, 1, 900, middle, 0x4000)), now=10.35)

    statistics = camera.engine.down_track_statistics([camera.down])[0]
    assert statistics.round_trip_s == pytest.approx(0.1, abs=1e-4)
    assert (statistics.fraction_lost, statistics.jitter_s) == (0.25, 0.01)


def test_sender_reports_carry_the_publishers_clock_on(camera):
    """Lip-sync: NTP time 100 s was RTP time 1000; one second later 91,000."""
    camera.publish(sender_report(0x1111, 100 * SECOND, 1000), rtp(1, 0, vp8(key=True)), now=9.0)
    camera.wait(9.0)
    camera.wait(10.1)

    [report, name] = [packet for packet in camera.rtcp(SUBSCRIBER) if packet.kind != 201]

    ntp, time, packets, octets = report.sender_information
    assert report.sender == name.sender == 0xAAAA
    assert ntp == pytest.approx(101.1 * SECOND, rel=1e-9)
    assert (time, packets, octets) == (1000 + 99000, 1, len(vp8(key=True)))
    assert name.body[4:11] == b"\x01\x05alice"


def test_a_track_without_senders_clock_gets_no_report(camera):
    camera.publish(rtp(1, 0, vp8(key=True)), now=9.0)
    camera.wait(10.0)

    assert camera.rtcp(SUBSCRIBER) == []


def test_feedback_about_others_tracks_changes_nothing(camera):
    camera.publish(rtp(1, 0, vp8(key=True)), now=10.0)
    camera.publish(nack(0xAAAA, 1), pli(0xAAAA), now=10.5)

    assert camera.engine.events_received() == []
    assert camera.count("nacks_received") == 0


@pytest.mark.parametrize("size", range(1, 24))
def test_cut_reports_are_harmless(camera, size):
    camera.publish(rtp(1, 0, vp8(key=True), extensions=one_byte_extensions({3: b"x"})), now=10.0)
    for packet in (
        nack(0xAAAA, 1, 2),
        pli(0xAAAA),
        fir(0xAAAA),
        transport_feedback(0, {0: 1, 300: 2}),
        sender_report(0xAAAA, 1, 2),
    ):
        camera.feedback(packet[:size], now=10.1)
