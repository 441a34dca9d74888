import itertools
from dataclasses import replace

import pytest
from media_sfu.engine.forwarder import AUDIO_LEVEL, TRANSPORT_SEQUENCE
from media_sfu.forwarder import StaleHandle, UpTrackParameters

from tests.kit.packets import nack, one_byte_extensions, rtp, two_byte_extensions, vp8
from tests.unit.media_sfu.engine.conftest import CAMERA, MICROPHONE, PUBLISHER, SUBSCRIBER, VIEW, join


def test_a_packet_gets_the_subscribers_ssrc_and_payload_type(camera):
    [packet] = camera.publish(rtp(7, 3000, vp8(key=True), marker=True))

    assert (packet.ssrc, packet.payload_type, packet.time, packet.marker) == (0xAAAA, 120, 3000, True)
    assert packet.payload == vp8(key=True)


def test_video_starts_with_a_key_frame(camera):
    assert camera.publish(rtp(1, 0, vp8()), rtp(2, 3000, vp8())) == []
    assert [p.time for p in camera.publish(rtp(3, 6000, vp8(key=True)), rtp(4, 9000, vp8()))] == [6000, 9000]


def test_h264_starts_with_a_parameter_set_alone_or_aggregated(make_room):
    room = make_room()
    assert room.publish(rtp(1, 0, b"\x61slice", payload_type=102)) == []
    assert len(room.publish(rtp(2, 0, b"\x78\x00\x02\x67\x42\x00\x02\x68\xce", payload_type=102))) == 1


def test_audio_starts_at_once(microphone):
    [packet] = microphone.publish(rtp(1, 0, b"opus", ssrc=0x4441, payload_type=111))

    assert (packet.payload_type, packet.payload) == (109, b"opus")


def test_a_codec_that_the_subscriber_lacks_is_dropped(make_room):
    room = make_room(down=replace(VIEW, payload_types={"H264": 126}))

    assert room.publish(rtp(1, 0, vp8(key=True))) == []


def test_redundant_audio_names_the_subscribers_types_in_its_blocks(microphone):
    blocks = (
        b"\xef\x00\x00\x04" + b"\x6f" + b"oldernew"
    )  # type 111 with more to follow, then type 111 for the last block

    [packet] = microphone.publish(rtp(1, 0, blocks, ssrc=0x4441, payload_type=63))

    assert packet.payload_type == 110
    assert packet.payload == b"\xed\x00\x00\x04" + b"\x6d" + b"oldernew"


def without_red(make_room):
    return make_room(MICROPHONE, replace(VIEW, rtx_ssrc=None, payload_types={"opus": 109}))


def test_a_subscriber_without_redundancy_gets_the_last_block_as_plain_audio(make_room):
    room = without_red(make_room)
    blocks = b"\xef\x00\x40\x05" + b"\xef\x00\x00\x04" + b"\x6f" + b"first" + b"next" + b"last"

    [packet] = room.publish(
        rtp(1, 960, blocks, ssrc=0x4441, payload_type=63, extensions=one_byte_extensions({1: b"x"}))
    )

    assert (packet.payload_type, packet.payload) == (109, b"last")
    assert (packet.time, packet.extensions) == (960, {9: b"x"})


def test_plain_audio_out_of_redundancy_is_sent_again_as_it_was(make_room):
    room = without_red(make_room)
    [first] = room.publish(rtp(1, 960, b"\xef\x00\x00\x03\x6foldnew", ssrc=0x4441, payload_type=63))

    assert room.feedback(nack(0xAAAA, first.seq), now=10.1) == [first]


RED = {"ssrc": 0x4441, "payload_type": 63}
OLD_AND_NEW = b"\xef\x0f\x00\x03\x6foldnew"  # 960 ticks before


def test_a_frame_whose_packet_did_not_come_is_restored_from_the_next_one(microphone):
    microphone.publish(rtp(1, 960, b"\x6ffirst", **RED))

    level = one_byte_extensions({1: b"x"})
    packets = microphone.publish(rtp(3, 2880, OLD_AND_NEW, **RED, extensions=level, padding=4, marker=True))

    assert [(p.seq, p.time, p.payload_type) for p in packets] == [(2, 1920, 109), (3, 2880, 110)]
    assert packets[0].payload == b"old"
    assert (packets[0].marker, packets[0].padding, packets[0].extensions) == (False, 0, {9: b"x"})


