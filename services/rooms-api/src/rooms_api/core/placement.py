"""Which SFU node takes a participant: the live nodes by their heartbeats, and the choice among them."""

from dataclasses import dataclass

from contract.errors import Refused
from contract.media import NodeLoad

SILENCE_S = 2.5
"""A node says every second that it lives; after two missed heartbeats it gets nobody."""


class NoNode(Refused):
    """No live media server can be used. One may turn up in a moment."""


@dataclass(slots=True)
class _Node:
    load: NodeLoad
    heard_at: float
    placed: int = 0
    """Participants sent there since its last heartbeat, which therefore are not in `load` yet."""

    @property
    def peers(self) -> int:
        return self.load.peers + self.placed


class Nodes:
    """The nodes that have been heard. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}

    def receive_load(self, load: NodeLoad, now: float) -> None:
        self._nodes[load.node_id] = _Node(load, now)

    def live(self, now: float) -> list[NodeLoad]:
        return [node.load for node in self._live(now)]

    def choose(self, region: str | None, current: str | None, now: float) -> str:
        """
        Pick the node for a participant: where the rest of its room is (`current`), else the least loaded one of the region.

        Raises `NoNode` (53104 without any live node, 53116 without one in the region), 53305 when all are full or draining.
        """
        here = [node for node in self._live(now) if node.load.node_id == current]
        nearby = here or self._nearby(region, now)
        free = [node for node in nearby if node.peers < node.load.capacity and (here or not node.load.draining)]
        if not free:
            raise Refused(53305)
        best = min(free, key=lambda node: (node.load.load, node.peers, node.load.node_id))
        best.placed += 1
        return best.load.node_id

    def require(self, region: str | None, now: float) -> None:
        """Raises what `choose` would for want of a live node."""
        self._nearby(region, now)

    def _nearby(self, region: str | None, now: float) -> list[_Node]:
        live = self._live(now)
        if not live:
            raise NoNode(53104, "No media server is available")
        nearby = [node for node in live if region is None or node.load.region == region]
        if not nearby:
            raise NoNode(53116)
        return nearby

    def _live(self, now: float) -> list[_Node]:
        self._nodes = {sid: node for sid, node in self._nodes.items() if now - node.heard_at < SILENCE_S}
        return list(self._nodes.values())
