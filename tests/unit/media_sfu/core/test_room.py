"""A room's tracks between its peers: what the shell is told, and when."""

import pytest
from contract.errors import Refused
from contract.media import (
    ClosePeer,
    Description,
    OpenPeer,
)
from media_sfu.core.actions import (
    ChannelParameters,
    CloseChannel,
    OpenChannel,
    ReportCodecs,
    ReportPublicationFailed,
    ReportSubscriptionFailed,
    RequestKeyframe,
    SendSignal,
    StartDownTrack,
    StartSctp,
    StartTransport,
    StartUpTrack,
    StopDownTrack,
    StopTransport,
    UpTrackName,
)
from media_sfu.core.room import Stale, UnknownPeer
from media_sfu.forwarder import UpTrackStatistics

from tests.kit.media_room import (
    AUDIO,
    CAMERA,
    CAMERA_ID,
    CHAT,
    DATA,
    MICROPHONE,
    MICROPHONE_ID,
    VIDEO,
    Scene,
    desired,
    publication,
    subscription,
    viewer_answer,
)
from tests.kit.sdp import LOCAL, direction, sections


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_joiner_gets_existing_tracks_on_its_own_sections_in_the_first_answer(scene: Scene) -> None:
    scene.open("alice", "chromium_audio_video_data", desired(1, CAMERA, MICROPHONE))
    scene.room.handle_connected("alice", 0.1)
    started = scene.actions(StartTransport, StartSctp, StartUpTrack)
    answer = scene.open(
        "bob", "chromium_viewer", desired(2, subscription("MTcamera", VIDEO), subscription("MTmicrophone", AUDIO))
    )
    before = scene.actions(StartDownTrack, SendSignal)
    scene.room.handle_connected("bob", 0.2)

    assert [type(action) for action in started] == [StartTransport, StartSctp, StartUpTrack, StartUpTrack]
    assert "a=msid:alice MTmicrophone-1" in sections(answer)["0"]
    assert "a=msid:alice MTcamera-1" in sections(answer)["1"]
    assert before == []
    actions = scene.actions()
    assert [(action.subscription_id) for action in actions if isinstance(action, StartDownTrack)] == [
        "MTcamera-1",
        "MTmicrophone-1",
    ]
    assert RequestKeyframe(UpTrackName("alice", CAMERA_ID)) in actions


def test_a_later_track_is_offered_and_forwarded_after_the_answer(scene: Scene) -> None:
    scene.open("bob", "chromium_viewer", desired(1))
    scene.room.handle_connected("bob", 0.0)
    scene.open("alice", "chromium_audio_video_data", desired(2, CAMERA))
    scene.actions()

    scene.desire("bob", desired(3, subscription("MTcamera", VIDEO)))
    (signal,) = scene.actions()
    assert isinstance(signal, SendSignal)
    assert signal.description is not None
    assert (signal.description.type, signal.description.revision) == ("offer", 2)
    assert direction(sections(signal.description.sdp or "")["1"]) == "sendonly"

    assert scene.apply("bob", "answer", 2, viewer_answer(signal)) is None
    start, keyframe = scene.actions()
    assert start.source == UpTrackName("alice", CAMERA_ID)
    assert start.parameters.payload_types == {"VP8": 96}
    assert keyframe == RequestKeyframe(UpTrackName("alice", CAMERA_ID))


def test_forwarding_stops_at_once_when_a_subscription_ends(scene: Scene) -> None:
    scene.open("alice", "chromium_audio_video_data", desired(1, CAMERA))
    scene.open("bob", "chromium_viewer", desired(1, subscription("MTcamera", VIDEO)))
    scene.room.handle_connected("bob", 0.0)
    scene.actions()

    scene.desire("bob", desired(2))

    stop, signal = scene.actions()
    assert stop == StopDownTrack("bob", "MTcamera-1")
    assert direction(sections(signal.description.sdp)["1"]) == "inactive"


