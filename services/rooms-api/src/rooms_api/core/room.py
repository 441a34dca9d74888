"""
The room as an aggregate: who may join, what they publish, and what each of them receives.

Owns every decision about a room; no storage, no rendering, no clock. A command either raises `Refused` and changes nothing, or changes the room;
then `take_change` gives the one revision that came of it, which the caller must store and publish. Times are epoch seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from contract.errors import Refused
from contract.ids import TRACK, SidMaker
from contract.recordings import RecordedTrack, RecordingFact
from contract.rooms import (
    ClientTrack,
    JoinRoom,
    LeaveReason,
    ParticipantStatus,
    ResumeSession,
    RoomSnapshot,
    RoomState,
    RoomStatus,
    Subscription,
    TrackKind,
    UpdateParticipant,
    UpdateSession,
)

from rooms_api.core.change import Change, Happened, Happening, Recorder
from rooms_api.core.names import MAX_CLIENT_TRACK_ID, MAX_NAME, check_identity, is_storable
from rooms_api.core.participant import Participant, SubscribedTrack, Track
from rooms_api.core.recording import Recordings, RecordingStep, tracks_to_record
from rooms_api.core.rules import EXCLUDE_ALL, INCLUDE_ALL, Candidate, Rules, admits
from rooms_api.core.settings import DIRECT_TYPES, MAX_DURATION_S, SESSION_TIMEOUT_S, RoomSettings


class StaleLease(Refused):
    """The command comes from a gateway that has lost the session to another one."""

    def __init__(self) -> None:
        super().__init__(53001, "Another connection has taken this session over")


@dataclass(frozen=True, slots=True)
class Admission:
    """What the caller provides for somebody who joins: fresh ids, the hash of the session string, and the node that placement chose."""

    participant_sid: str
    session_hash: str
    node_id: str | None


@dataclass(slots=True)
class Room:
    """`participants` holds those who are connected or reconnecting. Make a new one with `create`."""

    sid: str
    account_sid: str
    name: str
    settings: RoomSettings
    created_method: str
    created_at: float
    updated_at: float
    status: RoomStatus = RoomStatus.IN_PROGRESS
    revision: int = 0
    ended_at: float | None = None
    end_reason: str | None = None
    is_recording: bool = False
    recording_revision: int = 1
    recording_rules_updated_at: float | None = None
    ever_joined: bool = False
    empty_since: float | None = None
    peak_participants: int = 0
    happenings: int = 0
    """How much has happened that applications are told of: the next one's sequence number."""
    participants: dict[str, Participant] = field(default_factory=dict)
    recordings: Recordings = field(default_factory=Recordings)
    _recorder: Recorder = field(default_factory=Recorder)

    @classmethod
    def create(
        cls, sid: str, account_sid: str, name: str | None, settings: RoomSettings, created_method: str, now: float
    ) -> "Room":
        """Make a room in progress, its creation being the change to store. Without a `name` it is called by its SID."""
        room = cls(sid, account_sid, name or sid, settings, created_method, created_at=now, updated_at=now)
        room._recorder.room = True
        room._happen(Happening.ROOM_CREATED, now)
        return room

    # -- people ----------------------------------------------------------------------------------------------------------------------

    def join(self, request: JoinRoom, admission: Admission, now: float, new_sid: SidMaker) -> Participant:
        """
        Let a participant in; an older one of the same identity is disconnected in the same change.

        Raises 53118 for an ended room, 53105 for a full one, 53200 to 53202 for a bad identity.
        """
        self._require_progress()
        self.check_admission(request.identity)
        for older in [p for p in self.participants.values() if p.identity == request.identity]:
            self._end(older, LeaveReason.DUPLICATE_IDENTITY, now)
        # Without a media server between them everybody gets everything: rules have no say (the SDK's own tests hold the service to that).
        is_automatic = request.automatic_subscription or self.settings.type in DIRECT_TYPES
        participant = Participant(
            sid=admission.participant_sid,
            identity=request.identity,
            session_hash=admission.session_hash,
            gateway_id=request.gateway_id,
            node_id=admission.node_id,
            rules=INCLUDE_ALL if is_automatic else EXCLUDE_ALL,
            created_at=now,
            updated_at=now,
            rules_updated_at=now,
            revision=self._next,
            published_revision=self._next,
            subscribed_revision=self._next,
            peer_connection_ids=request.peer_connection_ids,
            media_signaling=request.media_signaling,
            media_warnings=request.media_warnings,
            bandwidth_profile=request.bandwidth_profile,
            publisher=request.publisher,
        )
        self.participants[participant.sid] = participant
        self.ever_joined = True
        self.empty_since = None
        self.peak_participants = max(self.peak_participants, len(self.participants))
        self._recorder.show(participant, self._next, now)
        self._recorder.touch_session(participant)
        self._happen(Happening.PARTICIPANT_CONNECTED, now, participant)
        self._apply_tracks(participant, request.client_revision, request.tracks, now, new_sid)
        self._subscribe_to_everything(participant, now)
        return participant

    def rejoin(self, session_hash: str, now: float) -> Participant:
        """A join is repeated, because its answer was lost: who came of it. Raises 53118 for an ended room, 53104 when the participant has left."""
        self._require_progress()
        participant = self.find_session(session_hash)
        if participant is None:
            raise Refused(53104)
        self._attach(participant, now)
        return participant

    def find_session(self, session_hash: str) -> Participant | None:
        """The participant whose session string has this hash, while it is here."""
        return next((p for p in self.participants.values() if p.session_hash == session_hash), None)

    def check_admission(self, identity: str) -> None:
        """Raises what `join` would refuse this identity with. Changes nothing."""
        self._require_progress()
        check_identity(identity)
        others = sum(participant.identity != identity for participant in self.participants.values())
        if others >= self.settings.max_participants:
            raise Refused(53105)

    def resume(self, participant_sid: str, request: ResumeSession, now: float, new_sid: SidMaker) -> Participant:
        """
        Give the session to the gateway that asks, under a new lease epoch.

        Raises 53118 for an ended room, 53001 when the session is over or belongs to somebody else.
        """
        self._require_progress()
        participant = self.participants.get(participant_sid)
        if participant is None or participant.identity != request.identity or self.account_sid != request.account_sid:
            raise Refused(53001)
        participant.lease_epoch += 1
        participant.gateway_id = request.gateway_id
        self._recorder.leased[participant.sid] = self._recorder.seen[participant.sid] = participant
        self._attach(participant, now)
        if request.client_revision > participant.client_revision:
            self._apply_tracks(participant, request.client_revision, request.tracks, now, new_sid)
        return participant

    def update_participant(self, request: UpdateParticipant, now: float, new_sid: SidMaker) -> None:
        """
        Apply the client's complete track list if its revision is newer than the last one applied. Tracks that cannot be published become failed
        publications. Raises 53204 for somebody who is gone, `StaleLease`.
        """
        participant = self._leased(request.participant_sid, request.lease_epoch)
        if request.client_revision > participant.client_revision:
            self._apply_tracks(participant, request.client_revision, request.tracks, now, new_sid)

    def update_session(self, request: UpdateSession) -> None:
        """Keep other facts that a resume needs. Raises as `update_participant`."""
        participant = self._leased(request.participant_sid, request.lease_epoch)
        profile = request.bandwidth_profile
        connections = request.peer_connection_ids
        if profile is not None and profile != participant.bandwidth_profile:
            participant.bandwidth_profile = profile
            self._recorder.touch_session(participant)
        if connections is not None and connections != participant.peer_connection_ids:
            participant.peer_connection_ids = connections
            self._recorder.touch_session(participant)

    def leave(self, participant_sid: str, lease_epoch: int, reason: LeaveReason, now: float) -> None:
        """The client said goodbye. No error when it has left already. Raises `StaleLease`."""
        if participant_sid in self.participants:
            self._end(self._leased(participant_sid, lease_epoch), reason, now)

    def remove(self, participant_sid: str, now: float) -> None:
        """The application disconnects a participant. No error when it has left already."""
        if participant := self.participants.get(participant_sid):
            self._end(participant, LeaveReason.REMOVED, now)

    def detach(self, participant_sid: str, lease_epoch: int, grace_s: float | None, now: float) -> None:
        """
        The client's socket is gone: `reconnecting` from now on, given up after `grace_s` seconds (None: the session timeout). When it was detached
        before, the earlier deadline holds. No error when it has left already. Raises `StaleLease`.
        """
        if participant_sid not in self.participants:
            return
        participant = self._leased(participant_sid, lease_epoch)
        self._detach(participant, SESSION_TIMEOUT_S if grace_s is None else grace_s, now)

    def lose_gateway(self, gateway_id: str, now: float) -> None:
        """A gateway died: everybody whose socket it held is reconnecting."""
        for participant in self.participants.values():
            if participant.gateway_id == gateway_id and participant.status is ParticipantStatus.CONNECTED:
                self._detach(participant, SESSION_TIMEOUT_S, now)

    def lose_peer(self, participant_sid: str, lease_epoch: int, now: float) -> None:
        """The client closed its transport. Together with a lost socket this means that the page is gone for good."""
        participant = self.participants.get(participant_sid)
        if (
            participant is not None
            and participant.status is ParticipantStatus.RECONNECTING
            and participant.lease_epoch == lease_epoch
        ):
            self._end(participant, LeaveReason.LEFT, now)

    def complete(self, end_reason: str, now: float) -> None:
        """End the room and disconnect everybody. Raises 53112 when it has ended already."""
        if self.status is not RoomStatus.IN_PROGRESS:
            raise Refused(53112)
        self._complete(end_reason, now)

    # -- tracks ----------------------------------------------------------------------------------------------------------------------

    def set_subscribe_rules(self, participant_sid: str, rules: Rules, now: float) -> None:
        """Replace the rules of who receives what. Raises 53118 for an ended room, 53204 for somebody who is gone."""
        self._require_progress()
        participant = self.participants.get(participant_sid)
        if participant is None:
            raise Refused(53204)
        participant.rules = rules
        participant.rules_updated_at = now
        self._recorder.seen[participant.sid] = participant
        self._subscribe_to_everything(participant, now)

    def set_recording_rules(self, rules: Rules, now: float) -> None:
        """Replace the rules of what is recorded. Raises 53122 in a room whose media touches no server, 53118 for an ended room."""
        if self.settings.type in DIRECT_TYPES:
            raise Refused(53122)
        self._require_progress()
        self.settings = replace(self.settings, recording_rules=rules)
        self.recording_rules_updated_at = now
        self._recorder.room = True

    def tracks_to_record(self) -> list[Candidate]:
        """The published tracks that shall be recorded now."""
        published = [
            participant.candidate(track)
            for participant in self.participants.values()
            for track in participant.published_tracks()
        ]
        return tracks_to_record(self.settings.recording_rules, published)

    def receive_recording(self, fact: RecordingFact, now: float) -> None:
        """
        A node says what became of a recording. One that was heard before changes nothing; it may come after the room's end.

        While anything is being recorded, clients are told so.
        """
        self._record(self.recordings.receive(fact, self._track_name(fact.recording), now))
        if fact.recording.participant_sid not in self.participants:
            self.recordings.leave(fact.recording.participant_sid, now)

    def _record(self, steps: list[RecordingStep]) -> None:
        self._recorder.recordings += steps
        is_recording = bool(self.recordings.processing)
        if is_recording != self.is_recording:
            self.is_recording = is_recording
            self.recording_revision = self._next
            self._recorder.room = True

    def fail_subscription(self, participant_sid: str, subscription_id: str, code: int, now: float) -> None:
        """The node could not set the subscription up. Nothing happens when it has ended meanwhile."""
        participant = self.participants.get(participant_sid)
        if participant is None:
            return
        for subscribed in participant.subscriptions.values():
            if subscribed.message.id == subscription_id and subscribed.message.error_code != code:
                subscribed.message = subscribed.message.model_copy(update={"error_code": code})
                subscribed.updated_at = now
                self._recorder.enter(participant, subscribed, self._next)

    def fail_publication(self, participant_sid: str, track_sid: str, code: int, now: float) -> None:
        """The node could not take the track from its publisher: it becomes a failed publication. Nothing happens when it has ended meanwhile."""
        participant = self.participants.get(participant_sid)
        if participant is None:
            return
        for track in participant.published_tracks():
            if track.sid == track_sid:
                self._withdraw(participant, track, now)
                track.sid = None
                track.error_code = code
                track.updated_at = now
                self._recorder.publish(participant, track, self._next)
                self._recorder.show(participant, self._next, now)

    # -- time ------------------------------------------------------------------------------------------------------------------------

    def next_timeout(self) -> float | None:
        """When `handle_timeout` has something to do; None for an ended room that waits for no recording."""
        times = [self.recordings.next_timeout()]
        if self.status is RoomStatus.IN_PROGRESS:
            times += [self.created_at + MAX_DURATION_S, self._idle_until()]
        for participant in self.participants.values():
            times.append(participant.deadline)
            times.append(participant.created_at + self.settings.max_participant_duration_s)
        return min((time for time in times if time is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Give up lost sessions and recordings, disconnect who has been here too long, and end a room that was left alone or is too old."""
        self._record(self.recordings.give_up(now))
        if self.status is not RoomStatus.IN_PROGRESS:
            return
        for participant in list(self.participants.values()):
            if participant.deadline is not None and participant.deadline <= now:
                self._end(participant, LeaveReason.SESSION_EXPIRED, now)
            elif participant.created_at + self.settings.max_participant_duration_s <= now:
                self._end(participant, LeaveReason.DURATION_EXCEEDED, now)
        idle_until = self._idle_until()
        if self.status is RoomStatus.IN_PROGRESS and (
            (idle_until is not None and idle_until <= now) or self.created_at + MAX_DURATION_S <= now
        ):
            self._complete("timeout", now)

    def _idle_until(self) -> float | None:
        if not self.ever_joined:
            return self.created_at + self.settings.unused_room_timeout_min * 60
        if self.empty_since is not None:
            return self.empty_since + self.settings.empty_room_timeout_min * 60
        return None

    # -- what came of it -------------------------------------------------------------------------------------------------------------

    def take_change(self) -> Change | None:
        """The revision that the commands since the last call make, or None when nothing changed. The caller must store and publish it."""
        recorder, self._recorder = self._recorder, Recorder()
        has_receiver = self.settings.status_callback is not None
        change = recorder.change(self.sid, self._next, self.state() if recorder.room else None, has_receiver)
        if change is not None:
            self.revision = change.event.revision
        return change

    def state(self) -> RoomState:
        return RoomState(
            sid=self.sid,
            account_sid=self.account_sid,
            name=self.name,
            type=self.settings.type,
            status=self.status,
            media_region=self.settings.media_region,
            audio_only=self.settings.audio_only,
            video_codecs=self.settings.video_codecs,
            session_timeout_s=SESSION_TIMEOUT_S,
            is_recording=self.is_recording,
            recording_revision=self.recording_revision,
        )

    def snapshot(self, participant_sids: Iterable[str] = ()) -> RoomSnapshot:
        """The room at its revision, with the sessions of these participants as far as they are here."""
        return RoomSnapshot(
            revision=self.revision,
            room=self.state(),
            participants=tuple(participant.state() for participant in self.participants.values()),
            sessions=tuple(self.participants[sid].session() for sid in participant_sids if sid in self.participants),
        )

    # -- inside ----------------------------------------------------------------------------------------------------------------------

    @property
    def _next(self) -> int:
        return self.revision + 1

    def _track_name(self, recorded: RecordedTrack) -> str:
        """The name of a track that is being recorded; its SID when the track has ended meanwhile."""
        publisher = self.participants.get(recorded.participant_sid)
        tracks = publisher.published_tracks() if publisher else []
        return next((track.name for track in tracks if track.sid == recorded.track_sid), recorded.track_sid)

    def _require_progress(self) -> None:
        if self.status is not RoomStatus.IN_PROGRESS:
            raise Refused(53118)

    def _leased(self, participant_sid: str, lease_epoch: int) -> Participant:
        participant = self.participants.get(participant_sid)
        if participant is None:
            raise Refused(53204)
        if lease_epoch != participant.lease_epoch:
            raise StaleLease
        return participant

    def _attach(self, participant: Participant, now: float) -> None:
        """A gateway has its socket, as far as is known."""
        if participant.status is ParticipantStatus.RECONNECTING:
            participant.status = ParticipantStatus.CONNECTED
            participant.deadline = None
            self._recorder.show(participant, self._next, now)

    def _detach(self, participant: Participant, grace_s: float, now: float) -> None:
        deadline = now + grace_s
        if participant.status is ParticipantStatus.CONNECTED:
            participant.status = ParticipantStatus.RECONNECTING
            participant.deadline = deadline
            self._recorder.show(participant, self._next, now)
        elif participant.deadline is None or deadline < participant.deadline:
            participant.deadline = deadline
            self._recorder.seen[participant.sid] = participant

    def _end(self, participant: Participant, reason: LeaveReason, now: float) -> None:
        """Disconnect a participant. Its track list stays as it was, as clients expect; nobody receives it any more."""
        for track in participant.published_tracks():
            self._withdraw(participant, track, now)
        participant.status = ParticipantStatus.DISCONNECTED
        participant.deadline = None
        participant.ended_at = now
        participant.end_reason = reason
        self._recorder.show(participant, self._next, now)
        self._recorder.end(participant)
        del self.participants[participant.sid]
        self.recordings.leave(participant.sid, now)
        self._happen(
            Happening.PARTICIPANT_DISCONNECTED, now, participant, duration_s=int(now) - int(participant.created_at)
        )
        if not self.participants:
            self.empty_since = now
            if self.settings.empty_room_timeout_min == 0 and reason is not LeaveReason.DUPLICATE_IDENTITY:
                self._complete("timeout", now)

    def _complete(self, end_reason: str, now: float) -> None:
        if self.status is not RoomStatus.IN_PROGRESS:
            return
        self.status = RoomStatus.COMPLETED
        self.ended_at = self.updated_at = now
        self.end_reason = end_reason
        self._recorder.room = True
        for participant in list(self.participants.values()):
            self._end(participant, LeaveReason.ROOM_COMPLETED, now)
        self._happen(Happening.ROOM_ENDED, now, duration_s=int(now) - int(self.created_at))

    def _apply_tracks(
        self,
        participant: Participant,
        client_revision: int,
        wanted: tuple[ClientTrack, ...],
        now: float,
        new_sid: SidMaker,
    ) -> None:
        """Make the participant publish exactly `wanted`, as far as it may."""
        participant.client_revision = client_revision
        self._recorder.touch_session(participant)
        wanted_ids = {track.id for track in wanted}
        for track in [track for track in participant.tracks.values() if track.client_track_id not in wanted_ids]:
            self._unpublish(participant, track, now)
        for client_track in wanted:
            if known := participant.tracks.get(client_track.id):
                self._update_track(participant, known, client_track, now)
            elif len(client_track.id) <= MAX_CLIENT_TRACK_ID and is_storable(client_track.id):
                self._publish(participant, client_track, now, new_sid)

    def _publish(self, participant: Participant, wanted: ClientTrack, now: float, new_sid: SidMaker) -> None:
        error_code = self._refusal(participant, wanted)
        sid = None if error_code else new_sid(TRACK)
        name = wanted.name or sid or ""
        track = Track(
            client_track_id=wanted.id,
            kind=wanted.kind,
            sid=sid,
            name=name if error_code is None else "",
            enabled=wanted.enabled,
            priority=wanted.priority,
            created_at=now,
            updated_at=now,
            error_code=error_code,
        )
        participant.tracks[track.client_track_id] = track
        self._recorder.publish(participant, track, self._next)
        if track.sid is None:
            return
        self._recorder.show(participant, self._next, now)
        self._happen(Happening.TRACK_ADDED, now, participant, track)
        candidate = participant.candidate(track)
        for other in self.participants.values():
            if other is not participant and admits(other.rules, candidate):
                self._subscribe(other, participant, track, now)

    def _refusal(self, participant: Participant, wanted: ClientTrack) -> int | None:
        """The code that the track must be refused with, or None."""
        if wanted.name is not None and len(wanted.name) > MAX_NAME:
            return 53302
        if wanted.name is not None and not is_storable(wanted.name):
            return 53303
        if wanted.name and any(wanted.name == track.name for track in participant.published_tracks()):
            return 53304
        if wanted.kind is TrackKind.VIDEO and self.settings.audio_only:
            return 53125
        if not wanted.has_codec:
            return 53404
        most = self.settings.max_published_tracks
        if most and sum(len(other.published_tracks()) for other in self.participants.values()) >= most:
            return 53203
        return None

    def _update_track(self, participant: Participant, track: Track, wanted: ClientTrack, now: float) -> None:
        """Take over what may change of a track: whether it is enabled, and its priority."""
        if track.sid is None or (track.enabled, track.priority) == (wanted.enabled, wanted.priority):
            return
        if track.enabled != wanted.enabled:
            event = Happening.TRACK_ENABLED if wanted.enabled else Happening.TRACK_DISABLED
            self._happen(event, now, participant, track)
        track.enabled, track.priority = wanted.enabled, wanted.priority
        track.updated_at = now
        self._recorder.tracks[participant.sid, track.client_track_id] = track
        self._recorder.show(participant, self._next, now)

    def _unpublish(self, participant: Participant, track: Track, now: float) -> None:
        del participant.tracks[track.client_track_id]
        self._recorder.unpublish(participant, track, self._next)
        if track.sid is not None:
            self._withdraw(participant, track, now)
            self._recorder.show(participant, self._next, now)

    def _withdraw(self, participant: Participant, track: Track, now: float) -> None:
        """Nobody receives the track any more."""
        assert track.sid is not None
        self._happen(Happening.TRACK_REMOVED, now, participant, track)
        for other in self.participants.values():
            if subscribed := other.subscriptions.pop(track.sid, None):
                self._recorder.drop(other, subscribed, self._next)

    def _subscribe_to_everything(self, participant: Participant, now: float) -> None:
        """Make the participant receive exactly what its rules admit of what the others publish."""
        for other in self.participants.values():
            if other is participant:
                continue
            for track in other.published_tracks():
                assert track.sid is not None
                current = participant.subscriptions.get(track.sid)
                wanted = admits(participant.rules, other.candidate(track))
                if wanted and current is None:
                    self._subscribe(participant, other, track, now)
                elif not wanted and current is not None:
                    del participant.subscriptions[track.sid]
                    self._recorder.drop(participant, current, self._next)

    def _subscribe(self, subscriber: Participant, publisher: Participant, track: Track, now: float) -> None:
        assert track.sid is not None
        # Between browsers SDP passes through unchanged, and with it the publisher's own track ids.
        direct = self.settings.type in DIRECT_TYPES
        message = Subscription(
            id=track.client_track_id if direct else f"{track.sid}-{self._next}",
            track_sid=track.sid,
            publisher_sid=publisher.sid,
            kind=track.kind,
        )
        subscribed = SubscribedTrack(message, created_at=now, updated_at=now)
        subscriber.subscriptions[track.sid] = subscribed
        self._recorder.enter(subscriber, subscribed, self._next)

    def _happen(
        self,
        event: Happening,
        now: float,
        participant: Participant | None = None,
        track: Track | None = None,
        duration_s: int | None = None,
    ) -> None:
        self._recorder.happened.append(
            Happened(
                event=event,
                at=now,
                sequence_number=self.happenings,
                room_status=self.status,
                participant_sid=participant.sid if participant else None,
                identity=participant.identity if participant else None,
                participant_status=participant.status if participant else None,
                track_sid=track.sid if track else None,
                track_name=track.name if track else None,
                track_kind=track.kind if track else None,
                duration_s=duration_s,
            )
        )
        self.happenings += 1
