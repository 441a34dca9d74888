"""
Following rooms: one subscription for each room that a socket here is in, its events handed to every follower, and a snapshot for those that may
have missed something. Owns no state of rooms; each follower keeps what it needs.
"""

import asyncio
import contextlib
from typing import Protocol

import structlog
from contract.rooms import Described, DescribeRoom, NotDone, RoomEvent, RoomRevisions, RoomSnapshot, room_reply
from contract.subjects import ROOM_COMMAND, ROOM_REVISIONS, room_event
from pydantic import TypeAdapter
from service_kit.bus import Bus, BusUnavailable, Subscription

from signaling_gateway.metrics import RESYNCS

log = structlog.get_logger()

REQUEST_TIMEOUT_S = 3.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0
ROOM_GONE = frozenset({53106, 53118})

_room_event = TypeAdapter(RoomEvent)
_room_revisions = TypeAdapter(RoomRevisions)


class Follower(Protocol):
    """Who follows a room. `revision` is the room's as the follower knows it."""

    @property
    def participant_sid(self) -> str: ...
    @property
    def revision(self) -> int: ...
    def receive_event(self, event: RoomEvent) -> None: ...
    def receive_snapshot(self, snapshot: RoomSnapshot) -> None: ...
    def receive_room_gone(self) -> None: ...
    def receive_bus_reconnected(self) -> None: ...


class RoomFeed:
    """One room's events for its followers here."""

    def __init__(self, bus: Bus, room_sid: str) -> None:
        self._bus = bus
        self._room_sid = room_sid
        self._followers: set[Follower] = set()
        self._behind: set[Follower] = set()
        self._latest = 0
        self._subscription: Subscription | None = None
        self._is_subscribed = asyncio.Event()
        self._is_wanted = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    @property
    def is_idle(self) -> bool:
        return not self._followers

    async def add(self, follower: Follower, revision: int) -> None:
        """From when this returns on, `follower`, who knows the room at `revision`, hears every event. What came between follows as a snapshot."""
        may_miss = not self._is_subscribed.is_set()
        self._followers.add(follower)
        await self._is_subscribed.wait()
        if may_miss or self._latest > revision:
            self.resync(follower)

    def remove(self, follower: Follower) -> None:
        self._followers.discard(follower)
        self._behind.discard(follower)

    def receive_revision(self, revision: int | None) -> None:
        """What rooms-api says the room's revision is; None when the room is not in progress."""
        for follower in self._followers:
            if revision is None or follower.revision < revision:
                self.resync(follower)

    def resync(self, follower: Follower) -> None:
        """Get a snapshot for this follower."""
        self._behind.add(follower)
        self._is_wanted.set()

    def receive_bus_reconnected(self) -> None:
        """Events may have been lost, and whatever the followers had on its way."""
        for follower in list(self._followers):
            self.resync(follower)
            follower.receive_bus_reconnected()

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._subscription is not None:
            await self._subscription.stop()

    async def _run(self) -> None:
        self._subscription = await self._bus.listen(room_event(self._room_sid), _room_event, self._hand_out)
        self._is_subscribed.set()
        while True:
            await self._is_wanted.wait()
            self._is_wanted.clear()
            await self._fetch_snapshot()

    async def _hand_out(self, event: RoomEvent) -> None:
        self._latest = max(self._latest, event.revision)
        for follower in list(self._followers):
            follower.receive_event(event)

    async def _fetch_snapshot(self) -> None:
        """Ask until somebody answers, or nobody wants to know any more."""
        pause_s = FIRST_PAUSE_S
        while self._behind:
            asking = set(self._behind)
            RESYNCS.inc()
            try:
                reply = await self._describe(tuple({follower.participant_sid for follower in asking}))
            except BusUnavailable:
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
                continue
            self._behind -= asking
            for follower in asking & self._followers:
                if reply is None:
                    follower.receive_room_gone()
                else:
                    follower.receive_snapshot(reply)

    async def _describe(self, participant_sids: tuple[str, ...]) -> RoomSnapshot | None:
        """The room with these sessions; None when it is gone."""
        if not self._bus.is_connected:
            raise BusUnavailable("bus is away")
        command = DescribeRoom(room_sid=self._room_sid, participant_sids=participant_sids)
        match await self._bus.request(ROOM_COMMAND, command, room_reply, REQUEST_TIMEOUT_S):
            case Described(snapshot=snapshot):
                return snapshot
            case NotDone(code=code) if code in ROOM_GONE:
                return None
            case reply:
                log.warning("room not described", room_sid=self._room_sid, reply=reply.type)
                raise BusUnavailable("no description")


class RoomFeeds:
    """The feeds of all rooms that somebody here is in."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._feeds: dict[str, RoomFeed] = {}

    async def start(self) -> None:
        await self._bus.listen(ROOM_REVISIONS, _room_revisions, self._compare)
        self._bus.on_reconnect(self._receive_bus_reconnected)

    def __len__(self) -> int:
        return len(self._feeds)

    async def follow(self, room_sid: str, follower: Follower, revision: int) -> None:
        """Returns once the follower, who knows the room at `revision`, can miss nothing more."""
        feed = self._feeds.get(room_sid)
        if feed is None:
            feed = self._feeds[room_sid] = RoomFeed(self._bus, room_sid)
        await feed.add(follower, revision)

    async def unfollow(self, room_sid: str, follower: Follower) -> None:
        feed = self._feeds.get(room_sid)
        if feed is None:
            return
        feed.remove(follower)
        if feed.is_idle:
            del self._feeds[room_sid]
            await feed.stop()

    def resync(self, room_sid: str, follower: Follower) -> None:
        if (feed := self._feeds.get(room_sid)) is not None:
            feed.resync(follower)

    async def stop(self) -> None:
        feeds, self._feeds = list(self._feeds.values()), {}
        for feed in feeds:
            await feed.stop()

    async def _compare(self, known: RoomRevisions) -> None:
        for room_sid, feed in self._feeds.items():
            feed.receive_revision(known.revisions.get(room_sid))

    async def _receive_bus_reconnected(self) -> None:
        for feed in list(self._feeds.values()):
            feed.receive_bus_reconnected()
