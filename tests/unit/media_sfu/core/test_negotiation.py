"""Offers, answers and m-sections of one peer connection."""

import re

import pytest
from contract.errors import Refused
from contract.media import Description
from hypothesis import given, settings
from hypothesis import strategies as st
from media_sfu.core import codecs
from media_sfu.core.negotiation import Negotiation, RemoteSctp, Settings, WantedTrack

from tests.kit.client import Client
from tests.kit.sdp import LOCAL, browser_answer, capture, direction, id_makers, sections


def video(subscription_id: str, stream: str = "alice") -> WantedTrack:
    return WantedTrack(subscription_id, "video", stream)


def audio(subscription_id: str, stream: str = "alice") -> WantedTrack:
    return WantedTrack(subscription_id, "audio", stream)


def negotiation(**options: object) -> Negotiation:
    return Negotiation(LOCAL, id_makers(), Settings(**{"video_codecs": ("VP8",), **options}))  # type: ignore[arg-type]


def offer(name: str, revision: int = 1) -> Description:
    return Description(type="offer", revision=revision, sdp=capture(name).replace("\r\na=ice-lite", ""))


def answered(name: str, *wanted: WantedTrack, **options: object) -> tuple[Negotiation, dict[str, list[str]]]:
    """A negotiation that has answered a first offer, and the sections of the answer."""
    ours = negotiation(**options)
    ours.set_wanted(wanted, data=False)
    answer = ours.receive(offer(name))
    assert answer is not None
    return ours, sections(answer.sdp or "")


def accept(ours: Negotiation, proposal: Description | None) -> None:
    assert proposal is not None
    assert ours.remote is not None
    fingerprint = ours.remote.fingerprints[0]
    text = browser_answer(proposal.sdp or "", ours.remote.ice.ufrag).replace(
        "a=fingerprint:sha-256 CC:DD", f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}"
    )
    ours.receive(Description(type="answer", revision=proposal.revision, sdp=text))


# -- answers


def test_an_answer_is_passive_ice_lite_and_keeps_to_the_room_codecs() -> None:
    _, parts = answered("chromium_audio_video_data")

    assert list(parts) == ["0", "1", "2"]
    assert parts["0"][0] == "m=audio 9 UDP/TLS/RTP/SAVPF 63 111 110"
    assert "a=fmtp:63 111/111" in parts["0"]
    assert parts["1"][0] == "m=video 9 UDP/TLS/RTP/SAVPF 96 97"
    for part in parts.values():
        assert "a=setup:passive" in part
        assert "a=candidate:1 1 udp 2130706431 192.0.2.1 7000 typ host" in part
        assert "a=end-of-candidates" in part
    assert direction(parts["1"]) == "recvonly"
    assert "a=fmtp:111 minptime=10;useinbandfec=1" in parts["0"]
    assert [line for line in parts["1"] if line.startswith("a=rtcp-fb")] == [
        "a=rtcp-fb:96 goog-remb",
        "a=rtcp-fb:96 transport-cc",
        "a=rtcp-fb:96 ccm fir",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
    ]


def test_h264_is_the_packetization_mode_1_constrained_baseline_one() -> None:
    _, parts = answered("chromium_audio_video", video_codecs=("H264",))

    assert parts["1"][0] == "m=video 9 UDP/TLS/RTP/SAVPF 108 109"
    assert "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f" in parts["1"]


def test_the_client_preference_decides_the_first_codec() -> None:
    ours, parts = answered("chromium_h264_first", video_codecs=("VP8", "H264"))

    assert parts["1"][0] == "m=video 9 UDP/TLS/RTP/SAVPF 108 109 96 97"
    assert [track.codec for track in ours.up_tracks.values() if track.parameters.kind == "video"] == ["H264"]


def test_firefox_answers_list_only_extensions_of_that_section() -> None:
    _, parts = answered("firefox_audio_video")

    assert [line for line in parts["1"] if line.startswith("a=extmap")] == [
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid",
    ]
    assert [line for line in parts["2"] if line.startswith("a=extmap")] == [
        "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "a=extmap:7 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    ]


