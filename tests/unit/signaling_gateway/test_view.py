"""What one participant is told of its room, as literal messages."""

from contract.media import DesiredState, NodePublication, NodeSubscription
from contract.rooms import ParticipantStatus, TrackKind, TrackPriority
from signaling_gateway.core.view import View, desired_state

from tests.kit.room_states import participant, publication, session, snapshot, subscription, track

CAMERA = {"sid": "MT1", "name": "name of MT1", "kind": "video", "enabled": True, "priority": "standard"}


def test_the_whole_room_is_told_at_first() -> None:
    own = session(
        "PA1",
        published=(publication("cam", "MT9"),),
        published_revision=3,
        subscriptions=(subscription("MT1", "PA2"),),
        subscribed_revision=4,
    )
    room = snapshot(7, (participant("PA1", 3, track("MT9")), participant("PA2", 2, track("MT1"))), own)

    assert View("PA1").whole(room, own) == {
        "participant": {
            "sid": "PA1",
            "identity": "identity of PA1",
            "state": "connected",
            "revision": 3,
            "tracks": [],
        },
        "participants": [
            {
                "sid": "PA2",
                "identity": "identity of PA2",
                "state": "connected",
                "revision": 2,
                "tracks": [CAMERA],
            }
        ],
        "published": {"revision": 3, "tracks": [{"id": "cam", "sid": "MT9", "state": "ready"}]},
        "subscribed": {"revision": 4, "tracks": [{"sid": "MT1", "id": "MT1-1"}]},
        "recording": {"revision": 1, "is_recording": False},
    }


def test_what_was_told_is_not_told_again() -> None:
    own = session("PA1")
    room = snapshot(7, (participant("PA1"), participant("PA2", 2)), own)
    view = View("PA1")
    view.whole(room, own)

    assert view.changes(room.model_copy(update={"revision": 8}), own) == {}


def test_only_the_participants_that_changed_are_in_an_update() -> None:
    own = session("PA1")
    view = View("PA1")
    view.whole(snapshot(7, (participant("PA1"), participant("PA2", 2), participant("PA3", 3)), own), own)

    changes = view.changes(
        snapshot(8, (participant("PA1"), participant("PA2", 2), participant("PA3", 8, track("MT1"))), own), own
    )

    assert changes == {
        "participants": [
            {
                "sid": "PA3",
                "identity": "identity of PA3",
                "state": "connected",
                "revision": 8,
                "tracks": [CAMERA],
            }
        ]
    }


def test_a_participant_that_left_keeps_its_tracks() -> None:
    own = session("PA1")
    view = View("PA1")
    view.whole(snapshot(7, (participant("PA1"), participant("PA2", 2, track("MT1"))), own), own)

    assert view.changes(snapshot(8, (participant("PA1"),), own), own) == {
        "participants": [
            {
                "sid": "PA2",
                "identity": "identity of PA2",
                "state": "disconnected",
                "revision": 8,
                "tracks": [CAMERA],
            }
        ]
    }
    assert view.changes(snapshot(9, (participant("PA1"),), own), own) == {}


def test_of_an_identity_that_joined_again_the_older_participant_leaves_first() -> None:
    own = session("PA1")
    view = View("PA1")
    view.whole(snapshot(7, (participant("PA1"), participant("PA2", 2)), own), own)

    changes = view.changes(snapshot(8, (participant("PA1"), participant("PA3", 8)), own), own)

    assert [(p["sid"], p["state"]) for p in changes["participants"]] == [("PA2", "disconnected"), ("PA3", "connected")]


def test_a_reconnecting_participant_is_told_as_such() -> None:
    own = session("PA1")
    view = View("PA1")
    view.whole(snapshot(7, (participant("PA1"), participant("PA2", 2)), own), own)

    lost = participant("PA2", 8, status=ParticipantStatus.RECONNECTING)

    (told,) = view.changes(snapshot(8, (participant("PA1"), lost), own), own)["participants"]
    assert told["state"] == "reconnecting"


def test_everything_of_one_event_is_in_one_message() -> None:
    own = session("PA1")
    view = View("PA1")
    view.whole(snapshot(7, (participant("PA1"),), own), own)
    own = session(
        "PA1",
        published=(publication("cam", "MT9"), publication("x" * 200, None, 53302)),
        published_revision=8,
        subscriptions=(subscription("MT1", "PA2", 53404),),
        subscribed_revision=8,
    )

    changes = view.changes(
        snapshot(8, (participant("PA1"), participant("PA2", 8)), own, is_recording=True, recording_revision=8), own
    )

    assert list(changes) == ["participants", "published", "subscribed", "recording"]
    assert changes["published"] == {
        "revision": 8,
        "tracks": [
            {"id": "cam", "sid": "MT9", "state": "ready"},
            {"id": "x" * 200, "state": "failed", "error": {"code": 53302, "message": "Track name is too long"}},
        ],
    }
    assert changes["subscribed"] == {
        "revision": 8,
        "tracks": [{"sid": "MT1", "error": {"code": 53404, "message": "No supported codec"}}],
    }
    assert changes["recording"] == {"revision": 8, "is_recording": True}


def test_the_node_gets_what_is_published_and_subscribed_without_failures() -> None:
    own = session(
        "PA1",
        published=(publication("cam", "MT9"), publication("bad", None, 53304)),
        subscriptions=(subscription("MT1", "PA2"), subscription("MT2", "PA2", 53404)),
    )
    room = snapshot(7, (participant("PA1", 3, track("MT9", enabled=False)), participant("PA2")), own)

    assert desired_state(room, own) == DesiredState(
        revision=7,
        publications=(
            NodePublication(
                client_track_id="cam",
                track_sid="MT9",
                kind=TrackKind.VIDEO,
                enabled=False,
                priority=TrackPriority.STANDARD,
            ),
        ),
        subscriptions=(NodeSubscription(id="MT1-1", track_sid="MT1", publisher_sid="PA2", kind=TrackKind.VIDEO),),
    )
