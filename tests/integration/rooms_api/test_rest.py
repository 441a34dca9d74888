"""The REST surface of rooms, participants and tracks, as any HTTP client sees it."""

import asyncio
import json
import re
from base64 import urlsafe_b64encode

import httpx

from tests.integration.rooms_api.conftest import AUTH_TOKEN, OTHER_ACCOUNT, RoomsApi
from tests.kit.rooms import ACCOUNT, audio, data, video

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")


async def test_a_room_has_every_member_and_its_defaults(api: RoomsApi) -> None:
    room = await api.create(UniqueName="standup")

    sid = room["sid"]
    url = f"http://api.test/v1/Rooms/{sid}"
    assert re.fullmatch(r"RM[0-9a-f]{32}", sid)
    assert DATE.match(room["date_created"])
    assert room["date_updated"] == room["date_created"]
    assert {name: value for name, value in room.items() if not name.startswith("date_")} == {
        "sid": sid,
        "account_sid": ACCOUNT,
        "unique_name": "standup",
        "status": "in-progress",
        "type": "group",
        "end_time": None,
        "duration": None,
        "enable_turn": True,
        "status_callback": None,
        "status_callback_method": "POST",
        "max_participants": 50,
        "max_participant_duration": 14400,
        "max_concurrent_published_tracks": 170,
        "record_participants_on_connect": False,
        "video_codecs": ["VP8", "H264"],
        "media_region": "us1",
        "audio_only": False,
        "large_room": False,
        "empty_room_timeout": 5,
        "unused_room_timeout": 5,
        "url": url,
        "links": {
            "participants": f"{url}/Participants",
            "recordings": f"{url}/Recordings",
            "recording_rules": f"{url}/RecordingRules",
            "transcriptions": f"{url}/Transcriptions",
        },
    }
    assert await api.get(f"/v1/Rooms/{sid}") == room
    assert await api.get("/v1/Rooms/standup/") == room


async def test_every_parameter_is_taken(api: RoomsApi) -> None:
    room = await api.create(
        UniqueName="Réunion 会議",
        Type="group-small",
        StatusCallback="https://example.com/it's?x=1",
        StatusCallbackMethod="GET",
        MaxParticipants="3",
        MaxParticipantDuration="600",
        EmptyRoomTimeout="60",
        UnusedRoomTimeout="1",
        RecordParticipantsOnConnect="True",
        VideoCodecs=["H264", "VP8", "H264"],
        MediaRegion="de1",
        EnableTurn="false",
        LargeRoom="true",
        TranscriptionsConfiguration='{"languageCode":"de-DE"}',
        Unknown="ignored",
    )

    assert room["unique_name"] == "Réunion 会議"
    assert (room["type"], room["max_participants"], room["max_participant_duration"]) == ("group-small", 3, 600)
    assert (room["status_callback"], room["status_callback_method"]) == ("https://example.com/it's?x=1", "GET")
    assert (room["empty_room_timeout"], room["unused_room_timeout"]) == (60, 1)
    assert room["record_participants_on_connect"] is True
    assert room["video_codecs"] == ["H264", "VP8"]
    assert room["media_region"] == "de1"
    assert (room["enable_turn"], room["large_room"]) == (True, True)


async def test_a_room_without_a_name_is_called_by_its_sid(api: RoomsApi) -> None:
    room = await api.create()

    assert room["unique_name"] == room["sid"]


async def test_peer_to_peer_rooms_have_no_media_server(api: RoomsApi) -> None:
    room = await api.create(Type="go")

    assert (room["media_region"], room["max_participants"], room["max_concurrent_published_tracks"]) == (None, 2, 0)


async def test_an_audio_only_room_has_no_video_codecs(api: RoomsApi) -> None:
    assert (await api.create(AudioOnly="true"))["video_codecs"] == []


