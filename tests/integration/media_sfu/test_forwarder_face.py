"""
What every `Forwarder` must do, seen from the wire: real sockets, real SRTP. Add an implementation to `FORWARDERS` and the whole file runs on it.
"""

import struct
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiortc import rtp
from media_sfu.engine import PacketForwarder
from media_sfu.forwarder import (
    DownTrackParameters,
    KeyframeRequested,
    StaleHandle,
    UpTrackParameters,
)

from tests.kit.sfu_port import PortKit, PortPeer
from tests.kit.webrtc_client import rtp_packet, until

FORWARDERS = {"engine": PacketForwarder.bind}

LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
ORIENTATION = "urn:3gpp:video-orientation"

KEY = b"\x10" + b"\x00\x9d\x01\x2a" + bytes(20)
"""VP8 payload: start of a partition, key frame bit clear (RFC 7741)."""
DELTA = b"\x10" + b"\x01" + bytes(20)

AUDIO = UpTrackParameters("audio", 48000, (1111,), (), {111: "opus"}, {}, {MID: 4, LEVEL: 1})
VIDEO = UpTrackParameters("video", 90000, (2222,), (2223,), {96: "VP8"}, {97: 96}, {MID: 4, ORIENTATION: 3})
SIMULCAST = replace(VIDEO, ssrcs=(2222, 3333, 4444), rtx_ssrcs=(2223, 3334, 4445))
AUDIO_DOWN = DownTrackParameters(7777, None, {"opus": 109}, {}, {LEVEL: 2}, "alice")
VIDEO_DOWN = DownTrackParameters(8888, 8889, {"VP8": 120}, {"VP8": 121}, {ORIENTATION: 12}, "alice")


@pytest.fixture(params=FORWARDERS)
async def kit(request: pytest.FixtureRequest) -> AsyncIterator[PortKit]:
    kit = PortKit(FORWARDERS[request.param])
    yield kit
    await kit.close()


@pytest.fixture
async def publisher(kit: PortKit) -> PortPeer:
    return await kit.open_peer(data=False)


@pytest.fixture
async def subscriber(kit: PortKit) -> PortPeer:
    return await kit.open_peer(data=False)


def header(packet: bytes) -> tuple[int, int, int, int]:
    """Payload type, sequence number, time and SSRC."""
    seq, time, ssrc = struct.unpack_from("!HLL", packet, 2)
    return packet[1] & 0x7F, seq, time, ssrc


def numbers(packets: list[bytes]) -> list[int]:
    return [header(packet)[1] for packet in packets]


def frame(seq: int, payload: bytes = DELTA, *, ssrc: int = 2222, time: int | None = None) -> bytes:
    return rtp_packet(seq, seq * 3000 if time is None else time, ssrc, 96, payload, marker=True)


async def test_a_packet_gets_the_subscribers_numbers_and_keeps_its_payload(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, AUDIO)
    kit.forwarder.add_down_track(subscriber.transport.handle, up, AUDIO_DOWN)

    publisher.client.send_rtp(rtp_packet(5, 960, 1111, 111, b"opus", extensions={1: b"\x85", 4: b"0"}))

    packet = (await until(lambda: subscriber.client.rtp))[0]
    assert header(packet)[0] == 109
    assert header(packet)[3] == 7777
    assert (
        packet[12:] == b"\xbe\xde\x00\x01" + b"\x20\x85" + b"\x00\x00" + b"opus"
    )  # our id 2; the publisher's MID is gone


async def test_sequence_and_time_go_on_as_the_publisher_counts(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, AUDIO)
    kit.forwarder.add_down_track(subscriber.transport.handle, up, AUDIO_DOWN)

    for seq in (65534, 65535, 0, 2):
        publisher.client.send_rtp(rtp_packet(seq, (seq * 960) & 0xFFFFFFFF, 1111, 111))
    await until(lambda: len(subscriber.client.rtp) == 4)

    first = numbers(subscriber.client.rtp)[0]
    assert [(n - first) & 0xFFFF for n in numbers(subscriber.client.rtp)] == [0, 1, 2, 4]


async def test_video_begins_with_a_key_frame(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, VIDEO)
    kit.forwarder.add_down_track(subscriber.transport.handle, up, VIDEO_DOWN)

    publisher.client.send_rtp(frame(1))
    publisher.client.send_rtp(frame(2, KEY))
    publisher.client.send_rtp(frame(3))
    await until(lambda: len(subscriber.client.rtp) >= 2)

    assert [packet[12:] for packet in subscriber.client.rtp] == [KEY, DELTA]