def test_redundant_audio_is_preferred_and_is_opus_to_those_without_it() -> None:
    ours, _ = answered("chromium_audio_video")
    (track,) = [track for track in ours.up_tracks.values() if track.parameters.kind == "audio"]

    assert (track.codec, track.parameters.payload_types[63]) == ("opus", "red")


def test_redundancy_over_something_else_than_opus_is_not_taken() -> None:
    ours = negotiation()
    text = (offer("chromium_audio_video").sdp or "").replace("a=fmtp:63 111/111", "a=fmtp:63 9/9")
    answer = ours.receive(Description(type="offer", revision=1, sdp=text))

    assert answer is not None
    assert "63" not in sections(answer.sdp or "")["0"][0].split()


def test_firefox_stereo_is_not_copied() -> None:
    _, parts = answered("firefox_audio_video")

    assert "a=fmtp:109 minptime=10;useinbandfec=1" in parts["1"]


def test_bundle_only_sections_are_not_rejected() -> None:
    ours, parts = answered("firefox_audio_video")

    assert all(" 9 " in part[0] for part in parts.values())
    assert set(ours.up_tracks) == {"{dummy}", "{microphone}", "{camera}"}
    assert ours.remote_sctp == RemoteSctp(5000, 1073741823)


def test_an_audio_only_room_takes_no_video_and_leaves_its_section_alive() -> None:
    ours, parts = answered("chromium_audio_video", video_codecs=(), audio_only=True)

    assert parts["1"][0].startswith("m=video 9 ")
    assert direction(parts["1"]) == "inactive"
    assert [track.parameters.kind for track in ours.up_tracks.values()] == ["audio"]


def test_a_camera_without_a_codec_of_the_rooms_is_refused_and_its_section_stays_alive() -> None:
    ours, parts = answered("firefox_audio_video", video_codecs=("H264",))

    assert parts["2"][0].startswith("m=video 9 ")
    assert direction(parts["2"]) == "inactive"
    assert ours.refused_up_tracks == {"{camera}"}
    assert set(ours.up_tracks) == {"{dummy}", "{microphone}"}


def test_a_first_offer_without_a_common_codec_is_refused() -> None:
    ours = negotiation()
    text = (
        capture("chromium_audio_video")
        .replace("opus/", "vorbis/")
        .replace("VP8/", "VP7/")
        .replace("red/48000", "r/48000")
    )
    with pytest.raises(Refused) as refused:
        ours.receive(Description(type="offer", revision=1, sdp=text.replace("telephone-event", "t")))

    assert refused.value.code == 53404


# -- up tracks


def test_simulcast_layers_come_from_the_sim_group() -> None:
    ours, _ = answered("chromium_simulcast_manual")
    (track,) = [track for track in ours.up_tracks.values() if track.parameters.kind == "video"]

    assert len(track.parameters.ssrcs) == len(track.parameters.rtx_ssrcs) == 3


def test_without_publisher_hints_only_the_first_layer_is_true() -> None:
    ours, _ = answered("chromium_simulcast_auto", simulcast=False)
    track = ours.up_tracks["efa50f00-58fd-46de-82e6-52fda52f9648"]

    assert track.parameters.ssrcs == (950556956,)
    assert track.parameters.rtx_ssrcs == (728563069,)
    assert track.parameters.payload_types == {96: "VP8"}
    assert track.parameters.rtx_payload_types == {97: 96}


def test_h264_first_has_no_simulcast() -> None:
    ours, _ = answered("chromium_simulcast_auto", video_codecs=("H264",))

    assert ours.up_tracks["efa50f00-58fd-46de-82e6-52fda52f9648"].parameters.ssrcs == (950556956,)


