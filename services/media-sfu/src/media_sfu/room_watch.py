"""
Which participants with a peer here are over, so that nothing leaks when a gateway dies before it closes its peers. Synchronous; is given `now`.

rooms-api says so in events; a lost event is noticed by the room's revision, a lost room by its absence from the list of rooms in progress.
"""

from collections.abc import Iterable

from contract.rooms import RoomEvent, RoomRevisions, RoomSnapshot

GONE_S = 10.0
"""A room that is not listed for so long is over. rooms-api lists every second, but may be restarting."""


class RoomWatch:
    """Follows the rooms that have peers here."""

    def __init__(self) -> None:
        self._revisions: dict[str, int] = {}
        self._behind: set[str] = set()
        self._absent_since_s: dict[str, float] = {}

    @property
    def followed(self) -> frozenset[str]:
        return frozenset(self._revisions)

    def follow(self, room_sid: str) -> None:
        """A room has peers here."""
        self._revisions.setdefault(room_sid, 0)

    def forget(self, room_sid: str) -> None:
        self._revisions.pop(room_sid, None)
        self._behind.discard(room_sid)
        self._absent_since_s.pop(room_sid, None)

    def receive_event(self, event: RoomEvent) -> tuple[str, ...]:
        """Participants that the event ends."""
        known = self._revisions.get(event.room_sid)
        if known is None:
            return ()
        if known in (0, event.revision - 1):
            self._revisions[event.room_sid] = event.revision
        return tuple(ended.participant_sid for ended in event.ended)

    def receive_revisions(self, message: RoomRevisions, now: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """
        Rooms to ask rooms-api about, because events were missed, and rooms that are over. A room is asked about when it was behind twice running: its
        event may just be on the way.
        """
        behind, over = set(), []
        for room_sid, revision in self._revisions.items():
            listed = message.revisions.get(room_sid)
            if listed is None:
                since = self._absent_since_s.setdefault(room_sid, now)
                if now - since >= GONE_S:
                    over.append(room_sid)
                continue
            self._absent_since_s.pop(room_sid, None)
            if listed > revision:
                behind.add(room_sid)
        to_ask = tuple(behind & self._behind)
        self._behind = behind - set(to_ask)
        return to_ask, tuple(over)

    def receive_snapshot(self, snapshot: RoomSnapshot, present: Iterable[str]) -> tuple[str, ...]:
        """Of the participants `present` here, those that the room no longer has."""
        if snapshot.room.sid in self._revisions:
            self._revisions[snapshot.room.sid] = snapshot.revision
        alive = {participant.sid for participant in snapshot.participants}
        return tuple(sid for sid in present if sid not in alive)
