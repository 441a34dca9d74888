"""Recordings, from what a node says on the bus to what an application reads: rows, callbacks, media behind links, and what is left after a deletion."""

import json
import sqlite3
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
from contract.recordings import FailedOperation
from contract.rooms import DescribeRoom, Joined, TrackKind

from tests.integration.rooms_api.conftest import (
    AUTH_TOKEN,
    OTHER_ACCOUNT,
    RoomsApi,
    eventually,
    on_sqlite_alone,
    running,
)
from tests.kit.recordings import NodeRecording, tell
from tests.kit.rooms import ACCOUNT, audio, video

CALLBACK = "http://127.0.0.1:9/callback"
DAY_S = 24 * 3600


async def revision(api: RoomsApi, room_sid: str) -> int:
    return int((await api.command(DescribeRoom(room_sid=room_sid))).snapshot.revision)


def recording_of(joined: Joined, kind: TrackKind) -> NodeRecording:
    """A recording of what somebody publishes."""
    (publisher,) = [p for p in joined.snapshot.participants if p.sid == joined.participant_sid]
    (track,) = [track for track in publisher.tracks if track.kind is kind]
    return NodeRecording(joined.snapshot.room.sid, publisher.sid, track.sid, kind)


async def recorded_room(api: RoomsApi, data: Path, media: bytes = b"matroska") -> tuple[str, NodeRecording]:
    """A completed room with one completed recording, whose file is there."""
    room = await api.create()
    recording = NodeRecording(room["sid"], kind=TrackKind.VIDEO)
    recording.leave(data, media)
    await tell(api.bus, recording.started(), recording.completed(size_bytes=len(media)))
    await api.rest.post(f"/v1/Rooms/{room['sid']}", data={"Status": "completed"})
    return room["sid"], recording


def owed(data: Path) -> list[dict[str, str]]:
    """The parameters of every callback about recordings, in order."""
    with sqlite3.connect(data / "rooms-api" / "rooms.db") as database:
        bodies = database.execute("SELECT body FROM callbacks WHERE event LIKE 'recording-%' ORDER BY rowid")
        return [dict(parse_qsl(body)) for (body,) in bodies]