BAD_PARAMETERS = [
    ({"UniqueName": ""}, 53100),
    ({"UniqueName": "RM" + "a" * 32}, 53100),
    ({"UniqueName": "x" * 129}, 53101),
    ({"UniqueName": "a\0b"}, 53102),
    ({"Type": "GROUP"}, 53108),
    ({"StatusCallback": "example.com/x"}, 53111),
    ({"StatusCallback": "ftp://example.com"}, 53111),
    ({"StatusCallback": "http://e.com/" + "x" * 1011}, 53111),
    ({"StatusCallback": "http://[::1"}, 53111),
    ({"StatusCallbackMethod": "PUT"}, 53110),
    ({"MaxParticipants": "0"}, 53107),
    ({"MaxParticipants": "51"}, 53107),
    ({"MaxParticipants": "five"}, 53107),
    ({"MaxParticipants": "3", "Type": "go"}, 53107),
    ({"MaxParticipantDuration": "599"}, 53123),
    ({"EmptyRoomTimeout": "0"}, 53109),
    ({"UnusedRoomTimeout": "61"}, 53109),
    ({"RecordParticipantsOnConnect": "true", "Type": "peer-to-peer"}, 53114),
    ({"RecordParticipantsOnConnect": "yes"}, 20001),
    ({"RecordingRules": "[]"}, 53120),
    ({"RecordingRules": '[{"type":"include","kind":"data"}]'}, 53120),
    ({"VideoCodecs": ["VP8", "VP9"]}, 20001),
    ({"MediaRegion": "mars1"}, 53115),
    ({"AudioOnly": "true", "Type": "group-small"}, 53124),
    ({"TranscriptionsConfiguration": "[1]"}, 20001),
    ({"TranscriptionsConfiguration": '{"a":1e400}'}, 20001),
]


async def test_bad_parameters_have_their_codes_and_leave_nothing_behind(api: RoomsApi) -> None:
    for parameters, code in BAD_PARAMETERS:
        assert await api.refusal("POST", "/v1/Rooms", **parameters) == (400, code), parameters
    assert (await api.get("/v1/Rooms"))["rooms"] == []


async def test_a_name_that_is_not_utf8_is_refused(api: RoomsApi) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await api.rest.post("/v1/Rooms", content=b"UniqueName=%FF", headers=form)

    assert (answer.status_code, answer.json()["code"]) == (400, 53102)


async def test_one_of_many_creations_of_a_name_succeeds(api: RoomsApi) -> None:
    answers = await asyncio.gather(*[api.rest.post("/v1/Rooms", data={"UniqueName": "one"}) for _ in range(8)])

    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 7
    assert {answer.json().get("message") for answer in answers if answer.status_code == 400} == {"Room exists"}
    assert len((await api.get("/v1/Rooms"))["rooms"]) == 1


async def test_one_of_many_completions_succeeds_and_frees_the_name(api: RoomsApi) -> None:
    room = await api.create(UniqueName="one")
    path = f"/v1/Rooms/{room['sid']}"
    answers = await asyncio.gather(*[api.rest.post(path, data={"Status": "completed"}) for _ in range(8)])

    assert sorted(answer.status_code for answer in answers) == [202] + [400] * 7
    assert {answer.json().get("code") for answer in answers if answer.status_code == 400} == {53112}
    completed = await api.get(path)
    assert completed["status"] == "completed"
    assert DATE.match(completed["end_time"])
    assert completed["duration"] in (0, 1)
    assert await api.refusal("GET", "/v1/Rooms/one") == (404, 20404)
    assert (await api.create(UniqueName="one"))["sid"] != room["sid"]


async def test_completing_needs_a_status(api: RoomsApi) -> None:
    await api.create(UniqueName="one")

    assert await api.refusal("POST", "/v1/Rooms/one") == (400, 20001)
    assert await api.refusal("POST", "/v1/Rooms/one", Status="in-progress") == (400, 53112)
    assert await api.refusal("POST", "/v1/Rooms/other", Status="completed") == (404, 20404)


async def test_errors_never_show_the_framework(api: RoomsApi) -> None:
    answer = await api.rest.get("/v1/Rooms/RM" + "0" * 32 + "?x=1")
    assert answer.json()["message"] == f"The requested resource /Rooms/RM{'0' * 32} was not found"

    assert await api.refusal("GET", "/v1/Nothing") == (404, 20404)
    assert await api.refusal("DELETE", "/v1/Rooms") == (405, 20004)
    assert await api.refusal("PUT", "/v1/Rooms/unknown") == (405, 20004)


