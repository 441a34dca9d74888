"""
An SFU node: the rooms that have peers here, and who answers which command. It touches no packet and no bus (`node_bus`).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import structlog
from contract.errors import Refused
from contract.media import (
    ApplyCandidates,
    ApplyDescription,
    ClosePeer,
    DescribePeer,
    MediaDone,
    MediaRefused,
    OpenPeer,
    PeerDescribed,
    SetBandwidthProfile,
    SetDesired,
)

from media_sfu.core.room import IdMakers, Stale, UnknownPeer
from media_sfu.core.saturation import PacketPath, Saturation
from media_sfu.data_channels import Clock
from media_sfu.forwarder import Address, Forwarder, KeyframeRequested
from media_sfu.hosted_room import HostedRoom, Outcome
from media_sfu.shared_port import SharedPort

log = structlog.get_logger()

ANY_EPOCH = 2**62
"""For a participant that its room's owner has ended: no lease of the session is newer."""
SERVER_CANNOT_APPLY = 53403
AT_CAPACITY = 53305

Command = OpenPeer | ApplyDescription | ApplyCandidates | SetDesired | SetBandwidthProfile | DescribePeer | ClosePeer
Reply = PeerDescribed | MediaDone | MediaRefused


class Node:
    """
    `say` hears facts and signals.
    """

    def __init__(
        self,
        forwarder: Forwarder,
        addresses: tuple[Address, ...],
        capacity: int,
        make: IdMakers,
        clock: Clock,
        say: Callable[[Outcome], None],
    ) -> None:
        self._forwarder = forwarder
        self._addresses = addresses
        self._make = make
        self._clock = clock
        self._say = say
        self._rooms: dict[str, HostedRoom] = {}
        self._by_participant: dict[str, HostedRoom] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self.port = SharedPort(forwarder, clock, self._receive_feedback)
        self.capacity = capacity
        self._saturation = Saturation()
        self.emptied = asyncio.Event()
        """Set while there is no peer."""
        self.emptied.set()
        self.refused: Counter[int] = Counter()

    @property
    def rooms(self) -> tuple[HostedRoom, ...]:
        return tuple(self._rooms.values())

    @property
    def peers(self) -> int:
        return len(self._by_participant)

    @property
    def is_full(self) -> bool:
        """The packet path has no room for more people, whatever `capacity` says."""
        return self._saturation.is_full

    def execute(self, command: Command) -> Reply:
        """Carry a command out. Never raises for anything that a client caused: what is wrong with it is in the reply."""
        try:
            return self._dispatch(command)
        except Refused as refused:
            return self._refuse(command, refused)
        except Stale:
            return self._refuse(command, Refused(53001, "stale"), stale=True)
        except Exception:
            # Our own mistake with one client's SDP shall cost that client its peer, not the asker five seconds.
            log.exception("command failed", command=command.type, participant_sid=command.participant_sid)
            return self._refuse(command, Refused(SERVER_CANNOT_APPLY))

    def end_participants(self, participant_sids: Iterable[str]) -> None:
        """Close the peers of participants that are over."""
        for sid in participant_sids:
            if sid in self._by_participant:
                room_sid = self._by_participant[sid].room_sid
                log.info("peer closed, its participant has ended", room_sid=room_sid, participant_sid=sid)
                self.execute(ClosePeer(participant_sid=sid, lease_epoch=ANY_EPOCH))

    def participants_of(self, room_sid: str) -> frozenset[str]:
        room = self._rooms.get(room_sid)
        return room.participant_sids if room else frozenset()

    def handle_second(self) -> None:
        """Call once a second."""
        self._read_packet_path()
        for room in self.rooms:
            room.handle_second()

    def handle_deliveries(self) -> None:
        """Call about five times a second: what subscribers' feedback told."""
        deliveries = {delivery.peer: delivery for delivery in self._forwarder.take_deliveries()}
        for room in self.rooms:
            room.receive_deliveries(deliveries)

    async def close(self) -> None:
        """Close every peer, then the port."""
        rooms, self._rooms = list(self._rooms.values()), {}
        self._by_participant.clear()
        await asyncio.gather(*(room.close() for room in rooms), *self._closing)
        self.port.close()

    def _dispatch(self, command: Command) -> Reply:
        if isinstance(command, OpenPeer):
            return self._open(command)
        room = self._by_participant.get(command.participant_sid)
        if room is None:
            if isinstance(command, ClosePeer):
                return MediaDone()
            raise UnknownPeer
        match command:
            case ApplyDescription():
                reply: Reply = room.apply_description(command)
            case ApplyCandidates():
                reply = MediaDone()  # a lite agent learns addresses from checks
            case SetDesired():
                reply = room.set_desired(command)
            case SetBandwidthProfile():
                reply = room.set_bandwidth_profile(command)
            case DescribePeer():
                reply = room.describe_peer(command)
            case ClosePeer():
                reply = room.close_peer(command)
        if command.participant_sid not in room.participant_sids:
            del self._by_participant[command.participant_sid]
            self._drop_if_empty(room)
            if not self._by_participant:
                self.emptied.set()
        return reply

    def _open(self, command: OpenPeer) -> Reply:
        if command.participant_sid not in self._by_participant and (self.peers >= self.capacity or self.is_full):
            raise Refused(AT_CAPACITY)
        room = self._rooms.get(command.room_sid)
        if room is None:
            room = self._rooms[command.room_sid] = HostedRoom(
                command.room_sid, self._make, self._forwarder, self.port, self._addresses, self._clock, self._say
            )
        try:
            reply = room.open_peer(command)
            self._by_participant[command.participant_sid] = room
            self.emptied.clear()
            return reply
        finally:
            self._drop_if_empty(room)

    def _read_packet_path(self) -> None:
        counters = self._forwarder.counters()
        was_full = self.is_full
        self._saturation.receive_reading(
            PacketPath(
                read_at_s=self._clock(),
                busy_s=counters["media_thread_nanoseconds"] / 1e9,
                received=counters["datagrams_in"],
                dropped=counters["drop_receive_queue_full"],
            )
        )
        if self.is_full != was_full:
            log.warning("node is full" if self.is_full else "node has room again", peers=self.peers)

    def _drop_if_empty(self, room: HostedRoom) -> None:
        if room.is_empty:
            del self._rooms[room.room_sid]
            task = asyncio.create_task(room.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _refuse(self, command: Command, refused: Refused, *, stale: bool = False) -> MediaRefused:
        self.refused[refused.code] += 1
        room = self._by_participant.get(command.participant_sid)
        log.info(
            "command refused",
            command=command.type,
            room_sid=room.room_sid if room else command.room_sid if isinstance(command, OpenPeer) else None,
            participant_sid=command.participant_sid,
            code=refused.code,
        )
        return MediaRefused(
            code=refused.code,
            message=refused.message,
            stale=stale,
            unknown_peer=isinstance(refused, UnknownPeer),
        )

    def _receive_feedback(self, event: KeyframeRequested) -> None:
        for room in self._rooms.values():
            if room.keyframe_requested(event.down_track):
                return
