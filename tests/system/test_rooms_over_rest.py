"""A server application and its rooms, with the stock Python helper: only the base URL is changed."""

import re
from datetime import datetime

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.kit.signaling import signaling
from tests.kit.stack import Roomwire

ROOM_SID = re.compile(r"RM[0-9a-f]{32}")


def test_a_room_is_created_with_the_name_that_was_asked_for(client: Client, roomwire: Roomwire, room_name: str) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)

    assert ROOM_SID.fullmatch(room.sid)
    assert (room.unique_name, room.status, room.type) == (room_name, "in-progress", "group")
    assert room.account_sid == roomwire.account_sid
    assert room.max_participants == 50
    assert room.video_codecs == ["VP8", "H264"]
    assert isinstance(room.date_created, datetime)
    assert room.date_updated == room.date_created
    assert (room.end_time, room.duration) == (None, None)
    assert room.url == f"{roomwire.base_url}/v1/Rooms/{room.sid}"
    assert room.links["participants"] == f"{room.url}/Participants"


def test_a_room_without_a_name_is_named_by_its_sid(client: Client) -> None:
    room = client.video.v1.rooms.create()

    assert room.unique_name == room.sid


def test_a_room_is_fetched_by_sid_and_by_name(client: Client, room_name: str) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)

    assert client.video.v1.rooms(room.sid).fetch().unique_name == room_name
    assert client.video.v1.rooms(room_name).fetch().sid == room.sid


def test_rooms_in_progress_are_listed_newest_first(client: Client, room_name: str) -> None:
    older = client.video.v1.rooms.create(unique_name=f"{room_name}-older")
    newer = client.video.v1.rooms.create(unique_name=f"{room_name}-newer")

    sids = [room.sid for room in client.video.v1.rooms.list()]

    assert sids.index(newer.sid) < sids.index(older.sid)
    assert [room.sid for room in client.video.v1.rooms.list(unique_name=f"{room_name}-older")] == [older.sid]


def test_a_list_is_read_page_by_page(client: Client, room_name: str) -> None:
    made = {client.video.v1.rooms.create(unique_name=f"{room_name}-{number}").sid for number in range(5)}

    walked = [room.sid for room in client.video.v1.rooms.stream(page_size=2)]

    assert made <= set(walked)
    assert len(walked) == len(set(walked))


def test_a_room_is_kept_until_it_is_completed(client: Client, room_name: str) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)

    completed = client.video.v1.rooms(room.sid).update(status="completed")

    assert completed.status == "completed"
    assert isinstance(completed.end_time, datetime)
    assert completed.duration is not None
    assert client.video.v1.rooms(room.sid).fetch().status == "completed"
    assert room.sid in [one.sid for one in client.video.v1.rooms.list(status="completed")]
    assert room.sid not in [one.sid for one in client.video.v1.rooms.list()]


def test_a_completed_rooms_name_is_free_at_once(client: Client, room_name: str) -> None:
    first = client.video.v1.rooms.create(unique_name=room_name)
    client.video.v1.rooms(first.sid).update(status="completed")

    second = client.video.v1.rooms.create(unique_name=room_name)

    assert second.sid != first.sid
    assert client.video.v1.rooms(room_name).fetch().sid == second.sid


def refusal(raised: pytest.ExceptionInfo[TwilioRestException]) -> tuple[int, int]:
    return raised.value.status, raised.value.code


def test_a_name_in_use_is_refused_with_53113(client: Client, room_name: str) -> None:
    client.video.v1.rooms.create(unique_name=room_name)

    with pytest.raises(TwilioRestException) as raised:
        client.video.v1.rooms.create(unique_name=room_name)

    assert refusal(raised) == (400, 53113)
    assert raised.value.msg == "Unable to create record: Room exists"


def test_a_completed_room_is_not_completed_again(client: Client, room_name: str) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)
    client.video.v1.rooms(room.sid).update(status="completed")

    with pytest.raises(TwilioRestException) as raised:
        client.video.v1.rooms(room.sid).update(status="completed")

    assert refusal(raised) == (400, 53112)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"unique_name": ""}, 53100),
        ({"unique_name": "x" * 129}, 53101),
        ({"type": "enormous"}, 53108),
        ({"max_participants": 51}, 53107),
        ({"max_participants": 0}, 53107),
        ({"empty_room_timeout": 61}, 53109),
        ({"unused_room_timeout": 0}, 53109),
        ({"max_participant_duration": 599}, 53123),
        ({"status_callback": "not a url"}, 53111),
        ({"media_region": "moon1"}, 53115),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_own_code(client: Client, options: dict[str, object], code: int) -> None:
    with pytest.raises(TwilioRestException) as raised:
        client.video.v1.rooms.create(**options)

    assert refusal(raised) == (400, code)


def test_what_is_not_there_is_20404(client: Client) -> None:
    for missing in (client.video.v1.rooms("RM" + "0" * 32), client.video.v1.rooms("no-such-room")):
        with pytest.raises(TwilioRestException) as raised:
            missing.fetch()
        assert refusal(raised) == (404, 20404)


@pytest.mark.parametrize("password", ["wrong", ""])
def test_wrong_credentials_are_20003(roomwire: Roomwire, password: str) -> None:
    answer = httpx.get(f"{roomwire.base_url}/v1/Rooms", auth=(roomwire.account_sid, password))

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="Twilio API"'
    assert answer.json() == {
        "code": 20003,
        "message": "Authenticate",
        "more_info": "https://www.twilio.com/docs/errors/20003",
        "status": 401,
    }


def test_an_api_key_is_as_good_as_the_account(roomwire: Roomwire, room_name: str) -> None:
    client = roomwire.client(roomwire.key_sid, roomwire.key_secret)

    assert client.video.v1.rooms.create(unique_name=room_name).account_sid == roomwire.account_sid


async def test_a_participant_and_its_tracks_are_found(client: Client, roomwire: Roomwire, room_name: str) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)

    async with signaling(roomwire.ws_server) as socket:
        joined = await socket.join(roomwire.token("alice"), room_name)
        sid = joined["participant"]["sid"]
        (listed,) = client.video.v1.rooms(room.sid).participants.list()
        fetched = client.video.v1.rooms(room_name).participants("alice").fetch()
        tracks = client.video.v1.rooms(room.sid).participants(sid).published_tracks.list()
        await socket.leave()

    assert (listed.sid, listed.identity, listed.status) == (sid, "alice", "connected")
    assert (fetched.sid, fetched.room_sid, fetched.duration) == (sid, room.sid, None)
    assert {(track.name, track.kind, track.enabled) for track in tracks} == {
        ("microphone", "audio", True),
        ("camera", "video", True),
    }
    assert {track.sid for track in tracks} == {track["sid"] for track in joined["published"]["tracks"]}


async def test_a_removed_participant_is_told_and_listed_as_disconnected(
    client: Client, roomwire: Roomwire, room_name: str
) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)

    async with signaling(roomwire.ws_server) as socket:
        sid = (await socket.join(roomwire.token("alice"), room_name))["participant"]["sid"]
        removed = client.video.v1.rooms(room.sid).participants(sid).update(status="disconnected")
        told = await socket.body("disconnected")

    assert removed.status == "disconnected"
    assert removed.end_time is not None
    assert told.get("status") != "completed"
    assert client.video.v1.rooms(room.sid).participants.list() == []
    assert [one.sid for one in client.video.v1.rooms(room.sid).participants.list(status="disconnected")] == [sid]
