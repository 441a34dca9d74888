"""RSP: one client's conversation, from connect to its end, driven by literal messages."""

from typing import Any

import pytest
from contract.keys import NotVerified, TokenVerified, VerifyToken
from contract.media import (
    ApplyCandidates,
    ApplyDescription,
    ClosePeer,
    DescribePeer,
    Description,
    MediaDone,
    MediaRefused,
    OpenPeer,
    PeerDescribed,
    PeerSignal,
    SetBandwidthProfile,
    SetDesired,
)
from contract.rooms import (
    DetachSession,
    Done,
    Ended,
    Joined,
    JoinRoom,
    Leased,
    LeaveReason,
    LeaveRoom,
    NotDone,
    PublishedChanged,
    ResumeSession,
    RoomEvent,
    SubscribedChanged,
    TrackKind,
    UpdateParticipant,
    UpdateSession,
)
from signaling_gateway.core.asks import AskIssuer, AskNode, AskRooms
from signaling_gateway.core.session import Behind, Finished, Session, SessionSettings
from signaling_gateway.core.wire import client_body

from tests.kit.room_states import participant, publication, session, snapshot, subscription, track

CONNECT: dict[str, Any] = {
    "type": "connect",
    "version": 2,
    "token": "t",
    "name": "standup",
    "participant": {"revision": 4, "tracks": [{"id": "cam", "kind": "video", "name": "camera", "enabled": True}]},
    "peer_connections": [{"id": "pc1", "description": {"type": "offer", "revision": 1, "sdp": "o1"}}],
    "subscribe": {"revision": 1, "rules": [{"type": "include", "all": True}]},
    "media_signaling": {"active_speaker": {"transports": [{"type": "data-channel"}]}},
}
SYNC: dict[str, Any] = {
    "type": "sync",
    "version": 2,
    "session": "s1",
    "token": "t",
    "name": "standup",
    "participant": {"revision": 5, "tracks": []},
    "peer_connections": [{"id": "pc1", "description": {"type": "offer", "revision": 3, "sdp": "o3"}}],
}
VERIFIED = TokenVerified(
    account_sid="AC1", key_sid="SK1", identity="alice", room=None, not_before_s=None, expires_at_s=2e9
)
OWN = session(
    "PA1",
    published=(publication("cam", "MT9"),),
    published_revision=7,
    subscribed_revision=7,
    media_signaling=("active_speaker",),
)
ROOM = snapshot(7, (participant("PA1", 7, track("MT9")), participant("PA2", 2)), OWN)
JOINED = Joined(participant_sid="PA1", session="s1", lease_epoch=1, snapshot=ROOM)
DONE = Done(revision=8)
MEDIA_DONE = MediaDone()
ANSWER = Description(type="answer", revision=1, sdp="a1")
DESCRIBED = PeerDescribed(
    peer_connection_id="pc1", description=ANSWER, media_signaling={"active_speaker": "l1", "network_quality": "l2"}
)


