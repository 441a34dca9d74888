"""
A room's peers at this node and the tracks between them. It answers the commands of `contract.media`, and says as actions what the shell shall do.
It knows no SDP (`negotiation`), no sockets and no packets.

After each change `_settle` compares what shall hold with what the shell was told, and says the difference. So nothing depends on the order in which
a publication, its m-section, its data channel and the subscriptions to it become known.
"""

from collections.abc import Mapping

from contract.media import (
    ApplyDescription,
    ClosePeer,
    DescribePeer,
    Description,
    MediaDone,
    NodeSubscription,
    OpenPeer,
    PeerDescribed,
    SetBandwidthProfile,
    SetDesired,
)
from contract.rooms import TrackKind

from media_sfu.core.actions import (
    Action,
    ChannelParameters,
    CloseChannel,
    OpenChannel,
    ReportCodecs,
    ReportPublicationFailed,
    ReportSubscriptionFailed,
    RequestKeyframe,
    RestartIce,
    SendSignal,
    SetReceiveBitrate,
    StartDownTrack,
    StartSctp,
    StartTransport,
    StartUpTrack,
    StopDownTrack,
    StopTransport,
    StopUpTrack,
    UpTrackName,
)
from media_sfu.core.adaptation import Adaptation
from media_sfu.core.bandwidth.publisher_limit import receive_bps
from media_sfu.core.local_description import LocalTransport
from media_sfu.core.negotiated_tracks import UpTrack
from media_sfu.core.negotiation import IdMakers, Negotiation, Settings, WantedTrack
from media_sfu.core.peer import Down, Peer, Stale, UnknownPeer
from media_sfu.core.received_codecs import ReceivedCodecs
from media_sfu.core.statistics import DownTrackName
from media_sfu.forwarder import Delivery, DownTrackStatistics, UpTrackStatistics

__all__ = ["IdMakers", "LocalTransport", "Room", "Stale", "UnknownPeer"]