def test_more_layers_than_any_sdk_sends_and_the_same_one_twice_are_left_out() -> None:
    ours = negotiation(simulcast=True)
    text = offer("chromium_simulcast_manual").sdp or ""
    sim = re.search(r"a=ssrc-group:SIM (\d+) (\d+) (\d+)", text)
    assert sim is not None
    ours.receive(Description(type="offer", revision=1, sdp=text.replace(sim[0], f"{sim[0]} {sim[1]} 1 2 3 4")))
    (track,) = [track for track in ours.up_tracks.values() if track.parameters.kind == "video"]

    assert track.parameters.ssrcs == tuple(int(ssrc) for ssrc in sim.groups())


def test_of_two_tracks_with_one_ssrc_only_the_first_counts() -> None:
    ours = negotiation()
    text = offer("chromium_audio_video").sdp or ""
    audio, camera = re.findall(r"a=ssrc:(\d+) cname", text)[:2]
    ours.receive(Description(type="offer", revision=1, sdp=text.replace(camera, audio)))

    assert [track.parameters.kind for track in ours.up_tracks.values()] == ["audio"]


def test_an_rtx_ssrc_that_is_the_media_ssrc_is_none() -> None:
    ours = negotiation()
    text = offer("chromium_audio_video").sdp or ""
    pair = re.search(r"a=ssrc-group:FID (\d+) (\d+)", text)
    assert pair is not None
    ours.receive(Description(type="offer", revision=1, sdp=text.replace(pair[2], pair[1])))
    (track,) = [track for track in ours.up_tracks.values() if track.parameters.kind == "video"]

    assert (track.parameters.ssrcs, track.parameters.rtx_ssrcs) == ((int(pair[1]),), ())


# -- offers


def test_nothing_is_offered_before_the_first_answer_or_without_need() -> None:
    ours = negotiation()
    ours.set_wanted([video("v1")], data=False)
    assert ours.offer_to_send(0.0) is None

    ours.receive(offer("chromium_viewer"))
    assert ours.offer_to_send(0.0) is None
    assert set(ours.down_tracks) == {"v1"}


def test_new_sections_get_the_next_mid_and_the_numbers_of_the_browser() -> None:
    ours, _ = answered("chromium_viewer", video("v1"))
    ours.set_wanted([video("v1"), video("v2")], data=True)

    proposal = ours.offer_to_send(0.0)

    assert proposal is not None
    parts = sections(proposal.sdp or "")
    assert list(parts) == ["0", "1", "2", "3"]
    assert parts["2"][0] == "m=video 9 UDP/TLS/RTP/SAVPF 96 97"
    assert "a=msid:alice v2" in parts["2"]
    assert "a=rtcp-fb:96 transport-cc" in parts["2"]
    assert "a=setup:actpass" in parts["3"]
    assert set(ours.down_tracks) == {"v1"}
    accept(ours, proposal)
    assert set(ours.down_tracks) == {"v1", "v2"}
    assert ours.remote_sctp is not None


def test_subscribers_of_video_are_sent_numbers_of_ours_and_tell_when_each_came() -> None:
    ours, _ = answered("chromium_viewer", video("v1"))

    extensions = ours.down_tracks["v1"].extensions
    assert codecs.TRANSPORT_SEQUENCE in extensions
    assert codecs.MID not in extensions


def test_a_section_is_reused_only_after_it_was_negotiated_to_not_sending() -> None:
    ours, _ = answered("chromium_viewer", video("v1"))

    ours.set_wanted([video("v2")], data=False)
    first = ours.offer_to_send(0.0)
    assert first is not None
    assert direction(sections(first.sdp or "")["1"]) == "inactive"
    assert "a=msid:alice v2" in sections(first.sdp or "")["2"]
    accept(ours, first)

    ours.set_wanted([video("v2"), video("v3")], data=False)
    second = ours.offer_to_send(0.0)
    assert second is not None
    assert "a=msid:alice v3" in sections(second.sdp or "")["1"]