def test_a_restored_frame_is_not_sent_twice_when_its_packet_comes_after_all(microphone):
    microphone.publish(rtp(1, 960, b"\x6ffirst", **RED), rtp(3, 2880, OLD_AND_NEW, **RED))

    assert microphone.publish(rtp(2, 1920, b"\x6fold", **RED)) == []
    assert microphone.engine.up_track_statistics([microphone.up])[0].packets == (3,)


def test_of_a_longer_gap_only_the_last_frame_is_there(microphone):
    microphone.publish(rtp(1, 960, b"\x6ffirst", **RED))

    assert [p.seq for p in microphone.publish(rtp(5, 4800, OLD_AND_NEW, **RED))] == [4, 5]


@pytest.mark.parametrize(
    "payload", [b"\xef\x0f\x00\x00\x6fnew", b"\xef\x0f\x03\xff\x6foldnew", b"\xef\x0f\x00", b"\x6fnew"]
)
def test_nothing_is_restored_from_redundancy_that_has_nothing(microphone, payload):
    microphone.publish(rtp(1, 960, b"\x6ffirst", **RED))

    assert [p.seq for p in microphone.publish(rtp(3, 2880, payload, **RED))] == [3]


@pytest.mark.parametrize(
    "payload", [b"\xef\x00\x00\x09\x6foldnew", b"\xef\x00\x00", b"\xef\x00\x00\x03\x6fold", b"\xef", b"\x6f"]
)
def test_redundancy_that_lies_about_its_blocks_is_not_taken_apart(make_room, payload):
    room = without_red(make_room)

    assert room.publish(rtp(1, 960, payload, ssrc=0x4441, payload_type=63)) == []


FIRST, SECOND = b"\0\0", b"\0\1"
"""Transport-wide numbers."""


def test_extensions_get_the_subscribers_ids_and_the_rest_is_blanked(camera):
    [packet] = camera.publish(rtp(1, 0, vp8(key=True), extensions=one_byte_extensions({4: b"0", 3: b"\x01", 9: b"??"})))

    assert packet.extensions == {7: b"\x01", 5: FIRST}


def test_two_byte_extensions_are_mapped_as_well(camera):
    extensions = two_byte_extensions({4: b"middle", 3: b"\x02", 200: b""})

    [packet] = camera.publish(rtp(1, 0, vp8(key=True), extensions=extensions))

    assert packet.extensions == {7: b"\x02", 5: FIRST}


def test_a_subscribers_packets_are_numbered_whatever_their_track(make_room, engine):
    room = make_room(replace(CAMERA, extensions={TRANSPORT_SEQUENCE: 1}))
    other = engine.add_up_track(room.publisher, replace(CAMERA, ssrcs=(0x5551,), rtx_ssrcs=(0x5552,)))
    engine.add_down_track(room.subscriber, other, replace(VIEW, ssrc=0xBBBB, rtx_ssrc=0xBBBC))
    block = one_byte_extensions({1: b"nn"})

    first = room.publish(rtp(1, 0, vp8(key=True), extensions=block))
    second = room.publish(rtp(1, 0, vp8(key=True), ssrc=0x5551, extensions=one_byte_extensions({2: b"abc"})))
    [third] = room.publish(rtp(2, 0, vp8(), extensions=block))

    assert [p.extensions[5] for p in (*first, *second, third)] == [b"\0\0", b"\0\1", b"\0\2"]


@pytest.mark.parametrize("extensions", [one_byte_extensions({1: b"nn"}), two_byte_extensions({1: b"nn"})])
def test_a_number_takes_the_room_of_the_publishers(make_room, extensions):
    room = make_room(replace(CAMERA, extensions={TRANSPORT_SEQUENCE: 1}))
    data = rtp(1, 0, vp8(key=True), extensions=extensions)

    [packet] = room.publish(data)

    assert packet.extensions == {5: FIRST}
    assert [len(sent) for to, sent in room.sent if to == SUBSCRIBER] == [len(data)]