def test_a_publisher_that_goes_stops_its_tracks_first(scene: Scene) -> None:
    scene.open("alice", "chromium_audio_video_data", desired(1, CAMERA))
    scene.open("bob", "chromium_viewer", desired(1, subscription("MTcamera", VIDEO)))
    scene.room.handle_connected("bob", 0.0)
    scene.actions()

    scene.room.close_peer(ClosePeer(participant_sid="alice", lease_epoch=1), 1.0)

    assert [type(action) for action in scene.actions()] == [StopDownTrack, StopTransport, SendSignal]


def test_a_track_that_the_room_does_not_know_is_not_taken(scene: Scene) -> None:
    scene.open("alice", "chromium_audio_video_data", desired(1, MICROPHONE))

    (start,) = scene.actions(StartUpTrack)
    assert start.name == UpTrackName("alice", MICROPHONE_ID)


def test_a_data_track_waits_for_its_channel_and_keeps_its_reliability(scene: Scene) -> None:
    unreliable = ChannelParameters(ordered=False, max_retransmits=0)
    scene.open("alice", "chromium_audio_video_data", desired(1, CHAT))
    scene.open("bob", "chromium_audio_video_data", desired(1, subscription("MTchat", DATA)))
    assert scene.actions(OpenChannel) == []

    scene.room.channel_opened("alice", "chat-id", unreliable, 0.1)
    assert scene.actions() == [OpenChannel("bob", "MTchat-1", unreliable, UpTrackName("alice", "chat-id"))]

    scene.room.channel_closed("alice", "chat-id", 0.2)
    assert scene.actions() == [CloseChannel("bob", "MTchat-1")]


def test_a_viewer_without_data_section_is_offered_one(scene: Scene) -> None:
    scene.open("alice", "chromium_audio_video_data", desired(1, CHAT))
    scene.open("bob", "chromium_viewer", desired(1, subscription("MTchat", DATA)))
    scene.actions()

    scene.room.channel_opened("alice", "chat-id", ChannelParameters(), 0.1)

    channel, signal = scene.actions()
    assert isinstance(channel, OpenChannel)
    assert sections(signal.description.sdp)["2"][0] == "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
    scene.apply("bob", "answer", 2, viewer_answer(signal))
    assert scene.actions() == [StartSctp("bob", 5000, 262144)]


def test_a_subscriber_without_the_codec_is_reported_once(scene: Scene) -> None:
    scene.open(
        "alice",
        "chromium_h264_first",
        desired(1, publication(H264_CAMERA, "MTh264", VIDEO)),
        video_codecs=("H264", "VP8"),
    )
    scene.actions()

    scene.open("bob", "firefox_audio_video", desired(1, subscription("MTh264", VIDEO)), video_codecs=("H264", "VP8"))
    scene.desire("bob", desired(2, subscription("MTh264", VIDEO)))

    assert scene.actions(ReportSubscriptionFailed) == [ReportSubscriptionFailed("bob", "MTh264-1", 53404)]


def test_a_publisher_without_the_codec_is_reported_once(scene: Scene) -> None:
    camera, microphone = publication("{camera}", "MTcamera", VIDEO), publication("{microphone}", "MTvoice", AUDIO)
    scene.open("fox", "firefox_audio_video", desired(1, camera, microphone), video_codecs=("H264",))
    scene.desire("fox", desired(2, camera, microphone))

    assert scene.actions(ReportPublicationFailed) == [ReportPublicationFailed("fox", "MTcamera", 53404)]


def test_codecs_are_reported_as_they_are_heard(scene: Scene) -> None:
    scene.open("alice", "chromium_audio_video_data", desired(1, CAMERA, MICROPHONE))
    camera, microphone = UpTrackName("alice", CAMERA_ID), UpTrackName("alice", MICROPHONE_ID)
    reported = []
    for packets in ((0, 0), (7, 0), (9, 1), (11, 2)):
        up = {name: statistics(count) for name, count in zip((microphone, camera), packets, strict=True)}
        scene.room.receive_statistics(up, {}, 1.0)
        reported.append(scene.actions(ReportCodecs))

    assert reported == [
        [],
        [ReportCodecs("alice", ("opus",))],
        [ReportCodecs("alice", ("VP8", "opus"))],
        [],
    ]


