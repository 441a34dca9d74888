"""What a subscriber gets of its video tracks."""

from contract.rooms import TrackPriority
from media_sfu.core.actions import (
    Action,
    PauseDownTrack,
    RequestKeyframe,
    ResumeDownTrack,
    SetTargetLayer,
    UpTrackName,
)
from media_sfu.core.bandwidth.profile import UNBOUNDED, VideoProfile
from media_sfu.core.media_signaling import Dimensions, RenderHint
from media_sfu.core.network_quality import FlowQuality
from media_sfu.core.peer import Peer
from media_sfu.core.publishers import Publishers
from media_sfu.core.speakers import Speakers
from media_sfu.core.statistics import UpTrackRates
from media_sfu.core.subscribed_video import SubscribedVideo
from media_sfu.forwarder import Delivery, PeerHandle

from tests.kit.flowing_peers import flowing_peer

CAMERA, SCREEN = UpTrackName("alice", "camera"), UpTrackName("carol", "screen")


class Stage:
    """Alice's camera takes 150, 500 and 2,000 kbit/s, Carol's screen 1,000; Bob watches both."""

    def __init__(self, profile: VideoProfile, now: float = 0.0) -> None:
        self.bob = flowing_peer("bob", watches={"camera": "alice", "screen": "carol"})
        peers: dict[str, Peer] = {
            "alice": flowing_peer("alice", {"camera": 3}),
            "carol": flowing_peer("carol", {"screen": 1}),
            "bob": self.bob,
        }
        self.publishers, self.speakers = Publishers(peers), Speakers()
        self.publishers.receive_rates({CAMERA: rates(150_000, 500_000, 2_000_000), SCREEN: rates(1_000_000)})
        self.video = SubscribedVideo(profile, self.publishers, self.speakers)

    def share_out(self) -> list[Action]:
        return self.video.share_out(self.bob)

    def fill_line(self, bps: float) -> None:
        """Bob's line shows a queue and loses packets, and lets so much through."""
        for fifth in range(3):
            self.video.estimate.receive_delivery(
                Delivery(PeerHandle(1), 20, int(bps / 40), 2, 0.2, 0.3, None), fifth / 5
            )

    def speaks(self, sid: str) -> None:
        for fifth in range(10):
            self.speakers.receive_levels(
                {other: -20.0 if other == sid else -80.0 for other in ("alice", "carol")}, fifth / 5
            )


def rates(*layers_bps: int) -> UpTrackRates:
    return UpTrackRates(layers_bps, FlowQuality(bitrate_bps=sum(layers_bps)))


def camera_layer(layer: int) -> SetTargetLayer:
    return SetTargetLayer("bob", "alice-camera", layer, 3)


PAUSE_CAMERA, PAUSE_SCREEN = PauseDownTrack("bob", "alice-camera"), PauseDownTrack("bob", "carol-screen")


def test_without_a_bound_everything_comes_in_its_highest_layer() -> None:
    stage = Stage(UNBOUNDED)

    assert stage.share_out() == [camera_layer(2)]
    assert stage.share_out() == []
    assert not stage.video.is_bounded


def test_a_small_picture_gets_a_low_layer_until_it_grows() -> None:
    stage = Stage(UNBOUNDED)
    stage.share_out()
    stage.video.set_hint("alice-camera", hint(size=(320, 180)))
    assert stage.share_out() == [camera_layer(0), RequestKeyframe(CAMERA)]

    stage.video.set_hint("alice-camera", hint(enabled=False))
    assert stage.share_out() == [PAUSE_CAMERA]

    stage.video.set_hint("alice-camera", hint(enabled=True))
    assert stage.share_out() == [camera_layer(0), ResumeDownTrack("bob", "alice-camera"), RequestKeyframe(CAMERA)]


def hint(enabled: bool | None = None, size: tuple[int, int] | None = None) -> RenderHint:
    dimensions = Dimensions(width=size[0], height=size[1]) if size is not None else None
    return RenderHint(track="MTalice-camera", enabled=enabled, render_dimensions=dimensions)


