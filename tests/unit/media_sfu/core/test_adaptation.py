"""What subscribers get of their video tracks, and what clients are told over media signaling."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from contract.media import DesiredState, NodePublication, SetBandwidthProfile
from media_sfu.core.actions import (
    ChannelParameters,
    OpenChannel,
    PauseDownTrack,
    ProbeDownlink,
    RequestKeyframe,
    ResumeDownTrack,
    SendMessage,
    SendSignal,
    SetPlayoutDelay,
    SetReceiveBitrate,
    SetTargetLayer,
    UpTrackName,
)
from media_sfu.forwarder import Delivery, DownTrackStatistics, PeerHandle, Probe, UpTrackStatistics

from tests.kit.media_room import (
    AUDIO,
    CAMERA,
    CAMERA_ID,
    MICROPHONE_ID,
    VIDEO,
    Scene,
    desired,
    publication,
    subscription,
    viewer_answer,
)

SIMULCAST_ID = "efa50f00-58fd-46de-82e6-52fda52f9648"
SIMULCAST = publication(SIMULCAST_ID, "MTcamera", VIDEO)
SOURCE = UpTrackName("alice", SIMULCAST_ID)
ASKED = ("active_speaker", "network_quality", "render_hints", "track_priority", "track_switch_off")
LABELS = {channel: f"media-signaling.{channel}" for channel in (*ASKED, "publisher_hints")}


@pytest.fixture
def scene() -> Scene:
    """Alice publishes a camera with three layers; Bob is subscribed, with a bandwidth profile and every channel."""
    scene = Scene()
    scene.open("alice", "chromium_simulcast_auto", desired(1, SIMULCAST), media_signaling=("publisher_hints",))
    scene.open(
        "bob",
        "chromium_viewer",
        desired(1, subscription("MTcamera", VIDEO)),
        media_signaling=ASKED,
        bandwidth_profile={"video": {"mode": "grid"}},
    )
    for sid, channels in (("alice", ("publisher_hints",)), ("bob", ASKED)):
        for channel in channels:
            say(scene, sid, channel, {"type": "ready"})
    for sid in ("alice", "bob"):
        scene.room.handle_connected(sid, 0.0)
    return scene


def say(scene: Scene, sid: str, channel: str, message: Mapping[str, Any], now: float = 0.0) -> None:
    scene.room.receive_message(sid, LABELS[channel], json.dumps(message), now)


def hint(scene: Scene, **members: Any) -> None:
    say(
        scene,
        "bob",
        "render_hints",
        {"type": "render_hints", "subscriber": {"id": 1, "hints": [{"track": "MTcamera", **members}]}},
    )


def told(scene: Scene, kind: str) -> list[dict[str, Any]]:
    return [message for message in messages(scene.actions()) if message["type"] == kind]


def messages(actions: list[Any]) -> list[dict[str, Any]]:
    return [json.loads(action.text) for action in actions if isinstance(action, SendMessage)]


def bob_agrees(scene: Scene) -> list[Any]:
    """Bob answers every offer that is out. Returns what the shell was told meanwhile."""
    actions = scene.actions()
    heard = list(actions)
    while offers := [action for action in heard if isinstance(action, SendSignal) and action.participant_sid == "bob"]:
        assert offers[-1].description is not None
        scene.apply("bob", "answer", offers[-1].description.revision, viewer_answer(offers[-1]))
        heard = scene.actions()
        actions += heard
    return actions


def up(layers: tuple[int, ...]) -> UpTrackStatistics:
    return UpTrackStatistics(
        packets=layers,
        octets=layers,
        last_arrival_s=(0.0,) * 3,
        lost=0,
        fraction_lost=0.0,
        jitter_s=0.0,
    )


def down(octets: int, lost: float = 0.0) -> DownTrackStatistics:
    return DownTrackStatistics(
        packets=1, octets=octets, nacks=0, retransmitted=0, fraction_lost=lost, jitter_s=0.0, round_trip_s=0.01, layer=2
    )


def deliver(
    scene: Scene, now: float, bps: float, queue_s: float = 0.0, lost: int = 0, probe: Probe | None = None
) -> None:
    """What Bob's feedback told in a fifth of a second."""
    delivery = Delivery(PeerHandle(1), 20, int(bps / 40), lost, 0.2, queue_s, probe)
    scene.room.receive_deliveries({"bob": delivery}, now)