def test_a_codec_is_reported_once_for_a_peer(scene: Scene) -> None:
    scene.open("alice", "chromium_audio_video_data", desired(1, MICROPHONE))
    microphone, camera = UpTrackName("alice", MICROPHONE_ID), UpTrackName("alice", CAMERA_ID)
    scene.room.receive_statistics({microphone: statistics(1)}, {}, 1.0)
    scene.desire("alice", desired(2))
    scene.desire("alice", desired(3, CAMERA, MICROPHONE))
    scene.actions()

    scene.room.receive_statistics({microphone: statistics(2), camera: statistics(0)}, {}, 2.0)
    assert scene.actions(ReportCodecs) == []
    scene.room.close_peer(ClosePeer(participant_sid="alice", lease_epoch=1), 3.0)
    scene.open("alice", "chromium_audio_video_data", desired(4, MICROPHONE))
    scene.room.receive_statistics({microphone: statistics(1)}, {}, 4.0)
    assert scene.actions(ReportCodecs) == [ReportCodecs("alice", ("opus",))]


def statistics(packets: int) -> UpTrackStatistics:
    return UpTrackStatistics((packets,), (packets,), (0.0,), lost=0, fraction_lost=0.0, jitter_s=0.0)


H264_CAMERA = "e7ec6578-6bff-4516-9e85-428ed248df96"


def test_firefox_dummy_audio_is_answered_but_not_taken(scene: Scene) -> None:
    answer = scene.open("fox", "firefox_audio_video", desired(1, publication("{microphone}", "MT1", AUDIO)))

    assert [start.name.client_track_id for start in scene.actions(StartUpTrack)] == ["{microphone}"]
    assert direction(sections(answer)["0"]) == "recvonly"


def test_the_same_open_is_answered_the_same(scene: Scene) -> None:
    first = scene.open("alice", "chromium_viewer", desired(1))
    scene.actions()

    assert scene.open("alice", "chromium_viewer", desired(1)) == first
    assert scene.actions() == []


def test_older_commands_are_stale(scene: Scene) -> None:
    scene.open("alice", "chromium_viewer", desired(5))

    with pytest.raises(Stale):
        scene.desire("alice", desired(4))
    with pytest.raises(Stale):
        scene.room.close_peer(ClosePeer(participant_sid="alice", lease_epoch=0), 0.0)


def test_an_unknown_peer_is_refused(scene: Scene) -> None:
    with pytest.raises(UnknownPeer):
        scene.desire("nobody", desired(1))


def test_a_bad_offer_leaves_no_peer_behind(scene: Scene) -> None:
    with pytest.raises(Refused) as refused:
        scene.room.open_peer(
            OpenPeer(
                room_sid="RM1",
                participant_sid="mallory",
                lease_epoch=1,
                peer_connection_id="pc",
                offer=Description(type="offer", revision=1, sdp="nonsense"),
                video_codecs=("VP8",),
                audio_only=False,
                desired=desired(1),
            ),
            LOCAL,
            0.0,
        )

    assert refused.value.code == 53403
    assert scene.room.is_empty
    assert scene.actions() == []


def test_an_unanswered_offer_is_repeated(scene: Scene) -> None:
    scene.open("alice", "chromium_audio_video_data", desired(1, CAMERA))
    scene.open("bob", "chromium_viewer", desired(1))
    scene.desire("bob", desired(2, subscription("MTcamera", VIDEO)), now=10.0)
    (first,) = scene.actions(SendSignal)

    assert scene.room.next_timeout() == 13.0
    scene.room.handle_timeout(12.9)
    assert scene.actions() == []
    scene.room.handle_timeout(13.0)
    assert scene.actions() == [first]
