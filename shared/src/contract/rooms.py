"""
Rooms between services: commands to rooms-api, its replies, and the numbered events that come out of it.

Revisions: a room has one revision R, raised by one with every change that a listener could see. `ParticipantState.revision`,
`SessionState.published_revision`, `SessionState.subscribed_revision` and `RoomState.recording_revision` are the R at which that list last
changed. `RoomEvent` number R turns the state at R-1 into the state at R; a listener that misses one asks for a snapshot (`DescribeRoom`).
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from contract.model import Message


class RoomType(StrEnum):
    GROUP = "group"
    GROUP_SMALL = "group-small"
    PEER_TO_PEER = "peer-to-peer"
    GO = "go"


class RoomStatus(StrEnum):
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    FAILED = "failed"


class ParticipantStatus(StrEnum):
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    DISCONNECTED = "disconnected"


class TrackKind(StrEnum):
    AUDIO = "audio"
    VIDEO = "video"
    DATA = "data"


class TrackPriority(StrEnum):
    LOW = "low"
    STANDARD = "standard"
    HIGH = "high"


class LeaveReason(StrEnum):
    """Why a participant is no longer connected. What the client is told follows from it (see `Ended`)."""

    LEFT = "left"
    REMOVED = "removed"
    DUPLICATE_IDENTITY = "duplicate-identity"
    ROOM_COMPLETED = "room-completed"
    SESSION_EXPIRED = "session-expired"
    DURATION_EXCEEDED = "duration-exceeded"
    MEDIA_FAILED = "media-failed"


# -- state, as listeners see it ------------------------------------------------------------------------------------------------------


class RoomState(Message):
    """The room itself. `session_timeout_s` is how long a lost client may take to come back."""

    sid: str
    account_sid: str
    name: str
    type: RoomType
    status: RoomStatus
    media_region: str | None
    audio_only: bool
    video_codecs: tuple[str, ...]
    """`VP8`, `H264`, in order of preference."""
    session_timeout_s: int
    is_recording: bool
    recording_revision: int


class PublishedTrack(Message):
    """A published track as everybody in the room may know it."""

    sid: str
    name: str
    kind: TrackKind
    enabled: bool
    priority: TrackPriority


class ParticipantState(Message):
    """A participant as everybody in the room may know it. `tracks` is complete, and stays as it was when the participant disconnects."""

    sid: str
    identity: str
    status: ParticipantStatus
    revision: int
    tracks: tuple[PublishedTrack, ...]


class Publication(Message):
    """
    A track of the client's own list, under the client's id. `sid` is None when it was refused with `error_code`.

    For media, `client_track_id` is the second token of `a=msid` in the client's SDP; for data the label of its data channel.
    """

    client_track_id: str
    kind: TrackKind
    sid: str | None
    error_code: int | None = None


class Subscription(Message):
    """
    A track that a participant receives. `id` is the msid track id and data channel label towards the subscriber: track SID and start revision, so
    that it is fresh after each re-entry. `error_code` is set when it could not be set up (53404 ...).
    """

    id: str
    track_sid: str
    publisher_sid: str
    kind: TrackKind
    error_code: int | None = None


class SessionState(Message):
    """What only the participant's own gateway needs. `published` and `subscriptions` are complete lists."""

    participant_sid: str
    gateway_id: str
    lease_epoch: int
    node_id: str | None
    """The SFU node that holds the peer; None in peer-to-peer rooms."""
    peer_connection_ids: tuple[str, ...]
    client_revision: int
    """The client's own `participant.revision` that was last applied."""
    published: tuple[Publication, ...]
    published_revision: int
    subscriptions: tuple[Subscription, ...]
    subscribed_revision: int
    media_signaling: tuple[str, ...]
    """Names of the media signaling channels that the client asked for."""
    media_warnings: tuple[str, ...]
    bandwidth_profile: dict[str, Any] | None
    """As the client sent it: policy for the SFU, opaque here."""


class RoomSnapshot(Message):
    """
    The room at `revision`. `participants` holds the connected and reconnecting ones; `sessions` those that were asked for.
    """

    revision: int
    room: RoomState
    participants: tuple[ParticipantState, ...]
    sessions: tuple[SessionState, ...]


# -- events --------------------------------------------------------------------------------------------------------------------------


class PublishedChanged(Message):
    """A participant's publications, complete."""

    participant_sid: str
    published: tuple[Publication, ...]


