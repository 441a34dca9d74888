"""
Media between services: commands to an SFU node, its replies, the facts it publishes, and the signals it sends towards a client's gateway.

A peer is one participant's peer connection at one node. Desired state, not deltas: `SetPublications` and `SetSubscriptions` say what shall hold at
a room revision; they may be repeated, and one with an older revision or lease epoch than the last applied is refused as stale.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from contract.model import Message
from contract.recordings import RecordingCompleted, RecordingFailed, RecordingStarted
from contract.rooms import TrackKind, TrackPriority


class Description(Message):
    """A session description as the client protocol has it. `type`: offer, answer, create-offer or close; the last two have no SDP."""

    type: Literal["offer", "answer", "create-offer", "close"]
    revision: int
    sdp: str | None = None


class NodePublication(Message):
    """
    A track that the peer publishes. `client_track_id` is its msid track id or data channel label at the publisher.
    """

    client_track_id: str
    track_sid: str
    kind: TrackKind
    enabled: bool
    priority: TrackPriority = TrackPriority.STANDARD


class NodeSubscription(Message):
    """A track that the peer receives, under the id that its SDP or data channel shall show."""

    id: str
    track_sid: str
    publisher_sid: str
    kind: TrackKind


class DesiredState(Message):
    """
    What a peer sends and receives at a room revision; all lists are complete.

    `participants` are the others that the client was told of before, when it asked for media signaling that names participants.
    """

    revision: int
    publications: tuple[NodePublication, ...]
    subscriptions: tuple[NodeSubscription, ...]
    participants: tuple[str, ...] = ()


# -- commands ------------------------------------------------------------------------------------------------------------------------


class OpenPeer(Message):
    """
    Set up the peer and answer its first offer. Repeating it with the same peer connection id answers the same again.

    `media_signaling` names the channels that the client asked for: the node opens those it serves and says so in `PeerDescribed`.
    Refused with 53402 or 53403 for an SDP that cannot be used, 53404 without a common codec, 53305 when the node is full.
    """

    type: Literal["open-peer"] = "open-peer"
    room_sid: str
    participant_sid: str
    lease_epoch: int
    peer_connection_id: str
    offer: Description
    video_codecs: tuple[str, ...]
    audio_only: bool
    media_signaling: tuple[str, ...] = ()
    bandwidth_profile: dict[str, Any] | None = None
    desired: DesiredState


class ApplyDescription(Message):
    """
    The client sent an offer or answer (also a `close`). The reply's `description` is what to send back, or None.

    Stale or colliding ones are not an error: they are ignored and the reply says nothing to send (the server wins glare).
    """

    type: Literal["apply-description"] = "apply-description"
    participant_sid: str
    lease_epoch: int
    peer_connection_id: str
    description: Description


class ApplyCandidates(Message):
    """The client's ICE candidates, cumulative for `ufrag`. The node is ICE-lite and learns addresses from checks; kept for completeness."""

    type: Literal["apply-candidates"] = "apply-candidates"
    participant_sid: str
    lease_epoch: int
    peer_connection_id: str
    ufrag: str
    revision: int
    candidates: tuple[dict[str, Any], ...] = ()
    complete: bool = False


class SetDesired(Message):
    """Make the peer send and receive exactly this."""

    type: Literal["set-desired"] = "set-desired"
    participant_sid: str
    lease_epoch: int
    desired: DesiredState


class SetBandwidthProfile(Message):
    """Replace the peer's bandwidth profile, in the client protocol's form."""

    type: Literal["set-bandwidth-profile"] = "set-bandwidth-profile"
    participant_sid: str
    lease_epoch: int
    bandwidth_profile: dict[str, Any]


class DescribePeer(Message):
    """
    A gateway took the session over: adopt its lease epoch and say how the negotiation stands.

    `latest` is the client's latest local description from `sync`, if any: an offer is answered, an answer is applied, as `ApplyDescription` would.
    """

    type: Literal["describe-peer"] = "describe-peer"
    participant_sid: str
    lease_epoch: int
    peer_connection_id: str
    latest: Description | None = None


class ClosePeer(Message):
    """Forget the peer. No error when it is gone already."""

    type: Literal["close-peer"] = "close-peer"
    participant_sid: str
    lease_epoch: int


