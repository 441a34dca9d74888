"""
A room's peers at this node and the tracks between them. It answers the commands of `contract.media`, and says as actions what the shell shall do.
It knows no SDP (`negotiation`), no sockets and no packets.
"""

from collections.abc import Callable
from dataclasses import dataclass

from contract.media import (
    ApplyDescription,
    ClosePeer,
    DescribePeer,
    MediaDone,
    OpenPeer,
    PeerDescribed,
    SetBandwidthProfile,
    SetDesired,
)

from media_sfu.core.actions import Action, ChannelParameters, Fingerprint, IceCredentials
from media_sfu.forwarder import Address


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """What a peer's SDP says of our side: the addresses that clients reach, and the certificate made for this one transport."""

    addresses: tuple[Address, ...]
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class IdMakers:
    """Where a core gets its randomness: new ICE credentials (ufrag 4+, pwd 22+ characters) and SSRCs (1 to 2**32 - 1)."""

    ice_credentials: Callable[[], IceCredentials]
    ssrc: Callable[[], int]


class Room:
    """
    One room at one node. After every call take `actions_to_perform()`, and arm one timer for `next_timeout()`.

    Every command raises `contract.errors.Refused` when the peer broke the protocol and `Stale` or `UnknownPeer` (both below) where `MediaRefused`
    has a flag for it; a refused command has changed nothing.
    """

    def __init__(self, room_sid: str, make: IdMakers) -> None:
        self.room_sid = room_sid

    # -- commands

    def open_peer(self, command: OpenPeer, local: LocalTransport, now: float) -> PeerDescribed:
        """
        Add a peer and answer its first offer. The same peer connection id again is answered the same again, and `local` is not used.

        Another id for a participant that has a peer replaces that one.
        """
        raise NotImplementedError

    def apply_description(self, command: ApplyDescription, now: float) -> PeerDescribed:
        """The client's offer, answer or close; stale and colliding ones are ignored."""
        raise NotImplementedError

    def set_desired(self, command: SetDesired, now: float) -> MediaDone:
        """What the peer publishes and is subscribed to from now on."""
        raise NotImplementedError

    def set_bandwidth_profile(self, command: SetBandwidthProfile, now: float) -> MediaDone:
        raise NotImplementedError

    def describe_peer(self, command: DescribePeer, now: float) -> PeerDescribed:
        """A gateway took the session over: what it must send in `synced`."""
        raise NotImplementedError

    def close_peer(self, command: ClosePeer, now: float) -> MediaDone:
        """Forget the peer; no error when it is gone already."""
        raise NotImplementedError

    # -- what the shell has seen

    def handle_connected(self, participant_sid: str, now: float) -> None:
        """DTLS is up. Forwarding to the peer starts."""
        raise NotImplementedError

    def channel_opened(self, participant_sid: str, label: str, parameters: ChannelParameters, now: float) -> None:
        """The client opened a channel: a data track of that id, known to the room yet or not. Keep its messages until an `OpenChannel` names it or it closes."""
        raise NotImplementedError

    def channel_closed(self, participant_sid: str, label: str, now: float) -> None:
        """A channel is gone, whoever had opened it."""
        raise NotImplementedError

    def receive_message(self, participant_sid: str, label: str, text: str, now: float) -> None:
        """A text came on a media signaling channel."""
        raise NotImplementedError

    def keyframe_requested(self, participant_sid: str, subscription_id: str) -> None:
        """The subscriber's PLI or FIR for a down track."""
        raise NotImplementedError

    def bandwidth_estimated(self, participant_sid: str, bitrate_bps: int, now: float) -> None:
        """The subscriber's REMB, in bits per second."""
        raise NotImplementedError

    # -- what to do

    def actions_to_perform(self) -> list[Action]:
        """Everything to do since the last call, in order."""
        raise NotImplementedError

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout`, on the clock of `now`; None for never."""
        raise NotImplementedError

    def handle_timeout(self, now: float) -> None:
        """Repeat unanswered offers, judge speakers and bandwidth."""
        raise NotImplementedError

    @property
    def is_empty(self) -> bool:
        """No peer is left: the shell may drop the room."""
        raise NotImplementedError


class Stale(Exception):
    """An older lease epoch or desired revision than the one applied last."""


class UnknownPeer(Exception):
    """The room holds no such peer, or another peer connection of that participant."""
