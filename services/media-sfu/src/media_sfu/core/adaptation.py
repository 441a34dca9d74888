"""
How a room adapts to its participants' lines and wishes: gives what was seen and asked to those who decide by it (`subscribed_video`, `publishers`,
`layer_hints`, `speakers`), and tells clients over media signaling. Which tracks there are is `room`'s affair.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from contract.rooms import TrackPriority

from media_sfu.core import media_signaling
from media_sfu.core.actions import (
    Action,
    ChannelParameters,
    OpenChannel,
    ProbeDownlink,
    SendMessage,
    SetPlayoutDelay,
    UpTrackName,
)
from media_sfu.core.bandwidth.layer_hints import LayerHints
from media_sfu.core.bandwidth.playout_delay import PlayoutDelays
from media_sfu.core.bandwidth.probing import LENGTH_S
from media_sfu.core.bandwidth.profile import UNBOUNDED, video_profile
from media_sfu.core.media_signaling import (
    ClientReset,
    MediaSignaling,
    PublisherHintsAnswered,
    QualityInputs,
    Ready,
    RenderHints,
    TrackPriorityChanged,
)
from media_sfu.core.network_quality import NetworkQuality
from media_sfu.core.notices import Notices
from media_sfu.core.participant_quality import participant_quality
from media_sfu.core.peer import Peer
from media_sfu.core.publishers import Publishers
from media_sfu.core.speakers import Speakers
from media_sfu.core.statistics import DownTrackName, Rates
from media_sfu.core.subscribed_video import SubscribedVideo, flowing_video
from media_sfu.forwarder import Delivery, DownTrackStatistics, UpTrackStatistics


@dataclass(slots=True)
class _Client:
    """A peer's other end. `round_trip_s` is what it measured itself last."""

    signaling: MediaSignaling
    video: SubscribedVideo
    notices: Notices = field(default_factory=Notices)
    round_trip_s: float | None = None


