"""
One peer: what the room wants of it, what its negotiation has come to, and what the shell was told of it. No SDP and no policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.errors import Refused
from contract.media import DesiredState, NodePublication, NodeSubscription
from contract.rooms import TrackKind

from media_sfu.core.actions import ChannelParameters, IceCredentials, UpTrackName
from media_sfu.core.negotiated_tracks import UpTrack
from media_sfu.core.negotiation import Negotiation
from media_sfu.forwarder import DownTrackParameters, UpTrackParameters


class Stale(Exception):
    """An older lease epoch or desired revision than the one applied last."""


@dataclass(frozen=True, slots=True)
class Down:
    """A down track as the shell knows it."""

    source: UpTrackName
    parameters: DownTrackParameters
    is_video: bool


@dataclass(slots=True)
class Applied:
    """What the shell was told to have, by client track id, subscription id and channel label."""

    transport: IceCredentials | None = None
    sctp: bool = False
    up_tracks: dict[str, UpTrackParameters] = field(default_factory=dict)
    down_tracks: dict[str, Down] = field(default_factory=dict)
    channels: dict[str, UpTrackName] = field(default_factory=dict)


@dataclass(slots=True)
class Peer:
    """
    A participant's peer connection at this node.

    `channels` are those that the client opened, by label. `failed` are the subscriptions that were reported as failed, `refused_channels` those whose
    channel the client closed by itself: neither is tried again. `failed_publications` are the SIDs of the tracks that were reported as failed.
    """

    participant_sid: str
    connection_id: str
    lease_epoch: int
    negotiation: Negotiation
    desired: DesiredState
    connected: bool = False
    channels: dict[str, ChannelParameters] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    failed_publications: set[str] = field(default_factory=set)
    refused_channels: set[str] = field(default_factory=set)
    applied: Applied = field(default_factory=Applied)

    def adopt_lease(self, lease_epoch: int) -> None:
        """Raises `Stale` for an older epoch than the one known."""
        if lease_epoch < self.lease_epoch:
            raise Stale
        self.lease_epoch = lease_epoch

    def adopt_desired(self, desired: DesiredState) -> None:
        """Raises `Stale` for an older revision than the one known."""
        if desired.revision < self.desired.revision:
            raise Stale
        self.desired = desired
        current = {subscription.id for subscription in desired.subscriptions}
        self.failed &= current
        self.failed_publications &= {track.track_sid for track in desired.publications}
        self.refused_channels &= current

    @property
    def publisher_sids(self) -> set[str]:
        """Whose tracks it is subscribed to."""
        return {subscription.publisher_sid for subscription in self.desired.subscriptions}

    @property
    def known_sids(self) -> set[str]:
        """
        Participants that the client surely knows by now.

        It is told of somebody over its socket before `desired` names him, but that is another way than a data channel. When it receives a track of
        his there is proof: its answer to the offer of that track followed the news on the socket.
        """
        received = {down.source.publisher_sid for down in self.applied.down_tracks.values()}
        awaited = {track.publisher_sid for track in self.media_subscriptions() if track.id not in self.failed}
        return received | (set(self.desired.participants) - awaited)

    def publication(self, track_sid: str) -> NodePublication | None:
        return next((track for track in self.desired.publications if track.track_sid == track_sid), None)

    @property
    def up_tracks(self) -> Mapping[str, UpTrack]:
        """Media that the client sends and the room knows of, by client track id; Firefox's dummy audio track is not among them."""
        published = {
            track.client_track_id: track.kind.value
            for track in self.desired.publications
            if track.kind is not TrackKind.DATA
        }
        return {
            client_track_id: track
            for client_track_id, track in self.negotiation.up_tracks.items()
            if published.get(client_track_id) == track.parameters.kind
        }

    def media_subscriptions(self) -> list[NodeSubscription]:
        return [track for track in self.desired.subscriptions if track.kind is not TrackKind.DATA]

    def data_subscriptions(self) -> list[NodeSubscription]:
        return [track for track in self.desired.subscriptions if track.kind is TrackKind.DATA]


class UnknownPeer(Refused):
    """The room holds no such peer, or another peer connection of that participant."""

    def __init__(self) -> None:
        super().__init__(53405, "The node does not hold this peer")
