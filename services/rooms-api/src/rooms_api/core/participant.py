"""A participant with its session, its publications and its subscriptions, as plain state. What may happen to it is decided in `room.py`."""

from dataclasses import dataclass, field
from typing import Any

from contract.rooms import (
    LeaveReason,
    ParticipantState,
    ParticipantStatus,
    Publication,
    PublishedTrack,
    SessionState,
    Subscription,
    TrackKind,
    TrackPriority,
)

from rooms_api.core.rules import Candidate, Rules


@dataclass(slots=True)
class Track:
    """A track of a client's list: published under `sid`, or refused with `error_code`. Times are epoch seconds."""

    client_track_id: str
    kind: TrackKind
    sid: str | None
    name: str
    enabled: bool
    priority: TrackPriority
    created_at: float
    updated_at: float
    error_code: int | None = None

    def publication(self) -> Publication:
        return Publication(
            client_track_id=self.client_track_id, kind=self.kind, sid=self.sid, error_code=self.error_code
        )


@dataclass(slots=True)
class SubscribedTrack:
    """A track in a participant's set since `created_at` (epoch seconds). `message` is what listeners are told of it."""

    message: Subscription
    created_at: float
    updated_at: float


@dataclass(slots=True)
class Participant:
    """`tracks` is keyed by the client's track id, `subscriptions` by track SID. `deadline` is when a reconnecting one is given up."""

    sid: str
    identity: str
    session_hash: str
    gateway_id: str
    node_id: str | None
    rules: Rules
    created_at: float
    updated_at: float
    rules_updated_at: float
    revision: int
    published_revision: int
    subscribed_revision: int
    lease_epoch: int = 1
    client_revision: int = 0
    status: ParticipantStatus = ParticipantStatus.CONNECTED
    deadline: float | None = None
    ended_at: float | None = None
    end_reason: LeaveReason | None = None
    peer_connection_ids: tuple[str, ...] = ()
    media_signaling: tuple[str, ...] = ()
    media_warnings: tuple[str, ...] = ()
    bandwidth_profile: dict[str, Any] | None = None
    publisher: dict[str, Any] | None = None
    tracks: dict[str, Track] = field(default_factory=dict)
    subscriptions: dict[str, SubscribedTrack] = field(default_factory=dict)

    def published_tracks(self) -> list[Track]:
        return [track for track in self.tracks.values() if track.sid is not None]

    def candidate(self, track: Track) -> Candidate:
        """The published track as rules see it."""
        assert track.sid is not None
        return Candidate(self.sid, self.identity, track.sid, track.name, track.kind)

    def state(self) -> ParticipantState:
        return ParticipantState(
            sid=self.sid,
            identity=self.identity,
            status=self.status,
            revision=self.revision,
            tracks=tuple(
                PublishedTrack(
                    sid=track.sid, name=track.name, kind=track.kind, enabled=track.enabled, priority=track.priority
                )
                for track in self.tracks.values()
                if track.sid is not None
            ),
        )

    def publications(self) -> tuple[Publication, ...]:
        return tuple(track.publication() for track in self.tracks.values())

    def session(self) -> SessionState:
        return SessionState(
            participant_sid=self.sid,
            gateway_id=self.gateway_id,
            lease_epoch=self.lease_epoch,
            node_id=self.node_id,
            peer_connection_ids=self.peer_connection_ids,
            client_revision=self.client_revision,
            published=self.publications(),
            published_revision=self.published_revision,
            subscriptions=tuple(subscribed.message for subscribed in self.subscriptions.values()),
            subscribed_revision=self.subscribed_revision,
            media_signaling=self.media_signaling,
            media_warnings=self.media_warnings,
            bandwidth_profile=self.bandwidth_profile,
        )