class Client:
    """A session with everything around it that a test needs: says bodies, plays the owners, hears what the client hears."""

    def __init__(self) -> None:
        self.session = Session(
            SessionSettings("g1", "us1", lambda identity: [{"urls": f"turn:{identity}"}], lambda: "s1")
        )
        self.now = 0.0

    def say(self, body: dict[str, Any]) -> None:
        self.session.receive_body(client_body.validate_python(body), self.now)

    def update(self, **members: Any) -> None:
        self.say({"type": "update", "version": 2, "session": "s1", **members})

    def describe(self, kind: str, revision: int) -> None:
        description = {"type": kind, "revision": revision, "sdp": f"{kind}{revision}"}
        self.update(peer_connections=[{"id": "pc1", "description": description}])

    def heard(self) -> list[dict[str, Any]]:
        return self.session.bodies_to_send()

    def asked(self) -> list[Any]:
        """Messages to the owners that are due, without their addresses."""
        return [ask.message for ask in self.session.commands_to_send(self.now)]

    def events(self) -> list[Any]:
        return self.session.events_received()

    def verified(self, reply: Any = VERIFIED) -> None:
        self.session.receive_verification(reply, self.now)

    def rooms(self, reply: Any = DONE) -> None:
        self.session.receive_room_reply(reply, self.now)

    def node(self, reply: Any = MEDIA_DONE) -> None:
        self.session.receive_media_reply(reply, self.now)

    def event(self, revision: int, **members: Any) -> None:
        self.session.receive_event(RoomEvent(room_sid="RM1", revision=revision, **members), self.now)

    def signal(self, kind: str, revision: int, **labels: str) -> None:
        description = Description.model_validate({"type": kind, "revision": revision, "sdp": f"{kind}{revision}"})
        self.session.receive_signal(
            PeerSignal(participant_sid="PA1", peer_connection_id="pc1", description=description, media_signaling=labels)
        )


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def connected(client: Client) -> Client:
    """In the room, told so, nothing outstanding."""
    client.say(CONNECT)
    client.asked()
    client.verified()
    client.asked()
    client.rooms(JOINED)
    client.asked()
    client.node(DESCRIBED)
    client.heard()
    client.events()
    return client


# -- connect -------------------------------------------------------------------------------------------------------------------------


def test_ice_is_answered_once_the_token_is_verified(client: Client) -> None:
    client.say({"type": "ice", "version": 1, "edge": "roaming", "token": "t"})
    assert client.asked() == [VerifyToken(token="t")]
    client.verified()

    assert client.heard() == [{"type": "iced", "version": 1, "ice_servers": [{"urls": "turn:alice"}], "ttl": 86_400}]


def test_connect_goes_from_token_to_room_to_node_to_connected(client: Client) -> None:
    client.say(CONNECT)
    assert client.session.commands_to_send(0.0) == [AskIssuer(VerifyToken(token="t"), give_up_at=8.0)]

    client.verified()
    (ask,) = client.session.commands_to_send(0.0)
    assert isinstance(ask, AskRooms)
    assert isinstance(ask.message, JoinRoom)
    assert (ask.message.identity, ask.message.room, ask.message.client_revision) == ("alice", "standup", 4)
    assert ask.message.session == "s1"
    assert (ask.message.peer_connection_ids, ask.message.media_signaling) == (("pc1",), ("active_speaker",))

    client.rooms(JOINED)
    (ask,) = client.session.commands_to_send(0.0)
    assert isinstance(ask, AskNode)
    assert ask.node_id == "n1"
    assert isinstance(ask.message, OpenPeer)
    assert ask.message.offer == Description(type="offer", revision=1, sdp="o1")
    assert [p.track_sid for p in ask.message.desired.publications] == ["MT9"]

    client.node(DESCRIBED)
    (body,) = client.heard()
    assert body == {
        "type": "connected",
        "version": 2,
        "session": "s1",
        "sid": "RM1",
        "name": "standup",
        "options": {
            "session_timeout": 30,
            "signaling_region": "us1",
            "media_region": "us1",
            "audio_processors": ["krisp", "rnnoise"],
        },
        "participant": {
            "sid": "PA1",
            "identity": "identity of PA1",
            "state": "connected",
            "revision": 7,
            "tracks": [],
        },
        "participants": [
            {"sid": "PA2", "identity": "identity of PA2", "state": "connected", "revision": 2, "tracks": []}
        ],
        "published": {"revision": 7, "tracks": [{"id": "cam", "sid": "MT9", "state": "ready"}]},
        "subscribed": {"revision": 7, "tracks": []},
        "recording": {"revision": 1, "is_recording": False},
        "peer_connections": [{"id": "pc1", "description": {"type": "answer", "revision": 1, "sdp": "a1"}}],
        # network_quality was not asked for
        "media_signaling": {"active_speaker": {"transport": {"type": "data-channel", "label": "l1"}}},
    }
    assert client.asked() == []


