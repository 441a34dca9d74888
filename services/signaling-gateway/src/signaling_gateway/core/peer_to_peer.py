"""
Peer-to-peer rooms: one peer connection for each pair of participants, its descriptions and candidates relayed as they are.

The id of a pair follows from its two participants, and so does who leads: the leader's client makes the first offer (it is asked to by
`create-offer`), and the leader's gateway lets only one of two offers that cross get through, so that just one client rolls back. A `Mesh` is one
participant's side of all its pairs; what it keeps beyond its socket's life is nothing.

Source: the SDK's own behaviour, told in PROTOCOL.md, "Peer-to-peer and go rooms".
"""

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from contract.media import Description
from contract.peers import PeerCandidates, RelayToPeer

from signaling_gateway.core.asks import AskPeer
from signaling_gateway.core.lane import Lane
from signaling_gateway.core.wire import PeerConnectionStatus

Entry = dict[str, Any]
"""An entry of `peer_connections` for the client."""

CLOSE_REVISION = 2
"""The client closes at any revision."""


@dataclass(slots=True)
class _Pair:
    id: str
    other_sid: str
    leads: bool
    lane: Lane[RelayToPeer] = field(default_factory=Lane)
    own_offer: int = 0
    other_offer: int = 0
    """Revision of each side's last offer that counted. Both ends share one counter, so offers cross exactly when their revisions are equal."""
    descriptions: dict[str, Description] = field(default_factory=dict)
    ice: PeerCandidates | None = None
    """What the own client said last, by type, for an other one that lost its socket."""
    told: set[tuple[str, str, int]] = field(default_factory=set)