def fill(scene: Scene, bps: float, now: float = 2.0, lost: int = 2) -> None:
    """Bob's line shows a queue and loses packets, and lets so much through."""
    for fifth in range(3):
        deliver(scene, now + fifth / 5, bps, queue_s=0.3, lost=lost)


def seconds_pass(scene: Scene, start: int, seconds: int, layers: tuple[int, ...], lost: float = 0.0) -> None:
    """Statistics of so many seconds; `layers` are octets a second, the highest is what Bob gets."""
    for second in range(start, start + seconds):
        scene.room.receive_statistics(
            {SOURCE: up(tuple(octets * (second + 1) for octets in layers))},
            {("bob", "MTcamera-1"): down(layers[-1] * (second + 1), lost)},
            float(second),
        )


def test_channels_that_were_asked_for_are_opened_and_announced() -> None:
    scene = Scene()
    scene.open("bob", "chromium_viewer", desired(1), media_signaling=("render_hints", "extension_transcriptions"))

    actions = scene.actions(OpenChannel, SendSignal)
    assert actions[0].description is not None
    assert "m=application" in actions[0].description.sdp
    assert actions[1:] == [OpenChannel("bob", "media-signaling.render_hints", ChannelParameters(), None)]


def test_a_subscriber_starts_with_the_highest_layer(scene: Scene) -> None:
    assert scene.actions(SetTargetLayer) == [SetTargetLayer("bob", "MTcamera-1", 2, 3)]


def test_a_hidden_track_is_switched_off_and_on_again(scene: Scene) -> None:
    scene.actions()
    hint(scene, enabled=False)
    actions = scene.actions()
    assert PauseDownTrack("bob", "MTcamera-1") in actions
    assert [json.loads(action.text) for action in actions if isinstance(action, SendMessage)] == [
        {"type": "render_hints", "subscriber": {"id": 1, "hints": [{"track": "MTcamera", "result": "OK"}]}},
        {"type": "track_switch_off", "off": ["MTcamera"], "on": []},
    ]

    hint(scene, enabled=True)
    actions = scene.actions()
    assert ResumeDownTrack("bob", "MTcamera-1") in actions
    assert RequestKeyframe(SOURCE) in actions
    assert {"type": "track_switch_off", "off": [], "on": ["MTcamera"]} in [
        json.loads(action.text) for action in actions if isinstance(action, SendMessage)
    ]


def test_a_new_subscription_of_the_same_track_begins_switched_on(scene: Scene) -> None:
    hint(scene, enabled=False)
    scene.actions()
    scene.desire("bob", desired(2))
    hint(scene, enabled=True)

    assert scene.actions(PauseDownTrack, ResumeDownTrack) == []


def test_a_track_that_was_off_is_told_to_be_on_when_it_is_subscribed_to_again(scene: Scene) -> None:
    hint(scene, enabled=False)
    scene.desire("bob", desired(2))
    bob_agrees(scene)

    scene.desire("bob", desired(3, subscription("MTcamera", VIDEO, start=3)))

    switched = [message for message in messages(bob_agrees(scene)) if message["type"] == "track_switch_off"]
    assert switched == [{"type": "track_switch_off", "off": [], "on": ["MTcamera"]}]


def test_the_application_bound_is_kept(scene: Scene) -> None:
    seconds_pass(scene, 0, 2, (12_500, 50_000, 250_000))
    scene.actions()
    scene.room.set_bandwidth_profile(
        SetBandwidthProfile(
            participant_sid="bob",
            lease_epoch=1,
            bandwidth_profile={"video": {"mode": "grid", "max_subscription_bandwidth": 1_000_000}},
        ),
        2.0,
    )

    assert scene.actions(SetTargetLayer) == [SetTargetLayer("bob", "MTcamera-1", 1, 3)]


def test_a_full_line_gets_a_lower_layer_at_once(scene: Scene) -> None:
    """600 kbit/s came, 85 % of that is the budget: the layer of 400 kbit/s fits, and the one of 2 Mbit/s stops before it comes."""
    seconds_pass(scene, 0, 2, (12_500, 50_000, 250_000))
    scene.actions()
    fill(scene, 600_000)

    assert scene.actions(PauseDownTrack, ResumeDownTrack, SetTargetLayer, RequestKeyframe) == [
        PauseDownTrack("bob", "MTcamera-1"),
        ResumeDownTrack("bob", "MTcamera-1"),
        SetTargetLayer("bob", "MTcamera-1", 1, 3),
        RequestKeyframe(SOURCE),
    ]


