"""What a connect or sync becomes, as literal messages."""

from typing import Any

import pytest
from contract.keys import TokenVerified, VerifyToken
from contract.media import Description
from contract.rooms import JoinRoom, ResumeSession, TrackKind
from signaling_gateway.core.admission import Admission, Inadmissible
from signaling_gateway.core.wire import Connect, Sync

OFFER = {"id": "pc1", "description": {"type": "offer", "revision": 1, "sdp": "o1"}}
CONNECT: dict[str, Any] = {
    "type": "connect",
    "token": "t",
    "name": "standup",
    "participant": {"revision": 4, "tracks": [{"id": "cam", "kind": "video", "name": "camera"}]},
    "peer_connections": [OFFER],
    "media_signaling": {"active_speaker": {}},
}
SYNC: dict[str, Any] = {
    "type": "sync",
    "session": "s1",
    "token": "t",
    "participant": {"revision": 5},
    "peer_connections": [{"id": "pc1", "description": {"type": "answer", "revision": 3, "sdp": "a3"}}, {"id": "pc2"}],
}
TOKEN = TokenVerified(
    account_sid="AC1", key_sid="SK1", identity="alice", room="granted", not_before_s=None, expires_at_s=2e9
)


def connecting(**members: Any) -> Admission:
    return Admission.begin(Connect.model_validate(CONNECT | members), 10.0)


def command(admission: Admission) -> JoinRoom | ResumeSession:
    return admission.command(TOKEN, "g1", lambda: "s9")


def test_a_connect_becomes_a_join_under_a_new_session() -> None:
    join = command(connecting())

    assert isinstance(join, JoinRoom)
    assert (join.identity, join.room, join.granted_room, join.session) == ("alice", "standup", "granted", "s9")
    assert (join.client_revision, join.peer_connection_ids, join.media_signaling) == (4, ("pc1",), ("active_speaker",))
    assert [(track.id, track.kind, track.name) for track in join.tracks] == [("cam", TrackKind.VIDEO, "camera")]
    assert join.automatic_subscription


@pytest.mark.parametrize("name", [None, "", "standup"])
def test_a_name_reaches_the_room_as_it_is(name: str | None) -> None:
    join = command(connecting(name=name))

    assert isinstance(join, JoinRoom)
    assert join.room == name


def test_who_wants_no_track_unasked_says_so() -> None:
    join = command(connecting(subscribe={"revision": 1, "rules": [{"type": "exclude", "all": True}]}))

    assert isinstance(join, JoinRoom)
    assert not join.automatic_subscription


@pytest.mark.parametrize("peer_connections", [[], [OFFER, OFFER], [{"id": "pc1"}], [OFFER, {"id": "pc2"}]])
def test_a_connect_has_one_offer(peer_connections: list[dict[str, Any]]) -> None:
    with pytest.raises(Inadmissible):
        connecting(peer_connections=peer_connections)


def test_a_sync_takes_its_session_up_again_even_with_a_token_that_is_over() -> None:
    admission = Admission.begin(Sync.model_validate(SYNC), 0.0)

    assert admission.is_resumed
    assert admission.verification() == VerifyToken(token="t", resuming=True)
    assert command(admission) == ResumeSession(
        session="s1", account_sid="AC1", identity="alice", gateway_id="g1", client_revision=5, tracks=()
    )


def test_the_description_of_a_connection_is_found_by_its_id() -> None:
    admission = Admission.begin(Sync.model_validate(SYNC), 0.0)

    assert admission.description("pc1") == Description(type="answer", revision=3, sdp="a3")
    assert admission.description("pc2") is None
    assert admission.description("pc3") is None


def test_owners_share_the_time_and_the_last_one_gets_some_of_it() -> None:
    admission = connecting()

    assert [admission.patience(now) for now in (10.0, 13.0, 17.5)] == [18.0, 18.0, 19.5]