class SubscribedChanged(Message):
    """What entered and left a participant's set. An id that is in both stays, with its new content (an error, for example)."""

    participant_sid: str
    added: tuple[Subscription, ...] = ()
    removed: tuple[str, ...] = ()


class Leased(Message):
    """A session went to a gateway: whoever else holds a socket of it drops that."""

    participant_sid: str
    gateway_id: str
    lease_epoch: int


class Ended(Message):
    """A participant is disconnected; its gateway tells the client and closes the peer."""

    participant_sid: str
    reason: LeaveReason


class RoomEvent(Message):
    """Everything that changed between `revision - 1` and `revision`. Absent members did not change."""

    room_sid: str
    revision: int
    room: RoomState | None = None
    participants: tuple[ParticipantState, ...] = ()
    published: tuple[PublishedChanged, ...] = ()
    subscribed: tuple[SubscribedChanged, ...] = ()
    sessions: tuple[SessionState, ...] = ()
    """Sessions that are new or changed in a member that has no list of its own above; complete."""
    leased: tuple[Leased, ...] = ()
    ended: tuple[Ended, ...] = ()


class RoomRevisions(Message):
    """The revision of every room in progress. A room that a listener follows and that is not here has ended."""

    revisions: dict[str, int]


class GatewayAlive(Message):
    """A gateway's sign of life, each second. `draining` gateways get no new sessions."""

    gateway_id: str
    draining: bool = False


class CheckSessions(Message):
    """
    Asked of a gateway from time to time: which of these does it not hold? `leases` maps participants whose sockets it should have to their lease
    epochs. Answered with `SessionsChecked`.
    """

    leases: dict[str, int]


class SessionsChecked(Message):
    """`lost` are the participants that the gateway holds under no lease, or only under an older one. It may just not have heard of them yet."""

    lost: tuple[str, ...]


# -- commands ------------------------------------------------------------------------------------------------------------------------


class ClientTrack(Message):
    """A track as the client lists it. `name` defaults to the track SID. `has_codec` false: its node has said that it can send none of that kind."""

    id: str
    kind: TrackKind
    name: str | None = None
    enabled: bool = True
    priority: TrackPriority = TrackPriority.STANDARD
    has_codec: bool = True


class JoinRoom(Message):
    """
    A client with a verified token wants in. Answered with `Joined`.

    `room` is the name or SID that the client asked for, or None; `granted_room` the only one its token admits to, or None. With neither, a new
    room is made whose name is its SID. `automatic_subscription` false starts with no subscriptions.

    `session` is the string that the client will resume by, of at least 256 random bits, fresh for each client that wants in (None: rooms-api makes
    one). A join that is repeated with it is the same join: it is answered with the participant that came of it, or with 53104 when that has left.
    Refused with 53100 to 53106, 53118, 53200 to 53202, 20106.
    """

    type: Literal["join-room"] = "join-room"
    account_sid: str
    identity: str
    room: str | None
    granted_room: str | None
    gateway_id: str
    session: str | None = None
    client_revision: int
    tracks: tuple[ClientTrack, ...]
    peer_connection_ids: tuple[str, ...]
    automatic_subscription: bool = True
    media_signaling: tuple[str, ...] = ()
    media_warnings: tuple[str, ...] = ()
    bandwidth_profile: dict[str, Any] | None = None
    publisher: dict[str, Any] | None = None
    """SDK name, version and user agent, for insights."""


class ResumeSession(Message):
    """
    A client came back with its session (`sync`). Answered with `Joined`, under a new lease epoch. Refused with 53001 when the session is unknown
    or over, 53118 when the room is.
    """

    type: Literal["resume-session"] = "resume-session"
    session: str
    account_sid: str
    identity: str
    gateway_id: str
    client_revision: int
    tracks: tuple[ClientTrack, ...]


class UpdateParticipant(Message):
    """
    The client's complete track list changed. Applied only if `client_revision` is greater than the last; repeated ones are no error. Answered with
    `Done`. Tracks that cannot be published become failed publications, the others go on.
    """

    type: Literal["update-participant"] = "update-participant"
    participant_sid: str
    lease_epoch: int
    client_revision: int
    tracks: tuple[ClientTrack, ...]


class UpdateSession(Message):
    """Other facts of the session that a resume needs: None leaves a member as it is. Answered with `Done`."""

    type: Literal["update-session"] = "update-session"
    participant_sid: str
    lease_epoch: int
    bandwidth_profile: dict[str, Any] | None = None
    peer_connection_ids: tuple[str, ...] | None = None