async def test_who_asks_is_decided_before_what_is_asked(api: RoomsApi) -> None:
    for auth in (None, (ACCOUNT, "wrong"), ("AC", "")):
        answer = await api.rest.get("/v1/Nothing", auth=auth or httpx.Auth())
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)
        assert answer.headers["www-authenticate"] == 'Basic realm="Twilio API"'


async def test_another_account_sees_nothing(api: RoomsApi) -> None:
    room = await api.create(UniqueName="one")
    other = (OTHER_ACCOUNT, AUTH_TOKEN)

    assert (await api.rest.get(f"/v1/Rooms/{room['sid']}", auth=other)).status_code == 404
    assert (await api.rest.get("/v1/Rooms", auth=other)).json()["rooms"] == []
    assert (await api.rest.post("/v1/Rooms", data={"UniqueName": "one"}, auth=other)).status_code == 201


async def test_lists_are_walked_page_by_page_without_repeating_or_skipping(api: RoomsApi) -> None:
    made = [(await api.create(UniqueName=f"room {number}"))["sid"] for number in range(7)]
    first = await api.get("/v1/Rooms?Status=in-progress&PageSize=3")
    await api.create(UniqueName="came while walking")
    await api.rest.post(f"/v1/Rooms/{made[-2]}", data={"Status": "completed"})
    second = await api.get(first["meta"]["next_page_url"])
    third = await api.get(second["meta"]["next_page_url"])
    back = await api.get(third["meta"]["previous_page_url"])

    walked = [room["sid"] for page in (first, second, third) for room in page["rooms"]]
    assert walked == made[::-1]
    assert [room["sid"] for room in back["rooms"]] == [room["sid"] for room in second["rooms"]]
    assert third["meta"]["next_page_url"] is None
    assert "Status=in-progress" in first["meta"]["next_page_url"]
    assert first["meta"] | {"next_page_url": None} == {
        "page": 0,
        "page_size": 3,
        "key": "rooms",
        "first_page_url": "http://api.test/v1/Rooms?Status=in-progress&PageSize=3&Page=0",
        "previous_page_url": None,
        "url": "http://api.test/v1/Rooms?Status=in-progress&PageSize=3&Page=0",
        "next_page_url": None,
    }


async def test_a_full_last_page_has_no_next_one(api: RoomsApi) -> None:
    for _ in range(2):
        await api.create()

    assert (await api.get("/v1/Rooms?PageSize=2"))["meta"]["next_page_url"] is None
    assert len((await api.get("/v1/Rooms?PageSize=1&Page=1"))["rooms"]) == 1
    assert (await api.get("/v1/Rooms?PageSize=5000"))["meta"]["page_size"] == 1000


BAD_QUERIES = [
    "PageSize=0",
    "PageSize=x",
    "Page=-1",
    "PageToken=nonsense",
    "Status=open",
    "DateCreatedAfter=yesterday",
    "PageToken=" + urlsafe_b64encode(b'[1,"\\ud800",0]').decode(),
    "PageToken=" + urlsafe_b64encode(b'[1,"\\u0000",0]').decode(),
    "UniqueName=%FF",
    "UniqueName=%00",
]


async def test_bad_queries_are_refused(api: RoomsApi) -> None:
    for query in BAD_QUERIES:
        assert await api.refusal("GET", f"/v1/Rooms?{query}") == (400, 20001), query


async def test_a_path_with_a_nul_names_nothing(api: RoomsApi) -> None:
    for path in ("/v1/Rooms/a%00", "/v1/Rooms/%00/Participants", "/v1/Rooms/a/Participants/%00"):
        assert await api.refusal("GET", path) == (404, 20404), path


