"""
What one subscriber gets of its video tracks: which layer, or nothing for now. By what its line takes, its bandwidth profile, how it shows them, and who
speaks. Which tracks there are is the room's affair, what they cost the publishers'.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from contract.media import NodeSubscription
from contract.rooms import TrackKind, TrackPriority

from media_sfu.core.actions import Action, UpTrackName
from media_sfu.core.bandwidth.allocation import RANKS, Candidate, allocate, least_bps, wanted_layer
from media_sfu.core.bandwidth.estimate import DownlinkEstimate
from media_sfu.core.bandwidth.profile import SwitchOff, VideoProfile
from media_sfu.core.bandwidth.publisher_limit import shares_bps, size_limit
from media_sfu.core.forwarding import Forwarding
from media_sfu.core.media_signaling import Dimensions, RenderHint
from media_sfu.core.peer import Down, Peer
from media_sfu.core.publishers import Publishers
from media_sfu.core.speakers import Speakers


@dataclass(slots=True)
class _Hint:
    """How a client shows a track: at all, and how large."""

    enabled: bool = True
    dimensions: Dimensions | None = None


class SubscribedVideo:
    """
    Give its `estimate` what its feedback tells, and let it `share_out` anew after whatever could matter. `publishers` and `speakers` are the room's.

    What it asked of tracks is kept by subscription id: of a track that it is subscribed to again the SDK remembers nothing.
    """

    def __init__(self, profile: VideoProfile, publishers: Publishers, speakers: Speakers) -> None:
        self.profile = profile
        self.estimate = DownlinkEstimate()
        self.forwarding = Forwarding()
        self.wanted_bps = 0.0
        """What everything would take that it shows, as far as its application allows."""
        self._publishers = publishers
        self._speakers = speakers
        self._priorities: dict[str, TrackPriority] = {}
        self._hints: dict[str, _Hint] = {}

    # -- what it asks for

    def set_priority(self, subscription_id: str, priority: TrackPriority | None) -> None:
        """The subscriber's own priority of a track; None falls back to the publisher's."""
        if priority is None:
            self._priorities.pop(subscription_id, None)
        else:
            self._priorities[subscription_id] = priority

    def set_hint(self, subscription_id: str, update: RenderHint) -> None:
        """How it shows a track from now on. What the update does not name stays as it was."""
        hint = self._hints.setdefault(subscription_id, _Hint())
        if update.enabled is not None:
            hint.enabled = update.enabled
        if update.render_dimensions is not None:
            hint.dimensions = update.render_dimensions

    # -- what bounds it

    @property
    def budget_bps(self) -> float:
        """What may be spent on its video, or infinity."""
        return min(self.estimate.budget_bps, self.profile.max_subscription_bandwidth or inf)

    @property
    def is_bounded(self) -> bool:
        return self.budget_bps < inf

    @property
    def _is_proven(self) -> bool:
        """Whether the bound is more than a suspicion: the line's own, or the application's."""
        return self.estimate.is_proven or self.profile.max_subscription_bandwidth is not None

    def _budget_for(self, shown: Sequence[Candidate]) -> float:
        """
        The application's bound never takes the most important picture away, only a slow line does: the stock SDK's own tests expect one with a bound of
        400 bit/s.
        """
        allowed_bps = max(self.profile.max_subscription_bandwidth or inf, least_bps(shown))
        return min(self.estimate.budget_bps, allowed_bps)

    # -- what it gets

    def share_out(self, peer: Peer) -> list[Action]:
        """Decide anew what it gets. Returns what the shell must do that is other than before."""
        self._forget_ended(peer)
        tracks = flowing_video(peer)
        shown = self._shown(peer, tracks)
        self.wanted_bps = self._wanted_bps(peer, shown)
        layers = allocate(
            shown,
            self.profile.mode,
            self._budget_for(shown),
            self.profile.max_tracks,
            switch_off=self.profile.track_switch_off is not SwitchOff.DISABLED and self._is_proven,
        )
        actions: list[Action] = []
        for track in tracks:
            down = peer.applied.down_tracks[track.id]
            actions += self.forwarding.set_layer(
                (peer.participant_sid, track.id),
                down,
                layers.get(track.id),
                is_simulcast=self._publishers.layers(down.source) > 1,
                is_full=self.estimate.is_full,
            )
        return actions

    def shares_bps(self, peer: Peer) -> dict[UpTrackName, float]:
        """What its line could give to each video that it shows; infinity where no bound of the line is known."""
        shown = self._shown(peer, flowing_video(peer))
        if not shown:
            return {}
        shares = shares_bps(self.estimate.budget_bps, [candidate.layers_bps[0] for candidate in shown])
        best: dict[UpTrackName, float] = {}
        for candidate, share_bps in zip(shown, shares, strict=True):
            source = peer.applied.down_tracks[candidate.id].source
            best[source] = max(best.get(source, 0.0), share_bps)
        return best

    @property
    def tells_sizes(self) -> bool:
        """Whether it has told how large it shows anything."""
        return bool(self._hints or self.profile.render_dimensions)

    def sizes_bps(self, peer: Peer) -> dict[UpTrackName, float]:
        """What each video that it gets may take for the size in which it shows it; infinity for all of it."""
        sizes: dict[UpTrackName, float] = {}
        for track in flowing_video(peer):
            if self.forwarding.layer(track.id) is not None:
                source = peer.applied.down_tracks[track.id].source
                size_bps = size_limit(self._dimensions(track, self._priority(track)))
                sizes[source] = max(sizes.get(source, 0.0), size_bps)
        return sizes

    def _forget_ended(self, peer: Peer) -> None:
        if self._hints or self._priorities:
            current = {subscription.id for subscription in peer.desired.subscriptions}
            self._hints = {id_: hint for id_, hint in self._hints.items() if id_ in current}
            self._priorities = {id_: priority for id_, priority in self._priorities.items() if id_ in current}
        self.forwarding.forget_stopped(peer.applied.down_tracks)

    def _shown(self, peer: Peer, tracks: Iterable[NodeSubscription]) -> list[Candidate]:
        """Those of these tracks that it shows, the latest speakers' first."""
        return [
            self._candidate(subscription, peer.applied.down_tracks[subscription.id])
            for subscription in self._latest_speakers_first(tracks)
            if (hint := self._hints.get(subscription.id)) is None or hint.enabled
        ]

    def _candidate(self, subscription: NodeSubscription, down: Down) -> Candidate:
        priority = self._priority(subscription)
        layer = wanted_layer(self._publishers.layers(down.source), self._dimensions(subscription, priority))
        current = self.forwarding.layer(subscription.id)
        return Candidate(subscription.id, priority, layer, self._publishers.costs_bps(down.source, layer, current))

    def _dimensions(self, subscription: NodeSubscription, priority: TrackPriority) -> Dimensions | None:
        """How large it shows a track, if it told."""
        hint = self._hints.get(subscription.id)
        if hint is not None and hint.dimensions is not None:
            return hint.dimensions
        return self.profile.render_dimensions.get(priority)

    def _latest_speakers_first(self, tracks: Iterable[NodeSubscription]) -> list[NodeSubscription]:
        """Of tracks with equal priorities, those of who spoke last count most (the SDK's "N-loudest policy")."""
        order = {sid: index for index, sid in enumerate(self._speakers.latest)}
        return sorted(tracks, key=lambda subscription: order.get(subscription.publisher_sid, len(order)))

    def _priority(self, subscription: NodeSubscription) -> TrackPriority:
        """The subscriber's, else the publisher's; the dominant speaker's tracks are lifted."""
        publication = self._publishers.publication(subscription)
        own = publication.priority if publication is not None else TrackPriority.STANDARD
        priority = self._priorities.get(subscription.id, own)
        lifted = self.profile.active_speaker_priority
        if subscription.publisher_sid == self._speakers.dominant() and RANKS[lifted] > RANKS[priority]:
            return lifted
        return priority

    def _wanted_bps(self, peer: Peer, shown: Sequence[Candidate]) -> float:
        """A video whose publisher was told to send less, as lines are slow, would take nobody knows how much."""
        if any(self._publishers.is_slowed(peer.applied.down_tracks[candidate.id].source) for candidate in shown):
            return inf
        wanted = sorted((candidate.layers_bps[-1] for candidate in shown), reverse=True)
        return min(sum(wanted[: self.profile.max_tracks]), self.profile.max_subscription_bandwidth or inf)


def flowing_video(peer: Peer) -> list[NodeSubscription]:
    """A peer's subscriptions to video that have a down track."""
    return [
        subscription
        for subscription in peer.desired.subscriptions
        if subscription.kind is TrackKind.VIDEO and subscription.id in peer.applied.down_tracks
    ]
