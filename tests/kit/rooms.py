"""Builders for rooms: commands as a gateway sends them, and SIDs that count instead of being random."""

import itertools
from collections.abc import Callable
from typing import Any

from contract.rooms import ClientTrack, JoinRoom, TrackKind
from rooms_api.core.participant import Participant
from rooms_api.core.room import Admission, Room
from rooms_api.core.settings import RoomSettings

ACCOUNT = "AC" + "0" * 32


def counting_sids() -> Callable[[str], str]:
    """A maker of SIDs that end in 1, 2, 3 ..."""
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}{next(numbers):032x}"


def audio(track_id: str = "mic", **members: Any) -> ClientTrack:
    return ClientTrack(id=track_id, kind=TrackKind.AUDIO, **members)


def video(track_id: str = "camera", **members: Any) -> ClientTrack:
    return ClientTrack(id=track_id, kind=TrackKind.VIDEO, **members)


def data(track_id: str = "chat", **members: Any) -> ClientTrack:
    return ClientTrack(id=track_id, kind=TrackKind.DATA, **members)


def join_command(identity: str, *tracks: ClientTrack, **members: Any) -> JoinRoom:
    """A join of the room `standup`, unless `members` say otherwise."""
    return JoinRoom(
        **{
            "account_sid": ACCOUNT,
            "identity": identity,
            "room": "standup",
            "granted_room": None,
            "gateway_id": "gateway-1",
            "client_revision": 1,
            "tracks": tracks,
            "peer_connection_ids": ("pc",),
        }
        | members
    )


class RoomUnderTest:
    """A room with counting ids."""

    def __init__(self, settings: RoomSettings | None = None, now: float = 1000.0) -> None:
        self.new_sid = counting_sids()
        self.room = Room.create("RM1", ACCOUNT, "standup", settings or RoomSettings(), "api", now)
        self.created = self.room.take_change()

    def join(
        self, identity: str, *tracks: ClientTrack, now: float = 1000.0, sid: str | None = None, **members: Any
    ) -> Participant:
        """Join, as `PA-<identity>` unless there is a `sid`. The change is left to be taken."""
        sid = sid or f"PA-{identity}"
        admission = Admission(sid, f"hash-{sid}", "node-1")
        return self.room.join(join_command(identity, *tracks, **members), admission, now, self.new_sid)
