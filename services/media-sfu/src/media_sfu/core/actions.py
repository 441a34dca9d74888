"""
What a room asks of the node's shell: small commands, in the order in which to perform them. They name peers by participant SID, up tracks by the
publisher's SID and client track id, down tracks by the subscriber's SID and subscription id; the shell keeps the handles.
"""

from dataclasses import dataclass

from contract.media import Description

from media_sfu.forwarder import DownTrackParameters, UpTrackParameters


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """RFC 8839 section 5.4: what authenticates connectivity checks in one direction."""

    ufrag: str
    pwd: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """RFC 8122: hash of a DTLS certificate. `algorithm` in lower case (`sha-256`), `value` in upper case with colons."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class UpTrackName:
    """Which up track: for data, `client_track_id` is the label of the publisher's channel."""

    publisher_sid: str
    client_track_id: str


@dataclass(frozen=True, slots=True)
class StartTransport:
    """
    Accept checks for `local`, be DTLS server, expect one of `fingerprints`. Once for each peer, before anything else of it.
    """

    participant_sid: str
    local: IceCredentials
    remote: IceCredentials
    fingerprints: tuple[Fingerprint, ...]


@dataclass(frozen=True, slots=True)
class RestartIce:
    """Accept checks for `local` as well; when one succeeds the former credentials are over. DTLS, SRTP and SCTP go on."""

    participant_sid: str
    local: IceCredentials
    remote: IceCredentials


@dataclass(frozen=True, slots=True)
class StartSctp:
    """Start the SCTP association as soon as DTLS is up. Sent at most once for a peer; channels may be opened before."""

    participant_sid: str
    remote_port: int
    remote_max_message_size: int


@dataclass(frozen=True, slots=True)
class StopTransport:
    """Close the peer: DTLS close_notify, SCTP, its tracks and channels with it. The room has forgotten it."""

    participant_sid: str


@dataclass(frozen=True, slots=True)
class StartUpTrack:
    """`Forwarder.add_up_track`. `mid` is the m-section that carries it."""

    name: UpTrackName
    mid: str
    parameters: UpTrackParameters


@dataclass(frozen=True, slots=True)
class StopUpTrack:
    """`Forwarder.remove_up_track`; `StopDownTrack` came before for each of its down tracks."""

    name: UpTrackName


@dataclass(frozen=True, slots=True)
class StartDownTrack:
    """`Forwarder.add_down_track`: the subscriber has accepted it and its DTLS is up. `RequestKeyframe` follows for video."""

    participant_sid: str
    subscription_id: str
    source: UpTrackName
    parameters: DownTrackParameters


@dataclass(frozen=True, slots=True)
class StopDownTrack:
    """`Forwarder.remove_down_track`, at once."""

    participant_sid: str
    subscription_id: str


@dataclass(frozen=True, slots=True)
class PauseDownTrack:
    participant_sid: str
    subscription_id: str


@dataclass(frozen=True, slots=True)
class ResumeDownTrack:
    participant_sid: str
    subscription_id: str


@dataclass(frozen=True, slots=True)
class SetTargetLayer:
    """`Forwarder.set_target_layer`."""

    participant_sid: str
    subscription_id: str
    spatial: int
    temporal: int


@dataclass(frozen=True, slots=True)
class SetPlayoutDelay:
    """`Forwarder.set_playout_delay`."""

    participant_sid: str
    subscription_id: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class ProbeDownlink:
    """`Forwarder.probe`."""

    participant_sid: str
    bitrate_bps: int
    length_s: float


@dataclass(frozen=True, slots=True)
class RequestKeyframe:
    """`Forwarder.request_keyframe`; `layer` None asks for every layer that somebody waits for."""

    name: UpTrackName
    layer: int | None = None


@dataclass(frozen=True, slots=True)
class SetReceiveBitrate:
    """`Forwarder.set_receive_bitrate`."""

    participant_sid: str
    bitrate_bps: int


@dataclass(frozen=True, slots=True)
class ChannelParameters:
    """RFC 8832: at most one of `max_retransmits` and `max_packet_life_time_ms` is set."""

    ordered: bool = True
    max_retransmits: int | None = None
    max_packet_life_time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """
    Open a data channel towards the client. With a `source`, every message of the publisher's channel goes out on it unchanged, text as text and
    binary as binary, queued until it is open. Without one it is a media signaling channel: pass its messages to `Room.receive_message`.
    """

    participant_sid: str
    label: str
    parameters: ChannelParameters
    source: UpTrackName | None


@dataclass(frozen=True, slots=True)
class CloseChannel:
    """Close a channel that `OpenChannel` opened."""

    participant_sid: str
    label: str


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send a text on a media signaling channel; dropped when the channel is gone."""

    participant_sid: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class SendSignal:
    """Publish `PeerSignal`: an offer of ours, or media signaling channels announced late."""

    participant_sid: str
    peer_connection_id: str
    description: Description | None
    media_signaling: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ReportSubscriptionFailed:
    """Publish the fact `SubscriptionFailed`."""

    participant_sid: str
    subscription_id: str
    code: int


@dataclass(frozen=True, slots=True)
class ReportPublicationFailed:
    """Publish the fact `PublicationFailed`."""

    participant_sid: str
    track_sid: str
    code: int


@dataclass(frozen=True, slots=True)
class ReportCodecs:
    """Publish the fact `CodecsReceived`."""

    participant_sid: str
    codecs: tuple[str, ...]


Action = (
    StartTransport
    | RestartIce
    | StartSctp
    | StopTransport
    | StartUpTrack
    | StopUpTrack
    | StartDownTrack
    | StopDownTrack
    | PauseDownTrack
    | ResumeDownTrack
    | SetTargetLayer
    | SetPlayoutDelay
    | ProbeDownlink
    | RequestKeyframe
    | SetReceiveBitrate
    | OpenChannel
    | CloseChannel
    | SendMessage
    | SendSignal
    | ReportSubscriptionFailed
    | ReportPublicationFailed
    | ReportCodecs
)
