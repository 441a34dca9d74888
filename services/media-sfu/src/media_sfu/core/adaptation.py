"""
What each subscriber gets of its video tracks (layer, or nothing for now), what publishers need not send, and what clients are told of that over
media signaling. Which tracks there are is `room`'s affair.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from contract.media import NodePublication, NodeSubscription
from contract.rooms import TrackKind, TrackPriority

from media_sfu.core import media_signaling
from media_sfu.core.actions import (
    Action,
    ChannelParameters,
    OpenChannel,
    PauseDownTrack,
    ProbeDownlink,
    RequestKeyframe,
    ResumeDownTrack,
    SendMessage,
    SetPlayoutDelay,
    SetReceiveBitrate,
    SetTargetLayer,
    UpTrackName,
)
from media_sfu.core.bandwidth.allocation import RANKS, Candidate, allocate, wanted_layer
from media_sfu.core.bandwidth.estimate import DownlinkEstimate
from media_sfu.core.bandwidth.layer_costs import LayerCosts
from media_sfu.core.bandwidth.playout_delay import PlayoutDelays
from media_sfu.core.bandwidth.probing import LENGTH_S
from media_sfu.core.bandwidth.profile import UNBOUNDED, SwitchOff, VideoProfile, video_profile
from media_sfu.core.bandwidth.publisher_hints import PublisherHints
from media_sfu.core.bandwidth.publisher_limit import (
    AUDIO_BPS,
    VIDEO_BPS,
    limitable,
    receive_bps,
    shares_bps,
    video_limit,
)
from media_sfu.core.media_signaling import (
    ClientReset,
    Dimensions,
    MediaSignaling,
    PublisherHintsAnswered,
    QualityInputs,
    Ready,
    RenderHints,
    TrackPriorityChanged,
)
from media_sfu.core.network_quality import FlowQuality, MediaQuality, NetworkQuality, worst
from media_sfu.core.peer import Down, Peer
from media_sfu.core.speakers import Speakers
from media_sfu.core.statistics import DownTrackName, Rates
from media_sfu.forwarder import Delivery, DownTrackStatistics, UpTrackStatistics

MARGIN = 1.1
"""A layer is gone up to only with room to spare: cameras' rates rise and fall, and a step up that fails is seen."""

MAX_TEMPORAL = 3
"""Temporal layers are not limited; VP8 has at most four (RFC 7741 section 4.2)."""


@dataclass(slots=True)
class _Hint:
    """How a client shows a track: at all, and how large."""

    enabled: bool = True
    dimensions: Dimensions | None = None


@dataclass(slots=True)
class _Client:
    """What a peer has asked for, and what the shell and the client were told."""

    signaling: MediaSignaling
    profile: VideoProfile
    estimate: DownlinkEstimate = field(default_factory=DownlinkEstimate)
    priorities: dict[str, TrackPriority] = field(default_factory=dict)
    hints: dict[str, _Hint] = field(default_factory=dict)
    """What it asked of tracks, by subscription id: of a track that it is subscribed to again the SDK remembers nothing."""
    forwarded: dict[str, int | None] = field(default_factory=dict)
    """The layer of each video down track, None when it is off, by subscription id."""
    wanted_bps: float = 0.0
    """What everything would take that it shows."""
    parameters: dict[str, Down] = field(default_factory=dict)
    told_off: set[str] = field(default_factory=set)
    """SIDs of tracks that the client knows to be off. It remembers that of a track for as long as that is published, subscribed to or not."""
    told_speaker: str | None = None
    round_trip_s: float | None = None

    @property
    def budget_bps(self) -> float:
        """What may be spent on its video, or infinity."""
        return min(self.estimate.budget_bps, self.profile.max_subscription_bandwidth or inf)

    @property
    def is_bounded(self) -> bool:
        return self.budget_bps < inf

    @property
    def is_proven(self) -> bool:
        """Whether the bound is more than a suspicion: the line's own, or the application's."""
        return self.estimate.is_proven or self.profile.max_subscription_bandwidth is not None


