"""
What clients may say: TCMP frames and the RSP bodies inside them, as pydantic unions. Everything is parsed here, once; nothing past this file
sees a raw dictionary of a client's.

Members that we do not know are ignored: newer SDKs add some. Texts and numbers are bounded, so that no client can store a surprise.
"""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from contract.media import Description
from contract.rooms import ClientTrack, TrackKind, TrackPriority
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

Revision = Annotated[int, Field(ge=0, le=2**31 - 1)]
Id = Annotated[str, Field(min_length=1, max_length=128)]
Token = Annotated[str, BeforeValidator(lambda token: "" if token is None else token), Field(max_length=16_384)]
"""The issuer says what is wrong with it, with a code of its own: an application that has no token yet sends null or an empty text."""

Name = Annotated[str, AfterValidator(lambda name: name[:1024])]
"""Longer ones are cut, still longer than any name may be: the owner of rooms says so, with a code of its own."""


class Wire(BaseModel):
    """The base of everything that comes from a client."""

    model_config = ConfigDict(frozen=True, extra="ignore")


# -- RSP bodies ----------------------------------------------------------------------------------------------------------------------


class TrackStatus(Wire):
    """A local track of the client's. The name's rules are the room's business: a bad one fails that track, not the message."""

    id: Id
    kind: TrackKind
    name: Name | None = None
    enabled: bool = True
    priority: TrackPriority | None = None

    def as_command(self, refused_kinds: Collection[TrackKind]) -> ClientTrack:
        return ClientTrack(
            id=self.id,
            kind=self.kind,
            name=self.name,
            enabled=self.enabled,
            priority=self.priority or TrackPriority.STANDARD,
            has_codec=self.kind not in refused_kinds,
        )


class ParticipantStatus(Wire):
    """The client's own state; `tracks` is complete. The same revision comes again with every ICE message."""

    revision: Revision
    tracks: Annotated[tuple[TrackStatus, ...], Field(max_length=1000)] = ()
    media_warnings: tuple[Id, ...] = ()

    def as_command(self, refused_kinds: Collection[TrackKind] = ()) -> tuple[ClientTrack, ...]:
        return tuple(track.as_command(refused_kinds) for track in self.tracks)


class SessionDescription(Wire):
    type: Literal["offer", "answer", "create-offer", "close"]
    revision: Revision = 0
    sdp: str | None = None

    def as_description(self) -> Description:
        return Description(type=self.type, revision=self.revision, sdp=self.sdp)


class IceCandidates(Wire):
    """Candidates of one ufrag, cumulative."""

    ufrag: Annotated[str, Field(max_length=256)]
    revision: Revision
    candidates: Annotated[tuple[dict[str, Any], ...], Field(max_length=500)] = ()
    complete: bool = False


class PeerConnectionStatus(Wire):
    id: Id
    description: SessionDescription | None = None
    ice: IceCandidates | None = None


PeerConnections = Annotated[tuple[PeerConnectionStatus, ...], Field(max_length=200)]


class SubscribeRule(Wire):
    type: Literal["include", "exclude"]
    all: bool = False


class Subscribe(Wire):
    revision: Revision = 0
    rules: tuple[SubscribeRule, ...] = ()


class IceRequest(Wire):
    """`ice`: the client wants ICE servers before it makes its peer connection. Preflight sends it without a version."""

    type: Literal["ice"]
    token: Token


class Connect(Wire):
    type: Literal["connect"]
    token: Token
    name: Name | None = None
    participant: ParticipantStatus
    peer_connections: PeerConnections
    subscribe: Subscribe = Subscribe()
    bandwidth_profile: dict[str, Any] | None = None
    media_signaling: dict[Id, dict[str, Any]] = {}
    publisher: dict[str, Any] | None = None

    @property
    def is_automatic(self) -> bool:
        """Whether the client wants every track without asking. The first rule is the only one that SDKs send."""
        return not self.subscribe.rules or self.subscribe.rules[0].type == "include"


class Update(Wire):
    type: Literal["update"]
    session: str | None = None
    participant: ParticipantStatus | None = None
    peer_connections: PeerConnections = ()
    bandwidth_profile: dict[str, Any] | None = None


class Sync(Wire):
    type: Literal["sync"]
    session: Annotated[str, Field(min_length=1, max_length=1024)]
    token: Token
    participant: ParticipantStatus
    peer_connections: PeerConnections = ()


class Disconnect(Wire):
    """The client leaves. `session` is null when `connect()` was cancelled."""

    type: Literal["disconnect"]
    session: str | None = None


ClientBody = IceRequest | Connect | Update | Sync | Disconnect
client_body: TypeAdapter[ClientBody] = TypeAdapter(Annotated[ClientBody, Field(discriminator="type")])


# -- TCMP frames ---------------------------------------------------------------------------------------------------------------------


class Hello(Wire):
    """`timeout` is the heartbeat period in ms that the client wishes. Repeated when no answer came in time, with a new `id`."""

    type: Literal["hello"]
    id: Annotated[str, Field(max_length=128)]
    version: int
    timeout: Annotated[float, Field(ge=0, le=86_400_000)] = 5000
    body: dict[str, Any] | None = None


class Heartbeat(Wire):
    type: Literal["heartbeat"]


class Msg(Wire):
    type: Literal["msg"]
    body: dict[str, Any]


class Bye(Wire):
    type: Literal["bye"]


ClientFrame = Hello | Heartbeat | Msg | Bye
client_frame: TypeAdapter[ClientFrame] = TypeAdapter(Annotated[ClientFrame, Field(discriminator="type")])