def test_a_track_that_leaves_while_its_offer_is_out_is_taken_back_in_the_next() -> None:
    ours, _ = answered("chromium_viewer")
    ours.set_wanted([video("v1")], data=False)
    first = ours.offer_to_send(0.0)
    ours.set_wanted([], data=False)
    accept(ours, first)

    assert ours.down_tracks == {}
    second = ours.offer_to_send(0.0)
    assert second is not None
    assert direction(sections(second.sdp or "")["1"]) == "inactive"


def test_a_declined_track_is_refused_and_not_offered_again() -> None:
    ours, _ = answered("chromium_viewer")
    ours.set_wanted([video("v1")], data=False)
    proposal = ours.offer_to_send(0.0)
    assert proposal is not None
    assert ours.remote is not None
    accept(ours, proposal.model_copy(update={"sdp": (proposal.sdp or "").replace("a=sendonly", "a=inactive")}))

    assert ours.refused_tracks == {"v1"}
    assert ours.offer_to_send(0.0) is None


def test_kinds_without_codec_are_refused() -> None:
    ours, _ = answered("firefox_viewer", video("v1"), video_codecs=("H264",))

    assert ours.refused_tracks == {"v1"}
    assert not ours.can_receive("video", "H264")
    assert ours.can_receive("audio", "opus")


# -- revisions


def test_our_offer_wins_glare() -> None:
    ours, _ = answered("chromium_viewer")
    ours.set_wanted([video("v1")], data=False)
    proposal = ours.offer_to_send(0.0)

    assert ours.receive(offer("chromium_viewer", revision=2)) is None
    accept(ours, proposal)
    assert ours.receive(offer("chromium_viewer", revision=3)) is not None


def test_repeated_offers_and_late_answers_are_ignored() -> None:
    ours, _ = answered("chromium_viewer")

    assert ours.receive(offer("chromium_viewer", revision=1)) is None
    assert ours.receive(Description(type="answer", revision=1, sdp="")) is None


def test_a_lost_answer_is_given_again_at_resume() -> None:
    ours, _ = answered("chromium_viewer")
    answer = ours.first_answer

    assert ours.resume(offer("chromium_viewer", revision=1)) == answer
    assert ours.resume(None) is None


def test_an_unanswered_offer_is_given_again_at_resume() -> None:
    ours, _ = answered("chromium_viewer")
    ours.set_wanted([video("v1")], data=False)
    proposal = ours.offer_to_send(0.0)

    assert ours.resume(None) == proposal
    assert ours.resume(offer("chromium_viewer", revision=2)) == proposal


def test_after_close_nothing_is_said() -> None:
    ours, _ = answered("chromium_viewer")
    ours.receive(Description(type="close", revision=2))
    ours.set_wanted([video("v1")], data=False)

    assert ours.offer_to_send(0.0) is None
    assert ours.receive(offer("chromium_viewer", revision=3)) is None


# -- transport


def test_an_ice_restart_is_answered_with_new_credentials_and_the_same_certificate() -> None:
    ours, before = answered("chromium_viewer")
    again = capture("chromium_viewer").replace("a=ice-ufrag:kIng", "a=ice-ufrag:nEww")

    answer = ours.receive(Description(type="offer", revision=2, sdp=again))

    assert answer is not None
    after = sections(answer.sdp or "")
    assert "a=ice-ufrag:u001" in before["0"]
    assert "a=ice-ufrag:u002" in after["0"]
    assert "a=fingerprint:sha-256 AA:BB" in after["0"]
    assert ours.local_ice.ufrag == "u002"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a=fingerprint:sha-256 FF:", "a=fingerprint:sha-256 00:"),
        ("a=mid:1\r\n", "a=mid:7\r\n"),
        ("a=group:BUNDLE 0 1", "a=group:BUNDLE 0"),
        ("a=setup:actpass", "a=setup:passive"),
        ("a=ice-ufrag:kIng\r\n", ""),
    ],
    ids=["certificate", "other-section", "not-bundled", "passive", "no-ice"],
)
def test_offers_that_cannot_follow_are_refused_and_change_nothing(old: str, new: str) -> None:
    ours, _ = answered("chromium_viewer", video("v1"))
    with pytest.raises(Refused) as refused:
        ours.receive(Description(type="offer", revision=2, sdp=capture("chromium_viewer").replace(old, new)))

    assert refused.value.code == 53403
    assert ours.receive(offer("chromium_viewer", revision=2)) is not None
    assert set(ours.down_tracks) == {"v1"}


