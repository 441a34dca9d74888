"""
One client's peer connection at a media node, from the gateway's side: commands to the node in order, and what of its answers and signals the client is
told. The negotiation itself, glare included, is the node's.

In peer-to-peer rooms `peer_to_peer.Mesh` is in its place.
"""

from collections.abc import Iterator
from typing import Any

from contract.media import (
    ApplyCandidates,
    ApplyDescription,
    ClosePeer,
    DescribePeer,
    Description,
    DesiredState,
    MediaCommand,
    MediaDone,
    MediaRefused,
    OpenPeer,
    PeerDescribed,
    PeerSignal,
    SetBandwidthProfile,
    SetDesired,
)
from contract.rooms import RoomSnapshot, SessionState, TrackKind

from signaling_gateway.core.asks import AskNode
from signaling_gateway.core.lane import Lane
from signaling_gateway.core.relay import Relay, awaits_description
from signaling_gateway.core.view import Lists, desired_state, media_signaling
from signaling_gateway.core.wire import PeerConnectionStatus

CLOSE_DEADLINE_S = 60.0

MediaReply = PeerDescribed | MediaDone | MediaRefused


class NodePeer:
    """
    Begin with `open` or `resume`. Until the client can be told of the connection by `whole`, whatever the node says by itself waits.
    """

    def __init__(self, own: SessionState, lease_epoch: int) -> None:
        self._node_id = own.node_id or ""
        self._participant_sid = own.participant_sid
        self._lease_epoch = lease_epoch
        self._id = own.peer_connection_ids[0] if own.peer_connection_ids else ""
        self._lane: Lane[MediaCommand] = Lane()
        self._relay = Relay(own.media_signaling)
        self._desired: DesiredState | None = None
        self._described: PeerDescribed | None = None
        """The node's answer to `open` or `resume`."""
        self._is_told = False

    @property
    def unanswered(self) -> int:
        """How many commands wait for the node."""
        return len(self._lane)

    @property
    def id(self) -> str:
        """Of the peer connection, as the client named it."""
        return self._id

    @property
    def refused_kinds(self) -> tuple[TrackKind, ...]:
        """The client can publish none of these: it has none of the room's codecs for them."""
        return self._described.refused_kinds if self._described is not None else ()

    # -- commands ------------------------------------------------------------------------------------------------------------------

    def open(self, offer: Description, snapshot: RoomSnapshot, own: SessionState, give_up_at: float) -> None:
        """Have the peer set up and its first offer answered."""
        self._desired = desired_state(snapshot, own)
        command = OpenPeer(
            room_sid=snapshot.room.sid,
            participant_sid=self._participant_sid,
            lease_epoch=self._lease_epoch,
            peer_connection_id=self._id,
            offer=offer,
            video_codecs=snapshot.room.video_codecs,
            audio_only=snapshot.room.audio_only,
            media_signaling=own.media_signaling,
            bandwidth_profile=own.bandwidth_profile,
            desired=self._desired,
        )
        self._lane.push(command, give_up_at=give_up_at)

    def resume(self, latest: Description | None, give_up_at: float) -> None:
        """Ask how the peer stands after another socket had it. `latest` is the client's description, applied if that is still to be done."""
        self._lane.push(self._describe(latest), give_up_at=give_up_at)

    def set_room(self, snapshot: RoomSnapshot, own: SessionState) -> None:
        """The client was told of the room as it is here: let the node know what that means for the peer, if it means anything."""
        desired = desired_state(snapshot, own)
        if self._desired is None or desired != self._desired.model_copy(update={"revision": desired.revision}):
            self._set_desired(desired)

    def repeat_room(self, snapshot: RoomSnapshot, own: SessionState) -> None:
        """The same, to a node that may not have heard."""
        self._set_desired(desired_state(snapshot, own))

    def receive_from_client(self, status: PeerConnectionStatus) -> None:
        """The client's offer, answer, close or candidates. Another connection than this one is nobody's."""
        if status.id != self._id:
            return
        if status.description is not None:
            description = status.description.as_description()
            self._lane.push(
                ApplyDescription(**self._address, peer_connection_id=self._id, description=description),
                # The answer may be what was lost: ask how things stand, which applies the description if that is still to be done.
                retry_as=self._describe(description) if description.type in ("offer", "answer") else None,
            )
        if status.ice is not None:
            self._lane.push(ApplyCandidates(**self._address, peer_connection_id=self._id, **status.ice.model_dump()))

    def set_bandwidth_profile(self, profile: dict[str, Any]) -> None:  # Any: opaque JSON of the client's
        self._lane.drop_queued(lambda command: isinstance(command, SetBandwidthProfile))
        self._lane.push(SetBandwidthProfile(**self._address, bandwidth_profile=profile))

    def wind_up(self) -> None:
        """The session is over: nothing is repeated, nothing queued is said."""
        self._lane.wind_up()

    def close(self, now: float) -> None:
        """Let the node forget the peer."""
        self._lane.push(ClosePeer(**self._address), give_up_at=now + CLOSE_DEADLINE_S)

    # -- what the node says --------------------------------------------------------------------------------------------------------

    def receive_reply(self, reply: MediaReply) -> PeerDescribed | MediaRefused | None:
        """The answer to the outstanding command, when it is one that matters to the client: what it is told, or what ends its session."""
        command = self._lane.receive_reply()
        match reply:
            case MediaRefused() if reply.unknown_peer or reply.stale or awaits_description(command):
                return reply
            case PeerDescribed():
                self._described = self._described or reply
                return reply
            case _:
                return None

    def receive_silence(self, now: float) -> MediaCommand | None:
        """Nobody answered. Returns the command when its time is up."""
        return self._lane.receive_silence(now)

    def receive_signal(self, signal: PeerSignal) -> Lists:
        """The node says something unasked: what to tell the client of it now. The rest waits for `held`."""
        if not self._is_told or awaits_description(self._lane.in_flight):
            self._relay.hold(signal)
            return {}
        return self._changes(signal.peer_connection_id, signal.description, signal.media_signaling)

    def held(self) -> Iterator[Lists]:
        """After a reply and after `whole`: what had waited for that."""
        for signal in self._relay.held_signals():
            yield self.receive_signal(signal)

    def whole(self, own: SessionState) -> Lists | None:
        """
        For `connected` and `synced`: the client closes every peer connection that `synced` does not list.

        None while the node has not answered, or the room has yet to learn from it of a publication that failed: a client that was told that a track
        is published believes it for good.
        """
        described = self._described
        if described is None or any(
            p.error_code is None and p.sid in described.failed_publications for p in own.published
        ):
            return None
        self._is_told = True
        entries = self._relay.description(described.peer_connection_id, described.description)
        return {
            "peer_connections": entries or [{"id": self._id}],
            "media_signaling": media_signaling(self._relay.channels(described.media_signaling)),
        }

    def changes(self, described: PeerDescribed) -> Lists:
        """For an `update`."""
        return self._changes(described.peer_connection_id, described.description, described.media_signaling)

    # -- the way to the node -------------------------------------------------------------------------------------------------------

    def asks_to_send(self, now: float) -> Iterator[AskNode]:
        if (command := self._lane.message_to_send(now)) is not None:
            yield AskNode(self._node_id, command, self._lane.give_up_at)

    def retry_now(self) -> None:
        self._lane.retry_now()

    def next_timeout(self) -> float | None:
        return self._lane.next_timeout()

    @property
    def _address(self) -> dict[str, Any]:
        """What every command names. Any: keyword arguments of several types."""
        return {"participant_sid": self._participant_sid, "lease_epoch": self._lease_epoch}

    def _describe(self, latest: Description | None) -> DescribePeer:
        return DescribePeer(**self._address, peer_connection_id=self._id, latest=latest)

    def _set_desired(self, desired: DesiredState) -> None:
        self._desired = desired
        self._lane.drop_queued(lambda command: isinstance(command, SetDesired))
        self._lane.push(SetDesired(**self._address, desired=desired))

    def _changes(self, peer_connection_id: str, description: Description | None, labels: dict[str, str]) -> Lists:
        lists: Lists = {}
        if described := self._relay.description(peer_connection_id, description):
            lists["peer_connections"] = described
        if channels := self._relay.channels(labels):
            lists["media_signaling"] = media_signaling(channels)
        return lists
