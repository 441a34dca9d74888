"""Whatever happens in a room, a listener that folds its events over a snapshot knows what the room knows."""

from contract.errors import Refused
from contract.ids import new_sid
from contract.rooms import (
    ClientTrack,
    LeaveReason,
    ResumeSession,
    RoomSnapshot,
    SessionState,
    TrackKind,
    UpdateParticipant,
    UpdateSession,
    apply_event,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from rooms_api.core.room import Admission, Room
from rooms_api.core.rules import EXCLUDE_ALL, INCLUDE_ALL, Rule, admits
from rooms_api.core.settings import RoomSettings

from tests.kit.rooms import ACCOUNT, counting_sids, join_command

IDENTITIES = st.sampled_from(["alice", "bob", "carol", "dave"])
GATEWAYS = st.sampled_from(["gateway-1", "gateway-2"])
TRACKS = st.lists(
    st.builds(
        ClientTrack,
        id=st.sampled_from(["a", "b", "c", "d"]),
        kind=st.sampled_from(list(TrackKind)),
        name=st.sampled_from([None, "front", "back", "n" * 200]),
        enabled=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda track: track.id,
).map(tuple)
RULES = st.sampled_from(
    [INCLUDE_ALL, EXCLUDE_ALL, (Rule("include", kind=TrackKind.AUDIO),), (*INCLUDE_ALL, Rule("exclude", track="front"))]
)


class FollowedRoom(RuleBasedStateMachine):
    @initialize(ad_hoc=st.booleans(), most=st.sampled_from([2, 50]))
    def create(self, ad_hoc: bool, most: int) -> None:
        self.now = 1000.0
        self.client_revision = 1
        self.new_sid = counting_sids()
        room_settings = RoomSettings(max_participants=most, empty_room_timeout_min=0 if ad_hoc else 5)
        self.room = Room.create("RM1", ACCOUNT, "standup", room_settings, "api", self.now)
        self.room.take_change()
        self.followed = self.room.snapshot()

    def participant(self, identity: str):
        return next((p for p in self.room.participants.values() if p.identity == identity), None)

    @rule(identity=IDENTITIES, gateway=GATEWAYS, tracks=TRACKS, automatic=st.booleans())
    def join(self, identity: str, gateway: str, tracks, automatic: bool) -> None:
        request = join_command(identity, *tracks, gateway_id=gateway, automatic_subscription=automatic)
        self.act(
            lambda: self.room.join(
                request, Admission(self.new_sid("PA"), new_sid("XX"), "node-1"), self.now, self.new_sid
            )
        )

    @rule(identity=IDENTITIES, tracks=TRACKS, gateway=GATEWAYS, resumes=st.booleans())
    def update(self, identity: str, tracks, gateway: str, resumes: bool) -> None:
        if participant := self.participant(identity):
            self.client_revision += 1
            if resumes:
                self.act(
                    lambda: self.room.resume(
                        participant.sid,
                        ResumeSession(
                            session="s",
                            account_sid=ACCOUNT,
                            identity=identity,
                            gateway_id=gateway,
                            client_revision=self.client_revision,
                            tracks=tracks,
                        ),
                        self.now,
                        self.new_sid,
                    )
                )
            else:
                request = UpdateParticipant(
                    participant_sid=participant.sid,
                    lease_epoch=participant.lease_epoch,
                    client_revision=self.client_revision,
                    tracks=tracks,
                )
                self.act(lambda: self.room.update_participant(request, self.now, self.new_sid))

    @rule(identity=IDENTITIES, mode=st.sampled_from(["grid", "presentation"]))
    def update_session(self, identity: str, mode: str) -> None:
        if participant := self.participant(identity):
            request = UpdateSession(
                participant_sid=participant.sid, lease_epoch=participant.lease_epoch, bandwidth_profile={"mode": mode}
            )
            self.act(lambda: self.room.update_session(request))

    @rule(identity=IDENTITIES, rules=RULES)
    def set_rules(self, identity: str, rules) -> None:
        if participant := self.participant(identity):
            self.act(lambda: self.room.set_subscribe_rules(participant.sid, rules, self.now))

    @rule(identity=IDENTITIES, grace_s=st.sampled_from([None, 2.0]))
    def detach(self, identity: str, grace_s: float | None) -> None:
        if participant := self.participant(identity):
            self.act(lambda: self.room.detach(participant.sid, participant.lease_epoch, grace_s, self.now))

    @rule(identity=IDENTITIES, removed=st.booleans())
    def leave(self, identity: str, removed: bool) -> None:
        if participant := self.participant(identity):
            if removed:
                self.act(lambda: self.room.remove(participant.sid, self.now))
            else:
                self.act(lambda: self.room.leave(participant.sid, participant.lease_epoch, LeaveReason.LEFT, self.now))

    @rule(identity=IDENTITIES)
    def fail_tracks(self, identity: str) -> None:
        if participant := self.participant(identity):
            for subscribed in list(participant.subscriptions.values())[:1]:
                self.act(
                    lambda s=subscribed: self.room.fail_subscription(participant.sid, s.message.id, 53404, self.now)
                )
            for track in participant.published_tracks()[:1]:
                self.act(lambda t=track: self.room.fail_publication(participant.sid, t.sid, 53404, self.now))

    @rule(gateway=GATEWAYS, identity=IDENTITIES)
    def lose(self, gateway: str, identity: str) -> None:
        self.act(lambda: self.room.lose_gateway(gateway, self.now))
        if participant := self.participant(identity):
            self.act(lambda: self.room.lose_peer(participant.sid, participant.lease_epoch, self.now))

    @rule(seconds=st.sampled_from([1.0, 3.0, 31.0, 301.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.act(lambda: self.room.handle_timeout(self.now))

    def act(self, command) -> None:
        """Do it, and follow the event as a listener would that knows every session."""
        try:
            command()
        except Refused:
            assert self.room.take_change() is None
            return
        change = self.room.take_change()
        if change is not None:
            self.followed = apply_event(self.followed, change.event)

    @invariant()
    def listener_knows_the_room(self) -> None:
        actual = self.room.snapshot(list(self.room.participants))
        assert sorted_sessions(self.followed) == sorted_sessions(actual)
        assert self.followed.participants == actual.participants
        assert self.followed.room == actual.room
        assert self.followed.revision == actual.revision

    @invariant()
    def everybody_receives_what_its_rules_admit(self) -> None:
        for participant in self.room.participants.values():
            wanted = {
                track.sid
                for other in self.room.participants.values()
                if other is not participant
                for track in other.published_tracks()
                if admits(participant.rules, other.candidate(track))
            }
            assert set(participant.subscriptions) == wanted


def sorted_sessions(snapshot: RoomSnapshot) -> list[SessionState]:
    return sorted(snapshot.sessions, key=lambda session: session.participant_sid)


FollowedRoom.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestFollowedRoom = FollowedRoom.TestCase
