"""
The `Forwarder` in plain Python: one non-blocking UDP socket, one library call a packet. It carries small rooms until the batch engine takes its place
behind the same face.

Left out: temporal layers are not thinned out (`set_target_layer` chooses the simulcast layer only).
"""

import asyncio
import itertools
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeVar

from aiortc import rtp

from media_sfu.forwarder import (
    Address,
    BandwidthEstimated,
    DatagramReceived,
    DownTrackHandle,
    DownTrackParameters,
    DownTrackStatistics,
    ForwarderEvent,
    KeyframeRequested,
    PeerHandle,
    SrtpKeys,
    StaleHandle,
    UpTrackHandle,
    UpTrackParameters,
    UpTrackStatistics,
)
from media_sfu.python_tracks import DownTrack, Layer, Packet, Peer, UpTrack, make_srtp

RECEIVE_SIZE = 1600
"""Longest datagram; longer ones are truncated and dropped."""
BATCH = 64
TICK_S = 0.05
REPORT_INTERVAL_S = 1.0
KEYFRAME_INTERVAL_S = 0.3
SOCKET_BUFFER = 4 * 1024 * 1024
NTP_EPOCH_S = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 5905)."""

H = TypeVar("H", PeerHandle, UpTrackHandle, DownTrackHandle)
V = TypeVar("V")


class PythonForwarder:
    """See `Forwarder`. Binds `host` and `port` (0 takes a free one) and works in the running event loop."""

    def __init__(self, host: str, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        if family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        self._socket.bind((host, port))
        self._is_ipv6 = family == socket.AF_INET6
        self._handles = itertools.count(1)
        self._peers: dict[PeerHandle, Peer] = {}
        self._up_tracks: dict[UpTrackHandle, UpTrack] = {}
        self._down_tracks: dict[DownTrackHandle, DownTrack] = {}
        self._by_address: dict[Address, Peer] = {}
        self._events: list[ForwarderEvent] = []
        self._counters: Counter[str] = Counter()
        self._last_report_s = time.monotonic()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(TICK_S, self._tick)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    # -- the face

    def fileno(self) -> int:
        return self._socket.fileno()

    def events_received(self) -> list[ForwarderEvent]:
        for _ in range(BATCH):
            try:
                data, source = self._socket.recvfrom(RECEIVE_SIZE)
            except (BlockingIOError, ConnectionRefusedError):
                break
            self._receive(data, _address(source))
        events, self._events = self._events, []
        return events

    def send_datagram(self, data: bytes, remote: Address) -> None:
        target = ("::ffff:" + remote[0], remote[1]) if self._is_ipv6 and ":" not in remote[0] else remote
        try:
            self._socket.sendto(data, target)
        except OSError:
            self._counters["send_failed"] += 1
            return
        self._counters["packets_sent"] += 1
        self._counters["octets_sent"] += len(data)

    def add_peer(self) -> PeerHandle:
        handle = PeerHandle(next(self._handles))
        self._peers[handle] = Peer(handle)
        return handle

    def remove_peer(self, peer: PeerHandle) -> None:
        removed = _get(self._peers, peer)
        for down in list(removed.down_tracks):
            self.remove_down_track(down.handle)
        for up in list(removed.up_tracks):
            self.remove_up_track(up.handle)
        for address in removed.addresses:
            self._by_address.pop(address, None)
        del self._peers[peer]

    def bind_address(self, peer: PeerHandle, remote: Address) -> None:
        owner = _get(self._peers, peer)
        self.unbind_address(remote)
        owner.addresses.add(remote)
        self._by_address[remote] = owner

    def unbind_address(self, remote: Address) -> None:
        owner = self._by_address.pop(remote, None)
        if owner is not None:
            owner.addresses.discard(remote)
            if owner.send_address == remote:
                owner.send_address = None

    def set_send_address(self, peer: PeerHandle, remote: Address | None) -> None:
        _get(self._peers, peer).send_address = remote

    def set_srtp_keys(self, peer: PeerHandle, keys: SrtpKeys) -> None:
        _get(self._peers, peer).srtp = make_srtp(keys)

    def add_up_track(self, peer: PeerHandle, parameters: UpTrackParameters) -> UpTrackHandle:
        owner = _get(self._peers, peer)
        handle = UpTrackHandle(next(self._handles))
        track = self._up_tracks[handle] = UpTrack(handle, owner, parameters)
        owner.up_tracks.append(track)
        for layer in track.layers:
            owner.sources[layer.ssrc] = layer
            if layer.rtx_ssrc is not None:
                owner.rtx_sources[layer.rtx_ssrc] = layer
        return handle

    def remove_up_track(self, up_track: UpTrackHandle) -> None:
        track = _get(self._up_tracks, up_track)
        for down in list(track.down_tracks):
            self.remove_down_track(down.handle)
        for layer in track.layers:
            if track.peer.sources.get(layer.ssrc) is layer:
                del track.peer.sources[layer.ssrc]
            if layer.rtx_ssrc is not None and track.peer.rtx_sources.get(layer.rtx_ssrc) is layer:
                del track.peer.rtx_sources[layer.rtx_ssrc]
        track.peer.up_tracks.remove(track)
        del self._up_tracks[up_track]

    def add_down_track(
        self, peer: PeerHandle, up_track: UpTrackHandle, parameters: DownTrackParameters
    ) -> DownTrackHandle:
        owner, source = _get(self._peers, peer), _get(self._up_tracks, up_track)
        handle = DownTrackHandle(next(self._handles))
        track = self._down_tracks[handle] = DownTrack(handle, owner, source, parameters)
        owner.down_tracks.append(track)
        source.down_tracks.append(track)
        owner.sinks[parameters.ssrc] = track
        return handle

    def remove_down_track(self, down_track: DownTrackHandle) -> None:
        track = _get(self._down_tracks, down_track)
        track.peer.down_tracks.remove(track)
        track.source.down_tracks.remove(track)
        track.peer.sinks.pop(track.parameters.ssrc, None)
        if track.peer.srtp is not None:
            track.peer.srtp.forget(track.parameters.ssrc)
        del self._down_tracks[down_track]

    def pause_down_track(self, down_track: DownTrackHandle) -> None:
        _get(self._down_tracks, down_track).pause()

    def resume_down_track(self, down_track: DownTrackHandle) -> None:
        _get(self._down_tracks, down_track).resume()

    def set_target_layer(self, down_track: DownTrackHandle, spatial: int, temporal: int) -> None:
        track = _get(self._down_tracks, down_track)
        track.target_layer = min(spatial, len(track.source.layers) - 1)
        if track.target_layer != track.layer:
            self._want_keyframe(track.source.layers[track.target_layer])

    def request_keyframe(self, up_track: UpTrackHandle, layer: int | None = None) -> None:
        track = _get(self._up_tracks, up_track)
        if layer is not None:
            self._want_keyframe(track.layers[layer])
            return
        for down in track.down_tracks:
            if not down.is_paused:
                self._want_keyframe(track.layers[down.target_layer])
                if down.layer is not None:
                    self._want_keyframe(track.layers[down.layer])

    def set_receive_bitrate(self, peer: PeerHandle, bitrate_bps: int) -> None:
        _get(self._peers, peer).receive_bitrate_bps = bitrate_bps

    def up_track_statistics(self, up_track: UpTrackHandle) -> UpTrackStatistics:
        return _get(self._up_tracks, up_track).statistics()

    def down_track_statistics(self, down_track: DownTrackHandle) -> DownTrackStatistics:
        return _get(self._down_tracks, down_track).statistics()

    def counters(self) -> Mapping[str, int]:
        return dict(self._counters)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._socket.close()
        self._peers.clear()
        self._up_tracks.clear()
        self._down_tracks.clear()

    # -- packets in

    def _receive(self, data: bytes, remote: Address) -> None:
        self._counters["packets_received"] += 1
        self._counters["octets_received"] += len(data)
        peer = self._by_address.get(remote)
        if not data or len(data) == RECEIVE_SIZE:
            self._counters["dropped_length"] += 1
        elif not 128 <= data[0] <= 191:  # RFC 7983: anything but RTP and RTCP
            self._events.append(DatagramReceived(data, remote, peer.handle if peer else None))
        elif peer is None:
            self._counters["dropped_unknown_address"] += 1
        elif peer.srtp is None:
            self._counters["dropped_no_keys"] += 1
        elif rtp.is_rtcp(data):
            self._receive_rtcp(peer, data)
        else:
            self._receive_rtp(peer, data)

    def _receive_rtp(self, peer: Peer, data: bytes) -> None:
        assert peer.srtp is not None
        plain = peer.srtp.unprotect(data)
        packet = None if plain is None else Packet.parse(plain)
        if packet is None:
            self._counters["dropped_authentication" if plain is None else "dropped_malformed"] += 1
            return
        now = time.monotonic()
        layer = peer.sources.get(packet.ssrc)
        if layer is None:
            layer = peer.rtx_sources.get(packet.ssrc)
            packet = None if layer is None else layer.unwrap_rtx(packet)
        if layer is None or packet is None:
            self._counters["dropped_padding" if layer else "dropped_unknown_ssrc"] += 1
            return
        lost = layer.receive(packet, now)
        if lost is None:
            self._counters["dropped_duplicate"] += 1
            return
        if lost:
            self._counters["nacks_sent"] += 1
            self._send_rtcp(peer, rtp.RtcpRtpfbPacket(rtp.RTCP_RTPFB_NACK, 1, layer.ssrc, lost))
        for down in layer.track.down_tracks:
            forwarded = down.forward(layer, packet, now)
            if forwarded is not None:
                self._send_rtp(down, forwarded)

    def _receive_rtcp(self, peer: Peer, data: bytes) -> None:
        assert peer.srtp is not None
        plain = peer.srtp.unprotect_rtcp(data)
        if plain is None:
            self._counters["dropped_authentication"] += 1
            return
        try:
            packets = rtp.RtcpPacket.parse(plain)
        except (ValueError, struct.error, IndexError):
            self._counters["dropped_malformed"] += 1
            return
        now = time.monotonic()
        for packet in packets:
            if isinstance(packet, rtp.RtcpSrPacket):
                layer = peer.sources.get(packet.ssrc)
                if layer is not None:
                    layer.sender_report = (packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp, now)
            if isinstance(packet, rtp.RtcpSrPacket | rtp.RtcpRrPacket):
                for report in packet.reports:
                    if down := peer.sinks.get(report.ssrc):
                        down.receive_report(report, now)
            elif isinstance(packet, rtp.RtcpRtpfbPacket) and packet.fmt == rtp.RTCP_RTPFB_NACK:
                if down := peer.sinks.get(packet.media_ssrc):
                    self._resend(down, packet.lost)
            elif isinstance(packet, rtp.RtcpPsfbPacket):
                self._receive_feedback(peer, packet)

    def _receive_feedback(self, peer: Peer, packet: rtp.RtcpPsfbPacket) -> None:
        if packet.fmt == rtp.RTCP_PSFB_PLI:
            wanted = [packet.media_ssrc]
        elif packet.fmt == rtp.RTCP_PSFB_FIR:  # the media SSRC stands in the entries (RFC 5104 section 4.3.1)
            wanted = [struct.unpack_from("!L", packet.fci, at)[0] for at in range(0, len(packet.fci) - 7, 8)]
        elif packet.fmt == rtp.RTCP_PSFB_APP and packet.fci[:4] == b"REMB" and len(packet.fci) >= 8:
            bitrate = (((packet.fci[5] & 3) << 16) | (packet.fci[6] << 8) | packet.fci[7]) << (packet.fci[5] >> 2)
            self._events.append(BandwidthEstimated(peer.handle, bitrate))
            return
        else:
            return
        for ssrc in wanted:
            if down := peer.sinks.get(ssrc):
                self._counters["plis_received"] += 1
                self._events.append(KeyframeRequested(down.handle))

    # -- packets out

    def _send_rtp(self, down: DownTrack, plain: bytes) -> bool:
        peer = down.peer
        if peer.send_address is None or peer.srtp is None:
            self._counters["held_no_address"] += 1
            return False
        protected = peer.srtp.protect(plain)
        if protected is None:
            self._counters["protect_failed"] += 1
            return False
        self.send_datagram(protected, peer.send_address)
        return True

    def _send_rtcp(self, peer: Peer, *packets: rtp.AnyRtcpPacket) -> None:
        if peer.send_address is None or peer.srtp is None:
            return
        protected = peer.srtp.protect_rtcp(b"".join(bytes(packet) for packet in packets))
        if protected is not None:
            self.send_datagram(protected, peer.send_address)

    def _resend(self, down: DownTrack, lost: list[int]) -> None:
        self._counters["nacks_received"] += 1
        down.nacks += 1
        for plain in down.retransmit(lost):
            if self._send_rtp(down, plain):
                self._counters["packets_retransmitted"] += 1
                down.retransmitted += 1

    def _want_keyframe(self, layer: Layer) -> None:
        layer.keyframe_wanted = True
        self._send_keyframe_request(layer, time.monotonic())

    def _send_keyframe_request(self, layer: Layer, now: float) -> None:
        if now - layer.keyframe_requested_s < KEYFRAME_INTERVAL_S:
            return
        layer.keyframe_wanted = False
        layer.keyframe_requested_s = now
        self._counters["plis_sent"] += 1
        self._send_rtcp(layer.track.peer, rtp.RtcpPsfbPacket(rtp.RTCP_PSFB_PLI, 1, layer.ssrc))

    # -- reports

    def _tick(self) -> None:
        now = time.monotonic()
        for track in self._up_tracks.values():
            for layer in track.layers:
                if layer.keyframe_wanted:
                    self._send_keyframe_request(layer, now)
        if now - self._last_report_s >= REPORT_INTERVAL_S:
            self._last_report_s = now
            for peer in self._peers.values():
                self._report_to(peer, now)
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def _report_to(self, peer: Peer, now: float) -> None:
        heard = [layer for layer in peer.sources.values() if layer.packets]
        reports = [layer.report(now) for layer in heard]
        description = rtp.RtcpSdesPacket([rtp.RtcpSourceInfo(1, [(1, b"roomwire")])])
        for chunk in _chunks(reports, 31):
            self._send_rtcp(peer, rtp.RtcpRrPacket(1, chunk), description)
        video = [layer.ssrc for layer in heard if layer.track.parameters.kind == "video"]
        if peer.receive_bitrate_bps is not None and video:
            fci = rtp.pack_remb_fci(peer.receive_bitrate_bps, video[:31])
            feedback = rtp.RtcpPsfbPacket(rtp.RTCP_PSFB_APP, 1, 0, fci)
            self._send_rtcp(peer, rtp.RtcpRrPacket(1), description, feedback)
        for down in peer.down_tracks:
            report = down.sender_report(now, _ntp_now())
            if report is not None:
                cname = rtp.RtcpSdesPacket(
                    [rtp.RtcpSourceInfo(down.parameters.ssrc, [(1, down.parameters.cname.encode())])]
                )
                self._send_rtcp(peer, report, cname)


def _chunks(reports: list[rtp.RtcpReceiverInfo], size: int) -> Iterator[list[rtp.RtcpReceiverInfo]]:
    for start in range(0, len(reports), size):
        yield reports[start : start + size]


def _ntp_now() -> int:
    return int((time.time() + NTP_EPOCH_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def _get(table: Mapping[H, V], handle: H) -> V:
    try:
        return table[handle]
    except KeyError:
        raise StaleHandle(handle) from None


def _address(source: tuple[str, int] | tuple[str, int, int, int]) -> Address:
    host = source[0]
    return (host.removeprefix("::ffff:") if "." in host else host, source[1])