async def test_rooms_are_filtered(api: RoomsApi) -> None:
    one = await api.create(UniqueName="one")
    await api.create(UniqueName="two")
    await api.rest.post("/v1/Rooms/one", data={"Status": "completed"})

    async def names(query: str) -> list[str]:
        return [room["unique_name"] for room in (await api.get(f"/v1/Rooms?{query}"))["rooms"]]

    assert await names("") == ["two"]
    assert await names("Status=completed") == ["one"]
    assert await names("UniqueName=one") == []
    assert await names("UniqueName=one&Status=completed") == ["one"]
    assert await names("DateCreatedAfter=2020-01-01") == ["two"]
    assert await names("DateCreatedBefore=2020-01-01T00:00:00+02:00") == []
    assert await names(f"Status=completed&DateCreatedAfter={one['date_created']}") == ["one"]
    assert await names("DateCreatedAfter=2099-01-01T00:00:00") == []


async def test_participants_are_shown_filtered_and_removed(api: RoomsApi) -> None:
    room = await api.create(UniqueName="standup")
    alice = await api.join("alice")
    await api.join("bob smith")
    path = "/v1/Rooms/standup/Participants"

    shown = await api.get(f"{path}/alice")
    url = f"http://api.test/v1/Rooms/{room['sid']}/Participants/{alice.participant_sid}"
    assert {name: value for name, value in shown.items() if "date" not in name} == {
        "sid": alice.participant_sid,
        "room_sid": room["sid"],
        "account_sid": ACCOUNT,
        "identity": "alice",
        "status": "connected",
        "start_time": shown["date_created"],
        "end_time": None,
        "duration": None,
        "url": url,
        "links": {
            "published_tracks": f"{url}/PublishedTracks",
            "subscribed_tracks": f"{url}/SubscribedTracks",
            "subscribe_rules": f"{url}/SubscribeRules",
            "anonymize": f"{url}/Anonymize",
        },
    }
    assert (await api.get(f"{path}/bob+smith"))["identity"] == "bob smith"
    assert [p["identity"] for p in (await api.get(path))["participants"]] == ["bob smith", "alice"]
    assert [p["identity"] for p in (await api.get(f"{path}?Identity=alice"))["participants"]] == ["alice"]

    assert await api.refusal("POST", f"{path}/alice") == (400, 20001)
    assert await api.refusal("POST", f"{path}/alice", Status="connected") == (400, 53209)
    removed = await api.rest.post(f"{path}/alice", data={"Status": "disconnected"})
    assert (removed.status_code, removed.json()["status"]) == (202, "disconnected")
    assert removed.json()["duration"] in (0, 1)
    assert await api.refusal("GET", f"{path}/alice") == (404, 20404)
    again = await api.rest.post(f"{path}/{alice.participant_sid}", data={"Status": "disconnected"})
    assert (again.status_code, again.json()) == (202, removed.json())
    assert [p["identity"] for p in (await api.get(f"{path}?Status=disconnected"))["participants"]] == ["alice"]


async def test_a_completed_room_shows_who_was_there(api: RoomsApi) -> None:
    room = await api.create(UniqueName="standup")
    await api.join("alice")
    await api.rest.post("/v1/Rooms/standup", data={"Status": "completed"})

    (alice,) = (await api.get(f"/v1/Rooms/{room['sid']}/Participants"))["participants"]
    assert (alice["identity"], alice["status"]) == ("alice", "disconnected")
    assert (await api.get(f"/v1/Rooms/{room['sid']}/Participants/{alice['sid']}/PublishedTracks"))[
        "published_tracks"
    ] == []


async def test_somebody_who_is_gone_is_anonymized(api: RoomsApi) -> None:
    room = await api.create(UniqueName="standup")
    alice = await api.join("alice")
    path = f"/v1/Rooms/{room['sid']}/Participants/{alice.participant_sid}"
    assert await api.refusal("POST", f"{path}/Anonymize") == (400, 20001)
    await api.rest.post(path, data={"Status": "disconnected"})
    assert await api.refusal("POST", f"{path}/Anonymize") == (400, 20001)
    await api.rest.post("/v1/Rooms/standup", data={"Status": "completed"})

    answer = await api.rest.post(f"{path}/Anonymize")

    shown = await api.get(path)
    assert answer.status_code == 200
    assert answer.json() == {name: value for name, value in shown.items() if name != "links"} | {
        "url": f"http://api.test{path}/Anonymize"
    }
    assert (shown["identity"], shown["status"]) == (alice.participant_sid, "disconnected")
    assert (await api.rest.post(f"{path}/Anonymize")).json()["identity"] == alice.participant_sid
    listed = await api.get(f"/v1/Rooms/{room['sid']}/Participants?Identity=alice")
    assert listed["participants"] == []
    missing = f"/v1/Rooms/{room['sid']}/Participants/PA{'0' * 32}/Anonymize"
    assert await api.refusal("POST", missing) == (404, 20404)


