"""
The use cases: load a room, ask the core, save by compare-and-set with the event in the same transaction, publish.

One change of a room at a time in this process; between replicas the revision decides, and the loser does its command again on the new state.
"""

import asyncio
import contextlib
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

import structlog
from contract.errors import Refused
from contract.ids import PARTICIPANT, ROOM, SidMaker, is_sid, new_sid
from contract.media import NodeLoad, PeerLost, PublicationFailed, SubscriptionFailed
from contract.recordings import RecordingFact
from contract.rooms import (
    DescribeRoom,
    DetachSession,
    Joined,
    JoinRoom,
    LeaveRoom,
    ResumeSession,
    RoomSnapshot,
    UpdateParticipant,
    UpdateSession,
)

from rooms_api.change_log import log_change
from rooms_api.clock import Clock
from rooms_api.core.change import Change
from rooms_api.core.names import check_identity, check_room_name
from rooms_api.core.participant import Participant
from rooms_api.core.placement import Nodes, NoNode
from rooms_api.core.room import Admission, Room
from rooms_api.core.rules import Rules
from rooms_api.core.settings import DIRECT_TYPES, RoomSettings
from rooms_api.metrics import CONFLICTS
from rooms_api.store.recordings import AlreadyRecorded
from rooms_api.store.rooms import Conflict, NameTaken, RoomStore

log = structlog.get_logger()

T = TypeVar("T")

CACHED_ROOMS = 2000
KNOWN_HOMES = 50_000
ATTEMPTS = 20
"""Times that a command is done anew after another replica was faster."""
NODE_WAIT_S = 3.0
NODE_POLL_S = 0.1