@pytest.mark.parametrize(
    ("extensions", "left"),
    [
        (one_byte_extensions({3: b"\x01\x01"}), {7: b"\x01\x01"}),
        (two_byte_extensions({1: b"nn", 3: b"\x01\1"}), {7: b"\x01\1", 5: FIRST}),
        (two_byte_extensions({3: b"\x01\1"}), {7: b"\x01\1"}),
    ],
)
def test_without_room_there_is_no_number(camera, extensions, left):
    [packet] = camera.publish(rtp(1, 0, vp8(key=True), extensions=extensions))

    assert packet.extensions == left
    assert camera.count("number_no_room") == (5 not in left)


def test_no_number_is_written_into_an_extension_of_another_kind(camera):
    unknown = b"\xca\xfe\x00\x01elem"
    camera.publish(rtp(1, 0, vp8(key=True), extensions=unknown))

    [sent] = [data for to, data in camera.sent if to == SUBSCRIBER]
    assert sent[12:20] == b"\xca\xfe\x00\x01\0\0\0\0"


def test_what_is_sent_again_as_rtx_has_a_number_of_its_own(camera):
    extensions = one_byte_extensions({2: b"abc", 3: b"\x01"})
    [first] = camera.publish(rtp(1, 0, vp8(key=True), extensions=extensions), now=10.0)
    [again] = camera.feedback(nack(0xAAAA, first.seq), now=10.5)

    assert first.extensions == {7: b"\x01", 5: FIRST}
    assert again.extensions == {7: b"\x01", 5: SECOND}


def test_without_rtx_there_is_no_number_so_that_a_repetition_is_identical(make_room):
    room = make_room(down=replace(VIEW, rtx_ssrc=None, rtx_payload_types={}))
    packet = rtp(1, 0, vp8(key=True), extensions=one_byte_extensions({2: b"abc"}))

    [first] = room.publish(packet, now=10.0)
    [again] = room.feedback(nack(0xAAAA, first.seq), now=10.5)

    assert again == first
    assert first.extensions == {}


def test_contributing_sources_and_padding_are_kept(camera):
    data = bytearray(rtp(1, 0, vp8(key=True), padding=4))
    data[0] |= 1
    data[12:12] = b"\x00\x00\x12\x34"

    [packet] = camera.publish(bytes(data))

    assert packet.padding == 4
    assert packet.payload == vp8(key=True)


def test_sequence_numbers_follow_the_publishers_over_the_wrap(camera):
    seqs = [65534, 65535, 0, 1]

    packets = camera.publish(*(rtp(seq, 0, vp8(key=True)) for seq in seqs))

    assert [(b.seq - a.seq) & 0xFFFF for a, b in itertools.pairwise(packets)] == [1, 1, 1]


def test_a_late_packet_gets_the_number_kept_for_it(camera):
    first, third = camera.publish(rtp(1, 0, vp8(key=True)), rtp(3, 0, vp8(start=False)))
    [second] = camera.publish(rtp(2, 0, vp8(start=False)))

    assert [second.seq - first.seq, third.seq - first.seq] == [1, 2]


def test_a_duplicate_goes_nowhere(camera):
    camera.publish(rtp(1, 0, vp8(key=True)), rtp(2, 0, vp8()))

    assert camera.publish(rtp(1, 0, vp8(key=True)), rtp(2, 0, vp8())) == []


def test_padding_only_packets_leave_no_gap(camera):
    packets = camera.publish(rtp(1, 0, vp8(key=True)), rtp(2, 0, b"", padding=200), rtp(3, 3000, vp8()))

    assert [p.seq - packets[0].seq for p in packets] == [0, 1]


def test_an_unknown_ssrc_is_dropped(camera):
    camera.publish(rtp(1, 0, vp8(key=True), ssrc=0x9999))

    assert camera.count("drop_unknown_ssrc") == 1


