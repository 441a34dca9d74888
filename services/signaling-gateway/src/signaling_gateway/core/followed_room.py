"""
The room of one session, followed from the snapshot that it joined with: events are put in order and applied one by one, a gap is noticed, and
what ends the session is told from what changes the room. Owns how far the session has followed; not the room.
"""

from dataclasses import dataclass

from contract.rooms import (
    Joined,
    LeaveReason,
    MissedEvents,
    RoomEvent,
    RoomSnapshot,
    RoomStatus,
    SessionState,
    apply_event,
)

MAX_PENDING_EVENTS = 1000
"""That wait for a snapshot. Of more the oldest is forgotten: the snapshot will be newer, or another one is asked for."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The room as it stands now. `leased` are other participants whose session another gateway may have now."""

    snapshot: RoomSnapshot
    own: SessionState
    leased: tuple[str, ...] = ()

    @property
    def others(self) -> list[str]:
        """SIDs of the other participants."""
        return _others(self.snapshot, self.own.participant_sid)


@dataclass(frozen=True, slots=True)
class Missed:
    """An event is missing: a snapshot is needed to go on."""


@dataclass(frozen=True, slots=True)
class Out:
    """The participant is no longer in the room."""

    reason: LeaveReason


@dataclass(frozen=True, slots=True)
class Taken:
    """Another socket has the session."""


Step = Changed | Missed | Out | Taken


class FollowedRoom:
    """Give it what is heard of the room; it says step by step what that means for the session. After `Out` or `Taken` it is of no more use."""

    def __init__(self) -> None:
        self._participant_sid = ""
        self._lease_epoch = 0
        self._snapshot: RoomSnapshot | None = None
        self._pending: list[RoomEvent] = []

    @property
    def revision(self) -> int:
        return self._snapshot.revision if self._snapshot else 0

    @property
    def current(self) -> tuple[RoomSnapshot, SessionState]:
        """The room and the own session; of others' sessions nothing is kept. Only after `join`."""
        if self._snapshot is None:
            raise AssertionError("not joined")
        return self._snapshot, self._snapshot.sessions[0]

    @property
    def others(self) -> list[str]:
        """SIDs of the other participants."""
        return _others(self.current[0], self._participant_sid)

    def join(self, joined: Joined) -> list[Step]:
        """Begin from the snapshot of the reply. Events that came before it are not lost."""
        self._participant_sid = joined.participant_sid
        self._lease_epoch = joined.lease_epoch
        own = _own_session(joined.snapshot, joined.participant_sid)
        if own is None:
            raise AssertionError("joined without a session")
        self._keep(joined.snapshot, own)
        return self._apply_pending()

    def receive_event(self, event: RoomEvent) -> list[Step]:
        self._pending = [*self._pending[1 - MAX_PENDING_EVENTS :], event]
        return self._apply_pending() if self._snapshot is not None else []

    def receive_snapshot(self, snapshot: RoomSnapshot) -> list[Step]:
        """The room as it stands, after `Missed` or whenever in doubt. It must include the own session if there is one."""
        if snapshot.revision < self.revision:
            return []
        own = _own_session(snapshot, self._participant_sid)
        if own is None or snapshot.room.status is not RoomStatus.IN_PROGRESS:
            return [Out(_reason_for_absence(snapshot, self._snapshot, self._participant_sid))]
        if own.lease_epoch != self._lease_epoch:
            return [Taken()]
        # A new lease of anybody may be among what was missed.
        changed = self._keep(snapshot, own, tuple(_others(snapshot, self._participant_sid)))
        return [changed, *self._apply_pending()]

    def _apply_pending(self) -> list[Step]:
        """Apply the events at hand, each in a step of its own, up to a gap."""
        pending, self._pending = sorted(self._pending, key=lambda event: event.revision), []
        steps: list[Step] = []
        for i, event in enumerate(pending):
            before, _ = self.current
            try:
                snapshot = apply_event(before, event)
            except MissedEvents:
                self._pending = pending[i:]
                return [*steps, Missed()]
            if snapshot is before:
                continue
            step = self._step(snapshot, event)
            steps.append(step)
            if not isinstance(step, Changed):
                break
        return steps

    def _step(self, snapshot: RoomSnapshot, event: RoomEvent) -> Step:
        for ended in event.ended:
            if ended.participant_sid == self._participant_sid:
                return Out(ended.reason)
        own = _own_session(snapshot, self._participant_sid)
        if own is None:
            raise AssertionError(f"session of {self._participant_sid} vanished without an end")
        if own.lease_epoch != self._lease_epoch:
            return Taken()
        return self._keep(snapshot, own, tuple(leased.participant_sid for leased in event.leased))

    def _keep(self, snapshot: RoomSnapshot, own: SessionState, leased: tuple[str, ...] = ()) -> Changed:
        self._snapshot = snapshot.model_copy(update={"sessions": (own,)})
        return Changed(self._snapshot, own, leased)


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
