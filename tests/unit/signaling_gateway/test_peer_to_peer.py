"""Two participants' meshes with the ways between their gateways, driven by what clients say."""

from typing import Any

import pytest
from contract.peers import RelayToPeer
from signaling_gateway.core.peer_to_peer import Mesh, pair_id
from signaling_gateway.core.wire import PeerConnectionStatus

LEADER, FOLLOWER = "PA2", "PA1"
PAIR = pair_id(LEADER, FOLLOWER)


@pytest.fixture
def leader() -> Mesh:
    mesh = Mesh(LEADER)
    mesh.connect("initial", [FOLLOWER])
    return mesh


@pytest.fixture
def follower() -> Mesh:
    mesh = Mesh(FOLLOWER)
    mesh.connect("initial", [LEADER])
    return mesh


def description(kind: str, revision: int) -> dict[str, Any]:
    return {"id": PAIR, "description": {"type": kind, "revision": revision, "sdp": f"{kind}{revision}"}}


def say(mesh: Mesh, entry: dict[str, Any]) -> None:
    mesh.receive_from_client(PeerConnectionStatus.model_validate(entry))


def carry(sender: Mesh, receiver: Mesh) -> list[Any]:
    """Carry everything that waits to the other side; what its client hears."""
    heard: list[Any] = []
    while asks := list(sender.asks_to_send(now=0.0)):
        for ask in asks:
            entries = receiver.receive_from_other(ask.message)
            assert entries is not None
            heard += entries
            sender.receive_reply(ask.message)
    return heard


def test_both_sides_know_the_pair_and_one_is_asked_to_offer() -> None:
    closed = {"id": "initial", "description": {"type": "close", "revision": 2}}

    assert Mesh(LEADER).connect("initial", [FOLLOWER]) == [
        closed,
        {"id": PAIR, "description": {"type": "create-offer", "revision": 1}},
    ]
    assert Mesh(FOLLOWER).connect("initial", [LEADER]) == [closed]


def test_a_late_joiner_is_met_and_one_who_leaves_is_closed() -> None:
    mesh = Mesh(LEADER)
    mesh.connect("initial", [])

    assert mesh.set_others([FOLLOWER]) == [{"id": PAIR, "description": {"type": "create-offer", "revision": 1}}]
    assert mesh.set_others([FOLLOWER]) == []
    assert mesh.set_others([]) == [{"id": PAIR, "description": {"type": "close", "revision": 2}}]


def test_offer_answer_and_candidates_pass_as_they_are(leader: Mesh, follower: Mesh) -> None:
    ice = {"id": PAIR, "ice": {"ufrag": "u", "revision": 1, "complete": False, "candidates": [{"candidate": "c"}]}}
    say(leader, description("offer", 2))
    say(leader, ice)

    assert carry(leader, follower) == [
        description("offer", 2),
        {"id": PAIR, "ice": {"ufrag": "u", "revision": 1, "complete": False, "candidates": ({"candidate": "c"},)}},
    ]
    say(follower, description("answer", 2))
    assert carry(follower, leader) == [description("answer", 2)]


def test_of_offers_that_cross_between_the_gateways_the_leaders_counts(leader: Mesh, follower: Mesh) -> None:
    say(leader, description("offer", 4))
    say(follower, description("offer", 4))

    assert carry(follower, leader) == []
    assert carry(leader, follower) == [description("offer", 4)]
    say(follower, description("answer", 4))
    say(follower, description("offer", 5))
    assert carry(follower, leader) == [description("answer", 4), description("offer", 5)]


def test_of_offers_that_cross_on_the_leaders_socket_the_followers_counts(leader: Mesh, follower: Mesh) -> None:
    say(follower, description("offer", 4))
    assert carry(follower, leader) == [description("offer", 4)]

    say(leader, description("offer", 4))  # made before the other one arrived
    assert carry(leader, follower) == []

    say(leader, description("answer", 4))
    say(leader, description("offer", 5))
    assert carry(leader, follower) == [description("answer", 4), description("offer", 5)]


def test_an_offer_that_was_answered_long_ago_does_not_stand_in_the_way_after_a_sync(follower: Mesh) -> None:
    leader = Mesh(LEADER)
    leader.sync([PeerConnectionStatus.model_validate(description("offer", 4))], [FOLLOWER])
    carry(leader, follower)

    say(follower, description("offer", 5))

    assert carry(follower, leader) == [description("offer", 5)]


def test_what_comes_twice_is_told_once(leader: Mesh, follower: Mesh) -> None:
    say(leader, description("offer", 2))
    carry(leader, follower)
    leader.repeat_to(FOLLOWER)

    assert carry(leader, follower) == []


def test_a_new_socket_hears_again_what_was_said_last(leader: Mesh, follower: Mesh) -> None:
    say(leader, description("offer", 2))
    carry(leader, follower)
    fresh = Mesh(FOLLOWER)
    fresh.sync([], [LEADER])

    leader.repeat_to(FOLLOWER)

    assert carry(leader, fresh) == [description("offer", 2)]


def test_who_is_not_known_yet_is_heard_later(leader: Mesh) -> None:
    relay = RelayToPeer(participant_sid=LEADER, from_participant_sid="PA9", peer_connection_id=pair_id(LEADER, "PA9"))

    assert leader.receive_from_other(relay) is None


def test_sync_keeps_what_lives_on_and_asks_again_for_offers_that_were_never_made() -> None:
    mesh = Mesh(LEADER)
    known = [PeerConnectionStatus.model_validate(entry) for entry in (description("answer", 6), {"id": "gone"})]

    assert mesh.sync(known, [FOLLOWER, "PA0"]) == [
        {"id": PAIR},
        {"id": pair_id(LEADER, "PA0"), "description": {"type": "create-offer", "revision": 1}},
    ]
    (ask,) = mesh.asks_to_send(now=0.0)
    assert ask.message.description is not None
    assert (ask.message.participant_sid, ask.message.description.type) == (FOLLOWER, "answer")
