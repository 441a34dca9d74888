"""
Peer-to-peer rooms between gateways: what one client says to another about the peer connection that both share.

Answered by the gateway that holds the other client's socket; while nobody does, the asker repeats. Repeats are harmless: descriptions and candidates
carry revisions.
"""

from typing import Any

from contract.media import Description
from contract.model import Message


class PeerCandidates(Message):
    """ICE candidates of one `ufrag`, cumulative, as the client protocol has them."""

    ufrag: str
    revision: int
    candidates: tuple[dict[str, Any], ...] = ()
    complete: bool = False


class RelayToPeer(Message):
    """Tell the client of `participant_sid` this, which the client of `from_participant_sid` said. Answered with `Relayed`."""

    participant_sid: str
    from_participant_sid: str
    peer_connection_id: str
    description: Description | None = None
    ice: PeerCandidates | None = None


class Relayed(Message):
    """`taken` is false when the socket is not ready for it yet: repeat it."""

    taken: bool
