"""What publishers send, and what they may."""

from math import inf

from contract.media import NodeSubscription
from contract.rooms import TrackKind
from media_sfu.core.actions import SetReceiveBitrate, UpTrackName
from media_sfu.core.bandwidth.layer_hints import SimulcastTrack
from media_sfu.core.network_quality import FlowQuality
from media_sfu.core.publishers import Publishers
from media_sfu.core.statistics import UpTrackRates

from tests.kit.flowing_peers import flowing_peer

SIMULCAST, SINGLE = UpTrackName("alice", "camera"), UpTrackName("carol", "camera")
ALICE = flowing_peer("alice", {"camera": 3})


def publishers() -> Publishers:
    """Alice sends three layers, Carol one."""
    return Publishers({"alice": ALICE, "carol": flowing_peer("carol", {"camera": 1})})


def rates(*layers_bps: int) -> UpTrackRates:
    return UpTrackRates(layers_bps, FlowQuality(bitrate_bps=sum(layers_bps)))


def test_a_layer_above_the_present_one_costs_a_margin_more() -> None:
    room = publishers()
    room.receive_rates({SIMULCAST: rates(200_000, 600_000, 2_000_000)})

    assert room.costs_bps(SIMULCAST, 2, current=1) == (200_000, 600_000, 2_200_000)
    assert room.costs_bps(SIMULCAST, 1, current=None) == (220_000, 660_000)


def test_a_layer_costs_at_least_as_much_as_the_one_below() -> None:
    room = publishers()
    room.receive_rates({SIMULCAST: rates(200_000, 700_000, 600_000)})
    room.receive_rates({SIMULCAST: rates(900_000, 700_000, 600_000)})

    assert room.costs_bps(SIMULCAST, 1, current=1) == (900_000, 900_000)


def test_layers_are_those_announced() -> None:
    room = publishers()
    assert (room.layers(SIMULCAST), room.layers(SINGLE), room.layers(UpTrackName("nobody", "camera"))) == (3, 1, 1)
    assert room.simulcast_tracks(ALICE) == {SIMULCAST: SimulcastTrack("MTalice-camera", 3)}


def test_tracks_are_found_by_their_sids() -> None:
    room = publishers()
    subscription = NodeSubscription(id="1", track_sid="MTcarol-camera", publisher_sid="carol", kind=TrackKind.VIDEO)
    publication = room.publication(subscription)

    assert publication is not None
    assert publication.client_track_id == "camera"
    assert room.publication(subscription.model_copy(update={"publisher_sid": "alice"})) is None
    assert room.up_track("carol", "MTcarol-camera") == SINGLE
    assert room.up_track("alice", "MTcarol-camera") is None
    assert (room.is_published("MTcarol-camera"), room.is_published("MTgone")) == (True, False)


def test_a_limit_is_told_when_it_comes_changes_and_goes() -> None:
    """90 % of the share, and 100 kbit/s for the microphone."""
    room = publishers()
    room.receive_rates({SINGLE: rates(1_000_000)})

    told = [room.limit({SINGLE: share}, {}) for share in (inf, 400_000, 400_000, 500_000, inf)]

    assert told == [
        [],
        [SetReceiveBitrate("carol", 460_000)],
        [],
        [SetReceiveBitrate("carol", 550_000)],
        [SetReceiveBitrate("carol", 3_100_000)],
    ]
    assert not room.is_limiting


def test_a_limited_video_costs_no_more_than_its_limit() -> None:
    room = publishers()
    room.receive_rates({SINGLE: rates(1_000_000)})
    room.limit({SINGLE: 400_000}, {})

    assert room.is_slowed(SINGLE)
    assert room.costs_bps(SINGLE, 0, current=0) == (360_000,)


def test_what_the_largest_picture_needs_is_a_limit_too() -> None:
    """Lower than what lines take, it is no sign of slow ones."""
    room = publishers()
    room.receive_rates({SINGLE: rates(1_000_000)})

    assert room.limit({SINGLE: 400_000}, {SINGLE: 300_000}) == [SetReceiveBitrate("carol", 400_000)]
    assert not room.is_slowed(SINGLE)
    assert room.limit({}, {SINGLE: inf}) == [SetReceiveBitrate("carol", 3_100_000)]


def test_simulcast_is_never_limited() -> None:
    room = publishers()
    room.receive_rates({SIMULCAST: rates(200_000, 600_000, 2_000_000)})

    assert room.limit({SIMULCAST: 400_000}, {SIMULCAST: 300_000}) == []