def test_media_from_an_unbound_address_is_dropped(camera):
    camera.work((("192.0.2.9", 1), rtp(1, 0, vp8(key=True))), now=10)

    assert camera.rtp() == []
    assert camera.count("drop_unbound") == 1


def test_nothing_is_sent_to_a_peer_without_address(camera):
    camera.engine.set_send_address(camera.subscriber, None)

    assert camera.publish(rtp(1, 0, vp8(key=True))) == []


def test_an_address_moves_to_the_peer_that_bound_it_last(camera):
    camera.engine.bind_address(camera.subscriber, PUBLISHER)

    assert camera.publish(rtp(1, 0, vp8(key=True))) == []
    with pytest.raises(StaleHandle):
        camera.engine.set_send_address(camera.publisher, PUBLISHER)


def test_an_unbound_address_is_forgotten(camera):
    camera.engine.unbind_address(SUBSCRIBER)

    assert camera.publish(rtp(1, 0, vp8(key=True))) == []
    assert camera.count("addresses") == 1


def test_every_subscriber_gets_its_own_numbers(camera):
    late = join(camera.engine, ("192.0.2.3", 7000))
    camera.publish(rtp(1, 0, vp8(key=True)))
    camera.engine.add_down_track(late, camera.up, replace(VIEW, ssrc=0xBBBB))

    camera.publish(rtp(2, 3000, vp8(key=True)))

    assert {remote[0]: len(data) for remote, data in camera.sent} == {"192.0.2.2": 21, "192.0.2.3": 21}


def test_the_same_ssrc_at_two_peers_is_two_sources(camera):
    camera.engine.add_up_track(camera.subscriber, CAMERA)

    assert len(camera.publish(rtp(1, 0, vp8(key=True)))) == 1
    assert camera.feedback(rtp(1, 0, vp8(key=True))) == []


def test_a_second_track_with_an_ssrc_in_use_is_refused(camera):
    with pytest.raises(ValueError, match="in use"):
        camera.engine.add_up_track(camera.publisher, replace(CAMERA, ssrcs=(0x1112,), rtx_ssrcs=()))
    with pytest.raises(ValueError, match="in use"):
        camera.engine.add_down_track(camera.subscriber, camera.up, VIEW)
    with pytest.raises(ValueError, match="in use"):
        camera.engine.add_up_track(camera.publisher, replace(CAMERA, ssrcs=(7, 7), rtx_ssrcs=()))
    with pytest.raises(ValueError, match="in use"):
        camera.engine.add_up_track(camera.publisher, replace(CAMERA, ssrcs=(7, 8), rtx_ssrcs=(9, 7)))
    with pytest.raises(ValueError, match="1 to 4"):
        camera.engine.add_up_track(camera.publisher, replace(CAMERA, ssrcs=(1, 2, 3, 4, 5)))


def test_removing_an_up_track_removes_its_down_tracks(camera):
    camera.engine.remove_up_track(camera.up)

    with pytest.raises(StaleHandle):
        camera.engine.pause_down_track(camera.down)
    assert camera.count("down_tracks") == 0


def test_a_stale_handle_is_refused_when_its_place_is_taken_again(camera):
    camera.engine.remove_down_track(camera.down)
    fresh = camera.engine.add_down_track(camera.subscriber, camera.up, VIEW)

    assert fresh != camera.down
    for call in (camera.engine.pause_down_track, camera.engine.remove_down_track):
        with pytest.raises(StaleHandle):
            call(camera.down)
    with pytest.raises(StaleHandle):
        camera.engine.down_track_statistics([fresh, camera.down])


def test_every_call_refuses_a_removed_peer(camera):
    camera.engine.remove_peer(camera.publisher)

    for call in (
        lambda: camera.engine.remove_peer(camera.publisher),
        lambda: camera.engine.bind_address(camera.publisher, PUBLISHER),
        lambda: camera.engine.set_send_address(camera.publisher, None),
        lambda: camera.engine.set_receive_bitrate(camera.publisher, 1),
        lambda: camera.engine.add_up_track(camera.publisher, CAMERA),
        lambda: camera.engine.add_down_track(camera.subscriber, camera.up, VIEW),
        lambda: camera.engine.request_keyframe(camera.up),
        lambda: camera.engine.up_track_statistics([camera.up]),
        lambda: camera.engine.take_audio_levels([camera.up]),
        lambda: camera.engine.probe(camera.publisher, 1_000_000, 0.04),
        lambda: camera.engine.set_target_layer(camera.down, 0, 0),
    ):
        with pytest.raises(StaleHandle):
            call()