class Adaptation:
    """
    `peers` are the room's, and stay the room's. Take `actions_to_perform()` after each call.
    """

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        self._peers = peers
        self._clients: dict[str, _Client] = {}
        self._publishers = Publishers(peers)
        self._hints = LayerHints()
        self._speakers = Speakers()
        self._rates = Rates()
        self._delays = PlayoutDelays()
        self._actions: list[Action] = []

    def actions_to_perform(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

    # -- peers

    def open(self, participant_sid: str, requested: Iterable[str], bandwidth_profile: Mapping[str, Any] | None) -> None:
        """
        A peer is new: open the channels that it asked for and that are served. `Any`: the profile is opaque JSON.
        """
        video = SubscribedVideo(video_profile(bandwidth_profile), self._publishers, self._speakers)
        client = self._clients[participant_sid] = _Client(MediaSignaling(requested), video)
        for label in client.signaling.labels.values():
            self._actions.append(OpenChannel(participant_sid, label, ChannelParameters(), None))

    def forget(self, participant_sid: str) -> None:
        self._clients.pop(participant_sid, None)
        self._hints.forget(participant_sid)

    def labels(self, participant_sid: str) -> dict[str, str]:
        """The channels of a peer, and their labels."""
        client = self._clients.get(participant_sid)
        return dict(client.signaling.labels) if client is not None else {}

    def set_profile(self, participant_sid: str, bandwidth_profile: Mapping[str, Any] | None) -> None:
        self._clients[participant_sid].video.profile = video_profile(bandwidth_profile)
        self._share_out(participant_sid)

    def tracks_changed(self, participant_sids: Iterable[str]) -> None:
        """Down tracks of these peers have started or stopped, a publication behind them changed, or their clients know others now."""
        for participant_sid in participant_sids:
            self._share_out(participant_sid)
            self._tell_speaker(participant_sid)

    # -- what was seen

    def channel_closed(self, participant_sid: str, label: str) -> None:
        if (client := self._clients.get(participant_sid)) is not None:
            client.signaling.close(label)

    @property
    def wants_levels(self) -> bool:
        """Whether it matters to anybody who speaks."""
        return any(
            "active_speaker" in client.signaling.labels or client.video.profile is not UNBOUNDED
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
                self._share_out(participant_sid)

    def receive_statistics(
        self,
        up: Mapping[UpTrackName, UpTrackStatistics],
        down: Mapping[DownTrackName, DownTrackStatistics],
        now: float,
    ) -> None:
        """The counters of every track; once a second."""
        self._rates.receive(up, down, now)
        self._publishers.receive_rates(self._rates.up)
        self._limit_publishers()
        for participant_sid, client in self._clients.items():
            # What tracks cost decides nothing for a subscriber without bound: most of them, and nothing is to be done for those.
            if client.video.is_bounded:
                self._share_out(participant_sid)
        self._hint_publishers(now)
        self._delays.receive(up, down, now)
        if not self._delays.is_idle:
            self._set_playout_delays(now)

    def receive_deliveries(self, deliveries: Mapping[str, Delivery], now: float) -> None:
        """What subscribers' feedback told, by participant; about five times a second, also when there is none."""
        changed: list[str] = []
        for participant_sid, client in self._clients.items():
            estimate = client.video.estimate
            former = estimate.budget_bps, estimate.is_proven
            if (delivery := deliveries.get(participant_sid)) is not None:
                estimate.receive_delivery(delivery, now)
            if estimate.budget_bps < inf:
                bitrate_bps = estimate.probe_to_send(client.video.wanted_bps, now)
                if bitrate_bps is not None:
                    self._actions.append(ProbeDownlink(participant_sid, bitrate_bps, LENGTH_S))
            if (estimate.budget_bps, estimate.is_proven) != former:
                changed.append(participant_sid)
        if changed:
            self._limit_publishers()
        for participant_sid in changed:
            self._share_out(participant_sid)

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
            case PublisherHintsAnswered() as answer if channel == "publisher_hints":
                self._hints_answered(participant_sid, answer, now)
            case ClientReset(track=track) if channel == "publisher_hints":
                if (name := self._publishers.up_track(participant_sid, track)) is not None:
                    self._hints.reset(name)
                    self._hint_publishers(now)
            case QualityInputs() as inputs if channel == "network_quality":
                self._answer_quality(participant_sid, inputs)
            case _:
                pass

    def _tell_again(self, participant_sid: str, channel: str) -> None:
        """What a client that has just begun to listen must know."""
        notices = self._clients[participant_sid].notices
        if channel == "active_speaker":
            notices.speaker = None
            self._tell_speaker(participant_sid)
        elif channel == "track_switch_off":
            notices.off = frozenset()
            self._share_out(participant_sid)

    def _set_priority(self, participant_sid: str, track_sid: str, priority: TrackPriority | None) -> None:
        subscription_id = self._subscribed(participant_sid).get(track_sid)
        if subscription_id is not None:
            self._clients[participant_sid].video.set_priority(subscription_id, priority)
            self._share_out(participant_sid)

    def _set_hints(self, participant_sid: str, request: RenderHints) -> None:
        video, known = self._clients[participant_sid].video, self._subscribed(participant_sid)
        for update in request.subscriber.hints:
            if update.track in known:
                video.set_hint(known[update.track], update)
        self._send(participant_sid, "render_hints", media_signaling.render_hints_answer(request, known))
        self._share_out(participant_sid)

    def _subscribed(self, participant_sid: str) -> dict[str, str]:
        """Subscription ids by track SID."""
        peer = self._peers.get(participant_sid)
        return {track.track_sid: track.id for track in peer.desired.subscriptions} if peer is not None else {}

    def _hints_answered(self, participant_sid: str, answer: PublisherHintsAnswered, now: float) -> None:
        for result in answer.hints:
            if (name := self._publishers.up_track(participant_sid, result.track)) is not None:
                self._hints.receive_result(name, answer.id, result.result, now)

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
        peer = self._peers.get(participant_sid)
        if peer is None:
            return None
        return participant_quality(peer, self._rates, self._clients[participant_sid].round_trip_s)

    # -- what follows for subscribers

    def _share_out(self, participant_sid: str) -> None:
        """Decide anew what a subscriber gets, and say what is other than before."""
        client, peer = self._clients.get(participant_sid), self._peers.get(participant_sid)
        if client is None or peer is None:
            return
        self._actions += client.video.share_out(peer)
        if client.signaling.is_ready("track_switch_off"):
            tracks = flowing_video(peer)
            off = {track.track_sid for track in tracks if client.video.forwarding.layer(track.id) is None}
            on = {track.track_sid for track in tracks} - off
            text = client.notices.switched_to_tell(off, on, self._publishers.is_published)
            self._send(participant_sid, "track_switch_off", text)

    def _tell_speaker(self, participant_sid: str) -> None:
        client, peer = self._clients.get(participant_sid), self._peers.get(participant_sid)
        if client is not None and peer is not None and client.signaling.is_ready("active_speaker"):
            text = client.notices.speaker_to_tell(self._speakers.latest, peer)
            self._send(participant_sid, "active_speaker", text)

    def _set_playout_delays(self, now: float) -> None:
        sources = (
            ((peer.participant_sid, subscription_id), down.source)
            for peer in self._peers.values()
            for subscription_id, down in peer.applied.down_tracks.items()
            if down.is_video
        )
        for (participant_sid, subscription_id), delay_s in self._delays.changes(sources, now):
            self._actions.append(SetPlayoutDelay(participant_sid, subscription_id, delay_s))

    # -- what follows for publishers

    def _limit_publishers(self) -> None:
        """Tell publishers of a single layer how much there is use for: what the best line to a viewer takes, and what the largest picture needs."""
        videos = [client.video for client in self._clients.values()]
        is_bounded = any(video.estimate.budget_bps < inf for video in videos)
        is_sized = any(video.tells_sizes for video in videos)
        if not (is_bounded or is_sized or self._publishers.is_limiting):
            return
        best: dict[UpTrackName, float] = {}
        largest: dict[UpTrackName, float] = {}
        for participant_sid, client in self._clients.items():
            if (peer := self._peers.get(participant_sid)) is not None:
                if is_bounded:
                    _raise(best, client.video.shares_bps(peer))
                if is_sized:
                    _raise(largest, client.video.sizes_bps(peer))
        self._actions += self._publishers.limit(best, largest)

    def _hint_publishers(self, now: float) -> None:
        """Tell publishers with simulcast which layers somebody gets."""
        tracks = {
            name: track
            for participant_sid, client in self._clients.items()
            if client.signaling.is_ready("publisher_hints") and (peer := self._peers.get(participant_sid)) is not None
            for name, track in self._publishers.simulcast_tracks(peer).items()
        }
        targets: dict[UpTrackName, set[int]] = {}
        for client in self._clients.values() if tracks else ():
            for source, layer in client.video.forwarding.targets():
                targets.setdefault(source, set()).add(layer)
        for hint in self._hints.hints_to_send(tracks, targets, now):
            text = media_signaling.publisher_hints(hint.number, hint.track_sid, hint.layers)
            self._send(hint.publisher_sid, "publisher_hints", text)

    def _send(self, participant_sid: str, channel: str, text: str | None) -> None:
        """Nothing is sent for None, nor to a client that has no such channel."""
        label = self._clients[participant_sid].signaling.labels.get(channel)
        if text is not None and label is not None:
            self._actions.append(SendMessage(participant_sid, label, text))


def _raise(greatest: dict[UpTrackName, float], others: Mapping[UpTrackName, float]) -> None:
    for name, value in others.items():
        greatest[name] = max(greatest.get(name, 0.0), value)