class Adaptation:
    """
    `peers` are the room's, and stay the room's. Take `actions_to_perform()` after each call.
    """

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        self._peers = peers
        self._clients: dict[str, _Client] = {}
        self._hints: dict[UpTrackName, PublisherHints] = {}
        self._last_hint = 0
        self._speakers = Speakers()
        self._rates = Rates()
        self._layer_costs = LayerCosts()
        self._delays = PlayoutDelays()
        self._limits: dict[UpTrackName, int] = {}
        """Of videos whose publishers were told to send less."""
        self._actions: list[Action] = []

    def actions_to_perform(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

    # -- peers

    def open(self, participant_sid: str, requested: Iterable[str], bandwidth_profile: Mapping[str, Any] | None) -> None:
        """
        A peer is new: open the channels that it asked for and that are served. `Any`: the profile is opaque JSON.
        """
        client = _Client(MediaSignaling(requested), video_profile(bandwidth_profile))
        self._clients[participant_sid] = client
        for label in client.signaling.labels.values():
            self._actions.append(OpenChannel(participant_sid, label, ChannelParameters(), None))

    def forget(self, participant_sid: str) -> None:
        self._clients.pop(participant_sid, None)
        self._hints = {name: hints for name, hints in self._hints.items() if name.publisher_sid != participant_sid}

    def labels(self, participant_sid: str) -> dict[str, str]:
        """The channels of a peer, and their labels."""
        client = self._clients.get(participant_sid)
        return dict(client.signaling.labels) if client is not None else {}

    def set_profile(self, participant_sid: str, bandwidth_profile: Mapping[str, Any] | None) -> None:
        self._clients[participant_sid].profile = video_profile(bandwidth_profile)
        self._evaluate(participant_sid)

    def tracks_changed(self, participant_sids: Iterable[str]) -> None:
        """Down tracks of these peers have started or stopped, a publication behind them changed, or their clients know others now."""
        for participant_sid in participant_sids:
            self._evaluate(participant_sid)
            self._tell_speaker(participant_sid)

    # -- what was seen

    def channel_closed(self, participant_sid: str, label: str) -> None:
        if (client := self._clients.get(participant_sid)) is not None:
            client.signaling.close(label)

    @property
    def wants_levels(self) -> bool:
        """Whether it matters to anybody who speaks."""
        return any(
            "active_speaker" in client.signaling.labels or client.profile is not UNBOUNDED
            for client in self._clients.values()
        )

    def receive_levels(self, levels_db: Mapping[UpTrackName, int | None], now: float) -> None:
        """The loudest level of each audio up track since the last call; about five times a second."""
        loudest: dict[str, float | None] = {sid: None for sid in self._speakers.latest if sid in self._peers}
        for name, level in levels_db.items():
            former = loudest.get(name.publisher_sid)
            if level is not None and (former is None or level > former):
                loudest[name.publisher_sid] = float(level)
        if self._speakers.receive_levels(loudest, now):
            for participant_sid in self._clients:
                self._tell_speaker(participant_sid)
                self._evaluate(participant_sid)

    def receive_statistics(
        self,
        up: Mapping[UpTrackName, UpTrackStatistics],
        down: Mapping[DownTrackName, DownTrackStatistics],
        now: float,
    ) -> None:
        """The counters of every track; once a second."""
        self._rates.receive(up, down, now)
        self._layer_costs.receive(self._rates.up)
        self._limit_publishers()
        for participant_sid, client in self._clients.items():
            # What tracks cost decides nothing for a subscriber without bound: most of them, and nothing is to be done for those.
            if client.is_bounded:
                self._evaluate(participant_sid)
        self._hint_publishers(now)
        self._delays.receive(up, down, now)
        if not self._delays.is_idle:
            self._set_playout_delays(now)

    def receive_deliveries(self, deliveries: Mapping[str, Delivery], now: float) -> None:
        """What subscribers' feedback told, by participant; about five times a second, also when there is none."""
        changed: list[str] = []
        for participant_sid, client in self._clients.items():
            estimate = client.estimate
            former = estimate.budget_bps, estimate.is_proven
            if (delivery := deliveries.get(participant_sid)) is not None:
                estimate.receive_delivery(delivery, now)
            if estimate.budget_bps < inf:
                bitrate_bps = estimate.probe_to_send(client.wanted_bps, now)
                if bitrate_bps is not None:
                    self._actions.append(ProbeDownlink(participant_sid, bitrate_bps, LENGTH_S))
            if (estimate.budget_bps, estimate.is_proven) != former:
                changed.append(participant_sid)
        if changed:
            self._limit_publishers()
        for participant_sid in changed:
            self._evaluate(participant_sid)

    def _wanted_bps(self, client: _Client, peer: Peer, shown: Sequence[Candidate]) -> float:
        """What everything would take that a subscriber shows, as far as its application allows."""
        if any(peer.applied.down_tracks[candidate.id].source in self._limits for candidate in shown):
            return inf
        wanted = sorted((candidate.layers_bps[-1] for candidate in shown), reverse=True)
        return min(sum(wanted[: client.profile.max_tracks]), client.profile.max_subscription_bandwidth or inf)

    def _set_playout_delays(self, now: float) -> None:
        sources = (
            ((peer.participant_sid, subscription_id), down.source)
            for peer in self._peers.values()
            for subscription_id, down in peer.applied.down_tracks.items()
            if down.is_video
        )
        for (participant_sid, subscription_id), delay_s in self._delays.changes(sources, now):
            self._actions.append(SetPlayoutDelay(participant_sid, subscription_id, delay_s))

    # -- messages

    def receive_message(self, participant_sid: str, label: str, text: str, now: float) -> None:
        """A text on a media signaling channel. What is no message of the channel's is ignored."""
        client = self._clients.get(participant_sid)
        channel = client.signaling.channel(label) if client is not None else None
        if client is None or channel is None:
            return
        match media_signaling.parse(text):
            case Ready():
                client.signaling.set_ready(channel)
                self._tell_again(participant_sid, channel)
            case TrackPriorityChanged(track=track, subscribe=priority) if channel == "track_priority":
                self._set_priority(participant_sid, track, priority)
            case RenderHints() as request if channel == "render_hints":
                self._set_hints(participant_sid, request)
            case PublisherHintsAnswered(id=number, hints=results) if channel == "publisher_hints":
                for result in results:
                    self._hint_answered(participant_sid, number, result.track, result.result, now)
            case ClientReset(track=track) if channel == "publisher_hints":
                if (hints := self._hints_of(participant_sid, track)) is not None:
                    hints.reset()
                    self._hint_publishers(now)
            case QualityInputs() as inputs if channel == "network_quality":
                self._answer_quality(participant_sid, inputs)
            case _:
                pass

    def _tell_again(self, participant_sid: str, channel: str) -> None:
        """What a client that has just begun to listen must know."""
        client = self._clients[participant_sid]
        if channel == "active_speaker":
            client.told_speaker = None
            self._tell_speaker(participant_sid)
        elif channel == "track_switch_off":
            client.told_off = set()
            self._evaluate(participant_sid)

    def _set_priority(self, participant_sid: str, track_sid: str, priority: TrackPriority | None) -> None:
        client = self._clients[participant_sid]
        subscription_id = self._subscribed(participant_sid).get(track_sid)
        if subscription_id is None:
            return
        if priority is None:
            client.priorities.pop(subscription_id, None)
        else:
            client.priorities[subscription_id] = priority
        self._evaluate(participant_sid)

    def _set_hints(self, participant_sid: str, request: RenderHints) -> None:
        client, known = self._clients[participant_sid], self._subscribed(participant_sid)
        for update in request.subscriber.hints:
            if update.track in known:
                hint = client.hints.setdefault(known[update.track], _Hint())
                if update.enabled is not None:
                    hint.enabled = update.enabled
                if update.render_dimensions is not None:
                    hint.dimensions = update.render_dimensions
        self._send(participant_sid, "render_hints", media_signaling.render_hints_answer(request, known))
        self._evaluate(participant_sid)

    def _send(self, participant_sid: str, channel: str, text: str) -> None:
        label = self._clients[participant_sid].signaling.labels.get(channel)
        if label is not None:
            self._actions.append(SendMessage(participant_sid, label, text))

    def _subscribed(self, participant_sid: str) -> dict[str, str]:
        """Subscription ids by track SID."""
        peer = self._peers.get(participant_sid)
        return {track.track_sid: track.id for track in peer.desired.subscriptions} if peer is not None else {}

    # -- speakers

    def _tell_speaker(self, participant_sid: str) -> None:
        """
        Name the dominant speaker, once the client knows him: of one that it does not know the SDK would say that nobody speaks, and not correct itself.
        """
        client, peer = self._clients.get(participant_sid), self._peers.get(participant_sid)
        if client is None or peer is None or not client.signaling.is_ready("active_speaker"):
            return
        others = [sid for sid in self._speakers.latest if sid != participant_sid]
        if client.told_speaker == next(iter(others), None):
            return
        known = peer.known_sids | {client.told_speaker}
        speaker = next((sid for sid in others if sid in known), None)
        if speaker != client.told_speaker and (speaker is not None or not others):
            client.told_speaker = speaker
            self._send(participant_sid, "active_speaker", media_signaling.active_speaker(speaker))

    # -- layers and switching off

    def _evaluate(self, participant_sid: str) -> None:
        """Decide anew what a subscriber gets, and say what is other than before."""
        client, peer = self._clients.get(participant_sid), self._peers.get(participant_sid)
        if client is None or peer is None:
            return
        tracks = _video(peer)
        current = {subscription.id for subscription in peer.desired.subscriptions}
        client.hints = {id_: hint for id_, hint in client.hints.items() if id_ in current}
        client.priorities = {id_: priority for id_, priority in client.priorities.items() if id_ in current}
        self._forget_stopped(client, peer)
        profile = client.profile
        shown = self._shown(participant_sid)
        client.wanted_bps = self._wanted_bps(client, peer, shown)
        layers = allocate(
            shown,
            profile.mode,
            client.budget_bps,
            profile.max_tracks,
            switch_off=profile.track_switch_off is not SwitchOff.DISABLED and client.is_proven,
        )
        for subscription_id in tracks:
            self._forward(participant_sid, subscription_id, layers.get(subscription_id))
        self._tell_switched(participant_sid, tracks.values())

    def _shown(self, participant_sid: str) -> list[Candidate]:
        """The video tracks that a subscriber shows."""
        client, peer = self._clients[participant_sid], self._peers.get(participant_sid)
        if peer is None:
            return []
        return [
            self._candidate(client, subscription, peer.applied.down_tracks[subscription.id])
            for subscription in self._latest_speakers_first(_video(peer).values())
            if client.hints.get(subscription.id, _Hint()).enabled
        ]

    def _forget_stopped(self, client: _Client, peer: Peer) -> None:
        """A down track that was stopped, or started anew with other parameters, begins again with everything on."""
        applied = peer.applied.down_tracks
        for subscription_id in list(client.forwarded):
            if applied.get(subscription_id) is not client.parameters[subscription_id]:
                del client.forwarded[subscription_id], client.parameters[subscription_id]

    def _candidate(self, client: _Client, subscription: NodeSubscription, down: Down) -> Candidate:
        layers = self._layers(down.source)
        hint = client.hints.get(subscription.id)
        priority = self._priority(client, subscription)
        dimensions = hint.dimensions if hint is not None else None
        if dimensions is None:
            dimensions = client.profile.render_dimensions.get(priority)
        layer = wanted_layer(layers, dimensions)
        current = client.forwarded.get(subscription.id)
        return Candidate(subscription.id, priority, layer, self._costs(down.source, layer, current))

    def _latest_speakers_first(self, subscriptions: Iterable[NodeSubscription]) -> list[NodeSubscription]:
        """Of tracks with equal priorities, those of who spoke last count most (the SDK's "N-loudest policy")."""
        order = {sid: index for index, sid in enumerate(self._speakers.latest)}
        return sorted(subscriptions, key=lambda subscription: order.get(subscription.publisher_sid, len(order)))

    def _layers(self, source: UpTrackName) -> int:
        """
        How many layers a publisher announces. It may send fewer (a small picture, no bandwidth); the forwarder then takes the highest below the target.
        """
        publisher = self._peers.get(source.publisher_sid)
        parameters = publisher.applied.up_tracks.get(source.client_track_id) if publisher is not None else None
        return max(1, len(parameters.ssrcs)) if parameters is not None else 1

    def _costs(self, source: UpTrackName, layer: int, current: int | None) -> tuple[int, ...]:
        """What each layer up to this one costs, those above the `current` one with a margin; at least as much as the one below."""
        costs: list[int] = []
        for index in range(layer + 1):
            cost = min(self._layer_costs.bps(source, index), self._limits.get(source, VIDEO_BPS))
            if current is None or index > current:
                cost *= MARGIN
            costs.append(max(int(cost), costs[-1] if costs else 0))
        return tuple(costs)

    def _priority(self, client: _Client, subscription: NodeSubscription) -> TrackPriority:
        """The subscriber's, else the publisher's; the dominant speaker's tracks are lifted."""
        publication = self._publication(subscription)
        own = publication.priority if publication is not None else TrackPriority.STANDARD
        priority = client.priorities.get(subscription.id, own)
        lifted = client.profile.active_speaker_priority
        if subscription.publisher_sid == self._speakers.dominant() and RANKS[lifted] > RANKS[priority]:
            return lifted
        return priority

    def _publication(self, subscription: NodeSubscription) -> NodePublication | None:
        publisher = self._peers.get(subscription.publisher_sid)
        return publisher.publication(subscription.track_sid) if publisher is not None else None

    def _forward(self, participant_sid: str, subscription_id: str, layer: int | None) -> None:
        client, peer = self._clients[participant_sid], self._peers[participant_sid]
        down = peer.applied.down_tracks[subscription_id]
        is_new = subscription_id not in client.forwarded
        former = client.forwarded.get(subscription_id)
        client.forwarded[subscription_id] = layer
        client.parameters[subscription_id] = down
        if layer is None:
            if is_new or former is not None:
                self._actions.append(PauseDownTrack(participant_sid, subscription_id))
            return
        simulcast = self._layers(down.source) > 1
        if client.estimate.is_full and former is not None and layer < former:
            # What fills the line goes at once, not with the key frame of the lower layer: behind a full queue that would come late or never.
            self._actions += [
                PauseDownTrack(participant_sid, subscription_id),
                ResumeDownTrack(participant_sid, subscription_id),
            ]
        if simulcast and (is_new or former != layer):
            self._actions.append(SetTargetLayer(participant_sid, subscription_id, layer, MAX_TEMPORAL))
        if not is_new and former is None:
            self._actions.append(ResumeDownTrack(participant_sid, subscription_id))
        if not is_new and former != layer and (simulcast or former is None):
            self._actions.append(RequestKeyframe(down.source))

    def _tell_switched(self, participant_sid: str, tracks: Iterable[NodeSubscription]) -> None:
        client = self._clients[participant_sid]
        if not client.signaling.is_ready("track_switch_off"):
            return
        off = {track.track_sid for track in tracks if client.forwarded.get(track.id) is None}
        on = {track.track_sid for track in tracks} - off
        newly_off, newly_on = off - client.told_off, client.told_off & on
        client.told_off = off | {sid for sid in client.told_off - on if self._is_published(sid)}
        if newly_off or newly_on:
            text = media_signaling.track_switch_off(sorted(newly_off), sorted(newly_on))
            self._send(participant_sid, "track_switch_off", text)

    def _is_published(self, track_sid: str) -> bool:
        return any(peer.publication(track_sid) is not None for peer in self._peers.values())

    # -- publishers

    def _limit_publishers(self) -> None:
        """Tell publishers of a single layer how much the best line to a viewer takes, where that is too little."""
        if not self._limits and all(client.estimate.budget_bps == inf for client in self._clients.values()):
            return
        limits: dict[UpTrackName, int] = {}
        for name, share_bps in self._best_shares_bps().items():
            publisher = self._peers.get(name.publisher_sid)
            if publisher is None or not limitable(publisher.applied.up_tracks.values()):
                continue
            rates = self._rates.up.get(name)
            sent_bps = max(rates.quality.bitrate_bps if rates is not None else 0, self._limits.get(name, 0))
            if (limit := video_limit(share_bps, sent_bps)) is not None:
                limits[name] = limit
        by_publisher = {name.publisher_sid: AUDIO_BPS + limit for name, limit in limits.items()}
        changed = {name for name, _ in limits.items() ^ self._limits.items()}
        for publisher_sid in sorted({name.publisher_sid for name in changed} & self._peers.keys()):
            free_bps = receive_bps(self._peers[publisher_sid].applied.up_tracks.values())
            self._actions.append(SetReceiveBitrate(publisher_sid, by_publisher.get(publisher_sid, free_bps)))
        self._limits = limits

    def _best_shares_bps(self) -> dict[UpTrackName, float]:
        """What the best line to a viewer could give to each video, as far as lines are known."""
        best: dict[UpTrackName, float] = {}
        for participant_sid, client in self._clients.items():
            peer, shown = self._peers.get(participant_sid), self._shown(participant_sid)
            if peer is None or not shown:
                continue
            shares = shares_bps(client.estimate.budget_bps, [candidate.layers_bps[0] for candidate in shown])
            for candidate, share_bps in zip(shown, shares, strict=True):
                source = peer.applied.down_tracks[candidate.id].source
                best[source] = max(best.get(source, 0.0), share_bps)
        return best

    def _hint_publishers(self, now: float) -> None:
        """Tell publishers with simulcast which layers somebody gets."""
        if not any(client.signaling.is_ready("publisher_hints") for client in self._clients.values()):
            self._hints = {}
            return
        targets: dict[UpTrackName, set[int]] = {}
        for client in self._clients.values():
            for subscription_id, layer in client.forwarded.items():
                if layer is not None:
                    targets.setdefault(client.parameters[subscription_id].source, set()).add(layer)
        current: dict[UpTrackName, PublisherHints] = {}
        for participant_sid, client in self._clients.items():
            peer = self._peers.get(participant_sid)
            if peer is None or not client.signaling.is_ready("publisher_hints"):
                continue
            for client_track_id, parameters in peer.applied.up_tracks.items():
                if len(parameters.ssrcs) > 1:
                    name = UpTrackName(participant_sid, client_track_id)
                    hints = current[name] = self._hints.get(name) or PublisherHints(len(parameters.ssrcs))
                    hints.want(self._needed_layers(name, targets.get(name, set()), hints.layers), now)
        self._hints = current
        self._send_hints(now)

    def _needed_layers(self, name: UpTrackName, targets: set[int], layers: int) -> tuple[bool, ...]:
        """Those that somebody gets; and below one that does not flow, all others, as nobody knows whether it ever will."""
        rates = self._rates.up.get(name)
        flowing = {index for index, bps in enumerate(rates.layers_bps) if bps > 0} if rates is not None else set()
        missing = max(targets - flowing, default=0)
        return tuple(index in targets or index < missing for index in range(layers))

    def _send_hints(self, now: float) -> None:
        busy = {name.publisher_sid for name, hints in self._hints.items() if hints.is_waiting(now)}
        for name, hints in self._hints.items():
            track_sid = self._track_sid(name)
            if name.publisher_sid in busy or track_sid is None:
                continue
            layers = hints.hint_to_send(self._last_hint + 1, now)
            if layers is not None:
                busy.add(name.publisher_sid)
                self._last_hint += 1
                text = media_signaling.publisher_hints(self._last_hint, track_sid, layers)
                self._send(name.publisher_sid, "publisher_hints", text)

    def _hint_answered(self, participant_sid: str, number: int, track_sid: str, result: str, now: float) -> None:
        hints = self._hints_of(participant_sid, track_sid)
        if hints is not None:
            hints.receive_result(number, result, now)

    def _hints_of(self, participant_sid: str, track_sid: str) -> PublisherHints | None:
        peer = self._peers.get(participant_sid)
        publication = peer.publication(track_sid) if peer is not None else None
        if publication is None:
            return None
        return self._hints.get(UpTrackName(participant_sid, publication.client_track_id))

    def _track_sid(self, name: UpTrackName) -> str | None:
        peer = self._peers.get(name.publisher_sid)
        if peer is None:
            return None
        return next(
            (track.track_sid for track in peer.desired.publications if track.client_track_id == name.client_track_id),
            None,
        )

    # -- network quality

    def _answer_quality(self, participant_sid: str, inputs: QualityInputs) -> None:
        """
        Every input is answered at once: the client sends the next a second after the answer. The level of a participant that it does not know it
        would take for told, and lose.
        """
        client, peer = self._clients[participant_sid], self._peers.get(participant_sid)
        client.round_trip_s = inputs.ice.rtt if inputs.ice is not None else None
        known = peer.known_sids if peer is not None and inputs.remote_report_level > 0 else set()
        remotes = [
            {"sid": other, **quality.levels(inputs.remote_report_level)}
            for other in self._clients
            if other in known and (quality := self._quality(other)) is not None
        ]
        own = self._quality(participant_sid)
        levels = own.levels(inputs.report_level) if own is not None else None
        self._send(participant_sid, "network_quality", media_signaling.network_quality(levels, remotes))

    def _quality(self, participant_sid: str) -> NetworkQuality | None:
        """None while nothing is known: the SDK keeps the statistics that came with a level until there is another level."""
        peer, client = self._peers.get(participant_sid), self._clients[participant_sid]
        if peer is None or not peer.connected:
            return None
        kinds: dict[str, tuple[list[FlowQuality], list[FlowQuality]]] = {"audio": ([], []), "video": ([], [])}
        for client_track_id, parameters in peer.applied.up_tracks.items():
            name = UpTrackName(participant_sid, client_track_id)
            if name in self._rates.measured:
                kinds[parameters.kind][0].append(self._rates.up[name].quality)
        for subscription_id, down in peer.applied.down_tracks.items():
            if (participant_sid, subscription_id) in self._rates.measured:
                flow = self._rates.down[participant_sid][subscription_id]
                kinds["video" if down.is_video else "audio"][1].append(flow)
        has_tracks = bool(peer.applied.up_tracks or peer.applied.down_tracks)
        if has_tracks and not any(flows for directions in kinds.values() for flows in directions):
            return None
        line = FlowQuality(round_trip_s=client.round_trip_s)
        media = {kind: MediaQuality(worst([line, *sent]), worst([line, *got])) for kind, (sent, got) in kinds.items()}
        return NetworkQuality(media["audio"], media["video"])


def _video(peer: Peer) -> dict[str, NodeSubscription]:
    """A peer's subscriptions to video that flow, by id."""
    return {
        subscription.id: subscription
        for subscription in peer.desired.subscriptions
        if subscription.kind is TrackKind.VIDEO and subscription.id in peer.applied.down_tracks
    }
