"""
One signaling socket: pumps text into `Link`, bodies into `Session`, and carries out what they say. Decides nothing.

After the socket is gone the connection lives on until every owner has been told of it.
"""

import asyncio
from collections import deque
from typing import Literal

import structlog
from contract.keys import NotVerified
from contract.media import MediaRefused, PeerSignal, media_reply
from contract.peers import Relayed, RelayToPeer
from contract.rooms import (
    Joined,
    JoinRoom,
    NotDone,
    ResumeSession,
    RoomEvent,
    RoomSnapshot,
    RoomType,
    room_reply,
)
from contract.subjects import ROOM_COMMAND, media_command, participant_signal, peer_relay
from pydantic import TypeAdapter
from service_kit.bus import BusUnavailable, Subscription
from service_kit.standstill import stood_still_s
from service_kit.tracing import start_trace
from starlette.websockets import WebSocket, WebSocketDisconnect

from signaling_gateway.core.asks import Ask, AskIssuer, AskNode, AskPeer, AskRooms
from signaling_gateway.core.link import BodyReceived, BodyUnreadable, ByeReceived, Link, LinkFailed
from signaling_gateway.core.session import (
    SESSION_OVER,
    Behind,
    Failed,
    Finished,
    Opened,
    Session,
    SessionEvent,
)
from signaling_gateway.gateway import Gateway
from signaling_gateway.metrics import CLOSED, FAILURES, OPENING, REQUESTS, SESSIONS, UNREADABLE
from signaling_gateway.tokens import VERIFY_TIMEOUT_S

log = structlog.get_logger()

ROOMS_TIMEOUT_S = 3.0
JOIN_TIMEOUT_S = 5.0
NODE_TIMEOUT_S = 2.0
LEAST_TIMEOUT_S = 0.1
CLOSE_TIMEOUT_S = 1.0

MAX_FRAMES_WAITING = 512
READS_TOO_SLOWLY = 1013
BROKEN_INVARIANT = 1011
NO_CLOSE_FRAME = 1006

DIRECT_TYPES = frozenset({RoomType.PEER_TO_PEER, RoomType.GO})

Result = Literal["done", "refused", "unanswered"]
"""Of a request, for the metrics."""

_peer_signal = TypeAdapter(PeerSignal)
_relay_to_peer = TypeAdapter(RelayToPeer)
_relayed = TypeAdapter(Relayed)