def test_a_track_goes_off_only_when_its_lowest_layer_does_not_fit(scene: Scene) -> None:
    seconds_pass(scene, 0, 5, (12_500, 50_000, 250_000))
    fill(scene, 130_000, now=5.0)
    assert told(scene, "track_switch_off") == []

    seconds_pass(scene, 6, 1, (20_000, 50_000, 250_000))
    assert told(scene, "track_switch_off") == [{"type": "track_switch_off", "off": ["MTcamera"], "on": []}]


def test_a_queue_without_loss_switches_nothing_off_until_it_has_stayed(scene: Scene) -> None:
    seconds_pass(scene, 0, 2, (50_000, 50_000, 50_000))
    fill(scene, 130_000, lost=0)
    assert told(scene, "track_switch_off") == []

    fill(scene, 130_000, now=3.2, lost=0)
    assert told(scene, "track_switch_off") == [{"type": "track_switch_off", "off": ["MTcamera"], "on": []}]


def test_a_bounded_line_is_probed_and_what_it_proves_is_used(scene: Scene) -> None:
    seconds_pass(scene, 0, 2, (12_500, 50_000, 250_000))
    fill(scene, 130_000)
    scene.actions()
    deliver(scene, 4.0, 100_000)
    assert scene.actions(ProbeDownlink) == [ProbeDownlink("bob", 600_000, 0.04)]

    deliver(scene, 4.2, 100_000, probe=Probe(600_000, 600_000, 1.0))
    assert scene.actions(SetTargetLayer, RequestKeyframe) == [
        SetTargetLayer("bob", "MTcamera-1", 1, 3),
        RequestKeyframe(SOURCE),
    ]
    deliver(scene, 4.8, 400_000)
    assert scene.actions(ProbeDownlink) == [ProbeDownlink("bob", 1_800_000, 0.04)]


def test_a_line_that_was_never_full_is_not_probed(scene: Scene) -> None:
    for fifth in range(50):
        deliver(scene, fifth / 5, 2_000_000)

    assert scene.actions(ProbeDownlink) == []


def test_behind_a_lossy_line_pictures_are_held_back(scene: Scene) -> None:
    seconds_pass(scene, 0, 5, (100, 100, 100), lost=0.1)

    [action] = scene.actions(SetPlayoutDelay)
    assert (action.participant_sid, action.delay_s) == ("bob", 0.15)


def test_layers_that_nobody_gets_are_turned_off(scene: Scene) -> None:
    hint(scene, render_dimensions={"width": 320, "height": 180})
    scene.actions()
    seconds_pass(scene, 0, 6, (12_500, 50_000, 250_000))

    (message,) = told(scene, "publisher_hints")
    assert [layer["enabled"] for layer in message["publisher"]["hints"][0]["encodings"]] == [True, False, False]
    assert message["publisher"]["hints"][0]["track"] == "MTcamera"


def test_of_equal_cameras_the_latest_speakers_are_shown() -> None:
    scene = Scene()
    names = {}
    for sid in ("alice", "carol"):
        scene.open(sid, "chromium_audio_video_data", desired(1, camera_of(sid), voice_of(sid)))
        names[sid] = UpTrackName(sid, MICROPHONE_ID)
    cameras = [subscription(f"MTcamera-{sid}", VIDEO, publisher=sid) for sid in names]
    profile = {"video": {"mode": "grid", "max_tracks": 1}}
    scene.open("bob", "chromium_viewer", desired(1, *cameras), bandwidth_profile=profile)
    scene.room.handle_connected("bob", 0.0)
    bob_agrees(scene)

    def speaks(speaker: str, start: float) -> list[Any]:
        for fifth in range(15):
            levels = {name: -20 if sid == speaker else -80 for sid, name in names.items()}
            scene.room.receive_levels(levels, start + fifth / 5)
        return scene.actions(PauseDownTrack, ResumeDownTrack)

    speaks("alice", 0.0)
    assert speaks("carol", 3.0) == [
        PauseDownTrack("bob", "MTcamera-alice-1"),
        ResumeDownTrack("bob", "MTcamera-carol-1"),
    ]
    assert speaks("alice", 6.0) == [
        ResumeDownTrack("bob", "MTcamera-alice-1"),
        PauseDownTrack("bob", "MTcamera-carol-1"),
    ]