class Room:
    """
    One room at one node. After every call, and after the command's reply is on its way, perform `actions_to_perform()` and arm one timer for
    `next_timeout()`.

    A command raises `contract.errors.Refused` when the peer broke the protocol, `UnknownPeer` (a `Refused`) or `Stale`; a refused command has changed
    nothing.
    """

    def __init__(self, room_sid: str, make: IdMakers) -> None:
        self.room_sid = room_sid
        self._make = make
        self._peers: dict[str, Peer] = {}
        self._actions: list[Action] = []
        self._adaptation = Adaptation(self._peers)
        self._received = ReceivedCodecs()

    # -- commands

    def open_peer(self, command: OpenPeer, local: LocalTransport, now: float) -> PeerDescribed:
        """
        Add a peer and answer its first offer. The same peer connection id again is answered the same again, and `local` is not used.

        Another id for a participant that has a peer replaces that one.
        """
        known = self._peers.get(command.participant_sid)
        if known is not None:
            known.adopt_lease(command.lease_epoch)
            if known.connection_id == command.peer_connection_id:
                return self._described(known, known.negotiation.first_answer)
        settings = Settings(command.video_codecs, command.audio_only)
        peer = Peer(
            command.participant_sid,
            command.peer_connection_id,
            command.lease_epoch,
            Negotiation(local, self._make, settings),
            command.desired,
        )
        self._set_wanted(peer)
        answer = peer.negotiation.receive(command.offer)
        if known is not None:
            self._remove(known, now)
        self._peers[peer.participant_sid] = peer
        self._settle_transport(peer)
        self._adaptation.open(peer.participant_sid, command.media_signaling, command.bandwidth_profile)
        self._settle(peer, now)
        return self._described(peer, answer)

    def apply_description(self, command: ApplyDescription, now: float) -> PeerDescribed:
        """The client's offer, answer or close; stale and colliding ones are ignored."""
        peer = self._peer(command.participant_sid, command.lease_epoch, command.peer_connection_id)
        answer = peer.negotiation.receive(command.description)
        self._settle(peer, now)
        return self._described(peer, answer)

    def set_desired(self, command: SetDesired, now: float) -> MediaDone:
        """What the peer publishes and is subscribed to from now on."""
        peer = self._peer(command.participant_sid, command.lease_epoch)
        peer.adopt_desired(command.desired)
        self._settle(peer, now)
        return MediaDone()

    def set_bandwidth_profile(self, command: SetBandwidthProfile, now: float) -> MediaDone:
        peer = self._peer(command.participant_sid, command.lease_epoch)
        self._adaptation.set_profile(peer.participant_sid, command.bandwidth_profile)
        return MediaDone()

    def describe_peer(self, command: DescribePeer, now: float) -> PeerDescribed:
        """A gateway took the session over: what it must send in `synced`."""
        peer = self._peer(command.participant_sid, command.lease_epoch, command.peer_connection_id)
        description = peer.negotiation.resume(command.latest)
        self._settle(peer, now)
        return self._described(peer, description)

    def close_peer(self, command: ClosePeer, now: float) -> MediaDone:
        """Forget the peer; no error when it is gone already."""
        peer = self._peers.get(command.participant_sid)
        if peer is not None:
            peer.adopt_lease(command.lease_epoch)
            self._remove(peer, now)
        return MediaDone()

    # -- what the shell has seen

    def handle_connected(self, participant_sid: str, now: float) -> None:
        """DTLS is up. Forwarding to the peer starts."""
        if (peer := self._peers.get(participant_sid)) is not None:
            peer.connected = True
            self._settle(peer, now)

    def channel_opened(self, participant_sid: str, label: str, parameters: ChannelParameters, now: float) -> None:
        """
        The client opened a channel: a data track of that id, known to the room yet or not. Keep its messages until an `OpenChannel` names it or it
        closes.
        """
        if (peer := self._peers.get(participant_sid)) is not None:
            peer.channels[label] = parameters
            self._settle(peer, now)

    def channel_closed(self, participant_sid: str, label: str, now: float) -> None:
        """A channel is gone, whoever had opened it."""
        if (peer := self._peers.get(participant_sid)) is not None:
            peer.channels.pop(label, None)
            if peer.applied.channels.pop(label, None) is not None:
                peer.refused_channels.add(label)
            self._adaptation.channel_closed(participant_sid, label)
            self._settle(peer, now)

    def receive_message(self, participant_sid: str, label: str, text: str, now: float) -> None:
        """A text came on a media signaling channel."""
        self._adaptation.receive_message(participant_sid, label, text, now)

    def keyframe_requested(self, participant_sid: str, subscription_id: str) -> None:
        """The subscriber's PLI or FIR for a down track."""
        peer = self._peers.get(participant_sid)
        down = peer.applied.down_tracks.get(subscription_id) if peer is not None else None
        if down is not None:
            self._actions.append(RequestKeyframe(down.source))

    @property
    def wants_levels(self) -> bool:
        """Whether to call `receive_levels`."""
        return self._adaptation.wants_levels

    def receive_levels(self, levels_db: Mapping[UpTrackName, int | None], now: float) -> None:
        """The loudest level of each audio up track since the last call; about five times a second."""
        self._adaptation.receive_levels(levels_db, now)

    def receive_statistics(
        self,
        up: Mapping[UpTrackName, UpTrackStatistics],
        down: Mapping[DownTrackName, DownTrackStatistics],
        now: float,
    ) -> None:
        """The statistics of every up and down track; once a second."""
        self._adaptation.receive_statistics(up, down, now)
        for participant_sid, codecs in self._received.receive_statistics(up).items():
            self._actions.append(ReportCodecs(participant_sid, codecs))

    def receive_deliveries(self, deliveries: Mapping[str, Delivery], now: float) -> None:
        """What subscribers' feedback told, by participant; about five times a second, also when there is none."""
        self._adaptation.receive_deliveries(deliveries, now)

    # -- what to do

    def actions_to_perform(self) -> list[Action]:
        """Everything to do since the last call, in order."""
        actions, self._actions = [*self._actions, *self._adaptation.actions_to_perform()], []
        return actions

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout`, on the clock of `now`; None for never."""
        timeouts = [
            timeout for peer in self._peers.values() if (timeout := peer.negotiation.next_timeout()) is not None
        ]
        return min(timeouts, default=None)

    def handle_timeout(self, now: float) -> None:
        """Repeat unanswered offers."""
        for peer in self._peers.values():
            self._send_offer(peer, now)

    @property
    def is_empty(self) -> bool:
        """No peer is left: the shell may drop the room."""
        return not self._peers

    # -- peers

    def _peer(self, participant_sid: str, lease_epoch: int, connection_id: str | None = None) -> Peer:
        peer = self._peers.get(participant_sid)
        if peer is None or (connection_id is not None and peer.connection_id != connection_id):
            raise UnknownPeer
        peer.adopt_lease(lease_epoch)
        return peer

    def _described(self, peer: Peer, description: Description | None) -> PeerDescribed:
        return PeerDescribed(
            peer_connection_id=peer.connection_id,
            description=description,
            media_signaling=self._adaptation.labels(peer.participant_sid),
            refused_kinds=tuple(TrackKind(kind) for kind in sorted(peer.negotiation.untaken)),
            failed_publications=tuple(sorted(peer.failed_publications)),
        )

    def _remove(self, peer: Peer, now: float) -> None:
        del self._peers[peer.participant_sid]
        self._adaptation.forget(peer.participant_sid)
        self._received.forget_publisher(peer.participant_sid)
        subscribers = self._subscribers(peer)
        for subscriber in subscribers:
            self._set_wanted(subscriber)
            self._stop_down_tracks(subscriber)
            self._close_channels(subscriber)
        self._actions.append(StopTransport(peer.participant_sid))
        for subscriber in subscribers:
            self._send_offer(subscriber, now)
        self._adaptation.tracks_changed(subscriber.participant_sid for subscriber in subscribers)

    def _subscribers(self, publisher: Peer) -> list[Peer]:
        return [
            peer
            for peer in self._peers.values()
            if peer is not publisher and publisher.participant_sid in peer.publisher_sids
        ]

    # -- what shall hold

    def _source(self, subscription: NodeSubscription) -> tuple[UpTrackName, UpTrack] | None:
        """The up track behind a media subscription, if its publisher sends it."""
        publisher = self._peers.get(subscription.publisher_sid)
        publication = publisher.publication(subscription.track_sid) if publisher is not None else None
        if publisher is None or publication is None:
            return None
        track = publisher.up_tracks.get(publication.client_track_id)
        return (
            (UpTrackName(subscription.publisher_sid, publication.client_track_id), track) if track is not None else None
        )

    def _data_source(self, subscription: NodeSubscription) -> tuple[UpTrackName, ChannelParameters] | None:
        """The publisher's channel behind a data subscription, if it has opened it."""
        publisher = self._peers.get(subscription.publisher_sid)
        publication = publisher.publication(subscription.track_sid) if publisher is not None else None
        if publisher is None or publication is None:
            return None
        parameters = publisher.channels.get(publication.client_track_id)
        if parameters is None:
            return None
        return UpTrackName(subscription.publisher_sid, publication.client_track_id), parameters

    def _wanted_channels(self, peer: Peer) -> dict[str, tuple[UpTrackName, ChannelParameters]]:
        return {
            subscription.id: source
            for subscription in peer.data_subscriptions()
            if subscription.id not in peer.refused_channels and (source := self._data_source(subscription)) is not None
        }

    def _wanted_down_tracks(self, peer: Peer) -> dict[str, Down]:
        """Down tracks that the client has agreed to, while it is connected and their sources exist."""
        ready = peer.negotiation.down_tracks if peer.connected else {}
        return {
            subscription.id: Down(source[0], parameters, source[1].parameters.kind == "video")
            for subscription in peer.media_subscriptions()
            if (parameters := ready.get(subscription.id)) is not None
            and (source := self._source(subscription)) is not None
        }

    def _set_wanted(self, peer: Peer) -> None:
        """Tell the negotiation which tracks the client shall get: those whose publishers send them, in a codec that it knows."""
        wanted: list[WantedTrack] = []
        for subscription in peer.media_subscriptions():
            source = self._source(subscription)
            if source is None or subscription.id in peer.failed:
                continue
            if peer.negotiation.can_receive(subscription.kind, source[1].codec):
                wanted.append(WantedTrack(subscription.id, subscription.kind, subscription.publisher_sid))
            else:
                self._fail(peer, subscription.id)
        channels = self._wanted_channels(peer) or self._adaptation.labels(peer.participant_sid)
        peer.negotiation.set_wanted(wanted, data=bool(channels))
        for subscription_id in peer.negotiation.refused_tracks:
            self._fail(peer, subscription_id)

    def _fail(self, peer: Peer, subscription_id: str) -> None:
        if subscription_id not in peer.failed:
            peer.failed.add(subscription_id)
            self._actions.append(ReportSubscriptionFailed(peer.participant_sid, subscription_id, 53404))

    # -- from what holds to what shall hold

    def _settle(self, changed: Peer, now: float) -> None:
        """Bring the shell from what it was told to what shall now hold of this peer and of those that subscribe to it."""
        affected = [changed, *self._subscribers(changed)]
        self._settle_transport(changed)
        for peer in affected:
            self._set_wanted(peer)
            self._stop_down_tracks(peer)
            self._close_channels(peer)
        self._settle_up_tracks(changed)
        self._report_refused(changed)
        for peer in affected:
            self._start_down_tracks(peer)
            self._open_channels(peer)
            self._send_offer(peer, now)
        self._adaptation.tracks_changed(peer.participant_sid for peer in affected)

    def _settle_transport(self, peer: Peer) -> None:
        negotiation, applied = peer.negotiation, peer.applied
        if negotiation.remote is None:
            return
        if applied.transport is None:
            self._actions.append(
                StartTransport(
                    peer.participant_sid, negotiation.local_ice, negotiation.remote.ice, negotiation.remote.fingerprints
                )
            )
        elif applied.transport != negotiation.local_ice:
            self._actions.append(RestartIce(peer.participant_sid, negotiation.local_ice, negotiation.remote.ice))
        applied.transport = negotiation.local_ice
        if negotiation.remote_sctp is not None and not applied.sctp:
            applied.sctp = True
            self._actions.append(
                StartSctp(peer.participant_sid, negotiation.remote_sctp.port, negotiation.remote_sctp.max_message_size)
            )

    def _settle_up_tracks(self, peer: Peer) -> None:
        wanted = {client_track_id: track for client_track_id, track in peer.up_tracks.items() if track.parameters.ssrcs}
        applied = peer.applied.up_tracks
        before = dict(applied)
        for client_track_id, parameters in before.items():
            if client_track_id not in wanted or wanted[client_track_id].parameters != parameters:
                del applied[client_track_id]
                name = UpTrackName(peer.participant_sid, client_track_id)
                self._received.forget(name)
                self._actions.append(StopUpTrack(name))
        for client_track_id, track in wanted.items():
            if client_track_id not in applied:
                applied[client_track_id] = track.parameters
                name = UpTrackName(peer.participant_sid, client_track_id)
                self._received.expect(name, track.codec)
                self._actions.append(StartUpTrack(name, track.mid, track.parameters))
        if applied != before:
            self._actions.append(
                SetReceiveBitrate(peer.participant_sid, receive_bps(track.parameters for track in wanted.values()))
            )

    def _report_refused(self, peer: Peer) -> None:
        """Say which publications cannot be taken, each once."""
        refused = peer.negotiation.refused_up_tracks
        for track in peer.desired.publications:
            if track.client_track_id in refused and track.track_sid not in peer.failed_publications:
                peer.failed_publications.add(track.track_sid)
                self._actions.append(ReportPublicationFailed(peer.participant_sid, track.track_sid, 53404))

    def _stop_down_tracks(self, peer: Peer) -> None:
        """Stop what shall not be, and what hangs on an up track that is about to be stopped."""
        wanted = self._wanted_down_tracks(peer)
        for subscription_id, down in list(peer.applied.down_tracks.items()):
            if wanted.get(subscription_id) != down or not self._up_track_stays(down.source):
                del peer.applied.down_tracks[subscription_id]
                self._actions.append(StopDownTrack(peer.participant_sid, subscription_id))

    def _up_track_stays(self, name: UpTrackName) -> bool:
        publisher = self._peers.get(name.publisher_sid)
        if publisher is None:
            return False
        track = publisher.up_tracks.get(name.client_track_id)
        return track is not None and publisher.applied.up_tracks.get(name.client_track_id) == track.parameters

    def _start_down_tracks(self, peer: Peer) -> None:
        for subscription_id, down in self._wanted_down_tracks(peer).items():
            if subscription_id not in peer.applied.down_tracks and self._up_track_stays(down.source):
                peer.applied.down_tracks[subscription_id] = down
                self._actions.append(
                    StartDownTrack(peer.participant_sid, subscription_id, down.source, down.parameters)
                )
                if down.is_video:
                    self._actions.append(RequestKeyframe(down.source))

    def _open_channels(self, peer: Peer) -> None:
        for label, (source, parameters) in self._wanted_channels(peer).items():
            if label not in peer.applied.channels:
                peer.applied.channels[label] = source
                self._actions.append(OpenChannel(peer.participant_sid, label, parameters, source))

    def _close_channels(self, peer: Peer) -> None:
        wanted = self._wanted_channels(peer)
        for label in [label for label in peer.applied.channels if label not in wanted]:
            del peer.applied.channels[label]
            self._actions.append(CloseChannel(peer.participant_sid, label))

    def _send_offer(self, peer: Peer, now: float) -> None:
        offer = peer.negotiation.offer_to_send(now)
        if offer is not None:
            self._actions.append(SendSignal(peer.participant_sid, peer.connection_id, offer))
