"""Which node takes a participant."""

import pytest
from contract.errors import Refused
from contract.media import NodeLoad
from rooms_api.core.placement import Nodes, NoNode


def load(node_id: str, region: str = "us1", **members) -> NodeLoad:
    return NodeLoad(**({"node_id": node_id, "region": region, "peers": 0, "capacity": 10, "load": 0.1} | members))


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


def test_the_least_loaded_node_of_the_region_is_chosen(nodes):
    for node in (load("a", load=0.5), load("b", load=0.2), load("c", region="de1", load=0.0)):
        nodes.receive_load(node, now=0.0)

    assert nodes.choose("us1", None, now=1.0) == "b"


def test_a_room_stays_on_its_node(nodes):
    nodes.receive_load(load("a", load=0.9, draining=True), now=0.0)
    nodes.receive_load(load("b"), now=0.0)

    assert nodes.choose("us1", "a", now=1.0) == "a"


def test_a_silent_node_gets_nobody(nodes):
    nodes.receive_load(load("a"), now=0.0)
    nodes.receive_load(load("b", load=0.9), now=2.0)

    assert nodes.choose("us1", "a", now=2.6) == "b"


def test_without_a_node_the_code_says_why(nodes):
    with pytest.raises(NoNode, match=r"^53104 "):
        nodes.choose("us1", None, now=0.0)
    nodes.receive_load(load("a", region="de1"), now=0.0)
    with pytest.raises(NoNode, match=r"^53116 "):
        nodes.choose("us1", None, now=0.0)
    with pytest.raises(NoNode, match=r"^53116 "):
        nodes.require("us1", now=0.0)


def test_a_node_that_says_it_is_full_takes_nobody(nodes):
    """Not even for a room that it has: a room is at one node, and its people shall not lose what they have."""
    nodes.receive_load(load("a", full=True), now=0.0)
    with pytest.raises(Refused, match=r"^53305 "):
        nodes.choose("us1", "a", now=0.0)
    with pytest.raises(Refused, match=r"^53305 "):
        nodes.choose("us1", None, now=0.0)
    with pytest.raises(Refused, match=r"^53305 "):
        nodes.require("us1", now=0.0)

    nodes.receive_load(load("b", load=0.8), now=0.0)

    assert nodes.choose("us1", None, now=0.0) == "b"


def test_a_full_or_draining_node_takes_nobody_new(nodes):
    nodes.receive_load(load("a", peers=9), now=0.0)
    nodes.receive_load(load("b", draining=True), now=0.0)
    nodes.choose("us1", None, now=0.0)

    with pytest.raises(Refused, match=r"^53305 "):
        nodes.choose("us1", None, now=0.5)
    nodes.receive_load(load("a", peers=9), now=1.0)
    assert nodes.choose("us1", None, now=1.0) == "a"
