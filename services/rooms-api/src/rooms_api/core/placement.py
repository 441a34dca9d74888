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

    @property
    def has_room(self) -> bool:
        return self.peers < self.load.capacity and not self.load.full


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

        Raises `NoNode` (53104 without any live node, 53116 without one in the region), 53305 when the room's node is full, or all are full or draining.
        """
        here = [node for node in self._live(now) if node.load.node_id == current]
        if not here:
            best = min(self._free(region, now), key=lambda node: (node.load.load, node.peers, node.load.node_id))
        elif here[0].has_room:
            best = here[0]
        else:
            raise Refused(53305)
        best.placed += 1
        return best.load.node_id

    def require(self, region: str | None, now: float) -> None:
        """Raises what `choose` would for the first one of a room."""
        self._free(region, now)

    def _free(self, region: str | None, now: float) -> list[_Node]:
        free = [node for node in self._nearby(region, now) if node.has_room and not node.load.draining]
        if not free:
            raise Refused(53305)
        return free

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