@on_sqlite_alone
async def test_a_recording_is_told_to_clients_and_to_the_application(api: RoomsApi, tmp_path: Path) -> None:
    room = await api.create(UniqueName="standup", StatusCallback=CALLBACK, StatusCallbackMethod="GET")
    alice = await api.join("alice", audio(name="mic"), video(name="front"))
    voice, picture = recording_of(alice, TrackKind.AUDIO), recording_of(alice, TrackKind.VIDEO)
    path = f"/v1/Recordings/{voice.sid}"

    await tell(api.bus, voice.started())
    known = await revision(api, room["sid"])
    await tell(api.bus, voice.started())
    assert await revision(api, room["sid"]) == known
    await tell(api.bus, picture.started())
    begun = await api.get(path)
    within = await api.get(f"/v1/Rooms/standup/Recordings/{voice.sid}")
    assert await api.refusal("DELETE", path) == (400, 20001)
    assert await api.refusal("GET", f"{path}/Media") == (404, 20404)
    await tell(api.bus, voice.completed(size_bytes=12345, duration_ms=61_400))
    await tell(api.bus, picture.failed())
    known = await revision(api, room["sid"])
    await tell(api.bus, voice.completed(), picture.failed(), voice.started())
    assert await revision(api, room["sid"]) == known

    shared = {
        "sid": voice.sid,
        "account_sid": ACCOUNT,
        "source_sid": voice.track.track_sid,
        "status": "processing",
        "type": "audio",
        "container_format": "mka",
        "codec": "OPUS",
        "size": None,
        "duration": None,
        "offset": 1_767_225_600_123,
        "track_name": "mic",
        "grouping_sids": {"room_sid": room["sid"], "participant_sid": alice.participant_sid},
        "date_created": begun["date_created"],
        "media_external_location": None,
    }
    url = f"http://api.test{path}"
    assert begun == shared | {
        "status_callback": CALLBACK,
        "status_callback_method": "GET",
        "url": url,
        "links": {"media": f"{url}/Media"},
    }
    url = f"http://api.test/v1/Rooms/{room['sid']}/Recordings/{voice.sid}"
    assert within == shared | {"room_sid": room["sid"], "url": url, "links": {"media": f"{url}/Media"}}
    assert await api.get(path) == begun | {"status": "completed", "size": 12345, "duration": 61}
    assert (await api.get(f"/v1/Recordings/{picture.sid}"))["status"] == "failed"

    await eventually(lambda: [event.revision for event in api.events][-1] == known)
    states = [event.room for event in api.events if event.room is not None]
    assert [state.is_recording for state in states] == [False, True, False]

    told = owed(tmp_path)
    assert [(one["StatusCallbackEvent"], one["RecordingSid"]) for one in told] == [
        ("recording-started", voice.sid),
        ("recording-started", picture.sid),
        ("recording-completed", voice.sid),
        ("recording-failed", picture.sid),
    ]
    facts = {
        "AccountSid": ACCOUNT,
        "RoomSid": room["sid"],
        "RoomName": "standup",
        "RoomType": "group",
        "ParticipantSid": alice.participant_sid,
        "ParticipantIdentity": "alice",
        "RecordingSid": voice.sid,
        "RecordingUri": path,
        "SourceSid": voice.track.track_sid,
        "TrackName": "mic",
        "Type": "audio",
        "Container": "mka",
        "Codec": "OPUS",
        "OffsetFromTwilioVideoEpoch": "1767225600123",
    }
    assert {name: told[0][name] for name in facts} == facts
    assert told[0].keys() == facts.keys() | {"StatusCallbackEvent", "Timestamp"}
    assert {name: told[2][name] for name in ("MediaUri", "Duration", "Size")} == {
        "MediaUri": f"{path}/Media",
        "Duration": "61",
        "Size": "12345",
    }
    assert told[3]["FailedOperation"] == "RecordingComplete"


async def test_a_restart_forgets_no_recording(surroundings: str, tmp_path: Path) -> None:
    async with running(surroundings, tmp_path) as api:
        room = await api.create(UniqueName="standup")
        recording = NodeRecording(room["sid"])
        await tell(api.bus, recording.started())
    async with running(surroundings, tmp_path) as api:
        assert (await api.join("alice")).snapshot.room.is_recording is True
        await api.rest.post("/v1/Rooms/standup", data={"Status": "completed"})
        await tell(api.bus, recording.completed())
        assert (await api.get(f"/v1/Recordings/{recording.sid}"))["status"] == "completed"

        await tell(api.bus, NodeRecording("RM" + "0" * 32).started())  # taken, so that the node need not repeat it
        assert await api.refusal("GET", f"/v1/Recordings/RT{'0' * 32}") == (404, 20404)


async def test_a_recording_whose_node_never_returns_fails_and_is_told(surroundings: str, tmp_path: Path) -> None:
    async with running(surroundings, tmp_path) as api:
        await api.create(UniqueName="standup", StatusCallback=CALLBACK)
        recording = recording_of(await api.join("alice", audio(name="mic")), TrackKind.AUDIO)
        await tell(api.bus, recording.started())
        await api.rest.post("/v1/Rooms/standup", data={"Status": "completed"})
    async with running(surroundings, tmp_path) as api:
        api.clock.offset_s = 3601

        async def has_failed() -> bool:
            return bool((await api.get(f"/v1/Recordings/{recording.sid}"))["status"] == "failed")

        await eventually(has_failed)
        await tell(api.bus, recording.completed())  # too late: taken, and nothing changes
        assert await has_failed()

    (told,) = [one for one in owed(tmp_path) if one["StatusCallbackEvent"] == "recording-failed"]
    assert (told["RecordingSid"], told["FailedOperation"]) == (recording.sid, "RecordingComplete")


