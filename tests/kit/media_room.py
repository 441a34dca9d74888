"""A media room under test: peers that join with captured offers, and what the room told the shell."""

from dataclasses import dataclass, field
from typing import Any

from contract.media import (
    ApplyDescription,
    Description,
    DesiredState,
    NodePublication,
    NodeSubscription,
    OpenPeer,
    SetDesired,
)
from contract.rooms import TrackKind
from media_sfu.core.actions import SendSignal
from media_sfu.core.room import Room

from tests.kit.sdp import LOCAL, browser_answer, capture, id_makers

AUDIO, VIDEO, DATA = TrackKind.AUDIO, TrackKind.VIDEO, TrackKind.DATA
CAMERA_ID = "1af27674-a4c6-4eef-8537-f8bf820d0b2c"
MICROPHONE_ID = "d4a96427-78c9-415b-95f2-099b1604c7ee"


def publication(client_track_id: str, sid: str, kind: TrackKind) -> NodePublication:
    return NodePublication(client_track_id=client_track_id, track_sid=sid, kind=kind, enabled=True)


def subscription(sid: str, kind: TrackKind, publisher: str = "alice", start: int = 1) -> NodeSubscription:
    return NodeSubscription(id=f"{sid}-{start}", track_sid=sid, publisher_sid=publisher, kind=kind)


def desired(
    revision: int, *tracks: NodePublication | NodeSubscription, participants: tuple[str, ...] = ()
) -> DesiredState:
    return DesiredState(
        revision=revision,
        publications=tuple(track for track in tracks if isinstance(track, NodePublication)),
        subscriptions=tuple(track for track in tracks if isinstance(track, NodeSubscription)),
        participants=participants,
    )


CAMERA = publication(CAMERA_ID, "MTcamera", VIDEO)
MICROPHONE = publication(MICROPHONE_ID, "MTmicrophone", AUDIO)
CHAT = publication("chat-id", "MTchat", DATA)


@dataclass
class Scene:
    """A room, and what it told the shell since the last look."""

    room: Room = field(default_factory=lambda: Room("RM1", id_makers()))

    def actions(self, *kinds: type) -> list[Any]:
        return [action for action in self.room.actions_to_perform() if not kinds or isinstance(action, kinds)]

    def open(self, participant: str, fixture: str, state: DesiredState, **options: Any) -> str:
        command = OpenPeer(
            room_sid="RM1",
            participant_sid=participant,
            lease_epoch=1,
            peer_connection_id=f"pc-{participant}",
            offer=Description(type="offer", revision=1, sdp=capture(fixture)),
            desired=state,
            **{"video_codecs": ("VP8",), "audio_only": False, **options},
        )
        answer = self.room.open_peer(command, LOCAL, 0.0).description
        assert answer is not None
        assert answer.type == "answer"
        assert answer.revision == 1
        return answer.sdp or ""

    def desire(self, participant: str, state: DesiredState, now: float = 0.0) -> None:
        self.room.set_desired(SetDesired(participant_sid=participant, lease_epoch=1, desired=state), now)

    def apply(self, participant: str, kind: Any, revision: int, sdp: str, now: float = 0.0) -> Description | None:
        return self.room.apply_description(
            ApplyDescription(
                participant_sid=participant,
                lease_epoch=1,
                peer_connection_id=f"pc-{participant}",
                description=Description(type=kind, revision=revision, sdp=sdp),
            ),
            now,
        ).description


def viewer_answer(signal: SendSignal) -> str:
    """The viewer's certificate is in its fixture; an answer must show the same."""
    assert signal.description is not None
    fixture = capture("chromium_viewer")
    fingerprint = next(line for line in fixture.split("\r\n") if line.startswith("a=fingerprint:"))
    return browser_answer(signal.description.sdp or "").replace("a=fingerprint:sha-256 CC:DD", fingerprint)
