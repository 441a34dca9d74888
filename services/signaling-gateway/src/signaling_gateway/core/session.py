"""
RSP, the room protocol of one client: connect or sync, updates both ways, the end. Decides what to ask the owners of rooms and media, and what
to tell the client; owns no fact of either.

A session is driven from outside: bodies, replies, room events and signals come in; after each, take `commands_to_send`, `bodies_to_send` and
`events_received`. Commands that find no answer are repeated by their lane. While the room is open they are repeated for as long as the socket
lives, so that whatever a client asked during an outage happens after it; a connect gives up after `CONNECT_DEADLINE_S` and says so.

Source: the SDK's own behaviour, told in PROTOCOL.md, "RSP".
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from contract.errors import ERRORS
from contract.keys import CredentialsVerified, NotVerified, TokenVerified, VerifyToken
from contract.media import (
    ApplyCandidates,
    ApplyDescription,
    ClosePeer,
    DescribePeer,
    Description,
    DesiredState,
    MediaCommand,
    MediaDone,
    MediaRefused,
    OpenPeer,
    PeerDescribed,
    PeerSignal,
    SetBandwidthProfile,
    SetDesired,
)
from contract.peers import RelayToPeer
from contract.rooms import (
    Described,
    DetachSession,
    Done,
    Joined,
    JoinRoom,
    LeaveReason,
    LeaveRoom,
    MissedEvents,
    NotDone,
    ResumeSession,
    RoomCommand,
    RoomEvent,
    RoomSnapshot,
    RoomStatus,
    SessionState,
    TrackKind,
    UpdateParticipant,
    UpdateSession,
    apply_event,
)

from signaling_gateway.core.lane import Lane
from signaling_gateway.core.peer_to_peer import Mesh
from signaling_gateway.core.relay import Relay, awaits_description
from signaling_gateway.core.view import Lists, View, desired_state, media_signaling
from signaling_gateway.core.wire import (
    ClientBody,
    Connect,
    Disconnect,
    IceRequest,
    ParticipantStatus,
    PeerConnectionStatus,
    SessionDescription,
    Sync,
    Update,
)

VERSION = 2
CONNECT_DEADLINE_S = 8.0
"""How long a connect or sync may take, the restart of an owner included."""
LEAST_PATIENCE_S = 2.0
"""What an owner gets when those before it took long."""
CLOSE_PEER_DEADLINE_S = 60.0
PAGE_GONE_GRACE_S = 2.0
ICE_SERVERS_TTL_S = 86_400
"""Clients ask for ICE servers once, so credentials must outlive the longest session."""
LINGER_S = 2.0
"""How long a client that was told the end may take to close its socket."""
MAX_QUEUED = 1000
MAX_PENDING_EVENTS = 1000

PAGE_GONE = 1001
TRY_AGAIN = 1013
SESSION_OVER = 4000
SESSION_TAKEN = 4001

MESSAGE_INVALID = 53004
SERVER_BUSY = 53006
SESSION_LOST = 53001
MEDIA_FAILED = 53405

PARTICIPANT_GONE = frozenset({53106, 53118, 53204})

VerifyReply = TokenVerified | CredentialsVerified | NotVerified
RoomReply = Joined | Done | Described | NotDone
MediaReply = PeerDescribed | MediaDone | MediaRefused

_END_CODES = {
    LeaveReason.DUPLICATE_IDENTITY: 53205,
    LeaveReason.SESSION_EXPIRED: SESSION_LOST,
    LeaveReason.DURATION_EXCEEDED: 53216,
    LeaveReason.MEDIA_FAILED: MEDIA_FAILED,
}


class Phase(Enum):
    WAITING = auto()
    """For `ice`, `connect` or `sync`."""
    ACQUIRING = auto()
    """The token of an `ice` request is being verified."""
    VERIFYING = auto()
    JOINING = auto()
    OPENING = auto()
    """In the room; the node sets the peer up, or says how it stands."""
    OPEN = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """`ice_servers` makes the list for `iced` from an identity: TURN credentials depend on the time of day. `new_session` makes session strings."""

    gateway_id: str
    region: str
    ice_servers: Callable[[str], list[dict[str, Any]]]
    new_session: Callable[[], str]


@dataclass(frozen=True, slots=True)
class AskIssuer:
    """`give_up_at`, as in the others: an answer after this time comes too late. None: any answer is welcome."""

    message: VerifyToken
    give_up_at: float | None = None


@dataclass(frozen=True, slots=True)
class AskRooms:
    message: RoomCommand
    give_up_at: float | None = None


@dataclass(frozen=True, slots=True)
class AskNode:
    node_id: str
    message: MediaCommand
    give_up_at: float | None = None


@dataclass(frozen=True, slots=True)
class AskPeer:
    """The gateway of another participant of a peer-to-peer room."""

    message: RelayToPeer


Ask = AskIssuer | AskRooms | AskNode | AskPeer


@dataclass(frozen=True, slots=True)
class Opened:
    """The client is in the room, and knows it."""

    room_sid: str
    participant_sid: str
    is_resumed: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """The client was told this error."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing more to say: close the socket, now or after `linger_s` that the client has to do so itself."""

    close_code: int
    reason: str
    linger_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Behind:
    """Room events were missed: get a snapshot."""


