"""A client's peer at a node: commands in order, and what of the node's words reaches the client."""

from typing import Any

import pytest
from contract.media import (
    ApplyCandidates,
    ApplyDescription,
    ClosePeer,
    DescribePeer,
    Description,
    MediaDone,
    MediaRefused,
    OpenPeer,
    PeerDescribed,
    PeerSignal,
    SetBandwidthProfile,
    SetDesired,
)
from contract.rooms import RoomSnapshot, SessionState, TrackKind
from signaling_gateway.core.node_peer import NodePeer
from signaling_gateway.core.wire import PeerConnectionStatus

from tests.kit.room_states import participant, publication, session, snapshot, subscription

OFFER = Description(type="offer", revision=1, sdp="o1")
ANSWERED = PeerDescribed(
    peer_connection_id="pc1",
    description=Description(type="answer", revision=1, sdp="a1"),
    media_signaling={"active_speaker": "l1", "network_quality": "l2"},
)


def own(*tracks: str, **members: Any) -> SessionState:
    return session(
        "PA1",
        media_signaling=("active_speaker",),
        subscriptions=tuple(subscription(sid, "PA2") for sid in tracks),
        **members,
    )


def room(revision: int, *others: str) -> RoomSnapshot:
    return snapshot(revision, tuple(participant(sid) for sid in ("PA1", *others)))


def asked(peer: NodePeer, now: float = 0.0) -> list[Any]:
    return [ask.message for ask in peer.asks_to_send(now)]


def described(kind: Any, revision: int) -> PeerDescribed:
    return PeerDescribed(
        peer_connection_id="pc1", description=Description(type=kind, revision=revision, sdp=f"{kind}{revision}")
    )


def offered(revision: int, **labels: str) -> PeerSignal:
    description = Description(type="offer", revision=revision, sdp=f"offer{revision}")
    return PeerSignal(participant_sid="PA1", peer_connection_id="pc1", description=description, media_signaling=labels)


def say(peer: NodePeer, **members: Any) -> None:
    peer.receive_from_client(PeerConnectionStatus.model_validate({"id": "pc1", **members}))


def describe(peer: NodePeer, kind: str, revision: int) -> None:
    say(peer, description={"type": kind, "revision": revision, "sdp": f"{kind}{revision}"})


def revisions(lists: dict[str, Any]) -> list[tuple[str, int]]:
    entries = [entry["description"] for entry in lists["peer_connections"]]
    return [(entry["type"], entry["revision"]) for entry in entries]


@pytest.fixture
def peer() -> NodePeer:
    """Set up at the node, told to the client, nothing outstanding."""
    peer = NodePeer(own(), lease_epoch=1)
    peer.open(OFFER, room(7, "PA2"), own(), give_up_at=8.0)
    asked(peer)
    assert peer.receive_reply(ANSWERED) == ANSWERED
    peer.whole(own())
    return peer


def opening(reply: PeerDescribed = ANSWERED) -> NodePeer:
    """The node has answered, and the client not been told."""
    peer = NodePeer(own(), lease_epoch=1)
    peer.open(OFFER, room(7, "PA2"), own(), give_up_at=8.0)
    asked(peer)
    peer.receive_reply(reply)
    return peer


def test_the_first_offer_goes_to_the_node_with_what_the_peer_shall_do() -> None:
    peer = NodePeer(own("MT1"), lease_epoch=1)
    peer.open(OFFER, room(7, "PA2"), own("MT1"), give_up_at=8.0)

    (ask,) = peer.asks_to_send(0.0)
    assert (ask.node_id, ask.give_up_at) == ("n1", 8.0)
    assert isinstance(ask.message, OpenPeer)
    assert (ask.message.offer, ask.message.peer_connection_id) == (OFFER, "pc1")
    assert ask.message.desired.participants == ("PA2",)
    assert [track.track_sid for track in ask.message.desired.subscriptions] == ["MT1"]


def test_of_the_channels_those_are_told_that_were_asked_for() -> None:
    assert opening().whole(own()) == {
        "peer_connections": [{"id": "pc1", "description": {"type": "answer", "revision": 1, "sdp": "a1"}}],
        "media_signaling": {"active_speaker": {"transport": {"type": "data-channel", "label": "l1"}}},
    }


def test_a_connection_that_has_nothing_to_say_is_listed() -> None:
    whole = opening(PeerDescribed(peer_connection_id="pc1")).whole(own())

    assert whole is not None
    assert whole["peer_connections"] == [{"id": "pc1"}]


def test_a_publication_that_fails_with_the_node_must_be_a_failure_in_the_room_first() -> None:
    peer = opening(ANSWERED.model_copy(update={"failed_publications": ("MT9",), "refused_kinds": (TrackKind.VIDEO,)}))
    assert peer.whole(own(published=(publication("cam", "MT9"),))) is None

    assert peer.whole(own(published=(publication("cam", None, 53404),))) is not None
    assert peer.refused_kinds == (TrackKind.VIDEO,)