async def test_probing_padding_on_the_rtx_source_is_not_forwarded(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, VIDEO)
    kit.forwarder.add_down_track(subscriber.transport.handle, up, VIDEO_DOWN)

    publisher.client.send_rtp(frame(1, KEY))
    padding = bytearray(rtp_packet(9, 3000, 2223, 97, bytes(99) + b"\x64"))
    padding[0] |= 0x20
    publisher.client.send_rtp(bytes(padding))
    publisher.client.send_rtp(frame(2))
    await until(lambda: len(subscriber.client.rtp) == 2)

    assert [header(packet)[3] for packet in subscriber.client.rtp] == [8888, 8888]


async def test_what_a_publisher_lost_is_asked_for_and_comes_by_rtx(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, VIDEO)
    kit.forwarder.add_down_track(subscriber.transport.handle, up, VIDEO_DOWN)

    publisher.client.send_rtp(frame(1, KEY))
    publisher.client.send_rtp(frame(3))
    nack = await until(lambda: [p for p in publisher.client.rtcp if isinstance(p, rtp.RtcpRtpfbPacket) and p.fmt == 1])
    publisher.client.send_rtp(rtp_packet(50, 2 * 3000, 2223, 97, b"\x00\x02" + DELTA))
    await until(lambda: len(subscriber.client.rtp) == 3)

    assert (nack[0].media_ssrc, nack[0].lost) == (2222, [2])
    first = numbers(subscriber.client.rtp)[0]
    assert [(n - first) & 0xFFFF for n in numbers(subscriber.client.rtp)] == [0, 2, 1]


async def test_a_subscribers_nack_is_answered_by_rtx(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, VIDEO)
    kit.forwarder.add_down_track(subscriber.transport.handle, up, VIDEO_DOWN)
    for seq in (1, 2):
        publisher.client.send_rtp(frame(seq, KEY))
    await until(lambda: len(subscriber.client.rtp) == 2)
    lost = numbers(subscriber.client.rtp)[1]

    subscriber.client.send_rtcp(rtp.RtcpRtpfbPacket(1, 1, 8888, [lost]))

    repair = (await until(lambda: subscriber.client.rtp[2:]))[0]
    assert (header(repair)[0], header(repair)[3]) == (121, 8889)
    assert repair[12:] == lost.to_bytes(2, "big") + KEY


async def test_without_rtx_a_nack_is_answered_with_the_same_packet(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, VIDEO)
    down = replace(VIDEO_DOWN, rtx_ssrc=None)
    kit.forwarder.add_down_track(subscriber.transport.handle, up, down)
    publisher.client.send_rtp(frame(1, KEY))
    first = (await until(lambda: subscriber.client.rtp))[0]

    subscriber.client.forget_received()
    subscriber.client.send_rtcp(rtp.RtcpRtpfbPacket(1, 1, 8888, [header(first)[1]]))

    assert (await until(lambda: subscriber.client.rtp[1:]))[0] == first


async def test_pictures_are_asked_for_at_most_every_300_ms_and_late_wishes_are_not_lost(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, VIDEO)
    kit.forwarder.add_down_track(subscriber.transport.handle, up, VIDEO_DOWN)

    for _ in range(5):
        kit.forwarder.request_keyframe(up)

    def plis() -> list[rtp.RtcpPsfbPacket]:
        return [p for p in publisher.client.rtcp if isinstance(p, rtp.RtcpPsfbPacket) and p.fmt == rtp.RTCP_PSFB_PLI]

    await until(lambda: len(plis()) == 1)
    await until(lambda: len(plis()) == 2)
    assert plis()[0].media_ssrc == 2222


async def test_a_subscribers_pli_and_fir_are_told(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, VIDEO)
    down = kit.forwarder.add_down_track(subscriber.transport.handle, up, VIDEO_DOWN)

    subscriber.client.send_rtcp(rtp.RtcpPsfbPacket(rtp.RTCP_PSFB_PLI, 1, 8888))
    subscriber.client.send_rtcp(rtp.RtcpPsfbPacket(rtp.RTCP_PSFB_FIR, 1, 0, struct.pack("!LL", 8888, 1 << 24)))

    await until(lambda: kit.feedback == [KeyframeRequested(down), KeyframeRequested(down)])