async def test_recordings_are_listed_filtered_and_paged(api: RoomsApi) -> None:
    one, two = await api.create(UniqueName="one"), await api.create(UniqueName="two")
    pa, mt = "PA" + "a" * 32, "MT" + "a" * 32
    made = [
        NodeRecording(one["sid"], pa, mt),
        NodeRecording(one["sid"], pa, "MT" + "b" * 32, TrackKind.VIDEO),
        NodeRecording(two["sid"], "PA" + "b" * 32, "MT" + "c" * 32),
    ]
    for recording in made:
        await tell(api.bus, recording.started())
    await tell(api.bus, made[0].completed(), made[2].failed())
    await tell(api.bus, made[0].completed(), made[2].started())  # again, and too late: nothing changes
    sids = [recording.sid for recording in made]

    async def listed(query: str, room: str | None = None) -> list[int]:
        path = f"/v1/Rooms/{room}/Recordings" if room else "/v1/Recordings"
        return [sids.index(entry["sid"]) for entry in (await api.get(f"{path}?{query}"))["recordings"]]

    assert await listed("") == [2, 1, 0]
    assert await listed("Status=completed") == [0]
    assert await listed("Status=deleted") == []
    assert await listed(f"SourceSid={mt}") == [0]
    assert await listed("MediaType=video") == [1]
    assert await listed("MediaType=data") == []
    assert await listed(f"GroupingSid={one['sid']}") == [1, 0]
    assert await listed(f"GroupingSid={one['sid']}&GroupingSid={pa}&Status=processing") == [1]
    assert await listed(f"GroupingSid={two['sid']}&GroupingSid={pa}") == []
    assert await listed("DateCreatedBefore=2020-01-01") == []
    assert await listed("DateCreatedAfter=2020-01-01T00:00:00Z") == [2, 1, 0]
    assert await listed("", "one") == await listed("", one["sid"]) == [1, 0]
    assert await listed(f"Status=completed&SourceSid={mt}", "one") == [0]

    page = await api.get("/v1/Recordings?PageSize=2&Status=processing")
    assert page["meta"]["key"] == "recordings"
    assert page["meta"]["next_page_url"] is None
    first = await api.get("/v1/Recordings?PageSize=2&MediaType=audio&MediaType=audio")
    assert [sids.index(entry["sid"]) for entry in first["recordings"]] == [2, 0]
    first = await api.get("/v1/Recordings?PageSize=2")
    second = await api.get(first["meta"]["next_page_url"])
    assert [sids.index(entry["sid"]) for entry in second["recordings"]] == [0]
    assert (await api.get("/v1/Recordings?PageSize=1000"))["meta"]["page_size"] == 100
    assert (await api.get("/v1/Rooms/one/Recordings?PageSize=1000"))["meta"]["page_size"] == 1000

    for bad in ("Status=done", "MediaType=film", "GroupingSid=x", "DateCreatedAfter=soon", "PageSize=0"):
        assert await api.refusal("GET", f"/v1/Recordings?{bad}") == (400, 20001), bad
    assert await api.refusal("GET", f"/v1/Rooms/two/Recordings/{sids[0]}") == (404, 20404)
    assert await api.refusal("GET", f"/v1/Recordings/{mt}") == (404, 20404)
    stranger = await api.rest.get(f"/v1/Recordings/{sids[0]}", auth=(OTHER_ACCOUNT, AUTH_TOKEN))
    assert stranger.status_code == 404


