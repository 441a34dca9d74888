"""What a session asks of others: each question with its address, and until when an answer is of use."""

from dataclasses import dataclass

from contract.keys import VerifyToken
from contract.media import MediaCommand
from contract.peers import RelayToPeer
from contract.rooms import RoomCommand


@dataclass(frozen=True, slots=True)
class AskIssuer:
    """`give_up_at`, as in the others: an answer after this time comes too late. None: any answer is welcome."""

    message: VerifyToken
    give_up_at: float | None = None


@dataclass(frozen=True, slots=True)
class AskRooms:
    message: RoomCommand
    give_up_at: float | None = None


@dataclass(frozen=True, slots=True)
class AskNode:
    node_id: str
    message: MediaCommand
    give_up_at: float | None = None


@dataclass(frozen=True, slots=True)
class AskPeer:
    """The gateway of another participant of a peer-to-peer room."""

    message: RelayToPeer


Ask = AskIssuer | AskRooms | AskNode | AskPeer