async def test_a_subscriber_that_lost_the_picture_while_it_flows_gets_a_new_key_frame_asked_for(
    kit, publisher, subscriber
):
    up = kit.forwarder.add_up_track(publisher.transport.handle, VIDEO)
    kit.forwarder.add_down_track(subscriber.transport.handle, up, VIDEO_DOWN)
    publisher.client.send_rtp(frame(1, KEY))
    await until(lambda: subscriber.client.rtp)

    subscriber.client.send_rtcp(rtp.RtcpPsfbPacket(rtp.RTCP_PSFB_PLI, 1, 8888))
    await until(lambda: kit.feedback)
    kit.forwarder.request_keyframe(up)

    await until(
        lambda: [p for p in publisher.client.rtcp if isinstance(p, rtp.RtcpPsfbPacket) and p.fmt == rtp.RTCP_PSFB_PLI]
    )


async def test_the_publisher_gets_receiver_reports_and_its_bitrate(kit, publisher):
    kit.forwarder.add_up_track(publisher.transport.handle, VIDEO)
    kit.forwarder.set_receive_bitrate(publisher.transport.handle, 3_000_000)
    for seq in (1, 2, 4):
        publisher.client.send_rtp(frame(seq, KEY))

    def reports() -> list[rtp.RtcpReceiverInfo]:
        """Of all three packets: one may have been due between them."""
        told = [r for p in publisher.client.rtcp if isinstance(p, rtp.RtcpRrPacket) for r in p.reports]
        return [r for r in told if r.highest_sequence & 0xFFFF == 4]

    report = (await until(reports))[0]
    remb = await until(
        lambda: [p for p in publisher.client.rtcp if isinstance(p, rtp.RtcpPsfbPacket) and p.fmt == rtp.RTCP_PSFB_APP]
    )

    assert (report.ssrc, report.packets_lost) == (2222, 1)
    bitrate, sources = rtp.unpack_remb_fci(remb[0].fci)
    assert abs(bitrate - 3_000_000) < 20_000
    assert sources == [2222]


async def test_the_subscriber_gets_sender_reports_in_its_own_numbers(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, AUDIO)
    kit.forwarder.add_down_track(subscriber.transport.handle, up, AUDIO_DOWN)
    publisher.client.send_rtp(rtp_packet(1, 96_000, 1111, 111))
    publisher.client.send_rtcp(rtp.RtcpSrPacket(1111, rtp.RtcpSenderInfo(0xE0000000_00000000, 96_000, 1, 7)))
    packet = (await until(lambda: subscriber.client.rtp))[0]

    report = (await until(lambda: [p for p in subscriber.client.rtcp if isinstance(p, rtp.RtcpSrPacket)]))[0]
    names = await until(lambda: [p for p in subscriber.client.rtcp if isinstance(p, rtp.RtcpSdesPacket)])

    elapsed_s = (report.sender_info.ntp_timestamp - 0xE0000000_00000000) / 2**32
    ticks = (report.sender_info.rtp_timestamp - header(packet)[2]) & 0xFFFFFFFF
    assert report.ssrc == 7777
    assert 0 <= elapsed_s < 30
    assert abs(ticks - elapsed_s * 48_000) < 48
    assert (1, b"alice") in names[0].chunks[0].items


async def test_after_a_pause_sequence_numbers_go_on_by_one(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, VIDEO)
    down = kit.forwarder.add_down_track(subscriber.transport.handle, up, VIDEO_DOWN)
    publisher.client.send_rtp(frame(1, KEY))
    await until(lambda: len(subscriber.client.rtp) == 1)

    kit.forwarder.pause_down_track(down)
    for seq in range(2, 30):
        publisher.client.send_rtp(frame(seq, KEY))
    await until(lambda: kit.forwarder.up_track_statistics([up])[0].packets == (29,))
    kit.forwarder.resume_down_track(down)
    publisher.client.send_rtp(frame(30))
    publisher.client.send_rtp(frame(31, KEY))
    await until(lambda: len(subscriber.client.rtp) == 2)

    first, second = (header(packet) for packet in subscriber.client.rtp)
    assert (second[1] - first[1]) & 0xFFFF == 1
    assert 0 < (second[2] - first[2]) & 0xFFFFFFFF < 90_000 * 5