def test_up_track_statistics_say_what_came(make_room):
    room = make_room(replace(MICROPHONE, extensions={AUDIO_LEVEL: 1}))
    levels = [one_byte_extensions({1: bytes([0x80 | level])}) for level in (40, 25, 60)]
    room.publish(
        *(rtp(n, 960 * n, b"opus", ssrc=0x4441, payload_type=111, extensions=x) for n, x in enumerate(levels)), now=3.5
    )

    statistics = room.engine.up_track_statistics([room.up])[0]

    assert (statistics.packets, statistics.octets, statistics.last_arrival_s) == ((3,), (72,), (3.5,))
    assert room.engine.take_audio_levels([room.up]) == [-25]
    assert room.engine.take_audio_levels([room.up]) == [None]


def test_down_track_statistics_say_what_went(camera):
    camera.publish(rtp(1, 0, vp8(key=True)), rtp(2, 0, vp8()))

    statistics = camera.engine.down_track_statistics([camera.down])[0]

    assert (statistics.packets, statistics.octets, statistics.layer, statistics.round_trip_s) == (2, 42, 0, None)


def test_an_empty_codec_name_map_forwards_nothing(make_room):
    silent = UpTrackParameters("video", 90000, (0x1111,), (), {}, {}, {})
    room = make_room(silent)

    assert room.publish(rtp(1, 0, vp8(key=True))) == []
    assert room.count("drop_codec") == 1


PLAYOUT = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
KNOWS_PLAYOUT = replace(VIEW, extensions={**VIEW.extensions, PLAYOUT: 8})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (b"", {}),
        (one_byte_extensions({3: b"\x01"}), {7: b"\x01"}),
        (one_byte_extensions({3: b"\x01", 9: b"??"}), {7: b"\x01", 5: FIRST}),
        (two_byte_extensions({3: b"\x01"}), {7: b"\x01"}),
    ],
)
def test_a_subscriber_is_told_to_hold_pictures_back(make_room, theirs, ours):
    room = make_room(down=KNOWS_PLAYOUT)
    room.engine.set_playout_delay(room.down, 0.25)

    [packet] = room.publish(rtp(1, 0, vp8(17, tl0=5, tid=0, key=True), extensions=theirs, marker=True))

    assert packet.extensions == {**ours, 8: bytes([0x01, 0x93, 0xE8])}  # 25 and 1000 times 10 ms
    assert (packet.payload, packet.marker) == (vp8(17, tl0=5, tid=0, key=True), True)


def test_the_playout_delay_is_taken_back(make_room):
    room = make_room(down=KNOWS_PLAYOUT)
    room.engine.set_playout_delay(room.down, 0.25)
    room.engine.set_playout_delay(room.down, 0)

    [packet] = room.publish(rtp(1, 0, vp8(key=True)))

    assert packet.extensions == {8: bytes([0x00, 0x03, 0xE8])}


@pytest.mark.parametrize("view", [VIEW, replace(KNOWS_PLAYOUT, rtx_ssrc=None)])
def test_without_the_extension_or_rtx_nothing_is_added(make_room, view):
    room = make_room(down=view)
    room.engine.set_playout_delay(room.down, 0.25)
    [packet] = room.publish(rtp(1, 0, vp8(key=True)))

    assert packet.extensions == {}


def test_a_publishers_own_playout_delay_stays(make_room):
    room = make_room(replace(CAMERA, extensions={**CAMERA.extensions, PLAYOUT: 6}), KNOWS_PLAYOUT)
    room.engine.set_playout_delay(room.down, 0.25)
    [packet] = room.publish(rtp(1, 0, vp8(key=True), extensions=one_byte_extensions({6: b"abc"})))

    assert packet.extensions == {8: b"abc"}