def camera_of(sid: str) -> NodePublication:
    return publication(CAMERA_ID, f"MTcamera-{sid}", VIDEO)


def voice_of(sid: str) -> NodePublication:
    return publication(MICROPHONE_ID, f"MTvoice-{sid}", AUDIO)


MICROPHONE = publication("59293ed1-1086-4706-9c3c-3c61662d7af3", "MTmicrophone", AUDIO)


def speech(of_bob: DesiredState) -> Scene:
    """Alice speaks, and Bob is connected and listens to who does."""
    scene = Scene()
    scene.open("alice", "chromium_simulcast_auto", desired(1, MICROPHONE), media_signaling=("active_speaker",))
    scene.open("bob", "chromium_viewer", of_bob, media_signaling=("active_speaker",))
    scene.room.handle_connected("bob", 0.0)
    for sid in ("alice", "bob"):
        say(scene, sid, "active_speaker", {"type": "ready"})
    for fifth in range(10):
        scene.room.receive_levels({UpTrackName("alice", MICROPHONE.client_track_id): -20}, fifth / 5)
    return scene


def speakers_told(scene: Scene) -> list[Any]:
    return [message["participant"] for message in told(scene, "active_speaker")]


def test_who_is_loud_is_told_to_the_others() -> None:
    scene = speech(desired(1, participants=("alice",)))

    assert scene.actions(SendMessage) == [
        SendMessage("bob", LABELS["active_speaker"], json.dumps({"type": "active_speaker", "participant": "alice"}))
    ]


def test_a_speaker_is_told_once_the_client_knows_that_participant() -> None:
    scene = speech(desired(1))
    assert speakers_told(scene) == []

    scene.desire("bob", desired(2, participants=("alice",)))
    scene.desire("bob", desired(3, participants=("alice",)))

    assert speakers_told(scene) == ["alice"]


def test_a_speaker_whom_the_client_is_about_to_hear_is_told_when_it_agreed_to_that() -> None:
    scene = speech(desired(1))
    scene.apply("bob", "answer", 2, viewer_answer(scene.actions(SendSignal)[-1]))

    scene.desire("bob", desired(2, subscription("MTmicrophone", AUDIO), participants=("alice",)))
    (offer,) = scene.actions(SendSignal, SendMessage)
    scene.apply("bob", "answer", 3, viewer_answer(offer))

    assert speakers_told(scene) == ["alice"]


@pytest.mark.parametrize(
    ("asked", "profile", "wanted"),
    [
        ((), None, False),
        (("network_quality",), None, False),
        (("active_speaker",), None, True),
        ((), {"video": {}}, True),
    ],
)
def test_levels_are_read_only_where_it_matters_who_speaks(
    asked: tuple[str, ...], profile: dict[str, Any] | None, wanted: bool
) -> None:
    scene = Scene()
    scene.open("bob", "chromium_viewer", desired(1), media_signaling=asked, bandwidth_profile=profile)

    assert scene.room.wants_levels is wanted


def test_every_quality_input_is_answered(scene: Scene) -> None:
    seconds_pass(scene, 0, 2, (12_500, 50_000, 250_000), lost=0.05)
    scene.actions()
    say(scene, "bob", "network_quality", {"type": "network_quality", "reportLevel": 1, "remoteReportLevel": 1})

    assert told(scene, "network_quality") == [
        {"type": "network_quality", "local": {"level": 3}, "remotes": [{"sid": "alice", "level": 5}]}
    ]


def test_the_quality_of_somebody_whom_the_client_does_not_know_is_not_told(scene: Scene) -> None:
    scene.desire("bob", desired(2))
    say(scene, "bob", "network_quality", {"type": "network_quality", "reportLevel": 1, "remoteReportLevel": 1})

    assert [message["remotes"] for message in told(scene, "network_quality")] == [[]]


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"track_priority","track":"MTnobody","subscribe":"high"}',
        '{"type":"publisher_hints","id":1,"hints":[]}',
        '{"type":"junk"}',
        "junk",
    ],
)
def test_messages_that_make_no_sense_change_nothing(scene: Scene, text: str) -> None:
    scene.actions()
    for label in LABELS.values():
        scene.room.receive_message("bob", label, text, 1.0)
    scene.room.receive_message("bob", "nobody's label", text, 1.0)
    scene.room.receive_message("nobody", "nobody's label", text, 1.0)

    assert scene.actions() == []