class Connection:
    """Run it once: `await Connection(socket, gateway).run()`."""

    def __init__(self, socket: WebSocket, gateway: Gateway) -> None:
        self._socket = socket
        self._gateway = gateway
        self._log = log.bind()
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._loop.time()
        self._link = Link(self._opened_at, gateway.limits, is_busy=gateway.is_full)
        self._session = Session(gateway.session_settings)
        self._tasks = asyncio.TaskGroup()
        self._timer: asyncio.TimerHandle | None = None
        self._frames: deque[str] = deque()
        self._close_code: int | None = None
        self._close_at: float | None = None
        self._linger_code = SESSION_OVER
        self._has_output = asyncio.Event()
        self._is_gone = asyncio.Event()
        self._is_settled = asyncio.Event()
        self._is_done = False
        self._room_sid: str | None = None
        self._participant_sid = ""
        self._lease_epoch = 0
        self._subscriptions: list[Subscription] = []

    async def run(self) -> None:
        """Serve the socket until it is closed and every owner knows. Raises nothing that one bad client could cause."""
        start_trace()
        await self._socket.accept()
        try:
            async with self._tasks:
                pumps = [self._tasks.create_task(self._write()), self._tasks.create_task(self._read())]
                self._pump()
                await self._is_gone.wait()
                for pump in pumps:
                    pump.cancel()
                await self._is_settled.wait()
        except* Exception as errors:
            self._log.exception("connection failed", errors=errors.exceptions)
            CLOSED.labels(BROKEN_INVARIANT).inc()
            await self._close_socket(BROKEN_INVARIANT)
        finally:
            self._is_done = True
            if self._timer is not None:
                self._timer.cancel()
            await self._unfollow()

    # -- the socket --------------------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Feed the link until the socket is closed."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                self._lose_socket(int(message.get("code") or NO_CLOSE_FRAME))
                self._pump()
                return
            text = message.get("text")
            if text is None:
                text = bytes(message["bytes"]).decode(errors="replace")
            self._link.receive_text(text, self._loop.time())
            self._pump()

    async def _write(self) -> None:
        """Send frames in order, then the close code if there is one."""
        while True:
            await self._has_output.wait()
            self._has_output.clear()
            while self._frames:
                try:
                    await self._socket.send_text(self._frames.popleft())
                except (WebSocketDisconnect, RuntimeError, OSError):
                    return  # closed meanwhile: the reader says how
            if self._close_code is not None:
                await self._close_socket(self._close_code)
                return

    def _lose_socket(self, close_code: int) -> None:
        """Nothing more goes to this client or comes from it."""
        if not self._is_gone.is_set():
            self._log.info("socket closed", code=close_code)
        self._is_gone.set()
        self._link.close()
        self._session.receive_close(close_code, self._loop.time())

    async def _abandon_socket(self, code: int) -> None:
        """Close a socket that takes no more data: the close frame may not get through either, then the transport is closed without it."""
        await self._close_socket(code)
        self._lose_socket(code)
        self._pump()

    async def _close_socket(self, code: int) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.close(code)
        except (WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            log.debug("socket was closed already")

    def _send_frame(self, frame: str) -> None:
        if len(self._frames) >= MAX_FRAMES_WAITING:
            self._log.warning("client reads too slowly")
            CLOSED.labels(READS_TOO_SLOWLY).inc()
            self._frames.clear()
            self._link.close()
            self._tasks.create_task(self._abandon_socket(READS_TOO_SLOWLY))
            return
        self._frames.append(frame)
        self._has_output.set()

    def _close(self, code: int) -> None:
        if self._close_code is None:
            CLOSED.labels(code).inc()
            self._close_code = code
            self._has_output.set()

    # -- the pump ----------------------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Carry out what the cores say, until they have no more to say, and arm the one timer."""
        if self._is_done:
            return
        now = self._loop.time()
        for event in self._link.events_received():
            self._hear_link(event, now)
        for body in self._session.bodies_to_send():
            self._link.send(body, now)
        for frame in self._link.frames_to_send():
            self._send_frame(frame)
        for ask in self._session.commands_to_send(now):
            self._tasks.create_task(self._ask(ask))
        for happened in self._session.events_received():
            self._hear_session(happened, now)
        if self._close_at is not None and now >= self._close_at:
            self._close_at = None
            self._close(self._linger_code)
        if self._session.is_settled:
            self._is_settled.set()
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        times = (self._link.next_timeout(), self._session.next_timeout(), self._close_at)
        when = min((t for t in times if t is not None), default=None)
        if when is not None:
            self._timer = self._loop.call_at(when, self._handle_timeout, when)

    def _handle_timeout(self, due_at: float) -> None:
        self._timer = None
        now = self._loop.time()
        if stood_still_s(due_at, now):
            self._link.forgive_silence(now)
        self._link.handle_timeout(now)
        self._pump()

    def _hear_link(self, event: BodyReceived | BodyUnreadable | ByeReceived | LinkFailed, now: float) -> None:
        match event:
            case BodyReceived(body=body):
                self._session.receive_body(body, now)
            case BodyUnreadable(reason=reason):
                UNREADABLE.inc()
                self._session.receive_bad_body(reason, now)
            case ByeReceived():
                self._session.receive_bye(now)
            case LinkFailed(close_code=code, reason=reason):
                self._log.info("link failed", code=code, reason=reason)
                self._session.receive_close(code, now)
                self._close(code)

    def _hear_session(self, event: SessionEvent, now: float) -> None:
        match event:
            case Opened(is_resumed=is_resumed):
                kind = "resumed" if is_resumed else "connected"
                SESSIONS.labels(kind).inc()
                OPENING.labels(kind).observe(now - self._opened_at)
                self._log.info(f"participant {kind}")
            case Failed(code=code, message=message):
                FAILURES.labels(code).inc()
                self._log.info("participant refused", code=code, reason=message)
            case Finished(close_code=code, reason=reason, linger_s=linger_s):
                self._log.info("session over", reason=reason)
                self._link.close()
                self._linger_code = code
                self._close_at = now + linger_s
            case Behind():
                if self._room_sid is not None:
                    self._gateway.feeds.resync(self._room_sid, self)

    # -- the owners --------------------------------------------------------------------------------------------------------------

    async def _ask(self, ask: Ask) -> None:
        begun_at = self._loop.time()
        request: str
        match ask:
            case AskIssuer(message=verify):
                owner, request, result = "issuer", verify.type, await self._ask_issuer(ask)
            case AskRooms(message=command):
                owner, request, result = "rooms", command.type, await self._ask_rooms(ask)
            case AskNode(message=order):
                owner, request, result = "node", order.type, await self._ask_node(ask)
            case AskPeer(message=relay):
                owner, request, result = "peer", "relay", await self._ask_peer(relay)
        REQUESTS.labels(owner, request, result).observe(self._loop.time() - begun_at)
        self._pump()

    async def _ask_issuer(self, ask: AskIssuer) -> Result:
        try:
            patience_s = self._patience(VERIFY_TIMEOUT_S, ask.give_up_at)
            reply = await self._gateway.tokens.verify(ask.message, self._gateway.address_of(self._socket), patience_s)
        except BusUnavailable:
            self._session.receive_issuer_silence(self._loop.time())
            return "unanswered"
        self._session.receive_verification(reply, self._loop.time())
        return "refused" if isinstance(reply, NotVerified) else "done"

    async def _ask_rooms(self, ask: AskRooms) -> Result:
        command = ask.message
        timeout_s = JOIN_TIMEOUT_S if isinstance(command, JoinRoom | ResumeSession) else ROOMS_TIMEOUT_S
        timeout_s = self._patience(timeout_s, ask.give_up_at)
        try:
            self._require_bus()
            reply = await self._gateway.bus.request(ROOM_COMMAND, command, room_reply, timeout_s)
        except BusUnavailable:
            self._session.receive_rooms_silence(self._loop.time())
            return "unanswered"
        if isinstance(reply, Joined):
            await self._follow(reply)
        elif isinstance(reply, NotDone):
            self._log.info("command refused", command=command.type, code=reply.code, stale=reply.stale)
        self._session.receive_room_reply(reply, self._loop.time())
        return "refused" if isinstance(reply, NotDone) else "done"

    async def _ask_node(self, ask: AskNode) -> Result:
        order, timeout_s = ask.message, self._patience(NODE_TIMEOUT_S, ask.give_up_at)
        try:
            self._require_bus()
            reply = await self._gateway.bus.request(media_command(ask.node_id), order, media_reply, timeout_s)
        except BusUnavailable:
            self._session.receive_node_silence(self._loop.time())
            return "unanswered"
        if isinstance(reply, MediaRefused):
            self._log.info(
                "media refused", command=order.type, code=reply.code, reason=reply.message, stale=reply.stale
            )
        self._session.receive_media_reply(reply, self._loop.time())
        return "refused" if isinstance(reply, MediaRefused) else "done"

    async def _ask_peer(self, relay: RelayToPeer) -> Result:
        try:
            self._require_bus()
            subject = peer_relay(relay.participant_sid)
            reply = await self._gateway.bus.request(subject, relay, _relayed, NODE_TIMEOUT_S)
        except BusUnavailable:
            reply = Relayed(taken=False)
        if reply.taken:
            self._session.receive_peer_reply(relay)
            return "done"
        self._session.receive_peer_silence(relay, self._loop.time())
        return "unanswered"

    def _patience(self, timeout_s: float, give_up_at: float | None) -> float:
        """How long to wait for an answer: not beyond the time at which it is too late."""
        return timeout_s if give_up_at is None else max(LEAST_TIMEOUT_S, min(timeout_s, give_up_at - self._loop.time()))

    def _require_bus(self) -> None:
        """A request made while the bus is away would be sent when it is back, after its asker has given it up."""
        if not self._gateway.bus.is_connected:
            raise BusUnavailable("bus is away")

    # -- the room and the node speak ---------------------------------------------------------------------------------------------

    @property
    def participant_sid(self) -> str:
        return self._participant_sid

    @property
    def revision(self) -> int:
        return self._session.revision

    async def _follow(self, joined: Joined) -> None:
        await self._unfollow()  # a join that was repeated may have made another participant
        self._room_sid = joined.snapshot.room.sid
        self._participant_sid = joined.participant_sid
        self._lease_epoch = joined.lease_epoch
        self._log = log.bind(room_sid=self._room_sid, participant_sid=self._participant_sid)
        self._gateway.hold(self._participant_sid, self._lease_epoch)
        subject = participant_signal(joined.participant_sid)
        self._subscriptions = [await self._gateway.bus.listen(subject, _peer_signal, self._receive_signal)]
        if joined.snapshot.room.type in DIRECT_TYPES:
            subject = peer_relay(joined.participant_sid)
            self._subscriptions.append(await self._gateway.bus.answer(subject, _relay_to_peer, self._receive_relay))
        await self._gateway.feeds.follow(self._room_sid, self, joined.snapshot.revision)

    async def _unfollow(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            await subscription.stop()
        if self._room_sid is not None:
            self._gateway.release(self._participant_sid, self._lease_epoch)
            await self._gateway.feeds.unfollow(self._room_sid, self)

    async def _receive_signal(self, signal: PeerSignal) -> None:
        self._session.receive_signal(signal)
        self._pump()

    async def _receive_relay(self, relay: RelayToPeer) -> Relayed:
        taken = self._session.receive_relay(relay)
        self._pump()
        return Relayed(taken=taken)

    def receive_bus_reconnected(self) -> None:
        self._session.receive_bus_reconnected()
        self._pump()

    def receive_event(self, event: RoomEvent) -> None:
        self._session.receive_event(event, self._loop.time())
        self._pump()

    def receive_snapshot(self, snapshot: RoomSnapshot) -> None:
        self._session.receive_snapshot(snapshot, self._loop.time())
        self._pump()

    def receive_room_gone(self) -> None:
        self._session.receive_room_gone(self._loop.time())
        self._pump()
