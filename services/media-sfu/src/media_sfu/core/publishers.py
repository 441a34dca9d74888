"""
What the publishers of a room send of their videos: how many layers, what each costs, whose tracks they are. And how much they may send at most: where the
lines of all viewers are too slow for a video of a single layer, or all of them show it small, less than they would.
"""

from collections.abc import Mapping
from math import inf

from contract.media import NodePublication, NodeSubscription

from media_sfu.core.actions import SetReceiveBitrate, UpTrackName
from media_sfu.core.bandwidth.layer_costs import LayerCosts
from media_sfu.core.bandwidth.layer_hints import SimulcastTrack
from media_sfu.core.bandwidth.publisher_limit import AUDIO_BPS, VIDEO_BPS, limitable, line_limit, receive_bps
from media_sfu.core.peer import Peer
from media_sfu.core.statistics import UpTrackRates

MARGIN = 1.1
"""A layer is gone up to only with room to spare: cameras' rates rise and fall, and a step up that fails is seen."""


class Publishers:
    """`peers` are the room's, and stay the room's."""

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        self._peers = peers
        self._rates: Mapping[UpTrackName, UpTrackRates] = {}
        self._layer_costs = LayerCosts()
        self._limits_bps: dict[UpTrackName, int] = {}
        """Of videos whose publishers were told to send less."""
        self._slowed: set[UpTrackName] = set()
        """Those of them for which all lines to viewers are too slow."""

    def receive_rates(self, rates: Mapping[UpTrackName, UpTrackRates]) -> None:
        """The rates of every up track; once a second."""
        self._rates = rates
        self._layer_costs.receive(rates)

    # -- what they send

    def publication(self, subscription: NodeSubscription) -> NodePublication | None:
        """What a subscription is to; None when its publisher has no peer, or no such track any more."""
        publisher = self._peers.get(subscription.publisher_sid)
        return publisher.publication(subscription.track_sid) if publisher is not None else None

    def is_published(self, track_sid: str) -> bool:
        return any(peer.publication(track_sid) is not None for peer in self._peers.values())

    def up_track(self, publisher_sid: str, track_sid: str) -> UpTrackName | None:
        """The up track of that publication, whether it flows or not."""
        peer = self._peers.get(publisher_sid)
        publication = peer.publication(track_sid) if peer is not None else None
        return UpTrackName(publisher_sid, publication.client_track_id) if publication is not None else None

    def layers(self, source: UpTrackName) -> int:
        """
        How many layers a publisher announces. It may send fewer (a small picture, no bandwidth); the forwarder then takes the highest below the target.
        """
        publisher = self._peers.get(source.publisher_sid)
        parameters = publisher.applied.up_tracks.get(source.client_track_id) if publisher is not None else None
        return max(1, len(parameters.ssrcs)) if parameters is not None else 1

    def costs_bps(self, source: UpTrackName, layer: int, current: int | None) -> tuple[int, ...]:
        """What each layer up to this one costs, those above the `current` one with a margin; at least as much as the one below."""
        costs: list[int] = []
        for index in range(layer + 1):
            cost = min(self._layer_costs.bps(source, index), self._limits_bps.get(source, VIDEO_BPS))
            if current is None or index > current:
                cost *= MARGIN
            costs.append(max(int(cost), costs[-1] if costs else 0))
        return tuple(costs)

    def simulcast_tracks(self, peer: Peer) -> dict[UpTrackName, SimulcastTrack]:
        """Those that this one publishes, as far as it has agreed to send them."""
        tracks: dict[UpTrackName, SimulcastTrack] = {}
        for publication in peer.desired.publications:
            parameters = peer.applied.up_tracks.get(publication.client_track_id)
            if parameters is not None and len(parameters.ssrcs) > 1:
                name = UpTrackName(peer.participant_sid, publication.client_track_id)
                tracks[name] = SimulcastTrack(publication.track_sid, len(parameters.ssrcs))
        return tracks

    # -- what they may send

    @property
    def is_limiting(self) -> bool:
        """Whether any publisher was told to send less than it may on free lines."""
        return bool(self._limits_bps)

    def is_slowed(self, source: UpTrackName) -> bool:
        """Whether its publisher was told to send less because lines are slow, so that nobody knows how much it would send."""
        return source in self._slowed

    def limit(
        self, best_shares_bps: Mapping[UpTrackName, float], largest_sizes_bps: Mapping[UpTrackName, float]
    ) -> list[SetReceiveBitrate]:
        """
        Given what the best line to a viewer could give to each video that somebody shows, and what it may take for the largest size in which somebody
        shows it (both infinite where they are not named): what is to be told to publishers of a single layer, where that is too little, or no longer is.
        """
        limits: dict[UpTrackName, int] = {}
        slowed: set[UpTrackName] = set()
        for name in best_shares_bps.keys() | largest_sizes_bps.keys():
            publisher = self._peers.get(name.publisher_sid)
            if publisher is None or not limitable(publisher.applied.up_tracks.values()):
                continue
            rates = self._rates.get(name)
            sent_bps = max(rates.quality.bitrate_bps if rates is not None else 0, self._limits_bps.get(name, 0))
            by_line, by_size = line_limit(best_shares_bps.get(name, inf), sent_bps), largest_sizes_bps.get(name, inf)
            if by_line < by_size:
                slowed.add(name)
            if (limit := min(by_line, by_size)) < inf:
                limits[name] = round(limit)
        changed = {name.publisher_sid for name, _ in limits.items() ^ self._limits_bps.items()}
        self._limits_bps, self._slowed = limits, slowed
        told = {name.publisher_sid: AUDIO_BPS + limit for name, limit in limits.items()}
        return [
            SetReceiveBitrate(sid, told.get(sid, receive_bps(self._peers[sid].applied.up_tracks.values())))
            for sid in sorted(changed & self._peers.keys())
        ]