async def test_a_layer_is_switched_at_its_key_frame_without_a_gap(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, SIMULCAST)
    down = kit.forwarder.add_down_track(subscriber.transport.handle, up, VIDEO_DOWN)
    kit.forwarder.set_target_layer(down, 0, 2)
    publisher.client.send_rtp(frame(100, KEY, ssrc=2222))
    await until(lambda: len(subscriber.client.rtp) == 1)

    kit.forwarder.set_target_layer(down, 2, 2)
    publisher.client.send_rtp(frame(7000, DELTA, ssrc=4444))
    publisher.client.send_rtp(frame(101, DELTA, ssrc=2222))
    publisher.client.send_rtp(frame(7001, KEY + b"high", ssrc=4444))
    publisher.client.send_rtp(frame(102, DELTA, ssrc=2222))
    publisher.client.send_rtp(frame(7002, DELTA + b"high", ssrc=4444))
    await until(lambda: len(subscriber.client.rtp) == 4)

    first = numbers(subscriber.client.rtp)[0]
    assert [(n - first) & 0xFFFF for n in numbers(subscriber.client.rtp)] == [0, 1, 2, 3]
    assert [packet[12:] for packet in subscriber.client.rtp] == [KEY, DELTA, KEY + b"high", DELTA + b"high"]
    assert kit.forwarder.down_track_statistics([down])[0].layer == 2


async def test_a_loud_packet_is_heard(kit, publisher):
    up = kit.forwarder.add_up_track(publisher.transport.handle, AUDIO)

    for level in (0x80 | 60, 0x80 | 20, 0x80 | 90):
        publisher.client.send_rtp(rtp_packet(level, 0, 1111, 111, extensions={1: bytes([level])}))
    await until(lambda: kit.forwarder.up_track_statistics([up])[0].packets == (3,))
    assert kit.forwarder.take_audio_levels([up]) == [-20]

    publisher.client.send_rtp(rtp_packet(300, 0, 1111, 111, extensions={1: bytes([0x80 | 33])}))
    await until(lambda: kit.forwarder.up_track_statistics([up])[0].packets == (4,))
    assert kit.forwarder.take_audio_levels([up]) == [-33]


async def test_removed_things_are_stale_and_take_their_tracks_along(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, VIDEO)
    down = kit.forwarder.add_down_track(subscriber.transport.handle, up, VIDEO_DOWN)

    kit.forwarder.remove_up_track(up)

    with pytest.raises(StaleHandle):
        kit.forwarder.request_keyframe(up)
    with pytest.raises(StaleHandle):
        kit.forwarder.remove_down_track(down)


async def test_packets_that_belong_to_nobody_are_counted_and_harm_nobody(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, AUDIO)
    kit.forwarder.add_down_track(subscriber.transport.handle, up, AUDIO_DOWN)
    stranger = await kit.start_peer()

    stranger.client.send_raw(rtp_packet(1, 0, 1111, 111))
    publisher.client.send_raw(rtp_packet(2, 0, 1111, 111))
    publisher.client.send_rtp(rtp_packet(3, 0, 9999, 111))
    publisher.client.send_rtp(rtp_packet(4, 0, 1111, 55))
    for cut in range(1, 12):
        publisher.client.send_raw(rtp_packet(5, 0, 1111, 111)[:cut])
    publisher.client.send_rtp(rtp_packet(6, 0, 1111, 111, b"good"))

    packet = (await until(lambda: subscriber.client.rtp))[0]
    assert packet[12:] == b"good"
    drops = {name: count for name, count in kit.forwarder.counters().items() if "drop" in name}
    assert sum(drops.values()) >= 3


async def test_nothing_is_sent_while_consent_is_lost(kit, publisher, subscriber):
    up = kit.forwarder.add_up_track(publisher.transport.handle, AUDIO)
    kit.forwarder.add_down_track(subscriber.transport.handle, up, AUDIO_DOWN)
    kit.forwarder.set_send_address(subscriber.transport.handle, None)

    publisher.client.send_rtp(rtp_packet(1, 0, 1111, 111))
    await until(lambda: kit.forwarder.up_track_statistics([up])[0].packets == (1,))
    kit.forwarder.set_send_address(subscriber.transport.handle, subscriber.client.address)
    publisher.client.send_rtp(rtp_packet(2, 960, 1111, 111, b"second"))

    assert (await until(lambda: subscriber.client.rtp))[0][12:] == b"second"
