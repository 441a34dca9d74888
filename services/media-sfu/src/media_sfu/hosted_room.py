"""
One room at this node: carries out what its core decides, and tells the core what was seen. Owns the handles of its peers and tracks; decides nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog
from contract.media import (
    ApplyDescription,
    ClosePeer,
    CodecsReceived,
    DescribePeer,
    MediaDone,
    OpenPeer,
    PeerDescribed,
    PeerLost,
    PeerSignal,
    PublicationFailed,
    SetBandwidthProfile,
    SetDesired,
    SubscriptionFailed,
)

from media_sfu.core import actions
from media_sfu.core.room import IdMakers, LocalTransport, Room
from media_sfu.data_channels import Clock
from media_sfu.forwarder import Address, Delivery, DownTrackHandle, Forwarder, PeerHandle, UpTrackHandle
from media_sfu.peer_transport import PeerTransport, TransportConnected, TransportEvent
from media_sfu.shared_port import SharedPort

log = structlog.get_logger()

T = TypeVar("T")
LEVELS_INTERVAL_S = 0.2
"""Five audio levels a second tell who speaks."""
Outcome = PeerSignal | PeerLost | SubscriptionFailed | PublicationFailed | CodecsReceived
"""What a room says to the rest of the system."""


class HostedRoom:
    """
    `say` publishes; `addresses` are what clients shall send to. Every public method leaves nothing undone: actions performed, timer armed.
    """

    def __init__(
        self,
        room_sid: str,
        make: IdMakers,
        forwarder: Forwarder,
        port: SharedPort,
        addresses: tuple[Address, ...],
        clock: Clock,
        say: Callable[[Outcome], None],
    ) -> None:
        self.room_sid = room_sid
        self._core = Room(room_sid, make)
        self._forwarder = forwarder
        self._port = port
        self._addresses = addresses
        self._clock = clock
        self._say = say
        self._transports: dict[str, PeerTransport] = {}
        self._participants: dict[PeerHandle, str] = {}
        self._epochs: dict[str, int] = {}
        self._opening: PeerTransport | None = None
        self._up_tracks: dict[actions.UpTrackName, UpTrackHandle] = {}
        self._audio_tracks: dict[actions.UpTrackName, UpTrackHandle] = {}
        self._down_tracks: dict[tuple[str, str], DownTrackHandle] = {}
        self._subscriptions: dict[DownTrackHandle, tuple[str, str]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._levels_timer: asyncio.TimerHandle | None = None

    @property
    def is_empty(self) -> bool:
        return self._core.is_empty

    @property
    def participant_sids(self) -> frozenset[str]:
        """Participants that have a peer here."""
        return frozenset(self._transports)

    @property
    def up_tracks(self) -> int:
        return len(self._up_tracks)

    @property
    def down_tracks(self) -> int:
        return len(self._down_tracks)

    # -- commands: `Refused`, `Stale` and `UnknownPeer` of the core pass through

    def open_peer(self, command: OpenPeer) -> PeerDescribed:
        self._opening = PeerTransport(self._forwarder, self._clock)
        local = LocalTransport(self._addresses, self._opening.fingerprint)
        try:
            reply = self._run(lambda now: self._core.open_peer(command, local, now))
        finally:
            if self._opening is not None:  # refused, or open already
                self._close_later(self._opening)
                self._opening = None
        self._epochs[command.participant_sid] = command.lease_epoch
        return reply

    def apply_description(self, command: ApplyDescription) -> PeerDescribed:
        return self._run(lambda now: self._core.apply_description(command, now))

    def set_desired(self, command: SetDesired) -> MediaDone:
        return self._run(lambda now: self._core.set_desired(command, now))

    def set_bandwidth_profile(self, command: SetBandwidthProfile) -> MediaDone:
        return self._run(lambda now: self._core.set_bandwidth_profile(command, now))

    def describe_peer(self, command: DescribePeer) -> PeerDescribed:
        reply = self._run(lambda now: self._core.describe_peer(command, now))
        self._epochs[command.participant_sid] = command.lease_epoch
        return reply

    def close_peer(self, command: ClosePeer) -> MediaDone:
        return self._run(lambda now: self._core.close_peer(command, now))

    # -- what was seen

    def keyframe_requested(self, down_track: DownTrackHandle) -> bool:
        """A subscriber's PLI or FIR; returns whether the down track is of this room."""
        subscription = self._subscriptions.get(down_track)
        if subscription is None:
            return False
        self._core.keyframe_requested(*subscription)
        self._perform_all()
        return True

    def handle_second(self) -> None:
        """Call once a second: consent, stalled data channels, statistics."""
        now = self._clock()
        for participant_sid, transport in list(self._transports.items()):
            transport.channels.handle_timeout()
            if transport.expire(now):
                self._lost(participant_sid, closed_by_client=False)
        up = self._forwarder.up_track_statistics(list(self._up_tracks.values()))
        down = self._forwarder.down_track_statistics(list(self._down_tracks.values()))
        self._core.receive_statistics(
            dict(zip(self._up_tracks, up, strict=True)),
            dict(zip(self._down_tracks, down, strict=True)),
            now,
        )
        self._perform_all()

    def receive_deliveries(self, deliveries: Mapping[PeerHandle, Delivery]) -> None:
        """What subscribers' feedback told, those of other rooms too; about five times a second, also when there is none."""
        own = {sid: deliveries[handle] for handle, sid in self._participants.items() if handle in deliveries}
        self._core.receive_deliveries(own, self._clock())
        self._perform_all()

    async def close(self) -> None:
        """Close every peer and wait for it."""
        if self._timer is not None:
            self._timer.cancel()
        if self._levels_timer is not None:
            self._levels_timer.cancel()
        for transport in self._transports.values():
            self._port.remove(transport)
            self._close_later(transport)
        self._transports.clear()
        if self._closing:
            await asyncio.wait(self._closing)

    # -- between core and world

    def _run(self, step: Callable[[float], T]) -> T:
        try:
            return step(self._clock())
        finally:
            self._perform_all()
            self._arm_timer()
            self._arm_levels()

    def _perform_all(self) -> None:
        """Enough by itself after steps that touch no negotiation: those of every second."""
        while todo := self._core.actions_to_perform():
            for action in todo:
                self._perform(action)

    def _arm_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._core.next_timeout()
        if due is not None:
            delay = max(0.0, due - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay, self._handle_timeout)

    def _handle_timeout(self) -> None:
        self._timer = None
        self._run(lambda now: self._core.handle_timeout(now))

    def _arm_levels(self) -> None:
        """Levels are read only while somebody wants to know who speaks: five wake-ups a second for each room would be felt."""
        if self._levels_timer is None and self._audio_tracks and self._core.wants_levels:
            self._levels_timer = asyncio.get_running_loop().call_later(LEVELS_INTERVAL_S, self._read_levels)

    def _read_levels(self) -> None:
        self._levels_timer = None
        levels = self._forwarder.take_audio_levels(list(self._audio_tracks.values()))
        self._core.receive_levels(dict(zip(self._audio_tracks, levels, strict=True)), self._clock())
        self._perform_all()
        self._arm_levels()

    def _perform(self, action: actions.Action) -> None:
        perform: Callable[[HostedRoom, Any], None] = _PERFORMERS[type(action)]
        perform(self, action)

    def _start_transport(self, action: actions.StartTransport) -> None:
        assert self._opening is not None
        transport, self._opening = self._opening, None
        sid = action.participant_sid
        self._transports[sid] = transport
        self._participants[transport.handle] = sid
        log.info("peer opened", room_sid=self.room_sid, participant_sid=sid)
        transport.channels.on_opened = partial(self._channel_opened, transport, sid)
        transport.channels.on_closed = partial(self._channel_closed, transport, sid)
        transport.start(action, partial(self._transport_event, transport, sid))
        self._port.add(transport)

    def _restart_ice(self, action: actions.RestartIce) -> None:
        transport = self._transports[action.participant_sid]
        transport.restart_ice(action.local)
        self._port.add(transport)

    def _start_sctp(self, action: actions.StartSctp) -> None:
        self._transports[action.participant_sid].start_sctp(action)

    def _stop_transport(self, action: actions.StopTransport) -> None:
        sid = action.participant_sid
        transport = self._transports.pop(sid)
        del self._participants[transport.handle]
        log.info("peer closed", room_sid=self.room_sid, participant_sid=sid)
        self._epochs.pop(sid, None)
        for key in [k for k in self._down_tracks if k[0] == sid]:
            del self._subscriptions[self._down_tracks.pop(key)]
        for name in [n for n in self._up_tracks if n.publisher_sid == sid]:
            del self._up_tracks[name]
            self._audio_tracks.pop(name, None)
        self._port.remove(transport)
        self._close_later(transport)

    def _start_up_track(self, action: actions.StartUpTrack) -> None:
        peer = self._transports[action.name.publisher_sid].handle
        handle = self._up_tracks[action.name] = self._forwarder.add_up_track(peer, action.parameters)
        self._log_up_track("up track started", action.name)
        if action.parameters.kind == "audio":
            self._audio_tracks[action.name] = handle

    def _stop_up_track(self, action: actions.StopUpTrack) -> None:
        handle = self._up_tracks.pop(action.name, None)
        self._audio_tracks.pop(action.name, None)
        if handle is not None:
            self._forwarder.remove_up_track(handle)
            self._log_up_track("up track stopped", action.name)

    def _log_up_track(self, event: str, name: actions.UpTrackName) -> None:
        log.info(event, room_sid=self.room_sid, participant_sid=name.publisher_sid, track_id=name.client_track_id)

    def _start_down_track(self, action: actions.StartDownTrack) -> None:
        peer = self._transports[action.participant_sid].handle
        handle = self._forwarder.add_down_track(peer, self._up_tracks[action.source], action.parameters)
        self._down_tracks[action.participant_sid, action.subscription_id] = handle
        self._subscriptions[handle] = (action.participant_sid, action.subscription_id)

    def _stop_down_track(self, action: actions.StopDownTrack) -> None:
        handle = self._down_tracks.pop((action.participant_sid, action.subscription_id), None)
        if handle is not None:
            del self._subscriptions[handle]
            self._forwarder.remove_down_track(handle)

    def _pause_down_track(self, action: actions.PauseDownTrack) -> None:
        self._forwarder.pause_down_track(self._down_tracks[action.participant_sid, action.subscription_id])

    def _resume_down_track(self, action: actions.ResumeDownTrack) -> None:
        self._forwarder.resume_down_track(self._down_tracks[action.participant_sid, action.subscription_id])

    def _set_target_layer(self, action: actions.SetTargetLayer) -> None:
        handle = self._down_tracks[action.participant_sid, action.subscription_id]
        self._forwarder.set_target_layer(handle, action.spatial, action.temporal)

    def _set_playout_delay(self, action: actions.SetPlayoutDelay) -> None:
        handle = self._down_tracks[action.participant_sid, action.subscription_id]
        self._forwarder.set_playout_delay(handle, action.delay_s)

    def _probe_downlink(self, action: actions.ProbeDownlink) -> None:
        transport = self._transports[action.participant_sid]
        self._forwarder.probe(transport.handle, action.bitrate_bps, action.length_s)

    def _request_keyframe(self, action: actions.RequestKeyframe) -> None:
        self._forwarder.request_keyframe(self._up_tracks[action.name], action.layer)

    def _set_receive_bitrate(self, action: actions.SetReceiveBitrate) -> None:
        self._forwarder.set_receive_bitrate(self._transports[action.participant_sid].handle, action.bitrate_bps)

    def _open_channel(self, action: actions.OpenChannel) -> None:
        sid, label = action.participant_sid, action.label
        transport = self._transports[sid]
        if action.source is None:
            transport.channels.open(label, action.parameters, partial(self._message, sid, label))
            return
        down = transport.channels.open(label, action.parameters, None)
        publisher = self._transports.get(action.source.publisher_sid)
        up = publisher.channels.up.get(action.source.client_track_id) if publisher else None
        if up is not None:
            up.add_subscriber(down, self._clock())

    def _close_channel(self, action: actions.CloseChannel) -> None:
        transport = self._transports.get(action.participant_sid)
        if transport is not None:
            transport.channels.close_down(action.label)

    def _send_message(self, action: actions.SendMessage) -> None:
        transport = self._transports.get(action.participant_sid)
        channel = transport.channels.down.get(action.label) if transport else None
        if channel is not None:
            channel.send(action.text)

    def _send_signal(self, action: actions.SendSignal) -> None:
        self._say(
            PeerSignal(
                participant_sid=action.participant_sid,
                peer_connection_id=action.peer_connection_id,
                description=action.description,
                media_signaling=dict(action.media_signaling),
            )
        )

    def _report_subscription_failed(self, action: actions.ReportSubscriptionFailed) -> None:
        self._say(
            SubscriptionFailed(
                room_sid=self.room_sid,
                participant_sid=action.participant_sid,
                subscription_id=action.subscription_id,
                code=action.code,
            )
        )

    def _report_publication_failed(self, action: actions.ReportPublicationFailed) -> None:
        self._say(
            PublicationFailed(
                room_sid=self.room_sid,
                participant_sid=action.participant_sid,
                track_sid=action.track_sid,
                code=action.code,
            )
        )

    def _report_codecs(self, action: actions.ReportCodecs) -> None:
        self._say(CodecsReceived(room_sid=self.room_sid, participant_sid=action.participant_sid, codecs=action.codecs))

    # -- events of transports

    def _transport_event(self, transport: PeerTransport, participant_sid: str, event: TransportEvent) -> None:
        if self._transports.get(participant_sid) is not transport:
            return
        if isinstance(event, TransportConnected):
            log.info("peer connected", room_sid=self.room_sid, participant_sid=participant_sid)
            self._run(lambda now: self._core.handle_connected(participant_sid, now))
        else:
            self._lost(participant_sid, event.closed_by_client)

    def _lost(self, participant_sid: str, closed_by_client: bool) -> None:
        log.info(
            "peer lost", room_sid=self.room_sid, participant_sid=participant_sid, closed_by_client=closed_by_client
        )
        self._say(
            PeerLost(
                room_sid=self.room_sid,
                participant_sid=participant_sid,
                lease_epoch=self._epochs.get(participant_sid, 0),
                closed_by_client=closed_by_client,
            )
        )

    def _channel_opened(
        self, transport: PeerTransport, participant_sid: str, label: str, parameters: actions.ChannelParameters
    ) -> None:
        if self._transports.get(participant_sid) is transport:
            self._run(lambda now: self._core.channel_opened(participant_sid, label, parameters, now))

    def _channel_closed(self, transport: PeerTransport, participant_sid: str, label: str) -> None:
        if self._transports.get(participant_sid) is transport:
            self._run(lambda now: self._core.channel_closed(participant_sid, label, now))

    def _message(self, participant_sid: str, label: str, text: str) -> None:
        if participant_sid in self._transports:
            self._run(lambda now: self._core.receive_message(participant_sid, label, text, now))

    def _close_later(self, transport: PeerTransport) -> None:
        task = asyncio.create_task(transport.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


_PERFORMERS: dict[type, Callable[[HostedRoom, Any], None]] = {  # Any: each takes the action of its key
    actions.StartTransport: HostedRoom._start_transport,
    actions.RestartIce: HostedRoom._restart_ice,
    actions.StartSctp: HostedRoom._start_sctp,
    actions.StopTransport: HostedRoom._stop_transport,
    actions.StartUpTrack: HostedRoom._start_up_track,
    actions.StopUpTrack: HostedRoom._stop_up_track,
    actions.StartDownTrack: HostedRoom._start_down_track,
    actions.StopDownTrack: HostedRoom._stop_down_track,
    actions.PauseDownTrack: HostedRoom._pause_down_track,
    actions.ResumeDownTrack: HostedRoom._resume_down_track,
    actions.SetTargetLayer: HostedRoom._set_target_layer,
    actions.SetPlayoutDelay: HostedRoom._set_playout_delay,
    actions.ProbeDownlink: HostedRoom._probe_downlink,
    actions.RequestKeyframe: HostedRoom._request_keyframe,
    actions.SetReceiveBitrate: HostedRoom._set_receive_bitrate,
    actions.OpenChannel: HostedRoom._open_channel,
    actions.CloseChannel: HostedRoom._close_channel,
    actions.SendMessage: HostedRoom._send_message,
    actions.SendSignal: HostedRoom._send_signal,
    actions.ReportSubscriptionFailed: HostedRoom._report_subscription_failed,
    actions.ReportPublicationFailed: HostedRoom._report_publication_failed,
    actions.ReportCodecs: HostedRoom._report_codecs,
}
