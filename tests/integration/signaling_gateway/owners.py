"""
Small stand-ins for the owners that a gateway asks: one room in memory, one node without media, an issuer that believes `good-<identity>`.

They answer over a real bus, keep what they were asked, and can be taken away and brought back.
"""

from typing import Any

from contract.keys import KeysChanged, NotVerified, TokenVerified, VerifyToken, verify_request
from contract.media import (
    ApplyDescription,
    DescribePeer,
    Description,
    MediaDone,
    OpenPeer,
    PeerDescribed,
    PeerSignal,
    SetDesired,
    media_command,
)
from contract.rooms import (
    Described,
    DescribeRoom,
    DetachSession,
    Done,
    Ended,
    Joined,
    JoinRoom,
    Leased,
    LeaveReason,
    LeaveRoom,
    NotDone,
    ParticipantStatus,
    Publication,
    PublishedChanged,
    PublishedTrack,
    ResumeSession,
    RoomEvent,
    RoomRevisions,
    RoomSnapshot,
    UpdateParticipant,
    apply_event,
    room_command,
)
from contract.subjects import (
    KEYS_CHANGED,
    KEYS_VERIFY,
    ROOM_COMMAND,
    ROOM_REVISIONS,
    participant_signal,
    room_event,
)
from contract.subjects import media_command as media_subject
from service_kit.bus import Bus, Subscription

from tests.kit import room_states

NODE = "node-1"


