"""
RSP, the room protocol of one client: connect or sync, updates both ways, the end. Decides what to ask the owners of rooms and media, and what
to tell the client; owns no fact of either.

A session is driven from outside: bodies, replies, room events and signals come in; after each, take `commands_to_send`, `bodies_to_send` and
`events_received`. Commands that find no answer are repeated by their lane. While the room is open they are repeated for as long as the socket
lives, so that whatever a client asked during an outage happens after it; a connect gives up after `admission.DEADLINE_S` and says so.

Source: the SDK's own behaviour, told in PROTOCOL.md, "RSP".
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from contract.errors import ERRORS
from contract.keys import CredentialsVerified, NotVerified, TokenVerified, VerifyToken
from contract.media import DescribePeer, MediaRefused, OpenPeer, PeerDescribed, PeerSignal
from contract.peers import RelayToPeer
from contract.rooms import (
    Described,
    DetachSession,
    Done,
    Joined,
    JoinRoom,
    LeaveReason,
    LeaveRoom,
    NotDone,
    ResumeSession,
    RoomCommand,
    RoomEvent,
    RoomSnapshot,
    SessionState,
    UpdateParticipant,
    UpdateSession,
)

from signaling_gateway.core import bodies
from signaling_gateway.core.admission import DEADLINE_S, Admission, Inadmissible
from signaling_gateway.core.asks import Ask, AskIssuer, AskRooms
from signaling_gateway.core.bodies import MEDIA_FAILED, Body
from signaling_gateway.core.followed_room import Changed, FollowedRoom, Missed, Out, Step, Taken
from signaling_gateway.core.lane import Lane
from signaling_gateway.core.node_peer import MediaReply, NodePeer
from signaling_gateway.core.peer_to_peer import Mesh
from signaling_gateway.core.seat import Seat
from signaling_gateway.core.view import Lists, View
from signaling_gateway.core.wire import ClientBody, Connect, Disconnect, IceRequest, ParticipantStatus, Sync, Update

PAGE_GONE_GRACE_S = 2.0
LINGER_S = 2.0
"""How long a client that was told the end may take to close its socket."""
MAX_QUEUED = 1000

PAGE_GONE = 1001
TRY_AGAIN = 1013
SESSION_OVER = 4000
SESSION_TAKEN = 4001

MESSAGE_INVALID = 53004
SERVER_BUSY = 53006

PARTICIPANT_GONE = frozenset({53106, 53118, 53204})

VerifyReply = TokenVerified | CredentialsVerified | NotVerified
RoomReply = Joined | Done | Described | NotDone


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


class Session:
    """One client's conversation, from its first body to its end. One socket, one `Session`."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._phase = Phase.WAITING
        self._admission: Admission | None = None
        self._issuer: Lane[VerifyToken] = Lane()
        self._rooms: Lane[RoomCommand] = Lane()
        self._seat: Seat | None = None
        self._room = FollowedRoom()
        self._view = View("")
        self._peer: NodePeer | None = None
        self._mesh: Mesh | None = None
        """In a peer-to-peer room, in place of a peer at a node."""
        self._client_revision = 0
        self._grace_s: float | None = None
        self._is_detached = False
        self._bodies: list[Body] = []
        self._events: list[SessionEvent] = []

    # -- what the shell asks -----------------------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        return self._phase is Phase.OVER

    @property
    def is_settled(self) -> bool:
        """Over, and every owner knows it."""
        return self.is_over and not self._rooms and (self._peer is None or self._peer.unanswered == 0)

    @property
    def participant_sid(self) -> str | None:
        return self._seat.participant_sid if self._seat else None

    @property
    def revision(self) -> int:
        """Of the room, as followed by this session."""
        return self._room.revision

    def bodies_to_send(self) -> list[Body]:
        told, self._bodies = self._bodies, []
        return told

    def commands_to_send(self, now: float) -> list[Ask]:
        asks: list[Ask] = []
        if (verify := self._issuer.message_to_send(now)) is not None:
            asks.append(AskIssuer(verify, self._issuer.give_up_at))
        if (command := self._rooms.message_to_send(now)) is not None:
            asks.append(AskRooms(command, self._rooms.give_up_at))
        if self._media is not None:
            asks += self._media.asks_to_send(now)
        return asks

    def events_received(self) -> list[SessionEvent]:
        events, self._events = self._events, []
        return events

    def next_timeout(self) -> float | None:
        """When `commands_to_send` is worth a call again."""
        asked = (self._issuer, self._rooms, self._media)
        times = [each.next_timeout() for each in asked if each is not None]
        return min((t for t in times if t is not None), default=None)

    @property
    def _media(self) -> NodePeer | Mesh | None:
        return self._peer if self._peer is not None else self._mesh

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
                self._issuer.push(VerifyToken(token=body.token), give_up_at=now + DEADLINE_S)
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
        try:
            self._admission = Admission.begin(request, now)
        except Inadmissible as error:
            self.receive_bad_body(str(error), now)
            return
        self._phase = Phase.VERIFYING
        self._issuer.push(self._admission.verification(), give_up_at=self._admission.deadline)

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
            if self._media is not None:
                self._media.receive_from_client(peer_connection)
        if self._peer is not None and self._peer.unanswered > MAX_QUEUED:
            self._finish(TRY_AGAIN, "too much unanswered")
            self._rooms.push(seat.detach(self._grace_s))

    def _update_participant(self, seat: Seat, status: ParticipantStatus) -> None:
        if status.revision <= self._client_revision:
            return
        self._client_revision = status.revision
        self._rooms.drop_queued(lambda command: isinstance(command, UpdateParticipant))
        self._rooms.push(seat.update_participant(status, self._peer.refused_kinds if self._peer is not None else ()))

    def _update_bandwidth_profile(self, seat: Seat, profile: dict[str, Any]) -> None:
        self._rooms.drop_queued(lambda command: isinstance(command, UpdateSession))
        self._rooms.push(seat.update_bandwidth_profile(profile))
        if self._peer is not None:
            self._peer.set_bandwidth_profile(profile)

    # -- the owners' replies -----------------------------------------------------------------------------------------------------

    def receive_verification(self, reply: VerifyReply, now: float) -> None:
        """The issuer's answer."""
        self._issuer.receive_reply()
        match self._phase, reply:
            case ((Phase.ACQUIRING | Phase.VERIFYING), NotVerified(code=code)) if code == SERVER_BUSY:
                self._give_up("too many bad tokens from this address", now)
            case ((Phase.ACQUIRING | Phase.VERIFYING), NotVerified(code=code, message=message)):
                self._fail(code, message, LeaveReason.LEFT, now)
            case Phase.ACQUIRING, TokenVerified(identity=identity):
                self._phase = Phase.WAITING
                self._bodies.append(bodies.iced(self._settings.ice_servers(identity)))
            case Phase.VERIFYING, TokenVerified():
                self._phase = Phase.JOINING
                admission = self._admitted()
                command = admission.command(reply, self._settings.gateway_id, self._settings.new_session)
                self._rooms.push(command, give_up_at=admission.patience(now))

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
            case _, NotDone(stale=True) if not self.is_over:
                self._lose_lease()
            case _, NotDone() if not self.is_over:
                self._fail(reply.code, reply.message, LeaveReason.LEFT, now)

    def receive_media_reply(self, reply: MediaReply, now: float) -> None:
        """The node's answer."""
        peer = self._open_peer()
        answer = peer.receive_reply(reply)
        if self.is_over:
            return
        match answer:
            case MediaRefused(unknown_peer=True):
                self._fail(MEDIA_FAILED, "the media server lost the connection", LeaveReason.MEDIA_FAILED, now)
            case MediaRefused(stale=True):
                self._lose_lease()
            case MediaRefused(code=code, message=message):
                self._fail(code, message, LeaveReason.MEDIA_FAILED, now)
            case PeerDescribed() if self._phase is Phase.OPENING:
                self._open_if_agreed(peer, *self._room.current)
            case PeerDescribed():
                self._tell(peer.changes(answer))
        self._tell_held(peer)

    def receive_issuer_silence(self, now: float) -> None:
        if self._issuer.receive_silence(now) is not None and not self.is_over:
            self._give_up("token verification does not answer", now)

    def receive_rooms_silence(self, now: float) -> None:
        if self._rooms.receive_silence(now) is not None and not self.is_over:
            self._give_up("rooms do not answer", now)

    def receive_node_silence(self, now: float) -> None:
        command = self._open_peer().receive_silence(now)
        if self.is_over:
            return
        if isinstance(command, OpenPeer):
            self._fail(MEDIA_FAILED, "the media server does not answer", LeaveReason.MEDIA_FAILED, now)
        elif isinstance(command, DescribePeer) and self._phase is Phase.OPENING:
            self._finish(TRY_AGAIN, "the media server does not answer")
            self._rooms.push(self._open_seat().detach(self._grace_s))

    def _give_up(self, reason: str, now: float) -> None:
        """Nobody answered in time. A resuming client comes back by itself until its session times out; a new one must be told."""
        if self._admission is not None and self._admission.is_resumed:
            self._finish(TRY_AGAIN, reason)
        else:
            self._fail(SERVER_BUSY, ERRORS[SERVER_BUSY].message, LeaveReason.LEFT, now)

    # -- into the room -----------------------------------------------------------------------------------------------------------

    def _join(self, joined: Joined, now: float) -> None:
        admission = self._admitted()
        seat = self._seat = Seat.of(joined, is_resumed=admission.is_resumed)
        steps = self._room.join(joined)
        _, own = self._room.current
        if own.node_id is not None:
            self._peer = NodePeer(own, seat.lease_epoch)
        if self.is_over:  # the client did not wait
            self._let_go(seat, now, can_resume=seat.is_resumed and self._is_detached)
            return
        self._client_revision = admission.client_revision
        self._view = View(seat.participant_sid)
        self._phase = Phase.OPENING
        self._follow(steps, now)
        if self.is_over:
            return
        if self._peer is None:
            self._open_directly(seat, admission, own.peer_connection_ids)
        else:
            self._open_peer_for(self._peer, admission, now)

    def _open_peer_for(self, peer: NodePeer, admission: Admission, now: float) -> None:
        """Have the node answer the client's offer, or say how the connection stands that the client has."""
        description = admission.description(peer.id)
        if admission.is_resumed:
            peer.resume(description, admission.patience(now))
            return
        if description is None:
            raise AssertionError("connect without an offer")
        peer.open(description, *self._room.current, admission.patience(now))

    def _open_if_agreed(self, peer: NodePeer, snapshot: RoomSnapshot, own: SessionState) -> None:
        """Tell the client that it is in, once the node has answered and the room agrees with the answer."""
        whole = peer.whole(own)
        if whole is None:
            return
        seat = self._open_seat()
        self._say_open(seat, snapshot, own, whole)
        if seat.is_resumed:
            peer.repeat_room(snapshot, own)
        else:
            peer.set_room(snapshot, own)
        self._tell_held(peer)

    def _open_directly(self, seat: Seat, admission: Admission, peer_connection_ids: Iterable[str]) -> None:
        self._mesh = Mesh(seat.participant_sid)
        if admission.is_resumed:
            entries = self._mesh.sync(admission.request.peer_connections, self._room.others)
        else:
            entries = self._mesh.connect(next(iter(peer_connection_ids), ""), self._room.others)
        self._say_open(seat, *self._room.current, {"peer_connections": entries})

    def _say_open(self, seat: Seat, snapshot: RoomSnapshot, own: SessionState, of_media: Lists) -> None:
        self._phase = Phase.OPEN
        lists = self._view.whole(snapshot, own) | of_media
        self._bodies.append(bodies.opened(seat, snapshot.room, self._settings.region, lists))
        self._events.append(Opened(snapshot.room.sid, seat.participant_sid, seat.is_resumed))

    # -- the room and the node speak ---------------------------------------------------------------------------------------------

    def receive_event(self, event: RoomEvent, now: float) -> None:
        """The room changed."""
        if not self.is_over:
            self._follow(self._room.receive_event(event), now)

    def receive_snapshot(self, snapshot: RoomSnapshot, now: float) -> None:
        """The room as it stands, after `Behind` or whenever in doubt. It must include this participant's session if there is one."""
        if not self.is_over and self._seat is not None:
            self._follow(self._room.receive_snapshot(snapshot), now)

    def receive_room_gone(self, now: float) -> None:
        """The room is no longer in progress."""
        if not self.is_over and self._seat is not None:
            self._end_for(LeaveReason.ROOM_COMPLETED, now)

    def receive_signal(self, signal: PeerSignal) -> None:
        """The node says something that no message of the client's asked for."""
        if not self.is_over and self._peer is not None:
            self._tell(self._peer.receive_signal(signal))

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
        for each in (self._issuer, self._rooms, self._media):
            if each is not None:
                each.retry_now()
        if self._phase is Phase.OPEN and self._peer is not None:
            self._peer.repeat_room(*self._room.current)

    def _follow(self, steps: Iterable[Step], now: float) -> None:
        for step in steps:
            match step:
                case Changed():
                    self._tell_changes(step)
                case Missed():
                    self._events.append(Behind())
                case Out(reason=reason):
                    self._end_for(reason, now)
                case Taken():
                    self._lose_lease()

    def _tell_changes(self, changed: Changed) -> None:
        """Tell the client first: what the node says of the change must find that it knows."""
        if self._phase is Phase.OPENING and self._peer is not None:
            self._open_if_agreed(self._peer, changed.snapshot, changed.own)
            return
        if self._phase is not Phase.OPEN:
            return
        lists = self._view.changes(changed.snapshot, changed.own)
        if self._peer is not None:
            self._tell(lists)
            self._peer.set_room(changed.snapshot, changed.own)
        elif self._mesh is not None:
            entries = self._mesh.set_room(changed.others, changed.leased)
            self._tell(lists | ({"peer_connections": entries} if entries else {}))

    def _tell_held(self, peer: NodePeer) -> None:
        for lists in peer.held():
            self._tell(lists)

    def _tell(self, lists: Lists) -> None:
        if lists:
            self._bodies.append(bodies.update(lists))

    # -- the end -----------------------------------------------------------------------------------------------------------------

    def _fail(self, code: int, message: str, reason: LeaveReason, now: float) -> None:
        """Tell the client an error, which ends its room, and leave."""
        self._bodies.append(bodies.error(code, message))
        self._events.append(Failed(code, message))
        self._leave(reason, now)

    def _leave(self, reason: LeaveReason, now: float) -> None:
        self._finish(SESSION_OVER, reason.value, LINGER_S)
        if self._seat is not None:
            self._give_up_seat(self._seat, reason, now)

    def _end_for(self, reason: LeaveReason, now: float) -> None:
        """The room says that the participant is out: tell the client why, and let the node forget the peer."""
        self._bodies.append(bodies.farewell(reason))
        self._finish(SESSION_OVER, reason.value, LINGER_S)
        self._close_peer(now)

    def _lose_lease(self) -> None:
        """Another socket has the session: this one has nothing more to say to anybody."""
        self._finish(SESSION_TAKEN, "session resumed elsewhere")

    def _finish(self, close_code: int, reason: str, linger_s: float = 0.0) -> None:
        self._end()
        self._events.append(Finished(close_code, reason, linger_s))

    def _end(self) -> None:
        self._phase = Phase.OVER
        self._mesh = None
        for each in (self._issuer, self._rooms, self._peer):
            if each is not None:
                each.wind_up()

    def _let_go(self, seat: Seat, now: float, *, can_resume: bool) -> None:
        """The socket is gone. Only a client that knows its session can come back."""
        if can_resume:
            self._rooms.push(seat.detach(self._grace_s))
        else:
            self._give_up_seat(seat, LeaveReason.LEFT, now)

    def _give_up_seat(self, seat: Seat, reason: LeaveReason, now: float) -> None:
        self._rooms.push(seat.leave(reason))
        self._close_peer(now)

    def _close_peer(self, now: float) -> None:
        if self._peer is not None:
            self._peer.close(now)

    # -- what is known -----------------------------------------------------------------------------------------------------------

    def _admitted(self) -> Admission:
        if self._admission is None:
            raise AssertionError(f"nobody asked to come in, in phase {self._phase.name}")
        return self._admission

    def _open_seat(self) -> Seat:
        if self._seat is None:
            raise AssertionError(f"no seat in phase {self._phase.name}")
        return self._seat

    def _open_peer(self) -> NodePeer:
        if self._peer is None:
            raise AssertionError(f"no peer at a node in phase {self._phase.name}")
        return self._peer