# -- against the model of the SDK

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "publish",
                "unpublish",
                "subscribe",
                "unsubscribe",
                "replace",
                "data",
                "restart",
                "negotiate",
                "offer",
                "up",
                "down",
                "exchange",
            ]
        ),
        st.sampled_from(["audio", "video"]),
        st.integers(0, 5),
    ),
    min_size=20,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_happens_when_both_ends_settle_on_the_same(steps: list[tuple[str, str, int]]) -> None:
    ours, client = negotiation(), Client()
    to_client: list[Description] = []
    wanted: dict[str, WantedTrack] = {}
    published: dict[str, str] = {}
    data = False
    now = 0.0

    def server(description: Description | None) -> None:
        if description is not None:
            to_client.append(description)

    def up() -> None:
        if client.outbox:
            server(ours.receive(client.outbox.pop(0)))

    def down() -> None:
        if to_client:
            client.receive(to_client.pop(0))

    client.negotiate()
    for number, (step, kind, choice) in enumerate(steps):
        now += 0.01
        if step == "publish":
            published[f"local{number}"] = kind
            client.publish(kind, f"local{number}")
        elif step == "unpublish" and published:
            gone = sorted(published)[choice % len(published)]
            del published[gone]
            client.unpublish(gone)
        elif step == "subscribe":
            wanted[f"sub{number}"] = WantedTrack(f"sub{number}", kind, "alice")
        elif step == "unsubscribe" and wanted:
            del wanted[sorted(wanted)[choice % len(wanted)]]
        elif step == "replace" and wanted:
            gone = sorted(wanted)[choice % len(wanted)]
            wanted[f"sub{number}"] = WantedTrack(f"sub{number}", wanted.pop(gone).kind, "bob")
        elif step == "data":
            data = True
        elif step == "restart":
            client.restart_ice()
        elif step == "negotiate":
            client.negotiate()
        elif step == "up":
            up()
        elif step == "down":
            down()
        elif step == "exchange":
            while client.outbox or to_client:
                up()
                down()
        ours.set_wanted(wanted.values(), data=data)
        if step == "offer":
            server(ours.offer_to_send(now))

    for _ in range(20):
        now += 0.01
        while client.outbox or to_client:
            up()
            down()
        client.negotiate()
        server(ours.offer_to_send(now))

    assert not client.offer_out
    assert ours.outstanding_offer is None
    assert sorted(client.receiving.values()) == sorted(wanted) == sorted(ours.down_tracks)
    assert {track_id: track.parameters.kind for track_id, track in ours.up_tracks.items()} == published
    assert ours.remote is not None
    assert ours.remote.ice.ufrag == client.ufrag
    fired = [track for _, track in client.tracks_fired]
    assert len(fired) == len(set(fired)), "a track was reported twice"
    assert set(client.receiving.items()) <= set(client.tracks_fired)


def test_the_model_collides_and_settles() -> None:
    ours, client = negotiation(), Client()
    client.negotiate()
    first = ours.receive(client.outbox.pop())
    assert first is not None
    client.receive(first)

    ours.set_wanted([video("v1")], data=False)
    proposal = ours.offer_to_send(0.0)
    assert proposal is not None
    client.publish("video", "camera")
    client.negotiate()
    assert ours.receive(client.outbox.pop()) is None
    client.receive(proposal)
    ours.receive(client.outbox.pop())
    client.negotiate()
    again = ours.receive(client.outbox.pop())

    assert client.glares == 1
    assert again is not None
    assert again.revision == 3
    assert ours.up_tracks["camera"].mid == "1"
    assert set(ours.down_tracks) == {"v1"}