async def test_tracks_are_shown_to_their_publisher_and_subscriber(api: RoomsApi) -> None:
    room = await api.create(UniqueName="standup")
    alice = await api.join("alice", audio(enabled=False), video(name="front"), data(name="front"))
    bob = await api.join("bob")
    path = "/v1/Rooms/standup/Participants"

    published = (await api.get(f"{path}/alice/PublishedTracks"))["published_tracks"]
    front = next(track for track in published if track["name"] == "front")
    subscribed = (await api.get(f"{path}/bob/SubscribedTracks"))["subscribed_tracks"]

    assert {track["kind"] for track in published} == {"audio", "video"}
    assert {key: value for key, value in front.items() if "date" not in key} == {
        "sid": front["sid"],
        "participant_sid": alice.participant_sid,
        "room_sid": room["sid"],
        "name": "front",
        "enabled": True,
        "kind": "video",
        "url": f"http://api.test/v1/Rooms/{room['sid']}/Participants/{alice.participant_sid}/PublishedTracks/{front['sid']}",
    }
    assert await api.get(f"{path}/alice/PublishedTracks/front") == front
    assert await api.get(f"{path}/alice/PublishedTracks/{front['sid']}") == front
    assert {track["sid"] for track in subscribed} == {track["sid"] for track in published}
    one = await api.get(f"{path}/bob/SubscribedTracks/{front['sid']}")
    assert (one["participant_sid"], one["publisher_sid"]) == (bob.participant_sid, alice.participant_sid)
    assert one["name"] == "front"
    assert await api.refusal("GET", f"{path}/bob/SubscribedTracks/MT{'0' * 32}") == (404, 20404)
    assert await api.refusal("GET", f"{path}/alice/PublishedTracks/back") == (404, 20404)


async def test_subscribe_rules_act_at_once(api: RoomsApi) -> None:
    await api.create(UniqueName="standup")
    await api.join("alice", audio(), video())
    await api.join("bob")
    path = "/v1/Rooms/standup/Participants/bob"

    rules = await api.get(f"{path}/SubscribeRules")
    everything = {"type": "include", "all": True, "publisher": None, "track": None, "kind": None, "priority": None}
    assert rules["rules"] == [everything]
    answer = await api.rest.post(
        f"{path}/SubscribeRules", data={"Rules": json.dumps([{"type": "include", "kind": "audio"}])}
    )
    assert answer.status_code == 200
    assert answer.json()["rules"] == [everything | {"all": None, "kind": "audio"}]
    subscribed = (await api.get(f"{path}/SubscribedTracks"))["subscribed_tracks"]
    assert [track["kind"] for track in subscribed] == ["audio"]
    assert await api.refusal("POST", f"{path}/SubscribeRules", Rules="{}") == (400, 53215)
    assert await api.refusal("POST", f"{path}/SubscribeRules") == (400, 20001)
    back = await api.rest.post(f"{path}/SubscribeRules", data={"Rules": json.dumps(rules["rules"])})
    assert back.json()["rules"] == rules["rules"]


async def test_everything_else_of_the_account_is_asked_of_token_issuer(api: RoomsApi) -> None:
    """Nobody listens there in this test: what counts is that credentials are not judged here."""
    url = f"/2010-04-01/Accounts/{ACCOUNT}/Keys.json"
    answer = await api.rest.get(url, auth=(ACCOUNT, "whatever"))

    assert (answer.status_code, answer.json()["code"]) == (503, 20503)
    assert (await api.rest.get(url, auth=httpx.Auth())).status_code == 401
