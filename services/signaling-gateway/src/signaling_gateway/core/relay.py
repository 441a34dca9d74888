"""
The order in which a node's descriptions reach the client. Never edits SDP.

An offer that a node starts by itself comes over another subject than the answers to the client's own offers, so it can arrive before the answer
that the node gave first. The client would take such an offer for glare. Hence: while the node has a description of the client's to answer, its
offers wait here.
"""

from collections.abc import Iterable
from typing import Any

from contract.media import ApplyDescription, DescribePeer, Description, MediaCommand, OpenPeer, PeerSignal

MAX_HELD = 64


class Relay:
    """What one socket's client has been told of its peer connections. Each (id, type, revision) goes out once."""

    def __init__(self, wanted_channels: Iterable[str]) -> None:
        self._wanted = frozenset(wanted_channels)
        self._relayed: set[tuple[str, str, int]] = set()
        self._labels: dict[str, str] = {}
        self._held: list[PeerSignal] = []

    def hold(self, signal: PeerSignal) -> None:
        """Keep a signal for `held_signals`. Of more than `MAX_HELD` the oldest is forgotten: the node repeats what still matters."""
        self._held = [*self._held[1 - MAX_HELD :], signal]

    def held_signals(self) -> list[PeerSignal]:
        """Signals that waited; they are the caller's now."""
        held, self._held = self._held, []
        return held

    def description(self, peer_connection_id: str, description: Description | None) -> list[dict[str, Any]]:
        """Entries of `peer_connections` that tell the client this description; none when it was told already."""
        if description is None:
            return []
        key = (peer_connection_id, description.type, description.revision)
        if key in self._relayed:
            return []
        self._relayed.add(key)
        return [{"id": peer_connection_id, "description": description.model_dump(exclude_none=True)}]

    def channels(self, labels: dict[str, str]) -> dict[str, str]:
        """Those media signaling channels that the client asked for and was not told of yet."""
        fresh = {
            name: label for name, label in labels.items() if name in self._wanted and self._labels.get(name) != label
        }
        self._labels.update(fresh)
        return fresh


def awaits_description(command: MediaCommand | None) -> bool:
    """Whether the answer to this command may be a description for the client."""
    return isinstance(command, OpenPeer | ApplyDescription | DescribePeer)