MediaCommand = Annotated[
    OpenPeer | ApplyDescription | ApplyCandidates | SetDesired | SetBandwidthProfile | DescribePeer | ClosePeer,
    Field(discriminator="type"),
]


# -- replies -------------------------------------------------------------------------------------------------------------------------


class PeerDescribed(Message):
    """
    `description` is what to send to the client now: the answer to its offer, or the node's own unanswered offer; None for nothing.
    `media_signaling` maps each channel that the node opened to its data channel label. Of `refused_kinds` the peer can publish nothing: it has none of
    the room's codecs for them. `failed_publications` are the SIDs of tracks of which `PublicationFailed` is said or about to be said.
    """

    type: Literal["peer-described"] = "peer-described"
    peer_connection_id: str
    description: Description | None = None
    media_signaling: dict[str, str] = {}
    refused_kinds: tuple[TrackKind, ...] = ()
    failed_publications: tuple[str, ...] = ()


class MediaDone(Message):
    type: Literal["media-done"] = "media-done"


class MediaRefused(Message):
    """Refused with a code of `contract.errors`. `stale`: older lease epoch or revision. `unknown_peer`: the node does not hold it (any more)."""

    type: Literal["media-refused"] = "media-refused"
    code: int
    message: str
    stale: bool = False
    unknown_peer: bool = False


MediaReply = Annotated[PeerDescribed | MediaDone | MediaRefused, Field(discriminator="type")]


# -- facts and signals ---------------------------------------------------------------------------------------------------------------


class SubscriptionFailed(Message):
    """The node cannot forward this track to this peer (53404: no common codec)."""

    type: Literal["subscription-failed"] = "subscription-failed"
    room_sid: str
    participant_sid: str
    subscription_id: str
    code: int


class PublicationFailed(Message):
    """The node cannot take this track from its publisher."""

    type: Literal["publication-failed"] = "publication-failed"
    room_sid: str
    participant_sid: str
    track_sid: str
    code: int


class PeerLost(Message):
    """
    The peer's transport is gone. `closed_by_client`: DTLS close_notify was seen, so the page is gone for good; else consent expired, and the client
    may still come back by an ICE restart.
    """

    type: Literal["peer-lost"] = "peer-lost"
    room_sid: str
    participant_sid: str
    lease_epoch: int
    closed_by_client: bool


class CodecsReceived(Message):
    """
    The codecs in which the node has received this participant's media so far, by their names in SDP. Told when there is one more.
    """

    type: Literal["codecs-received"] = "codecs-received"
    room_sid: str
    participant_sid: str
    codecs: tuple[str, ...]


class FactTaken(Message):
    """The owner of rooms has the fact, and whatever follows from it is stored. Until then the node repeats it: facts bear repetition."""


MediaFact = Annotated[
    SubscriptionFailed
    | PublicationFailed
    | PeerLost
    | CodecsReceived
    | RecordingStarted
    | RecordingCompleted
    | RecordingFailed,
    Field(discriminator="type"),
]


class NodeLoad(Message):
    """
    A node's sign of life, each second. `load` is the used share of one core, 0 to 1; `capacity` how many peers it takes; `full`: it takes no more people,
    because its core carries no more media.
    """

    node_id: str
    region: str
    peers: int
    capacity: int
    load: float
    full: bool = False
    draining: bool = False


class PeerSignal(Message):
    """
    Something the client must be told that no client message asked for: an offer of the node's, a close, new media signaling channels.

    An unanswered offer is repeated with the same revision; the gateway relays each revision once per socket.
    """

    participant_sid: str
    peer_connection_id: str
    description: Description | None = None
    media_signaling: dict[str, str] = {}


media_command: TypeAdapter[
    OpenPeer | ApplyDescription | ApplyCandidates | SetDesired | SetBandwidthProfile | DescribePeer | ClosePeer
] = TypeAdapter(MediaCommand)
media_reply: TypeAdapter[PeerDescribed | MediaDone | MediaRefused] = TypeAdapter(MediaReply)
media_fact: TypeAdapter[
    SubscriptionFailed
    | PublicationFailed
    | PeerLost
    | CodecsReceived
    | RecordingStarted
    | RecordingCompleted
    | RecordingFailed
] = TypeAdapter(MediaFact)