@on_sqlite_alone
async def test_media_is_fetched_by_a_link_that_needs_no_credentials(api: RoomsApi, tmp_path: Path) -> None:
    room_sid, recording = await recorded_room(api, tmp_path, b"0123456789")

    asked_at = api.clock.wall()
    answer = await api.rest.get(f"/v1/Recordings/{recording.sid}/Media")
    link = answer.json()["redirect_to"]
    assert (answer.status_code, answer.headers["location"]) == (302, link)
    anybody = httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://api.test")
    media = await anybody.get(link)
    assert (media.status_code, media.content) == (200, b"0123456789")
    assert media.headers["content-type"] == "video/x-matroska"
    assert media.headers["content-disposition"] == f'attachment; filename="{recording.sid}.mkv"'
    part = await anybody.get(link, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    beyond = await anybody.get(link, headers={"Range": "bytes=10-"})
    assert beyond.status_code == 416

    shown = await api.rest.get(
        f"/v1/Rooms/{room_sid}/Recordings/{recording.sid}/Media?Ttl=60&ContentDisposition=inline%3B%20filename%3D%22a%20b%22"
    )
    own = await anybody.get(shown.json()["redirect_to"])
    assert own.headers["content-disposition"] == 'inline; filename="a b"'

    assert (await anybody.get(link.replace("Expires=", "Expires=1"))).status_code == 403
    assert (await anybody.get(link.replace("ContentDisposition=", "ContentDisposition=x"))).status_code == 403
    assert (await anybody.get(link.partition("?")[0])).json()["code"] == 20403
    parameters = parse_qs(urlsplit(link).query)
    signature = parameters["Signature"][0]
    assert int(parameters["Expires"][0]) >= int((asked_at + 600) * 1000)
    assert (await anybody.get(link.replace(signature, signature[::-1]))).status_code == 403
    assert (await anybody.get(f"/v1/Media/RT{'0' * 32}?Signature=x")).status_code == 404
    api.clock.offset_s = 61
    assert (await anybody.get(shown.json()["redirect_to"])).status_code == 403
    assert (await anybody.get(link)).status_code == 200
    api.clock.offset_s = 601
    assert (await anybody.get(link)).status_code == 403

    for bad in ("Ttl=0", "Ttl=3601", "Ttl=x", "ContentDisposition=a%0D%0ASet-Cookie%3Ab", "ContentDisposition=%C3%A9"):
        assert await api.refusal("GET", f"/v1/Recordings/{recording.sid}/Media?{bad}") == (400, 20001), bad
    await anybody.aclose()


@on_sqlite_alone
async def test_a_deletion_takes_the_media_at_once_and_the_metadata_after_thirty_days(
    api: RoomsApi, tmp_path: Path
) -> None:
    room_sid, recording = await recorded_room(api, tmp_path)
    path = f"/v1/Recordings/{recording.sid}"
    link = (await api.rest.get(f"{path}/Media")).json()["redirect_to"]

    deleted = await api.rest.delete(f"/v1/Rooms/{room_sid}/Recordings/{recording.sid}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "content-length" not in deleted.headers
    assert (await api.get(path))["status"] == "deleted"
    assert (await api.rest.delete(path)).status_code == 204
    assert await api.refusal("GET", f"{path}/Media") == (404, 20404)
    assert (await api.rest.get(link)).status_code == 404
    assert (await api.get("/v1/Recordings"))["recordings"] == []
    assert (await api.get(f"/v1/Rooms/{room_sid}/Recordings"))["recordings"] == []
    assert [one["sid"] for one in (await api.get("/v1/Recordings?Status=deleted"))["recordings"]] == [recording.sid]
    await eventually(lambda: not recording.file(tmp_path).exists())

    async def is_gone() -> bool:
        return (await api.rest.get(path)).status_code == 404

    api.clock.offset_s = 29 * DAY_S
    assert not await is_gone()
    api.clock.offset_s = 30 * DAY_S + 60
    await eventually(is_gone)


@on_sqlite_alone
async def test_a_failed_recording_can_be_deleted_and_an_empty_one_has_no_media(api: RoomsApi) -> None:
    room = await api.create()
    broken, empty = NodeRecording(room["sid"]), NodeRecording(room["sid"])
    await tell(api.bus, broken.failed(FailedOperation.START), empty.completed(size_bytes=0, duration_ms=0))

    shown = await api.get(f"/v1/Recordings/{empty.sid}")
    assert (shown["status"], shown["size"], shown["duration"]) == ("completed", 0, 0)
    assert await api.refusal("GET", f"/v1/Recordings/{empty.sid}/Media") == (404, 20404)
    assert (await api.rest.delete(f"/v1/Recordings/{broken.sid}")).status_code == 204
    assert json.loads((await api.rest.get(f"/v1/Recordings/{broken.sid}")).text)["status"] == "deleted"
