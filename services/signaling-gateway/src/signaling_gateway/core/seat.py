"""A session's place in the room, as rooms-api gave it, and the commands that are said in its name."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from contract.rooms import DetachSession, Joined, LeaveReason, LeaveRoom, TrackKind, UpdateParticipant, UpdateSession

from signaling_gateway.core.wire import ParticipantStatus


@dataclass(frozen=True, slots=True)
class Seat:
    """Every command carries the lease: once another socket has the session, rooms-api refuses those of this one."""

    participant_sid: str
    session: str
    lease_epoch: int
    is_resumed: bool

    @classmethod
    def of(cls, joined: Joined, *, is_resumed: bool) -> "Seat":
        return cls(joined.participant_sid, joined.session, joined.lease_epoch, is_resumed)

    def update_participant(
        self, status: ParticipantStatus, refused_kinds: Collection[TrackKind] = ()
    ) -> UpdateParticipant:
        """`refused_kinds` are those in which the peer has none of the room's codecs."""
        return UpdateParticipant(
            participant_sid=self.participant_sid,
            lease_epoch=self.lease_epoch,
            client_revision=status.revision,
            tracks=status.as_command(refused_kinds),
        )

    def update_bandwidth_profile(self, profile: dict[str, Any]) -> UpdateSession:  # Any: opaque JSON of the client's
        return UpdateSession(
            participant_sid=self.participant_sid, lease_epoch=self.lease_epoch, bandwidth_profile=profile
        )

    def leave(self, reason: LeaveReason) -> LeaveRoom:
        return LeaveRoom(participant_sid=self.participant_sid, lease_epoch=self.lease_epoch, reason=reason)

    def detach(self, grace_s: float | None) -> DetachSession:
        """The socket is gone, and the client may come back: within `grace_s`, or else the room's session timeout."""
        return DetachSession(participant_sid=self.participant_sid, lease_epoch=self.lease_epoch, grace_s=grace_s)