class Publisher(Protocol):
    """Who takes the event of a change after it is committed. Must not raise."""

    async def publish_change(self, change: Change) -> None: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decides: rooms that clients may create by joining, and with which settings."""

    ad_hoc_rooms: bool
    ad_hoc_settings: RoomSettings


class RoomService:
    """Everything that can be done to rooms. Raises `Refused` with the contract's codes."""

    def __init__(
        self,
        store: RoomStore,
        publisher: Publisher,
        clock: Clock,
        policy: Policy,
        make_sid: SidMaker = new_sid,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._policy = policy
        self._new_sid = make_sid
        self._nodes = Nodes()
        self._cache: OrderedDict[str, Room] = OrderedDict()
        self._homes: OrderedDict[str, str] = OrderedDict()
        """Rooms of participants, by SID. Never changes."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # -- applications ----------------------------------------------------------------------------------------------------------------

    async def create_room(
        self, account_sid: str, name: str | None, settings: RoomSettings, created_method: str = "api"
    ) -> Room:
        """Make a room. Raises 53113 when a room in progress has that name."""
        now = self._clock.wall()
        room = Room.create(self._new_sid(ROOM), account_sid, name, settings, created_method, now)
        change = room.take_change()
        assert change is not None
        async with self._lock(room.sid):
            try:
                await self._store.insert(room, change, now)
            except NameTaken as error:
                raise Refused(53113) from error
            self._remember(room)
            log_change(room, change)
            await self._publisher.publish_change(change)
        return room

    async def complete_room(self, room_sid: str) -> None:
        """End a room for everybody. Raises 53112 when it has ended already."""
        now = self._clock.wall()
        await self._change(room_sid, lambda room: room.complete("room_ended_via_api", now))

    async def remove_participant(self, room_sid: str, participant_sid: str) -> None:
        """Disconnect a participant. No error when it has left already."""
        now = self._clock.wall()
        await self._change(room_sid, lambda room: room.remove(participant_sid, now))

    async def anonymize_participant(self, participant_sid: str) -> None:
        """Forget who somebody was: their SID takes the place of their identity. Only for those who are gone from a room that is over."""
        await self._store.anonymize(participant_sid, self._clock.wall())

    async def set_subscribe_rules(self, room_sid: str, participant_sid: str, rules: Rules) -> None:
        now = self._clock.wall()
        await self._change(room_sid, lambda room: room.set_subscribe_rules(participant_sid, rules, now))

    async def set_recording_rules(self, room_sid: str, rules: Rules) -> None:
        """Raises 53118 and 53122."""
        now = self._clock.wall()
        await self._change(room_sid, lambda room: room.set_recording_rules(rules, now))

    # -- gateways --------------------------------------------------------------------------------------------------------------------

    async def join(self, request: JoinRoom) -> Joined:
        """Let a client in, making the room when it is an ad-hoc one. Waits a moment for a media server. Refused as `JoinRoom` says."""
        check_identity(request.identity)
        give_up_at = self._clock.monotonic() + NODE_WAIT_S
        while True:
            try:
                return await self._join(request)
            except NoNode:
                if self._clock.monotonic() >= give_up_at:
                    raise
                await asyncio.sleep(NODE_POLL_S)

    async def _join(self, request: JoinRoom) -> Joined:
        session = request.session or secrets.token_urlsafe(32)
        session_hash = hash_session(session)
        joined = await self._store.find_session(session_hash) if request.session else None
        room_sid = joined[0] if joined else await self._find_or_create(request)

        def decide(room: Room) -> Participant:
            now = self._clock.wall()
            if joined or room.find_session(session_hash):
                return room.rejoin(session_hash, now)
            room.check_admission(request.identity)
            admission = Admission(self._new_sid(PARTICIPANT), session_hash, self._place(room))
            return room.join(request, admission, now, self._new_sid)

        participant, room = await self._change(room_sid, decide)
        self._know_home(participant.sid, room_sid)
        return Joined(
            participant_sid=participant.sid,
            session=session,
            lease_epoch=participant.lease_epoch,
            snapshot=room.snapshot((participant.sid,)),
        )

    async def resume(self, request: ResumeSession) -> Joined:
        """Give a session to another connection."""
        found = await self._store.find_session(hash_session(request.session))
        if found is None:
            raise Refused(53001)
        room_sid, participant_sid = found
        now = self._clock.wall()
        participant, room = await self._change(
            room_sid, lambda room: room.resume(participant_sid, request, now, self._new_sid)
        )
        log.info("session resumed", room_sid=room_sid, participant_sid=participant_sid, gateway_id=request.gateway_id)
        return Joined(
            participant_sid=participant_sid,
            session=request.session,
            lease_epoch=participant.lease_epoch,
            snapshot=room.snapshot((participant_sid,)),
        )

    async def update_participant(self, request: UpdateParticipant) -> int:
        """Apply a client's track list and return the room's revision, as the next ones do."""
        now = self._clock.wall()
        room_sid = await self._room_of(request.participant_sid)
        _, room = await self._change(room_sid, lambda room: room.update_participant(request, now, self._new_sid))
        return room.revision

    async def update_session(self, request: UpdateSession) -> int:
        room_sid = await self._room_of(request.participant_sid)
        _, room = await self._change(room_sid, lambda room: room.update_session(request))
        return room.revision

    async def leave(self, request: LeaveRoom) -> int:
        now = self._clock.wall()
        room_sid = await self._room_of(request.participant_sid)
        _, room = await self._change(
            room_sid, lambda room: room.leave(request.participant_sid, request.lease_epoch, request.reason, now)
        )
        return room.revision

    async def detach(self, request: DetachSession) -> int:
        now = self._clock.wall()
        room_sid = await self._room_of(request.participant_sid)
        _, room = await self._change(
            room_sid, lambda room: room.detach(request.participant_sid, request.lease_epoch, request.grace_s, now)
        )
        log.info("session detached", room_sid=room_sid, participant_sid=request.participant_sid)
        return room.revision

    async def describe(self, request: DescribeRoom) -> RoomSnapshot:
        """The room as it is. Raises 53106 when there never was one."""
        _, room = await self._change(request.room_sid, lambda room: None)
        return room.snapshot(request.participant_sids)

    # -- nodes, gateways, time -------------------------------------------------------------------------------------------------------

    def receive_load(self, load: NodeLoad) -> None:
        self._nodes.receive_load(load, self._clock.monotonic())

    def live_regions(self) -> list[str]:
        """Regions with a live media server, the least loaded first."""
        live = sorted(self._nodes.live(self._clock.monotonic()), key=lambda node: node.load)
        return list(dict.fromkeys(node.region for node in live))

    async def receive_fact(self, fact: SubscriptionFailed | PublicationFailed | PeerLost | RecordingFact) -> None:
        """Something happened at a media server. Facts about what is gone already, and those that come again, are ignored."""
        now = self._clock.wall()

        def decide(room: Room) -> None:
            if isinstance(fact, SubscriptionFailed):
                room.fail_subscription(fact.participant_sid, fact.subscription_id, fact.code, now)
            elif isinstance(fact, PublicationFailed):
                room.fail_publication(fact.participant_sid, fact.track_sid, fact.code, now)
            elif isinstance(fact, PeerLost) and fact.closed_by_client:
                room.lose_peer(fact.participant_sid, fact.lease_epoch, now)
            elif isinstance(fact, RecordingFact):
                room.receive_recording(fact, now)

        with contextlib.suppress(AlreadyRecorded):
            await self._change(fact.room_sid, decide)

    async def lose_gateway(self, gateway_id: str) -> None:
        """A gateway died: its participants are reconnecting."""
        for room_sid in await self._store.rooms_at_gateway(gateway_id):
            now = self._clock.wall()
            await self._change(room_sid, lambda room, now=now: room.lose_gateway(gateway_id, now))  # type: ignore[misc]  # mypy infers no type for a lambda's default

    async def handle_timeout(self, room_sid: str) -> None:
        """Do what is due in a room by now."""
        await self._change(room_sid, lambda room: room.handle_timeout(self._clock.wall()))

    # -- inside ----------------------------------------------------------------------------------------------------------------------

    async def _find_or_create(self, request: JoinRoom) -> str:
        """The SID of the room that a client asked for. A token that admits to one room must have been made for this one (20106)."""
        wanted = request.room if request.room is not None else request.granted_room
        if wanted is None:
            return await self._create_ad_hoc(request.account_sid, None)
        name: str | None = wanted
        room_sid: str | None = wanted
        if is_sid(wanted, ROOM):
            name = await self._store.name(request.account_sid, wanted)
            if name is None:
                raise Refused(53106)
        else:
            check_room_name(wanted)
            room_sid = await self._store.find_in_progress(request.account_sid, wanted)
        if request.granted_room not in (None, name, room_sid):
            raise Refused(20106, "The Access Token grants another Room")
        if room_sid is not None:
            return room_sid
        try:
            return await self._create_ad_hoc(request.account_sid, wanted)
        except Refused as error:
            if error.code != 53113:
                raise
            return await self._find_or_create(request)  # somebody else created it meanwhile

    async def _create_ad_hoc(self, account_sid: str, name: str | None) -> str:
        if not self._policy.ad_hoc_rooms:
            if name is not None and await self._store.is_known_name(account_sid, name):
                raise Refused(53118)
            raise Refused(53103, "Room not found, and clients may not create one")
        self._nodes.require(self._policy.ad_hoc_settings.media_region, self._clock.monotonic())
        room = await self.create_room(account_sid, name, self._policy.ad_hoc_settings, "ad_hoc")
        return room.sid

    def _place(self, room: Room) -> str | None:
        """The node for somebody who joins; None in a room whose browsers talk to each other."""
        if room.settings.type in DIRECT_TYPES:
            return None
        now = self._clock.monotonic()
        live = {node.node_id for node in self._nodes.live(now)}
        current = next((p.node_id for p in room.participants.values() if p.node_id in live), None)
        return self._nodes.choose(room.settings.media_region, current, now)

    async def _room_of(self, participant_sid: str) -> str:
        known = self._homes.get(participant_sid)
        if known is not None:
            return known
        room_sid = await self._store.room_of(participant_sid)
        if room_sid is None:
            raise Refused(53204)
        self._know_home(participant_sid, room_sid)
        return room_sid

    def _know_home(self, participant_sid: str, room_sid: str) -> None:
        self._homes[participant_sid] = room_sid
        while len(self._homes) > KNOWN_HOMES:
            self._homes.popitem(last=False)

    async def _change(self, room_sid: str, decide: Callable[[Room], T]) -> tuple[T, Room]:
        """
        Let `decide` act on the room and make what it did last. The room that is returned may be read until the caller next awaits.

        Raises 53106 for an unknown room, and whatever `decide` raises: then nothing has changed.
        """
        async with self._lock(room_sid):
            for _ in range(ATTEMPTS):
                room = await self._load(room_sid)
                try:
                    result = decide(room)
                    change = room.take_change()
                    if change is not None:
                        self._cache.pop(room_sid)
                        await self._store.save(room, change, self._clock.wall())
                except Conflict:
                    CONFLICTS.inc()
                    continue
                except Refused:
                    raise
                except BaseException:
                    self._cache.pop(room_sid, None)  # it may have changed halfway
                    raise
                self._remember(room)
                if change is not None:
                    log_change(room, change)
                    await self._publisher.publish_change(change)
                return result, room
        raise Refused(53006)

    async def _load(self, room_sid: str) -> Room:
        cached = self._cache.get(room_sid)
        if cached is not None and cached.revision == await self._store.revision(room_sid):
            return cached
        room = await self._store.load(room_sid)
        if room is None:
            self._cache.pop(room_sid, None)
            raise Refused(53106)
        self._remember(room)
        return room

    def _remember(self, room: Room) -> None:
        self._cache[room.sid] = room
        self._cache.move_to_end(room.sid)
        while len(self._cache) > CACHED_ROOMS:
            self._cache.popitem(last=False)

    def _lock(self, room_sid: str) -> asyncio.Lock:
        lock = self._locks.get(room_sid)
        if lock is None:
            lock = self._locks[room_sid] = asyncio.Lock()
        return lock


def hash_session(session: str) -> str:
    """What is stored of a session string."""
    return hashlib.sha256(session.encode()).hexdigest()