def test_the_application_s_bound_goes_to_the_higher_priority_first() -> None:
    """Of 1,120 kbit/s the screen takes 1,100, the margin of a step up included, and then 1,000: no room for the camera's 165."""
    stage = Stage(VideoProfile(max_subscription_bandwidth=1_120_000))
    stage.video.set_priority("carol-screen", TrackPriority.HIGH)
    assert stage.share_out() == [PAUSE_CAMERA]

    stage.video.set_priority("carol-screen", None)
    stage.video.set_priority("alice-camera", TrackPriority.HIGH)
    assert PAUSE_SCREEN in stage.share_out()


def test_the_latest_speaker_is_shown_of_equal_tracks() -> None:
    stage = Stage(VideoProfile(max_tracks=1))
    assert stage.share_out() == [camera_layer(2), PAUSE_SCREEN]

    stage.speaks("carol")
    assert stage.share_out() == [PAUSE_CAMERA, ResumeDownTrack("bob", "carol-screen"), RequestKeyframe(SCREEN)]


def test_the_dominant_speaker_is_lifted_over_what_was_asked_for() -> None:
    stage = Stage(VideoProfile(max_tracks=1, active_speaker_priority=TrackPriority.HIGH))
    stage.video.set_priority("alice-camera", TrackPriority.STANDARD)
    stage.video.set_priority("carol-screen", TrackPriority.LOW)
    stage.speaks("carol")

    assert stage.share_out() == [PAUSE_CAMERA]


def test_what_is_wanted_is_what_is_shown() -> None:
    """The camera's highest layer and the screen, each as it flows."""
    stage = Stage(UNBOUNDED)
    stage.share_out()
    stage.share_out()
    assert stage.video.wanted_bps == 3_000_000

    stage.video.set_hint("alice-camera", hint(enabled=False))
    stage.share_out()
    assert stage.video.wanted_bps == 1_000_000


def test_a_full_line_is_shared_among_what_is_shown() -> None:
    """2 Mbit/s came, 85 % are the budget: less the other's lowest layer each."""
    stage = Stage(VideoProfile())
    stage.share_out()
    stage.fill_line(2_000_000)

    assert stage.video.budget_bps == 1_700_000
    assert stage.video.shares_bps(stage.bob) == {CAMERA: 850_000, SCREEN: 1_550_000}


def test_who_has_given_no_profile_has_nothing_switched_off() -> None:
    stage = Stage(UNBOUNDED)
    stage.share_out()
    stage.fill_line(300_000)

    assert stage.share_out() == [
        PAUSE_CAMERA,
        ResumeDownTrack("bob", "alice-camera"),
        camera_layer(0),
        RequestKeyframe(CAMERA),
    ]


def test_what_was_asked_of_a_subscription_ends_with_it() -> None:
    stage = Stage(UNBOUNDED)
    stage.video.set_hint("alice-camera", hint(enabled=False))
    assert stage.share_out() == [PAUSE_CAMERA]
    desired, down = stage.bob.desired, stage.bob.applied.down_tracks.pop("alice-camera")
    stage.bob.desired = desired.model_copy(update={"subscriptions": desired.subscriptions[1:]})
    assert stage.share_out() == []

    stage.bob.desired, stage.bob.applied.down_tracks["alice-camera"] = desired, down
    assert stage.share_out() == [camera_layer(2)]


def test_the_application_bound_leaves_the_most_important_picture_and_a_slow_line_none() -> None:
    """50 kbit/s is less than any layer takes."""
    stage = Stage(VideoProfile(max_subscription_bandwidth=400))
    assert stage.share_out() == [camera_layer(0), PAUSE_SCREEN]

    stage.video.set_priority("carol-screen", TrackPriority.HIGH)
    assert stage.share_out() == [PAUSE_CAMERA, ResumeDownTrack("bob", "carol-screen"), RequestKeyframe(SCREEN)]

    stage.fill_line(50_000)
    assert stage.share_out() == [PAUSE_SCREEN]