def test_a_publication_that_fails_with_the_node_is_a_failure_in_connected(client: Client) -> None:
    client.say(CONNECT)
    client.asked()
    client.verified()
    client.asked()
    client.rooms(JOINED)
    client.asked()
    client.node(DESCRIBED.model_copy(update={"refused_kinds": (TrackKind.VIDEO,), "failed_publications": ("MT9",)}))
    assert client.heard() == []

    failed = PublishedChanged(participant_sid="PA1", published=(publication("cam", None, 53404),))
    client.event(8, published=(failed,))

    (body,) = client.heard()
    assert (body["type"], body["published"]["tracks"][0]["state"]) == ("connected", "failed")
    client.asked()
    client.node()
    client.update(participant={"revision": 5, "tracks": [{"id": "c2", "kind": "video"}, {"id": "m2", "kind": "audio"}]})
    (command,) = client.asked()
    assert [(track.id, track.has_codec) for track in command.tracks] == [("c2", False), ("m2", True)]


def test_an_event_after_the_one_that_opens_is_an_update(client: Client) -> None:
    client.say(CONNECT)
    client.asked()
    client.verified()
    client.asked()
    client.rooms(JOINED)
    client.asked()
    client.node(DESCRIBED.model_copy(update={"failed_publications": ("MT9",)}))
    client.event(9, participants=(participant("PA3", 9),))

    failed = PublishedChanged(participant_sid="PA1", published=(publication("cam", None, 53404),))
    client.event(8, published=(failed,))

    connected, update = client.heard()
    assert [p["sid"] for p in connected["participants"]] == ["PA2"]
    assert [(p["sid"], p["state"]) for p in update["participants"]] == [("PA3", "connected")]


def test_what_happens_between_join_and_connected_is_in_connected(client: Client) -> None:
    client.say(CONNECT)
    client.asked()
    client.verified()
    client.asked()
    client.rooms(JOINED)
    client.asked()
    client.event(8, participants=(participant("PA3", 8),))
    assert client.heard() == []

    client.node(DESCRIBED)

    (body,) = client.heard()
    assert [p["sid"] for p in body["participants"]] == ["PA2", "PA3"]


@pytest.mark.parametrize("code", [20101, 20103, 20104, 20106, 20107, 53200])
def test_a_refused_token_is_told_and_nothing_is_asked(client: Client, code: int) -> None:
    client.say(CONNECT)
    client.asked()
    client.verified(NotVerified(code=code, message="no"))

    assert client.heard() == [{"type": "error", "version": 2, "code": code, "message": "no"}]
    assert client.asked() == []
    assert client.session.is_settled


def test_who_comes_from_where_too_many_bad_tokens_came_from_is_told_to_come_later(client: Client) -> None:
    client.say(CONNECT)
    client.asked()
    client.verified(NotVerified(code=53006, message="Video server is busy"))

    assert client.heard() == [{"type": "error", "version": 2, "code": 53006, "message": "Video server is busy"}]


def test_who_resumes_from_there_keeps_the_session_and_comes_back(client: Client) -> None:
    client.say(SYNC)
    client.asked()
    client.verified(NotVerified(code=53006, message="Video server is busy"))

    assert client.heard() == []
    assert client.events() == [Finished(1013, "too many bad tokens from this address")]


def test_a_refused_join_is_told(client: Client) -> None:
    client.say(CONNECT)
    client.asked()
    client.verified()
    client.asked()
    client.rooms(NotDone(code=53105, message="full"))

    assert client.heard() == [{"type": "error", "version": 2, "code": 53105, "message": "full"}]
    assert client.session.is_settled


def test_a_peer_that_cannot_be_opened_is_told_and_the_seat_given_back(client: Client) -> None:
    client.say(CONNECT)
    client.asked()
    client.verified()
    client.asked()
    client.rooms(JOINED)
    client.asked()
    client.node(MediaRefused(code=53404, message="codecs"))

    assert client.heard() == [{"type": "error", "version": 2, "code": 53404, "message": "codecs"}]
    assert client.asked() == [
        LeaveRoom(participant_sid="PA1", lease_epoch=1, reason=LeaveReason.MEDIA_FAILED),
        ClosePeer(participant_sid="PA1", lease_epoch=1),
    ]