class LeaveRoom(Message):
    """The client said goodbye, or its media could not be set up. Answered with `Done`, also when it has left already."""

    type: Literal["leave-room"] = "leave-room"
    participant_sid: str
    lease_epoch: int
    reason: LeaveReason = LeaveReason.LEFT


class DetachSession(Message):
    """
    The client's socket is gone without goodbye: `reconnecting` from now on, `disconnected` after `grace_s` seconds (None: the room's session
    timeout). Answered with `Done`.
    """

    type: Literal["detach-session"] = "detach-session"
    participant_sid: str
    lease_epoch: int
    grace_s: float | None = None


class DescribeRoom(Message):
    """Ask for the room and for the sessions of these participants. Answered with `Described`. Refused with 53106."""

    type: Literal["describe-room"] = "describe-room"
    room_sid: str
    participant_sids: tuple[str, ...] = ()


RoomCommand = Annotated[
    JoinRoom | ResumeSession | UpdateParticipant | UpdateSession | LeaveRoom | DetachSession | DescribeRoom,
    Field(discriminator="type"),
]


# -- replies -------------------------------------------------------------------------------------------------------------------------


class Joined(Message):
    """`session` is opaque, handed to the client and repeated by it in `sync`. `snapshot.sessions` holds the participant's own session."""

    type: Literal["joined"] = "joined"
    participant_sid: str
    session: str
    lease_epoch: int
    snapshot: RoomSnapshot


class Done(Message):
    """`revision` is the room's revision after the command, also when nothing changed."""

    type: Literal["done"] = "done"
    revision: int


class Described(Message):
    type: Literal["described"] = "described"
    snapshot: RoomSnapshot


class NotDone(Message):
    """Refused with a code of `contract.errors`; nothing changed. `stale` tells a command of an older lease epoch."""

    type: Literal["not-done"] = "not-done"
    code: int
    message: str
    stale: bool = False


RoomReply = Annotated[Joined | Done | Described | NotDone, Field(discriminator="type")]

room_command: TypeAdapter[
    JoinRoom | ResumeSession | UpdateParticipant | UpdateSession | LeaveRoom | DetachSession | DescribeRoom
] = TypeAdapter(RoomCommand)
room_reply: TypeAdapter[Joined | Done | Described | NotDone] = TypeAdapter(RoomReply)


# -- following a room ----------------------------------------------------------------------------------------------------------------


class MissedEvents(Exception):
    """The event does not follow the snapshot: ask for a new one."""


def apply_event(snapshot: RoomSnapshot, event: RoomEvent) -> RoomSnapshot:
    """
    Turn the state at R-1 into the state at R. Of the sessions only those present in `snapshot`, or named in `event.sessions`, are kept.

    An event that the snapshot already includes changes nothing. Raises `MissedEvents` when one in between is missing.
    """
    if event.revision <= snapshot.revision:
        return snapshot
    if event.revision != snapshot.revision + 1:
        raise MissedEvents(f"{event.room_sid}: have {snapshot.revision}, got {event.revision}")
    participants = {p.sid: p for p in snapshot.participants}
    for participant in event.participants:
        if participant.status is ParticipantStatus.DISCONNECTED:
            participants.pop(participant.sid, None)
        else:
            participants[participant.sid] = participant
    sessions = {s.participant_sid: s for s in snapshot.sessions}
    sessions.update((s.participant_sid, s) for s in event.sessions)
    for published in event.published:
        if session := sessions.get(published.participant_sid):
            sessions[published.participant_sid] = session.model_copy(
                update={"published": published.published, "published_revision": event.revision}
            )
    for subscribed in event.subscribed:
        if session := sessions.get(subscribed.participant_sid):
            kept = {s.id: s for s in session.subscriptions if s.id not in subscribed.removed}
            kept.update((s.id, s) for s in subscribed.added)
            sessions[subscribed.participant_sid] = session.model_copy(
                update={"subscriptions": tuple(kept.values()), "subscribed_revision": event.revision}
            )
    for leased in event.leased:
        if session := sessions.get(leased.participant_sid):
            sessions[leased.participant_sid] = session.model_copy(
                update={"gateway_id": leased.gateway_id, "lease_epoch": leased.lease_epoch}
            )
    for ended in event.ended:
        sessions.pop(ended.participant_sid, None)
    return RoomSnapshot(
        revision=event.revision,
        room=event.room or snapshot.room,
        participants=tuple(participants.values()),
        sessions=tuple(sessions.values()),
    )
