import pytest
from roomwire.load_test.sdp import (
    LocalTransport,
    OwnTrack,
    UnusableDescription,
    make_answer,
    make_offer,
    parse_sections,
    parse_transport,
)

LOCAL = LocalTransport("ours", "our-password", "AA:BB")
CAMERA = OwnTrack("camera-id", "video", 1001)
SERVER_OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1 2 3",
        "a=ice-lite",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "a=mid:0",
        "a=ice-ufrag:theirs",
        "a=ice-pwd:their-password",
        "a=fingerprint:sha-256 cc:dd",
        "a=setup:actpass",
        "a=candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host",
        "a=candidate:2 2 udp 2130706431 127.0.0.1 5001 typ host",
        "a=candidate:3 1 tcp 2130706431 127.0.0.1 9 typ host tcptype active",
        "a=candidate:4 1 udp 2130706431 hidden.local 5002 typ host",
        "a=recvonly",
        "a=rtpmap:96 VP8/90000",
        "m=video 9 UDP/TLS/RTP/SAVPF 102 96",
        "a=mid:1",
        "a=sendonly",
        "a=msid:- subscription-1",
        "a=rtpmap:102 H264/90000",
        "a=rtpmap:96 VP8/90000",
        "a=ssrc:77 cname:x",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=mid:2",
        "a=inactive",
        "a=rtpmap:111 opus/48000/2",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "a=mid:3",
        "",
    ]
)


def test_an_offer_receives_the_kinds_that_it_does_not_send():
    video, audio = parse_sections(make_offer(LOCAL, [CAMERA]))

    assert (video.kind, video.direction, video.track_id, video.ssrcs) == ("video", "sendrecv", "camera-id", {1001})
    assert (audio.kind, audio.direction, audio.track_id) == ("audio", "recvonly", None)


def test_an_offer_of_a_mere_viewer_has_one_section_of_each_kind():
    assert [section.direction for section in parse_sections(make_offer(LOCAL, []))] == ["recvonly", "recvonly"]


def test_an_answer_takes_what_is_sent_and_keeps_sending():
    own, received, idle, data = parse_sections(make_answer(LOCAL, SERVER_OFFER, "active", {"0": CAMERA}))

    assert (own.direction, own.track_id) == ("sendonly", "camera-id")
    assert (received.direction, received.payload_type) == ("recvonly", 96)
    assert idle.direction == "inactive"
    assert data.is_rejected


def test_a_rejected_section_is_left_out_of_the_bundle():
    assert "a=group:BUNDLE 0 1 2\r\n" in make_answer(LOCAL, SERVER_OFFER, "active", {})


def test_only_udp_addresses_of_the_first_component_are_checked():
    transport = parse_transport(SERVER_OFFER)

    assert transport.addresses == (("127.0.0.1", 5000),)
    assert (transport.ufrag, transport.password) == ("theirs", "their-password")
    assert transport.fingerprint == ("sha-256", "CC:DD")


def test_a_description_without_a_fingerprint_is_unusable():
    with pytest.raises(UnusableDescription, match="no fingerprint"):
        parse_transport(SERVER_OFFER.replace("a=fingerprint", "a=something"))


def test_a_section_without_a_mid_is_unusable():
    with pytest.raises(UnusableDescription, match="without a MID"):
        parse_sections("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n")