def test_an_issuer_that_does_not_answer_is_asked_again_and_then_the_client_is_told(client: Client) -> None:
    client.say(CONNECT)
    asked = 0
    while not client.session.is_over:
        asked += len(client.asked())
        client.session.receive_issuer_silence(client.now)
        client.now = client.session.next_timeout() or client.now

    assert asked > 3
    assert 8.0 <= client.now < 11.0
    assert client.heard() == [{"type": "error", "version": 2, "code": 53006, "message": "Video server is busy"}]


def test_a_client_that_does_not_wait_for_its_join_leaves_again(client: Client) -> None:
    client.say(CONNECT)
    client.asked()
    client.verified()
    client.asked()
    client.say({"type": "disconnect", "session": None, "version": 2})
    client.rooms(JOINED)

    assert client.asked() == [
        LeaveRoom(participant_sid="PA1", lease_epoch=1),
        ClosePeer(participant_sid="PA1", lease_epoch=1),
    ]
    assert client.heard() == []


def test_a_goodbye_that_rooms_are_too_busy_for_is_repeated(connected: Client) -> None:
    connected.say({"type": "disconnect", "version": 2, "session": "s1"})
    leave = LeaveRoom(participant_sid="PA1", lease_epoch=1)
    assert leave in connected.asked()
    connected.rooms(NotDone(code=53006, message="Video server is busy"))
    assert not connected.session.is_settled

    connected.now = 0.3
    assert connected.asked() == [leave]


def test_a_socket_lost_before_connected_leaves_since_nobody_can_resume(client: Client) -> None:
    client.say(CONNECT)
    client.asked()
    client.verified()
    client.asked()
    client.rooms(JOINED)
    client.asked()
    client.session.receive_close(1006, client.now)

    assert client.asked() == [LeaveRoom(participant_sid="PA1", lease_epoch=1)]
    client.node(DESCRIBED)
    assert client.asked() == [ClosePeer(participant_sid="PA1", lease_epoch=1)]


def test_names_that_are_far_too_long_reach_the_room_so_that_it_says_so(client: Client) -> None:
    tracks = [{"id": "mic", "kind": "audio", "name": "t" * 100_000}]
    client.say({**CONNECT, "name": "r" * 100_000, "participant": {"revision": 1, "tracks": tracks}})
    client.asked()
    client.verified()
    (command,) = client.asked()

    assert command.room == "r" * 1024
    assert command.tracks[0].name == "t" * 1024


# -- updates of the client's ---------------------------------------------------------------------------------------------------------


def test_a_newer_participant_goes_to_the_room_and_the_same_one_does_not(connected: Client) -> None:
    status = {"revision": 5, "tracks": [{"id": "cam", "kind": "video", "enabled": False}]}
    connected.update(participant=status)
    connected.update(participant=status)
    connected.update(participant=status | {"revision": 4})

    (command,) = connected.asked()
    assert isinstance(command, UpdateParticipant)
    assert (command.client_revision, command.lease_epoch) == (5, 1)
    assert command.tracks[0].enabled is False
    connected.rooms()
    assert connected.asked() == []


def test_of_participants_that_wait_only_the_newest_goes_out(connected: Client) -> None:
    for revision in (5, 6, 7, 8):
        connected.update(participant={"revision": revision, "tracks": []})
        connected.asked()
    connected.rooms()

    (command,) = connected.asked()
    assert isinstance(command, UpdateParticipant)
    assert command.client_revision == 8


