"""What one command changed in a room: the event for listeners, what happened for callbacks, and what storage has to write."""

from dataclasses import dataclass, field
from enum import StrEnum

from contract.rooms import (
    Ended,
    Leased,
    ParticipantStatus,
    PublishedChanged,
    RoomEvent,
    RoomState,
    RoomStatus,
    SubscribedChanged,
    TrackKind,
)

from rooms_api.core.participant import Participant, SubscribedTrack, Track
from rooms_api.core.recording import RecordingStep


class Happening(StrEnum):
    """Names of the room's status callback events."""

    ROOM_CREATED = "room-created"
    ROOM_ENDED = "room-ended"
    PARTICIPANT_CONNECTED = "participant-connected"
    PARTICIPANT_DISCONNECTED = "participant-disconnected"
    TRACK_ADDED = "track-added"
    TRACK_REMOVED = "track-removed"
    TRACK_ENABLED = "track-enabled"
    TRACK_DISABLED = "track-disabled"


@dataclass(frozen=True, slots=True)
class Happened:
    """
    Something that applications are told. Durations are whole seconds, `at` is epoch seconds, statuses are those at that moment.

    `sequence_number` counts what happened in the room, from 0.
    """

    event: Happening
    at: float
    sequence_number: int
    room_status: RoomStatus
    participant_sid: str | None = None
    identity: str | None = None
    participant_status: ParticipantStatus | None = None
    track_sid: str | None = None
    track_name: str | None = None
    track_kind: TrackKind | None = None
    duration_s: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """
    One revision of a room. `tracks` and `subscriptions` name their participant first; None instead of the thing means that it is gone.

    Of participants that are now disconnected all tracks and subscriptions are gone, without being listed.
    """

    event: RoomEvent
    happened: tuple[Happened, ...]
    participants: tuple[Participant, ...]
    tracks: tuple[tuple[str, str, Track | None], ...]
    subscriptions: tuple[tuple[str, str, SubscribedTrack | None], ...]
    recordings: tuple[RecordingStep, ...] = ()
    has_receiver: bool = False
    """Whether the room has a receiver of status callbacks, who is owed what happened."""


@dataclass(slots=True)
class Recorder:
    """Collects what a command does to a room, in the order of doing. Each set is of participant SIDs."""

    room: bool = False
    seen: dict[str, Participant] = field(default_factory=dict)
    """Participants with a change of any kind, to be stored."""
    shown: dict[str, Participant] = field(default_factory=dict)
    """Participants whose public state changed."""
    sessions: dict[str, Participant] = field(default_factory=dict)
    published: dict[str, Participant] = field(default_factory=dict)
    leased: dict[str, Participant] = field(default_factory=dict)
    ended: dict[str, Participant] = field(default_factory=dict)
    tracks: dict[tuple[str, str], Track | None] = field(default_factory=dict)
    entered: dict[tuple[str, str], SubscribedTrack] = field(default_factory=dict)
    left: dict[tuple[str, str], str] = field(default_factory=dict)
    """Subscription ids by participant and track SID."""
    happened: list[Happened] = field(default_factory=list)
    recordings: list[RecordingStep] = field(default_factory=list)

    def show(self, participant: Participant, revision: int, now: float) -> None:
        """The participant's public state is another one from `revision` on."""
        participant.revision = revision
        participant.updated_at = now
        self.shown[participant.sid] = self.seen[participant.sid] = participant

    def touch_session(self, participant: Participant) -> None:
        self.sessions[participant.sid] = self.seen[participant.sid] = participant

    def publish(self, participant: Participant, track: Track, revision: int) -> None:
        """The entry of `track` in the participant's publications is new or another one."""
        participant.published_revision = revision
        self.tracks[participant.sid, track.client_track_id] = track
        self.published[participant.sid] = self.seen[participant.sid] = participant

    def unpublish(self, participant: Participant, track: Track, revision: int) -> None:
        participant.published_revision = revision
        self.tracks[participant.sid, track.client_track_id] = None
        self.published[participant.sid] = self.seen[participant.sid] = participant

    def enter(self, participant: Participant, subscribed: SubscribedTrack, revision: int) -> None:
        """The subscription is new or has new content."""
        participant.subscribed_revision = revision
        self.entered[participant.sid, subscribed.message.track_sid] = subscribed
        self.seen[participant.sid] = participant

    def drop(self, participant: Participant, subscribed: SubscribedTrack, revision: int) -> None:
        participant.subscribed_revision = revision
        self.entered.pop((participant.sid, subscribed.message.track_sid), None)
        self.left[participant.sid, subscribed.message.track_sid] = subscribed.message.id
        self.seen[participant.sid] = participant

    def end(self, participant: Participant) -> None:
        self.ended[participant.sid] = self.seen[participant.sid] = participant

    def change(self, room_sid: str, revision: int, room: RoomState | None, has_receiver: bool = False) -> Change | None:
        """Everything as one change that makes `revision`; None when nothing was done."""
        if room is None and not self.seen and not self.happened and not self.recordings:
            return None
        alive = {sid: participant for sid, participant in self.seen.items() if sid not in self.ended}
        event = RoomEvent(
            room_sid=room_sid,
            revision=revision,
            room=room,
            participants=tuple(participant.state() for participant in self.shown.values()),
            published=tuple(
                PublishedChanged(participant_sid=sid, published=participant.publications())
                for sid, participant in self.published.items()
                if sid in alive
            ),
            subscribed=tuple(self._subscribed(alive)),
            sessions=tuple(participant.session() for sid, participant in self.sessions.items() if sid in alive),
            leased=tuple(
                Leased(participant_sid=sid, gateway_id=participant.gateway_id, lease_epoch=participant.lease_epoch)
                for sid, participant in self.leased.items()
                if sid in alive
            ),
            ended=tuple(
                Ended(participant_sid=sid, reason=participant.end_reason)
                for sid, participant in self.ended.items()
                if participant.end_reason is not None
            ),
        )
        gone: list[tuple[str, str, SubscribedTrack | None]] = [
            (sid, track_sid, None) for sid, track_sid in self.left if sid in alive
        ]
        return Change(
            event=event,
            happened=tuple(self.happened),
            recordings=tuple(self.recordings),
            has_receiver=has_receiver,
            participants=tuple(self.seen.values()),
            tracks=tuple((sid, track_id, track) for (sid, track_id), track in self.tracks.items() if sid in alive),
            subscriptions=(
                *gone,
                *(
                    (sid, track_sid, subscribed)
                    for (sid, track_sid), subscribed in self.entered.items()
                    if sid in alive
                ),
            ),
        )

    def _subscribed(self, alive: dict[str, Participant]) -> list[SubscribedChanged]:
        added: dict[str, list[SubscribedTrack]] = {}
        removed: dict[str, list[str]] = {}
        for (sid, _), subscribed in self.entered.items():
            added.setdefault(sid, []).append(subscribed)
        for (sid, _), subscription_id in self.left.items():
            removed.setdefault(sid, []).append(subscription_id)
        return [
            SubscribedChanged(
                participant_sid=sid,
                added=tuple(subscribed.message for subscribed in added.get(sid, ())),
                removed=tuple(removed.get(sid, ())),
            )
            for sid in {**added, **removed}
            if sid in alive
        ]
