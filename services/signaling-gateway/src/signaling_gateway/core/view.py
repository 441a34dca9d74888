"""
What one participant's client is told of its room: a pure function of the room's snapshot, minus what it was told before.

Every list goes out under the room revision at which it last changed, so that any gateway renders the same. Owns what the client has been told;
not the room.
"""

from typing import Any

from contract.errors import ERRORS
from contract.media import DesiredState, NodePublication, NodeSubscription
from contract.rooms import (
    ParticipantState,
    ParticipantStatus,
    Publication,
    PublishedTrack,
    RoomSnapshot,
    RoomState,
    SessionState,
    Subscription,
    TrackPriority,
)

NAME_PARTICIPANTS = frozenset({"active_speaker", "network_quality"})
"""Media signaling channels whose messages name participants."""

Lists = dict[str, Any]
"""Members of a `connected`, `synced` or `update` body."""


class View:
    """What the client of `participant_sid` knows. It applies a list only when its revision is greater than the last, so nothing is said twice."""

    def __init__(self, participant_sid: str) -> None:
        self._participant_sid = participant_sid
        self._told: dict[str, ParticipantState] = {}
        self._published_revision = 0
        self._subscribed_revision = 0
        self._recording_revision = 0

    def whole(self, snapshot: RoomSnapshot, session: SessionState) -> Lists:
        """Everything, complete: for `connected` and `synced`. From then on `changes` goes on from here."""
        self._told = {p.sid: p for p in snapshot.participants if p.sid != self._participant_sid}
        self._published_revision = session.published_revision
        self._subscribed_revision = session.subscribed_revision
        self._recording_revision = snapshot.room.recording_revision
        return {
            "participant": self._own(snapshot),
            "participants": [participant(state) for state in self._told.values()],
            "published": published(session),
            "subscribed": subscribed(session),
            "recording": recording(snapshot.room),
        }

    def changes(self, snapshot: RoomSnapshot, session: SessionState) -> Lists:
        """What changed since the last call: for one `update`. Empty when nothing did."""
        lists: Lists = {}
        if changed := self._changed_participants(snapshot):
            lists["participants"] = [participant(state) for state in changed]
        if session.published_revision > self._published_revision:
            self._published_revision = session.published_revision
            lists["published"] = published(session)
        if session.subscribed_revision > self._subscribed_revision:
            self._subscribed_revision = session.subscribed_revision
            lists["subscribed"] = subscribed(session)
        if snapshot.room.recording_revision > self._recording_revision:
            self._recording_revision = snapshot.room.recording_revision
            lists["recording"] = recording(snapshot.room)
        return lists

    def _changed_participants(self, snapshot: RoomSnapshot) -> list[ParticipantState]:
        present = {p.sid: p for p in snapshot.participants if p.sid != self._participant_sid}
        # Those that are gone come first: the SDK tells in the order of the list, and of an identity that joined again an application would
        # otherwise lose the newer one. They keep their tracks: with an empty list the SDK would tell of tracks unpublished.
        changed = [
            state.model_copy(update={"status": ParticipantStatus.DISCONNECTED, "revision": snapshot.revision})
            for sid, state in self._told.items()
            if sid not in present
        ]
        changed += [
            state
            for sid, state in present.items()
            if sid not in self._told or state.revision > self._told[sid].revision
        ]
        self._told = present
        return changed

    def _own(self, snapshot: RoomSnapshot) -> dict[str, Any]:
        for state in snapshot.participants:
            if state.sid == self._participant_sid:
                return participant(state) | {"tracks": []}  # its own tracks are told by `published`
        raise LookupError(f"{self._participant_sid} is not in the snapshot")


def participant(state: ParticipantState) -> dict[str, Any]:
    """A participant's state, also a disconnected one's: `tracks` is mandatory in every state."""
    return {
        "sid": state.sid,
        "identity": state.identity,
        "state": state.status.value,
        "revision": state.revision,
        "tracks": [_track(track) for track in state.tracks],
    }


def _track(track: PublishedTrack) -> dict[str, Any]:
    return {
        "sid": track.sid,
        "name": track.name,
        "kind": track.kind.value,
        "enabled": track.enabled,
        "priority": track.priority.value,
    }


def published(session: SessionState) -> dict[str, Any]:
    return {"revision": session.published_revision, "tracks": [_publication(p) for p in session.published]}


def _publication(publication: Publication) -> dict[str, Any]:
    if publication.sid is None or publication.error_code is not None:
        return {"id": publication.client_track_id, "state": "failed", "error": _error(publication.error_code or 53300)}
    return {"id": publication.client_track_id, "sid": publication.sid, "state": "ready"}


def subscribed(session: SessionState) -> dict[str, Any]:
    return {"revision": session.subscribed_revision, "tracks": [_subscription(s) for s in session.subscriptions]}


def _subscription(subscription: Subscription) -> dict[str, Any]:
    if subscription.error_code is not None:
        return {"sid": subscription.track_sid, "error": _error(subscription.error_code)}
    return {"sid": subscription.track_sid, "id": subscription.id}


def recording(room: RoomState) -> dict[str, Any]:
    return {"revision": room.recording_revision, "is_recording": room.is_recording}


def media_signaling(labels: dict[str, str]) -> dict[str, Any]:
    """Channels that the node opened: name to data channel label."""
    return {name: {"transport": {"type": "data-channel", "label": label}} for name, label in labels.items()}


def desired_state(snapshot: RoomSnapshot, session: SessionState) -> DesiredState:
    """What the participant's peer shall send and receive at this revision. What failed is neither."""
    tracks = {
        track.sid: track
        for state in snapshot.participants
        if state.sid == session.participant_sid
        for track in state.tracks
    }
    return DesiredState(
        revision=snapshot.revision,
        publications=tuple(
            NodePublication(
                client_track_id=p.client_track_id,
                track_sid=p.sid,
                kind=p.kind,
                enabled=tracks[p.sid].enabled if p.sid in tracks else True,
                priority=tracks[p.sid].priority if p.sid in tracks else TrackPriority.STANDARD,
            )
            for p in session.published
            if p.sid is not None and p.error_code is None
        ),
        subscriptions=tuple(
            NodeSubscription(id=s.id, track_sid=s.track_sid, publisher_sid=s.publisher_sid, kind=s.kind)
            for s in session.subscriptions
            if s.error_code is None
        ),
        participants=tuple(state.sid for state in snapshot.participants if state.sid != session.participant_sid)
        if NAME_PARTICIPANTS.intersection(session.media_signaling)
        else (),
    )


def _error(code: int) -> dict[str, Any]:
    known = ERRORS.get(code)
    return {"code": code, "message": known.message if known else "Track failed"}