def test_offers_answers_and_candidates_go_to_the_node_in_order(connected: Client) -> None:
    connected.describe("offer", 2)
    connected.update(peer_connections=[{"id": "pc1", "ice": {"ufrag": "u", "revision": 1, "complete": True}}])
    connected.describe("answer", 3)

    (first,) = connected.asked()
    assert isinstance(first, ApplyDescription)
    assert first.description == Description(type="offer", revision=2, sdp="offer2")
    connected.node(
        PeerDescribed(peer_connection_id="pc1", description=Description(type="answer", revision=2, sdp="a2"))
    )
    assert connected.heard() == [
        {
            "type": "update",
            "version": 2,
            "peer_connections": [{"id": "pc1", "description": {"type": "answer", "revision": 2, "sdp": "a2"}}],
        }
    ]
    (second,) = connected.asked()
    assert isinstance(second, ApplyCandidates)
    connected.node()
    (third,) = connected.asked()
    assert isinstance(third, ApplyDescription)
    assert third.description.type == "answer"
    connected.node(PeerDescribed(peer_connection_id="pc1"))
    assert connected.heard() == []


def test_a_bandwidth_profile_goes_to_room_and_node(connected: Client) -> None:
    connected.update(bandwidth_profile={"video": {"mode": "grid"}})

    room, node = connected.asked()
    assert isinstance(room, UpdateSession)
    assert isinstance(node, SetBandwidthProfile)
    assert room.bandwidth_profile == node.bandwidth_profile == {"video": {"mode": "grid"}}


@pytest.mark.parametrize(
    "body",
    [CONNECT, SYNC, {"type": "ice", "token": "t"}, {"type": "update", "session": "another"}],
)
def test_a_message_that_does_not_fit_costs_its_sender_the_room(connected: Client, body: dict[str, Any]) -> None:
    connected.say(body)

    (error,) = connected.heard()
    assert (error["type"], error["code"]) == ("error", 53004)
    assert connected.asked() == [
        LeaveRoom(participant_sid="PA1", lease_epoch=1),
        ClosePeer(participant_sid="PA1", lease_epoch=1),
    ]


def test_an_sdp_that_the_node_refuses_costs_its_sender_the_room(connected: Client) -> None:
    connected.describe("offer", 2)
    connected.asked()
    connected.node(MediaRefused(code=53403, message="sdp"))

    assert connected.heard() == [{"type": "error", "version": 2, "code": 53403, "message": "sdp"}]


# -- the room and the node speak -----------------------------------------------------------------------------------------------------


def test_an_event_becomes_one_update_and_the_node_learns_what_to_forward(connected: Client) -> None:
    connected.event(
        8,
        participants=(participant("PA2", 8, track("MT1")),),
        subscribed=(SubscribedChanged(participant_sid="PA1", added=(subscription("MT1", "PA2"),)),),
    )

    (body,) = connected.heard()
    assert body["type"] == "update"
    assert body["participants"][0]["sid"] == "PA2"
    assert body["subscribed"] == {"revision": 8, "tracks": [{"sid": "MT1", "id": "MT1-1"}]}
    (command,) = connected.asked()
    assert isinstance(command, SetDesired)
    assert command.desired.revision == 8
    assert [s.id for s in command.desired.subscriptions] == ["MT1-1"]


def test_the_node_learns_of_a_mute(connected: Client) -> None:
    connected.event(8, participants=(participant("PA1", 8, track("MT9", enabled=False)),))

    assert connected.heard() == []
    (command,) = connected.asked()
    assert isinstance(command, SetDesired)
    assert command.desired.publications[0].enabled is False


def test_the_node_is_told_again_after_the_bus_was_away(connected: Client) -> None:
    connected.session.receive_bus_reconnected()

    (command,) = connected.asked()
    assert isinstance(command, SetDesired)
    assert command.desired.revision == 7


def test_a_missed_event_asks_for_a_snapshot_and_goes_on_from_it(connected: Client) -> None:
    connected.event(9, participants=(participant("PA4", 9),))
    assert connected.events() == [Behind()]
    assert connected.heard() == []

    connected.session.receive_snapshot(
        snapshot(8, (participant("PA1", 7, track("MT9")), participant("PA3", 8)), OWN), connected.now
    )

    first, second = connected.heard()
    assert [(p["sid"], p["state"]) for p in first["participants"]] == [("PA2", "disconnected"), ("PA3", "connected")]
    assert [p["sid"] for p in second["participants"]] == ["PA4"]