SessionEvent = Opened | Failed | Finished | Behind


@dataclass(frozen=True, slots=True)
class _Seat:
    """The session as rooms-api gave it."""

    participant_sid: str
    session: str
    lease_epoch: int
    node_id: str
    """Empty in a peer-to-peer room."""
    peer_connection_id: str
    is_resumed: bool


class Session:
    """One client's conversation, from its first body to its end. One socket, one `Session`."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._phase = Phase.WAITING
        self._request: Connect | Sync | None = None
        self._issuer: Lane[VerifyToken] = Lane()
        self._rooms: Lane[RoomCommand] = Lane()
        self._node: Lane[MediaCommand] = Lane()
        self._seat: _Seat | None = None
        self._snapshot: RoomSnapshot | None = None
        self._pending: list[RoomEvent] = []
        self._client_revision = 0
        self._connect_until = 0.0
        self._desired: DesiredState | None = None
        self._described: PeerDescribed | None = None
        """The node's answer to a connect or sync, while the room has yet to learn which publications fail with it."""
        self._refused_kinds: tuple[TrackKind, ...] = ()
        self._view = View("")
        self._relay = Relay(())
        self._mesh: Mesh | None = None
        """In a peer-to-peer room, in place of a peer at a node."""
        self._grace_s: float | None = None
        self._is_detached = False
        self._bodies: list[dict[str, Any]] = []
        self._events: list[SessionEvent] = []

    # -- what the shell asks -----------------------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        return self._phase is Phase.OVER

    @property
    def is_settled(self) -> bool:
        """Over, and every owner knows it."""
        return self.is_over and not self._rooms and not self._node

    @property
    def participant_sid(self) -> str | None:
        return self._seat.participant_sid if self._seat else None

    @property
    def revision(self) -> int:
        """Of the room, as followed by this session."""
        return self._snapshot.revision if self._snapshot else 0

    def bodies_to_send(self) -> list[dict[str, Any]]:
        bodies, self._bodies = self._bodies, []
        return bodies

    def commands_to_send(self, now: float) -> list[Ask]:
        asks: list[Ask] = []
        if (verify := self._issuer.message_to_send(now)) is not None:
            asks.append(AskIssuer(verify, self._issuer.give_up_at))
        if (command := self._rooms.message_to_send(now)) is not None:
            asks.append(AskRooms(command, self._rooms.give_up_at))
        if self._seat is not None and (order := self._node.message_to_send(now)) is not None:
            asks.append(AskNode(self._seat.node_id, order, self._node.give_up_at))
        if self._mesh is not None:
            asks += [AskPeer(relay) for relay in self._mesh.messages_to_send(now)]
        return asks

    def events_received(self) -> list[SessionEvent]:
        events, self._events = self._events, []
        return events

    def next_timeout(self) -> float | None:
        """When `commands_to_send` is worth a call again."""
        times = [lane.next_timeout() for lane in (self._issuer, self._rooms, self._node)]
        if self._mesh is not None:
            times.append(self._mesh.next_timeout())
        return min((t for t in times if t is not None), default=None)

    # -- the client --------------------------------------------------------------------------------------------------------------

    def receive_body(self, body: ClientBody, now: float) -> None:
        """Take a message of the client's. One that does not fit the conversation is answered with 53004 and ends it."""
        if self.is_over:
            return
        match body:
            case Disconnect():
                self._leave(LeaveReason.LEFT, now)
            case IceRequest() if self._phase is Phase.WAITING:
                self._phase = Phase.ACQUIRING
                self._issuer.push(VerifyToken(token=body.token), give_up_at=now + CONNECT_DEADLINE_S)
            case Connect() if self._phase is Phase.WAITING:
                self._begin(body, now)
            case Sync() if self._phase is Phase.WAITING:
                self._begin(body, now)
            case Update() if self._phase is Phase.OPEN:
                self._update(body, now)
            case _:
                self.receive_bad_body(f"{body.type} not expected", now)

    def receive_bad_body(self, reason: str, now: float) -> None:
        """The client sent something that is no message: it alone pays for it."""
        if not self.is_over:
            self._fail(MESSAGE_INVALID, f"{ERRORS[MESSAGE_INVALID].message}: {reason}"[:200], LeaveReason.LEFT, now)

    def receive_bye(self, now: float) -> None:
        """The client closes its socket on purpose."""
        if not self.is_over:
            self._leave(LeaveReason.LEFT, now)

    def receive_close(self, close_code: int, now: float) -> None:
        """The socket is gone. Without a goodbye the participant may come back: at once if its page is gone, else within the session timeout."""
        if self.is_over:
            return
        self._grace_s = PAGE_GONE_GRACE_S if close_code == PAGE_GONE else None
        self._is_detached = True
        was_open = self._phase is Phase.OPEN
        self._end()
        if self._seat is not None:
            self._let_go(self._seat, now, can_resume=was_open or self._seat.is_resumed)

    def _begin(self, request: Connect | Sync, now: float) -> None:
        offers = [pc for pc in request.peer_connections if pc.description and pc.description.type == "offer"]
        if isinstance(request, Connect) and (len(offers) != 1 or len(request.peer_connections) != 1):
            self.receive_bad_body("peer_connections: one offer expected", now)
            return
        self._request = request
        self._phase = Phase.VERIFYING
        self._connect_until = now + CONNECT_DEADLINE_S
        verify = VerifyToken(token=request.token, resuming=isinstance(request, Sync))
        self._issuer.push(verify, give_up_at=self._connect_until)

    def _update(self, update: Update, now: float) -> None:
        seat = self._open_seat()
        if update.session is not None and update.session != seat.session:
            self.receive_bad_body("session: not this one", now)
            return
        if update.participant is not None:
            self._update_participant(seat, update.participant)
        if update.bandwidth_profile is not None:
            self._update_bandwidth_profile(seat, update.bandwidth_profile)
        for peer_connection in update.peer_connections:
            if self._mesh is not None:
                self._mesh.receive_from_client(peer_connection)
            elif peer_connection.id == seat.peer_connection_id:
                self._update_peer_connection(seat, peer_connection)
        if len(self._node) > MAX_QUEUED:
            self._finish(TRY_AGAIN, "too much unanswered")
            self._detach(seat)

    def _update_participant(self, seat: _Seat, status: ParticipantStatus) -> None:
        if status.revision <= self._client_revision:
            return
        self._client_revision = status.revision
        self._rooms.drop_queued(lambda command: isinstance(command, UpdateParticipant))
        self._rooms.push(
            UpdateParticipant(
                participant_sid=seat.participant_sid,
                lease_epoch=seat.lease_epoch,
                client_revision=status.revision,
                tracks=status.as_command(self._refused_kinds),
            )
        )

    def _update_bandwidth_profile(self, seat: _Seat, profile: dict[str, Any]) -> None:
        self._rooms.drop_queued(lambda command: isinstance(command, UpdateSession))
        self._rooms.push(
            UpdateSession(participant_sid=seat.participant_sid, lease_epoch=seat.lease_epoch, bandwidth_profile=profile)
        )
        if self._mesh is not None:
            return
        self._node.drop_queued(lambda command: isinstance(command, SetBandwidthProfile))
        self._node.push(
            SetBandwidthProfile(
                participant_sid=seat.participant_sid, lease_epoch=seat.lease_epoch, bandwidth_profile=profile
            )
        )

    def _update_peer_connection(self, seat: _Seat, status: PeerConnectionStatus) -> None:
        if status.description is not None:
            description = _described(status.description)
            self._node.push(
                ApplyDescription(
                    participant_sid=seat.participant_sid,
                    lease_epoch=seat.lease_epoch,
                    peer_connection_id=status.id,
                    description=description,
                ),
                # The answer may be what was lost: ask how things stand, which applies the description if that is still to be done.
                retry_as=self._describe_peer(seat, description) if description.type in ("offer", "answer") else None,
            )
        if status.ice is not None:
            self._node.push(
                ApplyCandidates(
                    participant_sid=seat.participant_sid,
                    lease_epoch=seat.lease_epoch,
                    peer_connection_id=status.id,
                    **status.ice.model_dump(),
                )
            )

    # -- the owners' replies -----------------------------------------------------------------------------------------------------

    def receive_verification(self, reply: VerifyReply, now: float) -> None:
        """The issuer's answer."""
        self._issuer.receive_reply()
        match self._phase, reply:
            case ((Phase.ACQUIRING | Phase.VERIFYING), NotVerified(code=code, message=message)):
                self._fail(code, message, LeaveReason.LEFT, now)
            case Phase.ACQUIRING, TokenVerified(identity=identity):
                self._phase = Phase.WAITING
                servers = self._settings.ice_servers(identity)
                self._bodies.append({"type": "iced", "version": 1, "ice_servers": servers, "ttl": ICE_SERVERS_TTL_S})
            case Phase.VERIFYING, TokenVerified():
                self._phase = Phase.JOINING
                self._rooms.push(self._room_request(reply), give_up_at=self._patience(now))

    def receive_room_reply(self, reply: RoomReply, now: float) -> None:
        """
        The answer of rooms-api. Of a `Joined` the shell must have begun to follow the room and the participant's signals before. That it is too
        busy is no answer: the command is repeated like one that found none.
        """
        if isinstance(reply, NotDone) and reply.code == SERVER_BUSY:
            self.receive_rooms_silence(now)
            return
        command = self._rooms.receive_reply()
        match command, reply:
            case ((JoinRoom() | ResumeSession()), Joined()):
                self._join(reply, now)
            case ((LeaveRoom() | DetachSession()), _):
                pass
            case ((UpdateParticipant() | UpdateSession()), NotDone(code=code)) if code in PARTICIPANT_GONE:
                self._events.append(Behind())  # the event that says why is on its way, or was lost
            case _, NotDone() if not self.is_over:
                self._refuse(reply.code, reply.message, now, is_stale=reply.stale)

    def receive_media_reply(self, reply: MediaReply, now: float) -> None:
        """The node's answer."""
        command = self._node.receive_reply()
        if self.is_over:
            return
        match command, reply:
            case _, MediaRefused(unknown_peer=True):
                self._fail(MEDIA_FAILED, "the media server lost the connection", LeaveReason.MEDIA_FAILED, now)
            case _, MediaRefused(stale=True):
                self._refuse(reply.code, reply.message, now, is_stale=True)
            case ((OpenPeer() | ApplyDescription() | DescribePeer()), MediaRefused()):
                self._fail(reply.code, reply.message, LeaveReason.MEDIA_FAILED, now)
            case ((OpenPeer() | DescribePeer()), PeerDescribed()) if self._phase is Phase.OPENING:
                self._described, self._refused_kinds = reply, reply.refused_kinds
                self._open_if_settled()
            case _, PeerDescribed():
                self._tell_of_peer(reply.peer_connection_id, reply.description, reply.media_signaling)
        self._release_signals()

    def receive_issuer_silence(self, now: float) -> None:
        if self._issuer.receive_silence(now) is not None and not self.is_over:
            self._give_up("token verification does not answer", now)

    def receive_rooms_silence(self, now: float) -> None:
        if self._rooms.receive_silence(now) is not None and not self.is_over:
            self._give_up("rooms do not answer", now)

    def receive_node_silence(self, now: float) -> None:
        command = self._node.receive_silence(now)
        if self.is_over:
            return
        if isinstance(command, OpenPeer):
            self._fail(MEDIA_FAILED, "the media server does not answer", LeaveReason.MEDIA_FAILED, now)
        elif isinstance(command, DescribePeer) and self._phase is Phase.OPENING:
            self._finish(TRY_AGAIN, "the media server does not answer")
            self._detach(self._open_seat())

    def _give_up(self, reason: str, now: float) -> None:
        """Nobody answered in time. A resuming client comes back by itself until its session times out; a new one must be told."""
        if isinstance(self._request, Sync):
            self._finish(TRY_AGAIN, reason)
        else:
            self._fail(SERVER_BUSY, ERRORS[SERVER_BUSY].message, LeaveReason.LEFT, now)

    def _refuse(self, code: int, message: str, now: float, *, is_stale: bool) -> None:
        if is_stale:
            self._lose_lease()
        else:
            self._fail(code, message, LeaveReason.LEFT, now)

    # -- connect and sync --------------------------------------------------------------------------------------------------------

    def _room_request(self, token: TokenVerified) -> JoinRoom | ResumeSession:
        match self._request:
            case Connect() as connect:
                return JoinRoom(
                    account_sid=token.account_sid,
                    identity=token.identity,
                    room=connect.name,
                    granted_room=token.room,
                    gateway_id=self._settings.gateway_id,
                    session=self._settings.new_session(),
                    client_revision=connect.participant.revision,
                    tracks=connect.participant.as_command(),
                    peer_connection_ids=tuple(pc.id for pc in connect.peer_connections),
                    automatic_subscription=connect.is_automatic,
                    media_signaling=tuple(connect.media_signaling),
                    media_warnings=connect.participant.media_warnings,
                    bandwidth_profile=connect.bandwidth_profile,
                    publisher=connect.publisher,
                )
            case Sync() as sync:
                return ResumeSession(
                    session=sync.session,
                    account_sid=token.account_sid,
                    identity=token.identity,
                    gateway_id=self._settings.gateway_id,
                    client_revision=sync.participant.revision,
                    tracks=sync.participant.as_command(),
                )
            case None:
                raise AssertionError("verified without a request")

    def _join(self, joined: Joined, now: float) -> None:
        own = _own_session(joined.snapshot, joined.participant_sid)
        if own is None or self._request is None:
            raise AssertionError("joined without a session")
        is_resumed = isinstance(self._request, Sync)
        self._seat = seat = _Seat(
            participant_sid=joined.participant_sid,
            session=joined.session,
            lease_epoch=joined.lease_epoch,
            node_id=own.node_id or "",
            peer_connection_id=own.peer_connection_ids[0] if own.peer_connection_ids else "",
            is_resumed=is_resumed,
        )
        self._snapshot = joined.snapshot
        self._client_revision = self._request.participant.revision
        if self.is_over:  # the client did not wait
            self._let_go(seat, now, can_resume=is_resumed and self._is_detached)
            return
        self._view = View(seat.participant_sid)
        self._relay = Relay(own.media_signaling)
        self._phase = Phase.OPENING
        self._apply_pending(now)
        if self.is_over:
            return
        if own.node_id is None:
            self._open_directly(self._request)
        elif is_resumed:
            self._node.push(self._describe_peer(seat, self._latest_description(seat)), give_up_at=self._patience(now))
        else:
            self._node.push(self._open_peer(seat), give_up_at=self._patience(now))

    def _patience(self, now: float) -> float:
        """Until when the next owner that a connect or sync needs is waited for."""
        return max(self._connect_until, now + LEAST_PATIENCE_S)

    def _open_peer(self, seat: _Seat) -> OpenPeer:
        snapshot, own = self._current(seat)
        offer = self._request.peer_connections[0].description if self._request else None
        if offer is None:
            raise AssertionError("connect without an offer")
        self._desired = desired_state(snapshot, own)
        return OpenPeer(
            room_sid=snapshot.room.sid,
            participant_sid=seat.participant_sid,
            lease_epoch=seat.lease_epoch,
            peer_connection_id=seat.peer_connection_id,
            offer=_described(offer),
            video_codecs=snapshot.room.video_codecs,
            audio_only=snapshot.room.audio_only,
            media_signaling=own.media_signaling,
            bandwidth_profile=own.bandwidth_profile,
            desired=self._desired,
        )

    def _describe_peer(self, seat: _Seat, latest: Description | None) -> DescribePeer:
        return DescribePeer(
            participant_sid=seat.participant_sid,
            lease_epoch=seat.lease_epoch,
            peer_connection_id=seat.peer_connection_id,
            latest=latest,
        )

    def _latest_description(self, seat: _Seat) -> Description | None:
        for peer_connection in self._request.peer_connections if self._request else ():
            if peer_connection.id == seat.peer_connection_id and peer_connection.description is not None:
                return _described(peer_connection.description)
        return None

    def _open_if_settled(self) -> None:
        """A client believes for good that a track is published once it is told so: what fails with the node must be a failure in the room first."""
        peer = self._described
        if peer is None:
            return
        _, own = self._current(self._open_seat())
        if not any(p.error_code is None and p.sid in peer.failed_publications for p in own.published):
            self._described = None
            self._open(peer)

    def _open(self, peer: PeerDescribed) -> None:
        seat = self._open_seat()
        # In `synced` the client closes every peer connection that is not listed.
        described = self._relay.description(peer.peer_connection_id, peer.description)
        channels = self._relay.channels(peer.media_signaling)
        self._say_open(
            {
                "peer_connections": described or [{"id": seat.peer_connection_id}],
                "media_signaling": media_signaling(channels),
            }
        )
        self._send_desired(is_forced=seat.is_resumed)

    def _open_directly(self, request: Connect | Sync) -> None:
        seat = self._open_seat()
        snapshot, _ = self._current(seat)
        self._mesh = Mesh(seat.participant_sid)
        others = _others(snapshot, seat.participant_sid)
        if isinstance(request, Sync):
            entries = self._mesh.sync(request.peer_connections, others)
        else:
            entries = self._mesh.connect(seat.peer_connection_id, others)
        self._say_open({"peer_connections": entries})

    def _say_open(self, of_media: Lists) -> None:
        seat = self._open_seat()
        snapshot, own = self._current(seat)
        self._phase = Phase.OPEN
        body: Lists = {
            "type": "synced" if seat.is_resumed else "connected",
            "version": VERSION,
            "session": seat.session,
            "sid": snapshot.room.sid,
            "name": snapshot.room.name,
            "options": self._options(snapshot),
            **self._view.whole(snapshot, own),
            **of_media,
        }
        self._bodies.append(body)
        self._events.append(Opened(snapshot.room.sid, seat.participant_sid, seat.is_resumed))
        self._request = None

    def _options(self, snapshot: RoomSnapshot) -> dict[str, Any]:
        options: dict[str, Any] = {
            "session_timeout": snapshot.room.session_timeout_s,
            "signaling_region": self._settings.region,
            # Noise cancellation runs in the client; an SDK that finds its vendor missing here turns it off for good.
            "audio_processors": ["krisp", "rnnoise"],
        }
        if snapshot.room.media_region is not None:
            options["media_region"] = snapshot.room.media_region
        return options

    # -- the room and the node speak ---------------------------------------------------------------------------------------------

    def receive_event(self, event: RoomEvent, now: float) -> None:
        """The room changed."""
        if self.is_over:
            return
        self._pending = [*self._pending[1 - MAX_PENDING_EVENTS :], event]
        if self._snapshot is not None:
            self._apply_pending(now)

    def receive_snapshot(self, snapshot: RoomSnapshot, now: float) -> None:
        """The room as it stands, after `Behind` or whenever in doubt. It must include this participant's session if there is one."""
        seat = self._seat
        if self.is_over or seat is None or snapshot.revision < self.revision:
            return
        own = _own_session(snapshot, seat.participant_sid)
        if own is None or snapshot.room.status is not RoomStatus.IN_PROGRESS:
            self._end_for(_reason_for_absence(snapshot, self._snapshot, seat.participant_sid), now)
        elif own.lease_epoch != seat.lease_epoch:
            self._lose_lease()
        else:
            self._take_snapshot(snapshot)
            if self._mesh is not None:  # a new lease of theirs may be among what was missed
                for sid in _others(snapshot, seat.participant_sid):
                    self._mesh.repeat_to(sid)
            self._apply_pending(now)

    def receive_room_gone(self, now: float) -> None:
        """The room is no longer in progress."""
        if not self.is_over and self._seat is not None:
            self._end_for(LeaveReason.ROOM_COMPLETED, now)

    def receive_signal(self, signal: PeerSignal) -> None:
        """The node says something that no message of the client's asked for."""
        if self._phase is Phase.OPEN and not awaits_description(self._node.in_flight):
            self._tell_of_peer(signal.peer_connection_id, signal.description, signal.media_signaling)
        elif not self.is_over:
            self._relay.hold(signal)

    def receive_relay(self, relay: RelayToPeer) -> bool:
        """Another client speaks to this one. False when this session is not ready for it: let it be repeated."""
        if self._mesh is None or self._phase is not Phase.OPEN:
            return False
        entries = self._mesh.receive_from_other(relay)
        self._tell({"peer_connections": entries} if entries else {})
        return entries is not None

    def receive_peer_reply(self, relay: RelayToPeer) -> None:
        """The other gateway has passed it on."""
        if self._mesh is not None:
            self._mesh.receive_reply(relay)

    def receive_peer_silence(self, relay: RelayToPeer, now: float) -> None:
        if self._mesh is not None:
            self._mesh.receive_silence(relay, now)

    def receive_bus_reconnected(self) -> None:
        """What was on its way may be lost."""
        for lane in (self._issuer, self._rooms, self._node):
            lane.retry_now()
        if self._mesh is not None:
            self._mesh.retry_now()
        if self._phase is Phase.OPEN and self._mesh is None:
            self._send_desired(is_forced=True)

    def _apply_pending(self, now: float) -> None:
        """Apply the events at hand, each in a message of its own; ask for a snapshot when one in between is missing."""
        pending, self._pending = sorted(self._pending, key=lambda event: event.revision), []
        for i, event in enumerate(pending):
            if self.is_over or self._snapshot is None or self._seat is None:
                return
            try:
                snapshot = apply_event(self._snapshot, event)
            except MissedEvents:
                self._pending = pending[i:]
                self._events.append(Behind())
                return
            if snapshot is self._snapshot:
                continue
            for ended in event.ended:
                if ended.participant_sid == self._seat.participant_sid:
                    self._end_for(ended.reason, now)
                    return
            own = _own_session(snapshot, self._seat.participant_sid)
            if own is not None and own.lease_epoch != self._seat.lease_epoch:
                self._lose_lease()
                return
            self._take_snapshot(snapshot)
            if self._mesh is not None:
                for leased in event.leased:
                    self._mesh.repeat_to(leased.participant_sid)

    def _take_snapshot(self, snapshot: RoomSnapshot) -> None:
        seat = self._open_seat()
        own = _own_session(snapshot, seat.participant_sid)
        if own is None:  # an event cannot take a session away but by `ended`
            raise AssertionError(f"session of {seat.participant_sid} vanished")
        self._snapshot = snapshot.model_copy(update={"sessions": (own,)})
        if self._phase is Phase.OPENING:
            self._open_if_settled()
            return
        if self._phase is Phase.OPEN:
            changes = self._view.changes(snapshot, own)
            if self._mesh is None:
                self._tell(changes)
                self._send_desired()
            else:
                entries = self._mesh.set_others(_others(snapshot, seat.participant_sid))
                self._tell(changes | ({"peer_connections": entries} if entries else {}))

    def _send_desired(self, *, is_forced: bool = False) -> None:
        """Tell the node what to forward when that changed, or when it may not know (`is_forced`)."""
        seat = self._open_seat()
        desired = desired_state(*self._current(seat))
        known = self._desired
        if not is_forced and known is not None and desired == known.model_copy(update={"revision": desired.revision}):
            return
        self._desired = desired
        self._node.drop_queued(lambda command: isinstance(command, SetDesired))
        self._node.push(SetDesired(participant_sid=seat.participant_sid, lease_epoch=seat.lease_epoch, desired=desired))

    def _release_signals(self) -> None:
        for signal in self._relay.held_signals():
            self.receive_signal(signal)

    def _tell_of_peer(self, peer_connection_id: str, description: Description | None, labels: dict[str, str]) -> None:
        lists: Lists = {}
        if described := self._relay.description(peer_connection_id, description):
            lists["peer_connections"] = described
        if channels := self._relay.channels(labels):
            lists["media_signaling"] = media_signaling(channels)
        self._tell(lists)

    def _tell(self, lists: Lists) -> None:
        if lists:
            self._bodies.append({"type": "update", "version": VERSION, **lists})

    # -- the end -----------------------------------------------------------------------------------------------------------------

    def _fail(self, code: int, message: str, reason: LeaveReason, now: float) -> None:
        """Tell the client an error, which ends its room, and leave."""
        self._bodies.append({"type": "error", "version": VERSION, "code": code, "message": message})
        self._events.append(Failed(code, message))
        self._leave(reason, now)

    def _leave(self, reason: LeaveReason, now: float) -> None:
        self._finish(SESSION_OVER, reason.value, LINGER_S)
        if self._seat is not None:
            self._give_up_seat(self._seat, reason, now)

    def _end_for(self, reason: LeaveReason, now: float) -> None:
        """The room says that the participant is out: tell the client why, and let the node forget the peer."""
        if reason in _END_CODES:
            code = _END_CODES[reason]
            self._bodies.append({"type": "error", "version": VERSION, "code": code, "message": ERRORS[code].message})
        else:
            status = "completed" if reason is LeaveReason.ROOM_COMPLETED else "disconnected"
            self._bodies.append({"type": "disconnected", "version": VERSION, "status": status})
        self._finish(SESSION_OVER, reason.value, LINGER_S)
        self._close_peer(self._open_seat(), now)

    def _lose_lease(self) -> None:
        """Another socket has the session: this one has nothing more to say to anybody."""
        self._finish(SESSION_TAKEN, "session resumed elsewhere")

    def _finish(self, close_code: int, reason: str, linger_s: float = 0.0) -> None:
        self._end()
        self._events.append(Finished(close_code, reason, linger_s))

    def _end(self) -> None:
        self._phase = Phase.OVER
        self._mesh = None
        self._pending.clear()
        for lane in (self._issuer, self._rooms, self._node):
            lane.wind_up()

    def _give_up_seat(self, seat: _Seat, reason: LeaveReason, now: float) -> None:
        self._rooms.push(LeaveRoom(participant_sid=seat.participant_sid, lease_epoch=seat.lease_epoch, reason=reason))
        self._close_peer(seat, now)

    def _close_peer(self, seat: _Seat, now: float) -> None:
        if not seat.node_id:
            return
        self._node.push(
            ClosePeer(participant_sid=seat.participant_sid, lease_epoch=seat.lease_epoch),
            give_up_at=now + CLOSE_PEER_DEADLINE_S,
        )

    def _let_go(self, seat: _Seat, now: float, *, can_resume: bool) -> None:
        """The socket is gone. Only a client that knows its session can come back."""
        if can_resume:
            self._detach(seat)
        else:
            self._give_up_seat(seat, LeaveReason.LEFT, now)

    def _detach(self, seat: _Seat) -> None:
        self._rooms.push(
            DetachSession(participant_sid=seat.participant_sid, lease_epoch=seat.lease_epoch, grace_s=self._grace_s)
        )

    # -- what is known -----------------------------------------------------------------------------------------------------------

    def _open_seat(self) -> _Seat:
        if self._seat is None:
            raise AssertionError(f"no seat in phase {self._phase.name}")
        return self._seat

    def _current(self, seat: _Seat) -> tuple[RoomSnapshot, SessionState]:
        own = _own_session(self._snapshot, seat.participant_sid) if self._snapshot else None
        if self._snapshot is None or own is None:
            raise AssertionError(f"no session in phase {self._phase.name}")
        return self._snapshot, own


def _described(description: SessionDescription) -> Description:
    return Description(type=description.type, revision=description.revision, sdp=description.sdp)


def _own_session(snapshot: RoomSnapshot, participant_sid: str) -> SessionState | None:
    return next((s for s in snapshot.sessions if s.participant_sid == participant_sid), None)


def _others(snapshot: RoomSnapshot, participant_sid: str) -> list[str]:
    return [p.sid for p in snapshot.participants if p.sid != participant_sid]


def _reason_for_absence(snapshot: RoomSnapshot, before: RoomSnapshot | None, participant_sid: str) -> LeaveReason:
    """Why a participant is no longer in the room, when the event that said so was missed."""
    if snapshot.room.status is not RoomStatus.IN_PROGRESS:
        return LeaveReason.ROOM_COMPLETED
    identity = next((p.identity for p in (before.participants if before else ()) if p.sid == participant_sid), None)
    if any(p.identity == identity for p in snapshot.participants if p.sid != participant_sid):
        return LeaveReason.DUPLICATE_IDENTITY
    return LeaveReason.REMOVED