@pytest.fixture
def pair() -> Scene:
    """Alice publishes a camera of one layer and 1 Mbit/s; Bob sees it, with a bandwidth profile."""
    scene = Scene()
    scene.open("alice", "chromium_audio_video_data", desired(1, CAMERA))
    watch_camera(scene, "bob")
    scene.actions()
    scene.room.receive_statistics({SINGLE: up((0,))}, {}, 0.0)
    scene.room.receive_statistics({SINGLE: up((125_000,))}, {}, 1.0)
    return scene


SINGLE = UpTrackName("alice", CAMERA_ID)


def watch_camera(scene: Scene, sid: str) -> None:
    scene.open(
        sid,
        "chromium_viewer",
        desired(1, subscription("MTcamera", VIDEO)),
        media_signaling=ASKED,
        bandwidth_profile={"video": {"mode": "grid"}},
    )
    say(scene, sid, "track_switch_off", {"type": "ready"})
    for peer in ("alice", sid):
        scene.room.handle_connected(peer, 0.0)


def test_who_sends_one_layer_is_asked_for_what_the_only_viewer_can_take(pair: Scene) -> None:
    """400 kbit/s came: 85 % of that is Bob's budget, 90 % of the budget the camera's limit, and the microphone has 100 kbit/s."""
    fill(pair, 400_000)

    assert pair.actions(SetReceiveBitrate, PauseDownTrack) == [SetReceiveBitrate("alice", 406_000)]


def test_the_limit_goes_when_the_line_is_free_again(pair: Scene) -> None:
    fill(pair, 400_000)
    pair.actions()
    deliver(pair, 4.0, 300_000)
    assert pair.actions(ProbeDownlink) == [ProbeDownlink("bob", 1_020_000, 0.04)]
    deliver(pair, 4.2, 300_000, probe=Probe(3_000_000, 3_000_000, 1.0))

    assert pair.actions(SetReceiveBitrate) == [SetReceiveBitrate("alice", 3_100_000)]


def test_one_viewer_with_a_slow_line_does_not_spoil_the_picture_of_others(pair: Scene) -> None:
    watch_camera(pair, "carol")
    pair.actions()
    fill(pair, 400_000)

    assert pair.actions(SetReceiveBitrate, PauseDownTrack) == [PauseDownTrack("bob", "MTcamera-1")]


def show(scene: Scene, sid: str, second: int, **members: Any) -> None:
    """That client asks for the camera like this, and the second passes in which Alice sends 1 Mbit/s."""
    hints = {"id": 1, "hints": [{"track": "MTcamera", **members}]}
    say(scene, sid, "render_hints", {"type": "render_hints", "subscriber": hints})
    scene.room.receive_statistics({SINGLE: up((125_000 * second,))}, {}, float(second))


SMALL = {"width": 160, "height": 120}
LARGE = {"width": 1280, "height": 720}


def test_who_sends_one_layer_that_is_shown_small_is_asked_for_less_until_it_is_enlarged(pair: Scene) -> None:
    show(pair, "bob", 2, render_dimensions=SMALL)
    assert pair.actions(SetReceiveBitrate) == [SetReceiveBitrate("alice", 400_000)]

    show(pair, "bob", 3, render_dimensions=LARGE)
    assert pair.actions(SetReceiveBitrate) == [SetReceiveBitrate("alice", 3_100_000)]


def test_the_largest_picture_counts(pair: Scene) -> None:
    watch_camera(pair, "carol")
    pair.actions()
    show(pair, "bob", 2, render_dimensions=SMALL)
    assert pair.actions(SetReceiveBitrate) == []

    show(pair, "carol", 3, enabled=False)
    assert pair.actions(SetReceiveBitrate) == [SetReceiveBitrate("alice", 400_000)]


def test_a_line_with_room_for_a_small_picture_is_not_probed(pair: Scene) -> None:
    """Bob's budget of 850 kbit/s has room for the 300 that it takes."""
    fill(pair, 1_000_000)
    show(pair, "bob", 2, render_dimensions=SMALL)
    pair.actions()
    deliver(pair, 5.0, 300_000)

    assert pair.actions(ProbeDownlink) == []