def test_an_offer_of_the_nodes_waits_for_the_answer_that_it_gave_first(connected: Client) -> None:
    connected.describe("offer", 2)
    connected.asked()
    connected.signal("offer", 3)
    assert connected.heard() == []

    connected.node(
        PeerDescribed(peer_connection_id="pc1", description=Description(type="answer", revision=2, sdp="a2"))
    )

    told = [body["peer_connections"][0]["description"] for body in connected.heard()]
    assert [(d["type"], d["revision"]) for d in told] == [("answer", 2), ("offer", 3)]


# -- the end -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (LeaveReason.ROOM_COMPLETED, {"type": "disconnected", "version": 2, "status": "completed"}),
        (LeaveReason.REMOVED, {"type": "disconnected", "version": 2, "status": "disconnected"}),
        (
            LeaveReason.DUPLICATE_IDENTITY,
            {
                "type": "error",
                "version": 2,
                "code": 53205,
                "message": "Participant disconnected because of duplicate identity",
            },
        ),
        (
            LeaveReason.DURATION_EXCEEDED,
            {
                "type": "error",
                "version": 2,
                "code": 53216,
                "message": "Participant exceeded MaxParticipantDuration",
            },
        ),
    ],
)
def test_an_ended_participant_is_told_why_and_its_peer_closed(
    connected: Client, reason: LeaveReason, told: dict[str, Any]
) -> None:
    connected.event(8, ended=(Ended(participant_sid="PA1", reason=reason),))

    assert connected.heard() == [told]
    assert connected.asked() == [ClosePeer(participant_sid="PA1", lease_epoch=1)]
    assert [type(event) for event in connected.events()] == [Finished]


def test_goodbye_leaves_the_room(connected: Client) -> None:
    connected.say({"type": "disconnect", "version": 2, "session": "s1"})

    assert connected.asked() == [
        LeaveRoom(participant_sid="PA1", lease_epoch=1),
        ClosePeer(participant_sid="PA1", lease_epoch=1),
    ]
    assert connected.heard() == []
    connected.rooms()
    assert not connected.session.is_settled
    connected.node()
    assert connected.session.is_settled


@pytest.mark.parametrize(("close_code", "grace_s"), [(1001, 2.0), (1006, None), (1012, None), (3001, None)])
def test_a_lost_socket_detaches_the_session(connected: Client, close_code: int, grace_s: float | None) -> None:
    connected.session.receive_close(close_code, connected.now)

    assert connected.asked() == [DetachSession(participant_sid="PA1", lease_epoch=1, grace_s=grace_s)]


def test_a_detach_is_repeated_until_rooms_know(connected: Client) -> None:
    connected.session.receive_close(1006, connected.now)
    for connected.now in (0.0, 10.0, 100.0, 1000.0):
        assert len(connected.asked()) == 1
        connected.session.receive_rooms_silence(connected.now)
    connected.now = 2000.0
    connected.asked()
    connected.rooms()

    assert connected.session.is_settled


def test_a_session_that_was_leased_elsewhere_drops_its_socket_and_says_nothing(connected: Client) -> None:
    connected.event(8, leased=(Leased(participant_sid="PA1", gateway_id="g2", lease_epoch=2),))

    assert connected.heard() == []
    assert connected.asked() == []
    assert connected.events() == [Finished(4001, "session resumed elsewhere")]
    assert connected.session.is_settled


@pytest.mark.parametrize("owner", ["rooms", "node"])
def test_a_stale_command_drops_the_socket(connected: Client, owner: str) -> None:
    if owner == "rooms":
        connected.update(participant={"revision": 5, "tracks": []})
        connected.asked()
        connected.rooms(NotDone(code=53001, message="stale", stale=True))
    else:
        connected.describe("offer", 2)
        connected.asked()
        connected.node(MediaRefused(code=53001, message="stale", stale=True))

    assert connected.heard() == []
    assert connected.events() == [Finished(4001, "session resumed elsewhere")]