def test_what_the_client_says_goes_out_in_order_one_at_a_time(peer: NodePeer) -> None:
    describe(peer, "offer", 2)
    say(peer, ice={"ufrag": "u", "revision": 1, "complete": True})
    peer.set_bandwidth_profile({"video": {"mode": "grid"}})
    describe(peer, "answer", 3)

    order = []
    while commands := asked(peer):
        order += [type(command) for command in commands]
        peer.receive_reply(MediaDone())
    assert order == [ApplyDescription, ApplyCandidates, SetBandwidthProfile, ApplyDescription]
    assert peer.unanswered == 0


def test_another_connection_is_nobodys(peer: NodePeer) -> None:
    peer.receive_from_client(PeerConnectionStatus.model_validate({"id": "other", "description": {"type": "close"}}))

    assert asked(peer) == []


def test_an_offer_whose_answer_was_lost_is_asked_for_again(peer: NodePeer) -> None:
    describe(peer, "offer", 2)
    asked(peer)
    assert peer.receive_silence(0.0) is None

    assert asked(peer, now=1.0) == [
        DescribePeer(
            participant_sid="PA1",
            lease_epoch=1,
            peer_connection_id="pc1",
            latest=Description(type="offer", revision=2, sdp="offer2"),
        )
    ]


def test_the_node_learns_what_to_forward_and_whom_the_client_knows(peer: NodePeer) -> None:
    peer.set_room(room(8, "PA2", "PA3"), own("MT1"))

    (command,) = asked(peer)
    assert isinstance(command, SetDesired)
    assert [track.id for track in command.desired.subscriptions] == ["MT1-1"]
    assert command.desired.participants == ("PA2", "PA3")


def test_what_the_node_need_not_know_does_not_reach_it(peer: NodePeer) -> None:
    peer.set_room(room(8, "PA2"), own(published_revision=8))

    assert asked(peer) == []


def test_who_is_there_does_not_matter_to_a_client_without_channels_that_name_them() -> None:
    silent = session("PA1")
    peer = NodePeer(silent, lease_epoch=1)
    peer.open(OFFER, room(7, "PA2"), silent, give_up_at=8.0)
    asked(peer)
    peer.receive_reply(ANSWERED)

    peer.set_room(room(8, "PA2", "PA3"), silent)

    assert asked(peer) == []


def test_the_newest_room_overtakes_what_waits(peer: NodePeer) -> None:
    peer.set_room(room(8, "PA2", "PA3"), own())
    asked(peer)
    peer.receive_silence(0.0)
    peer.set_room(room(9, "PA2"), own("MT1"))

    (command,) = asked(peer, now=1.0)
    assert command.desired.revision == 9
    assert peer.unanswered == 1


def test_a_node_that_may_not_have_heard_is_told_again(peer: NodePeer) -> None:
    peer.repeat_room(room(7, "PA2"), own())

    (command,) = asked(peer)
    assert command.desired.revision == 7


def test_an_offer_of_the_nodes_is_told_once(peer: NodePeer) -> None:
    assert revisions(peer.receive_signal(offered(2))) == [("offer", 2)]
    assert peer.receive_signal(offered(2)) == {}


def test_an_offer_of_the_nodes_waits_for_the_answer_that_it_gave_first(peer: NodePeer) -> None:
    describe(peer, "offer", 2)
    asked(peer)
    assert peer.receive_signal(offered(3)) == {}

    peer.receive_reply(described("answer", 2))

    assert revisions(peer.changes(described("answer", 2))) == [("answer", 2)]
    assert [revisions(lists) for lists in peer.held()] == [[("offer", 3)]]


def test_an_offer_of_the_nodes_waits_until_the_client_knows_the_connection() -> None:
    peer = NodePeer(own(), lease_epoch=2)
    peer.resume(None, give_up_at=8.0)
    assert peer.receive_signal(offered(4)) == {}
    asked(peer)

    peer.receive_reply(described("offer", 4))

    whole = peer.whole(own())
    assert whole is not None
    assert revisions(whole) == [("offer", 4)]
    assert list(peer.held()) == [{}]


def test_new_channels_are_announced(peer: NodePeer) -> None:
    lists = peer.receive_signal(offered(2, active_speaker="l9", track_priority="l3"))

    assert lists["media_signaling"] == {"active_speaker": {"transport": {"type": "data-channel", "label": "l9"}}}


@pytest.mark.parametrize(
    "refused", [MediaRefused(code=53403, message="sdp"), MediaRefused(code=53001, message="", stale=True)]
)
def test_a_description_that_is_refused_ends_the_session(peer: NodePeer, refused: MediaRefused) -> None:
    describe(peer, "offer", 2)
    asked(peer)

    assert peer.receive_reply(refused) == refused


def test_a_refused_candidate_does_not(peer: NodePeer) -> None:
    say(peer, ice={"ufrag": "u", "revision": 1})
    asked(peer)

    assert peer.receive_reply(MediaRefused(code=53400, message="candidate")) is None


def test_what_is_left_at_the_end_is_the_close(peer: NodePeer) -> None:
    describe(peer, "offer", 2)
    peer.wind_up()
    peer.close(now=100.0)

    (ask,) = peer.asks_to_send(100.0)
    assert ask.message == ClosePeer(participant_sid="PA1", lease_epoch=1)
    assert ask.give_up_at == 160.0