class Mesh:
    """Peer connections of one participant to all others. Tell it who is there, what its client says and what the others' clients say."""

    def __init__(self, participant_sid: str) -> None:
        self._participant_sid = participant_sid
        self._pairs: dict[str, _Pair] = {}

    def set_others(self, participant_sids: Iterable[str]) -> list[Entry]:
        """Who else is in the room: what to tell the client of those who came and went."""
        others = set(participant_sids)
        entries: list[Entry] = []
        for sid in sorted(others - self._pairs.keys()):
            pair = self._pairs[sid] = _Pair(pair_id(self._participant_sid, sid), sid, leads=self._participant_sid > sid)
            if pair.leads:
                entries.append(_entry(pair.id, "create-offer", 1))
        for sid in sorted(self._pairs.keys() - others):
            entries.append(_entry(self._pairs.pop(sid).id, "close", CLOSE_REVISION))
        return entries

    def connect(self, initial_id: str, participant_sids: Iterable[str]) -> list[Entry]:
        """For `connected`: the connection that the client made unasked is of no use."""
        return [_entry(initial_id, "close", CLOSE_REVISION), *self.set_others(participant_sids)]

    def sync(self, known: Iterable[PeerConnectionStatus], participant_sids: Iterable[str]) -> list[Entry]:
        """For `synced`: every connection that lives on, and offers to make where the client never heard that it should."""
        asked = {entry["id"]: entry for entry in self.set_others(participant_sids)}
        entries = []
        for status in known:
            if self._pair(status.id) is not None:
                asked.pop(status.id, None)
                entries.append({"id": status.id})
                self.receive_from_client(status)
        return entries + list(asked.values())

    def set_room(self, participant_sids: Iterable[str], leased: Iterable[str]) -> list[Entry]:
        """Who else is in the room now, and who of them may have a new socket."""
        entries = self.set_others(participant_sids)
        for sid in leased:
            self.repeat_to(sid)
        return entries

    def receive_from_client(self, status: PeerConnectionStatus) -> None:
        """What the own client says of a connection goes to the other client."""
        pair = self._pair(status.id)
        if pair is None:
            return
        if status.description is not None:
            description = status.description.as_description()
            if description.type == "offer":
                if pair.leads and description.revision <= pair.other_offer:
                    return  # it crossed the other's offer, which the client is about to answer; then it offers again
                pair.own_offer = description.revision
            pair.descriptions[description.type] = description
            pair.lane.drop_queued(
                lambda relay: relay.description is not None and relay.description.type == description.type
            )
            self._push(pair, description=description)
        if status.ice is not None:
            pair.ice = PeerCandidates.model_validate(status.ice.model_dump())
            pair.lane.drop_queued(lambda relay: relay.ice is not None)
            self._push(pair, ice=pair.ice)

    def receive_from_other(self, relay: RelayToPeer) -> list[Entry] | None:
        """What another client says: entries for the own client. None when that participant is not known yet: let it be said again."""
        pair = self._pairs.get(relay.from_participant_sid)
        if pair is None or pair.id != relay.peer_connection_id:
            return None
        entries: list[Entry] = []
        if relay.description is not None and self._admits(pair, relay.description):
            entries += self._tell_once(pair, relay.description.type, relay.description.revision, relay.description)
        if relay.ice is not None:
            entries += self._tell_once(pair, f"ice {relay.ice.ufrag}", relay.ice.revision, relay.ice)
        return entries

    def repeat_to(self, participant_sid: str) -> None:
        """That participant has a new socket: what was last said to it may be lost."""
        pair = self._pairs.get(participant_sid)
        if pair is not None:
            pair.lane.drop_queued(lambda _: True)
            for description in sorted(pair.descriptions.values(), key=lambda said: said.revision):
                self._push(pair, description=description)
            if pair.ice is not None:
                self._push(pair, ice=pair.ice)

    # -- the way to the others' gateways -----------------------------------------------------------------------------------------

    def asks_to_send(self, now: float) -> Iterator[AskPeer]:
        for pair in self._pairs.values():
            if (relay := pair.lane.message_to_send(now)) is not None:
                yield AskPeer(relay)

    def receive_reply(self, relay: RelayToPeer) -> None:
        if (pair := self._waiting(relay)) is not None:
            pair.lane.receive_reply()

    def receive_silence(self, relay: RelayToPeer, now: float) -> None:
        if (pair := self._waiting(relay)) is not None:
            pair.lane.receive_silence(now)

    def retry_now(self) -> None:
        for pair in self._pairs.values():
            pair.lane.retry_now()

    def next_timeout(self) -> float | None:
        times = [t for pair in self._pairs.values() if (t := pair.lane.next_timeout()) is not None]
        return min(times, default=None)

    def _waiting(self, relay: RelayToPeer) -> _Pair | None:
        """The pair that waits for the answer to this; None when the other left meanwhile."""
        pair = self._pairs.get(relay.participant_sid)
        return pair if pair is not None and pair.lane.in_flight is relay else None

    def _pair(self, peer_connection_id: str) -> _Pair | None:
        return next((pair for pair in self._pairs.values() if pair.id == peer_connection_id), None)

    def _push(self, pair: _Pair, **said: Any) -> None:
        pair.lane.push(
            RelayToPeer(
                participant_sid=pair.other_sid,
                from_participant_sid=self._participant_sid,
                peer_connection_id=pair.id,
                **said,
            )
        )

    @staticmethod
    def _admits(pair: _Pair, description: Description) -> bool:
        if description.type == "offer":
            if pair.leads and description.revision <= pair.own_offer:
                return False  # it crossed the own client's offer, which counts; its sender will roll back
            pair.other_offer = description.revision
        return True

    @staticmethod
    def _tell_once(pair: _Pair, kind: str, revision: int, said: Description | PeerCandidates) -> list[Entry]:
        key = (pair.id, kind, revision)
        if key in pair.told:
            return []
        pair.told.add(key)
        member = "description" if isinstance(said, Description) else "ice"
        return [{"id": pair.id, member: said.model_dump(exclude_none=True)}]


def pair_id(one_sid: str, other_sid: str) -> str:
    """The peer connection id of two participants. Each join makes a new participant, so no id comes twice in a room."""
    both = ":".join(sorted((one_sid, other_sid)))
    return str(uuid.UUID(bytes=hashlib.sha256(both.encode()).digest()[:16], version=4))


def _entry(peer_connection_id: str, kind: str, revision: int) -> Entry:
    return {"id": peer_connection_id, "description": {"type": kind, "revision": revision}}