@pytest.mark.parametrize("code", [53118, 53204])
def test_an_update_of_somebody_who_is_out_already_asks_why(connected: Client, code: int) -> None:
    connected.update(participant={"revision": 5, "tracks": []})
    connected.asked()
    connected.rooms(NotDone(code=code, message="gone"))
    assert connected.heard() == []
    assert connected.events() == [Behind()]

    connected.event(8, ended=(Ended(participant_sid="PA1", reason=LeaveReason.ROOM_COMPLETED),))

    assert connected.heard() == [{"type": "disconnected", "version": 2, "status": "completed"}]


def test_a_peer_that_the_node_lost_ends_the_session(connected: Client) -> None:
    connected.session.receive_bus_reconnected()
    connected.asked()
    connected.node(MediaRefused(code=53405, message="unknown", unknown_peer=True))

    assert connected.heard()[0]["code"] == 53405
    assert LeaveRoom(participant_sid="PA1", lease_epoch=1, reason=LeaveReason.MEDIA_FAILED) in connected.asked()


# -- sync ----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def resuming(client: Client) -> Client:
    """The session is leased; the node has been asked how the peer stands."""
    client.say(SYNC)
    assert client.asked() == [VerifyToken(token="t", resuming=True)]
    client.verified()
    (command,) = client.asked()
    assert isinstance(command, ResumeSession)
    assert (command.session, command.client_revision) == ("s1", 5)
    client.rooms(JOINED.model_copy(update={"lease_epoch": 2}))
    (asked,) = client.asked()
    assert asked == DescribePeer(
        participant_sid="PA1",
        lease_epoch=2,
        peer_connection_id="pc1",
        latest=Description(type="offer", revision=3, sdp="o3"),
    )
    return client


def test_sync_is_answered_with_everything_and_the_node_is_told_again(resuming: Client) -> None:
    resuming.node(
        PeerDescribed(
            peer_connection_id="pc1",
            description=Description(type="answer", revision=3, sdp="a3"),
            media_signaling={"active_speaker": "l1"},
        )
    )

    (body,) = resuming.heard()
    assert body["type"] == "synced"
    assert [p["sid"] for p in body["participants"]] == ["PA2"]
    assert body["peer_connections"] == [{"id": "pc1", "description": {"type": "answer", "revision": 3, "sdp": "a3"}}]
    assert body["published"]["revision"] == 7
    (command,) = resuming.asked()
    assert isinstance(command, SetDesired)
    assert command.lease_epoch == 2


def test_an_unanswered_offer_of_the_nodes_is_in_synced_and_not_said_twice(resuming: Client) -> None:
    resuming.signal("offer", 4)
    resuming.node(PeerDescribed(peer_connection_id="pc1", description=Description(type="offer", revision=4, sdp="o4")))

    (body,) = resuming.heard()
    assert body["peer_connections"][0]["description"]["type"] == "offer"


def test_an_unknown_session_is_told(client: Client) -> None:
    client.say(SYNC)
    client.asked()
    client.verified()
    client.asked()
    client.rooms(NotDone(code=53001, message="gone"))

    assert client.heard() == [{"type": "error", "version": 2, "code": 53001, "message": "gone"}]


def test_a_sync_that_nobody_answers_lets_the_client_try_again(client: Client) -> None:
    client.say(SYNC)
    client.asked()
    client.now = 9.0
    client.session.receive_issuer_silence(client.now)

    assert client.heard() == []
    assert client.events() == [Finished(1013, "token verification does not answer")]


def test_a_socket_lost_while_resuming_detaches_again(resuming: Client) -> None:
    resuming.session.receive_close(1006, resuming.now)

    assert resuming.asked() == [DetachSession(participant_sid="PA1", lease_epoch=2)]