class Owners:
    """All three on one bus connection of their own."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._answers: list[Subscription] = []
        self.snapshot: RoomSnapshot = room_states.snapshot(1, ())
        self.asked: list[Any] = []
        self.verifications = 0
        self.silent_events = False
        self._sids = 0

    async def start(self) -> None:
        self._answers = [
            await self._bus.answer(KEYS_VERIFY, verify_request, self._verify),
            await self._bus.answer(ROOM_COMMAND, room_command, self._room, concurrency=1),
            await self._bus.answer(media_subject(NODE), media_command, self._media, concurrency=1),
        ]

    async def stop(self) -> None:
        """Go away: who asks finds nobody."""
        for answer in self._answers:
            await answer.stop()

    def commands(self, kind: type) -> list[Any]:
        return [command for command in self.asked if isinstance(command, kind)]

    # -- token-issuer ------------------------------------------------------------------------------------------------------------

    async def _verify(self, request: Any) -> TokenVerified | NotVerified:
        assert isinstance(request, VerifyToken)
        self.verifications += 1
        verdict, _, identity = request.token.partition("-")
        if verdict != "good":
            return NotVerified(code=20107, message="Invalid Access Token signature")
        return TokenVerified(
            account_sid="AC1", key_sid="SK1", identity=identity, room=None, not_before_s=None, expires_at_s=4e9
        )

    async def change_key(self) -> None:
        await self._bus.publish(KEYS_CHANGED, KeysChanged(key_sid="SK1"))

    # -- rooms-api ---------------------------------------------------------------------------------------------------------------

    async def publish(self, **members: Any) -> None:
        """Change the room; with `silent_events` the event is lost on its way."""
        event = RoomEvent(room_sid="RM1", revision=self.snapshot.revision + 1, **members)
        self.snapshot = apply_event(self.snapshot, event)
        if not self.silent_events:
            await self._bus.publish(room_event("RM1"), event)

    async def tell_revision(self) -> None:
        await self._bus.publish(ROOM_REVISIONS, RoomRevisions(revisions={"RM1": self.snapshot.revision}))

    async def end(self, participant_sid: str, reason: LeaveReason) -> None:
        gone = next(p for p in self.snapshot.participants if p.sid == participant_sid)
        gone = gone.model_copy(
            update={"status": ParticipantStatus.DISCONNECTED, "revision": self.snapshot.revision + 1}
        )
        await self.publish(participants=(gone,), ended=(Ended(participant_sid=participant_sid, reason=reason),))

    async def _room(self, command: Any) -> Joined | Done | Described | NotDone:
        self.asked.append(command)
        match command:
            case JoinRoom():
                return await self._join(command)
            case ResumeSession():
                return await self._resume(command)
            case UpdateParticipant():
                await self._update(command)
            case DetachSession(participant_sid=sid):
                await self._set_status(sid, ParticipantStatus.RECONNECTING)
            case LeaveRoom(participant_sid=sid):
                if any(p.sid == sid for p in self.snapshot.participants):
                    await self.end(sid, LeaveReason.LEFT)
            case DescribeRoom():
                return Described(snapshot=self.snapshot)
        return Done(revision=self.snapshot.revision)

    async def _join(self, command: JoinRoom) -> Joined | NotDone:
        if command.room == "full":
            return NotDone(code=53105, message="Room contains too many Participants")
        self._sids += 1
        sid, revision = f"PA{self._sids}", self.snapshot.revision + 1
        session = room_states.session(
            sid,
            gateway_id=command.gateway_id,
            node_id=NODE,
            peer_connection_ids=command.peer_connection_ids,
            published_revision=revision,
            subscribed_revision=revision,
            media_signaling=command.media_signaling,
        )
        joiner = room_states.participant(sid, revision, identity=command.identity)
        await self.publish(participants=(joiner,), sessions=(session,))
        return Joined(participant_sid=sid, session=f"session of {sid}", lease_epoch=1, snapshot=self.snapshot)

    async def _resume(self, command: ResumeSession) -> Joined | NotDone:
        sid = command.session.removeprefix("session of ")
        session = next((s for s in self.snapshot.sessions if s.participant_sid == sid), None)
        if session is None:
            return NotDone(code=53001, message="Signaling connection disconnected")
        epoch = session.lease_epoch + 1
        await self.publish(
            leased=(Leased(participant_sid=sid, gateway_id=command.gateway_id, lease_epoch=epoch),),
            participants=(self._with_status(sid, ParticipantStatus.CONNECTED),),
        )
        return Joined(participant_sid=sid, session=command.session, lease_epoch=epoch, snapshot=self.snapshot)

    async def _update(self, command: UpdateParticipant) -> None:
        sid, revision = command.participant_sid, self.snapshot.revision + 1
        tracks = tuple(
            PublishedTrack(sid=f"MT-{t.id}", name=t.name or t.id, kind=t.kind, enabled=t.enabled, priority=t.priority)
            for t in command.tracks
        )
        before = next(p for p in self.snapshot.participants if p.sid == sid)
        published = tuple(Publication(client_track_id=t.id, kind=t.kind, sid=f"MT-{t.id}") for t in command.tracks)
        await self.publish(
            participants=(before.model_copy(update={"tracks": tracks, "revision": revision}),),
            published=(PublishedChanged(participant_sid=sid, published=published),),
        )

    async def _set_status(self, sid: str, status: ParticipantStatus) -> None:
        await self.publish(participants=(self._with_status(sid, status),))

    def _with_status(self, sid: str, status: ParticipantStatus) -> Any:
        before = next(p for p in self.snapshot.participants if p.sid == sid)
        return before.model_copy(update={"status": status, "revision": self.snapshot.revision + 1})

    # -- media-sfu ---------------------------------------------------------------------------------------------------------------

    async def offer(self, participant_sid: str, peer_connection_id: str, revision: int) -> None:
        """The node offers by itself."""
        await self._bus.publish(
            participant_signal(participant_sid),
            PeerSignal(
                participant_sid=participant_sid,
                peer_connection_id=peer_connection_id,
                description=Description(type="offer", revision=revision, sdp="v=0"),
            ),
        )

    async def _media(self, command: Any) -> PeerDescribed | MediaDone:
        self.asked.append(command)
        match command:
            case OpenPeer(offer=offer):
                return self._answer(command.peer_connection_id, offer)
            case ApplyDescription(description=description) if description.type == "offer":
                return self._answer(command.peer_connection_id, description)
            case DescribePeer(latest=Description(type="offer") as latest):
                return self._answer(command.peer_connection_id, latest)
            case ApplyDescription() | DescribePeer():
                return PeerDescribed(peer_connection_id=command.peer_connection_id)
            case _:
                return MediaDone()

    def _answer(self, peer_connection_id: str, offer: Description) -> PeerDescribed:
        answer = Description(type="answer", revision=offer.revision, sdp="v=0")
        return PeerDescribed(peer_connection_id=peer_connection_id, description=answer)

    @property
    def desired_revision(self) -> int:
        """Of the newest `SetDesired` that came."""
        return max((command.desired.revision for command in self.commands(SetDesired)), default=0)
