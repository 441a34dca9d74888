"""Compositions and composition hooks: what is enqueued, what fails at once, and what waits for a compositor."""

import json
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from contract.compositions import composition_file
from contract.recordings import FailedOperation
from contract.rooms import TrackKind
from rooms_api.store.composition_queue import CompositionQueue
from rooms_api.store.database import Database

from tests.integration.rooms_api.conftest import AUTH_TOKEN, OTHER_ACCOUNT, RoomsApi, eventually, on_sqlite_alone
from tests.kit.recordings import NodeRecording, tell
from tests.kit.rooms import ACCOUNT

CALLBACK = "http://127.0.0.1:9/composed"


async def end(api: RoomsApi, room_sid: str) -> None:
    assert (await api.rest.post(f"/v1/Rooms/{room_sid}", data={"Status": "completed"})).status_code == 202


async def compose(api: RoomsApi, room_sid: str, **parameters: Any) -> Any:
    answer = await api.rest.post("/v1/Compositions", data={"RoomSid": room_sid, "AudioSources": "*"} | parameters)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def status(api: RoomsApi, sid: str) -> str:
    return str((await api.get(f"/v1/Compositions/{sid}"))["status"])


async def fails(api: RoomsApi, sid: str) -> None:
    async def has_failed() -> bool:
        return await status(api, sid) == "failed"

    await eventually(has_failed)


def ready(data: Path) -> set[str]:
    """SIDs of the compositions that a compositor may take."""
    with sqlite3.connect(data / "rooms-api" / "rooms.db") as database:
        return {sid for (sid,) in database.execute("SELECT sid FROM compositions WHERE ready_at IS NOT NULL")}


def owed(data: Path) -> list[dict[str, str]]:
    with sqlite3.connect(data / "rooms-api" / "rooms.db") as database:
        bodies = database.execute("SELECT body FROM callbacks WHERE event LIKE 'composition-%' ORDER BY rowid")
        return [dict(parse_qsl(body)) for (body,) in bodies]


async def test_a_composition_has_every_member(api: RoomsApi) -> None:
    room = await api.create()
    region = {"video_sources": ["screen", "PA*"], "z_pos": 3, "width": 100, "cells_excluded": [2]}
    made = await compose(
        api,
        room["sid"],
        AudioSources=["teacher*", "RT" + "a" * 32],
        AudioSourcesExcluded="noise",
        VideoLayout=json.dumps({"main": region}),
        Resolution="1280x720",
        Format="mp4",
        Trim="False",
        StatusCallback=CALLBACK,
        StatusCallbackMethod="GET",
    )

    url = f"http://api.test/v1/Compositions/{made['sid']}"
    assert made == {
        "sid": made["sid"],
        "account_sid": ACCOUNT,
        "room_sid": room["sid"],
        "status": "enqueued",
        "audio_sources": ["teacher*", "RT" + "a" * 32],
        "audio_sources_excluded": ["noise"],
        "video_layout": {
            "main": {
                "video_sources": ["screen", "PA*"],
                "video_sources_excluded": [],
                "reuse": "show_oldest",
                "x_pos": 0,
                "y_pos": 0,
                "z_pos": 3,
                "width": 100,
                "height": 0,
                "max_columns": 0,
                "max_rows": 0,
                "cells_excluded": [2],
            }
        },
        "resolution": "1280x720",
        "trim": False,
        "format": "mp4",
        "bitrate": 0,
        "size": 0,
        "duration": 0,
        "date_created": made["date_created"],
        "date_completed": None,
        "date_deleted": None,
        "media_external_location": None,
        "status_callback": CALLBACK,
        "status_callback_method": "GET",
        "url": url,
        "links": {"media": f"{url}/Media"},
    }
    assert await api.get(f"/v1/Compositions/{made['sid']}") == made
    plain = await compose(api, room["sid"])
    assert (plain["resolution"], plain["format"], plain["trim"], plain["video_layout"]) == ("640x480", "webm", True, {})
    assert (plain["status_callback"], plain["status_callback_method"]) == (None, "POST")

    async def listed(query: str) -> list[str]:
        return [entry["sid"] for entry in (await api.get(f"/v1/Compositions?{query}"))["compositions"]]

    assert await listed("") == [plain["sid"], made["sid"]]
    assert await listed(f"RoomSid={room['sid']}&Status=enqueued") == [plain["sid"], made["sid"]]
    assert await listed("Status=processing") == await listed("RoomSid=RM1") == []
    assert await listed("DateCreatedBefore=2020-01-01") == []
    assert (await api.get("/v1/Compositions?PageSize=1000"))["meta"]["page_size"] == 100
    first = await api.get("/v1/Compositions?PageSize=1")
    assert [entry["sid"] for entry in (await api.get(first["meta"]["next_page_url"]))["compositions"]] == [made["sid"]]
    assert await api.refusal("GET", "/v1/Compositions?Status=done") == (400, 20001)
    assert await api.refusal("GET", f"/v1/Compositions/CJ{'0' * 32}") == (404, 20404)
    stranger = await api.rest.get(f"/v1/Compositions/{made['sid']}", auth=(OTHER_ACCOUNT, AUTH_TOKEN))
    assert stranger.status_code == 404


BAD_SPECS: list[tuple[dict[str, Any], int]] = [
    ({"AudioSources": []}, 20001),
    ({"AudioSources": "", "VideoLayout": "{}"}, 20001),
    ({"AudioSources": "x" * 257}, 20001),
    ({"VideoLayout": "nonsense"}, 20001),
    ({"VideoLayout": "[]"}, 20001),
    ({"VideoLayout": '{"main":{}}'}, 20001),
    ({"VideoLayout": '{"main":{"video_sources":["*"],"colour":1}}'}, 20001),
    ({"VideoLayout": '{"main":{"video_sources":["*"]},"main":{"video_sources":["*"]}}'}, 20001),
    ({"VideoLayout": '{"main":{"video_sources":["*"],"width":641}}'}, 20001),
    ({"Resolution": "1920x1080"}, 20001),
    ({"Resolution": "15x16"}, 20001),
    ({"Format": "avi"}, 20001),
    ({"Trim": "yes"}, 20001),
    ({"StatusCallback": "composed"}, 53111),
    ({"StatusCallbackMethod": "PUT"}, 53110),
]


@on_sqlite_alone
async def test_bad_parameters_are_refused(api: RoomsApi) -> None:
    room = await api.create(UniqueName="standup")
    good = {"RoomSid": room["sid"], "AudioSources": "*"}
    for parameters, code in BAD_SPECS:
        assert await api.refusal("POST", "/v1/Compositions", **good | parameters) == (400, code), parameters
        hook = {"FriendlyName": "hook", "AudioSources": "*"} | parameters
        assert await api.refusal("POST", "/v1/CompositionHooks", **hook) == (400, code), parameters
    assert await api.refusal("POST", "/v1/Compositions", AudioSources="*") == (400, 20001)
    for name in ("standup", "RM12", ""):
        assert await api.refusal("POST", "/v1/Compositions", **good | {"RoomSid": name}) == (400, 20001)
    assert await api.refusal("POST", "/v1/Compositions", **good | {"RoomSid": "RM" + "0" * 32}) == (404, 20404)
    assert await api.refusal("POST", "/v1/CompositionHooks", AudioSources="*") == (400, 20001)
    for name in ("", "x" * 101, "a\0b"):
        assert await api.refusal("POST", "/v1/CompositionHooks", FriendlyName=name, AudioSources="*") == (400, 20001)
    assert (await api.get("/v1/Compositions"))["compositions"] == []
    assert (await api.get("/v1/CompositionHooks"))["composition_hooks"] == []


@on_sqlite_alone
async def test_a_composition_waits_for_the_room_and_its_recordings(api: RoomsApi, tmp_path: Path) -> None:
    room = await api.create()
    voice, late = NodeRecording(room["sid"]), NodeRecording(room["sid"], kind=TrackKind.VIDEO)
    await tell(api.bus, voice.started(), late.started(), voice.completed())
    early = await compose(api, room["sid"], StatusCallback=CALLBACK)
    nothing = await compose(api, room["sid"], AudioSources="nobody", StatusCallback=CALLBACK)
    over = await api.create()
    await end(api, over["sid"])
    empty = await compose(api, over["sid"])
    await fails(api, empty["sid"])  # by then the others have been looked at as well
    await end(api, room["sid"])
    other = await compose(api, over["sid"])
    await fails(api, other["sid"])
    assert await status(api, early["sid"]) == await status(api, nothing["sid"]) == "enqueued"
    assert (ready(tmp_path), owed(tmp_path)) == (set(), [])

    await tell(api.bus, late.failed())

    await fails(api, nothing["sid"])
    assert ready(tmp_path) == {early["sid"]}
    assert await status(api, early["sid"]) == "enqueued"
    (told,) = owed(tmp_path)
    assert told | {"Timestamp": ""} == {
        "AccountSid": ACCOUNT,
        "RoomSid": room["sid"],
        "CompositionSid": nothing["sid"],
        "CompositionUri": f"/v1/Compositions/{nothing['sid']}",
        "FailedOperation": "CompositionStart",
        "ErrorMessage": (
            "53630: The Composition has no source: what was asked for, less what was excluded, is an empty list"
        ),
        "StatusCallbackEvent": "composition-failed",
        "Timestamp": "",
    }


@on_sqlite_alone
async def test_recordings_that_were_deleted_cannot_be_composed(api: RoomsApi, tmp_path: Path) -> None:
    room = await api.create()
    gone, kept = NodeRecording(room["sid"], track_sid="MT1"), NodeRecording(room["sid"], track_sid="MT2")
    await tell(api.bus, gone.completed(), kept.completed())
    await api.rest.delete(f"/v1/Recordings/{gone.sid}")
    await end(api, room["sid"])

    of_the_deleted = await compose(api, room["sid"], AudioSources="MT1", StatusCallback=CALLBACK)
    of_the_rest = await compose(api, room["sid"], AudioSources="*")
    await fails(api, of_the_deleted["sid"])
    await eventually(lambda: ready(tmp_path) == {of_the_rest["sid"]})

    assert owed(tmp_path)[0]["ErrorMessage"].startswith("53628: ")
    assert await api.refusal("DELETE", f"/v1/Compositions/{of_the_deleted['sid']}") == (400, 20001)


async def test_a_compositor_takes_each_job_under_a_lease(
    api: RoomsApi, tmp_path: Path, database_url: str | None
) -> None:
    room = await api.create()
    await tell(api.bus, NodeRecording(room["sid"]).completed())
    await end(api, room["sid"])
    made = {(await compose(api, room["sid"], StatusCallback=CALLBACK))["sid"] for _ in range(2)}
    database = await Database.open(database_url, tmp_path)
    queue, now = CompositionQueue(database), api.clock.wall()

    async def take(owner: str, at: float) -> str | None:
        row = await queue.claim(owner, 30, at)
        return row.sid if row else None

    first = await eventually(lambda: take("one", now))
    second = await eventually(lambda: take("two", now))
    assert {first, second} == made
    assert await take("three", now + 29) is None
    assert await status(api, first) == "processing"
    assert await take("three", now + 30) == first
    await api.rest.delete(f"/v1/Compositions/{second}")
    assert await take("three", now + 31) is None
    await database.close()
    assert await api.refusal("GET", f"/v1/Compositions/{first}/Media") == (404, 20404)


@on_sqlite_alone
async def test_media_of_a_composition_is_fetched_and_deleted(api: RoomsApi, tmp_path: Path) -> None:
    room = await api.create()
    made = await compose(api, room["sid"], Format="mp4")
    file = tmp_path / composition_file(made["sid"], "mp4")
    file.parent.mkdir()
    file.write_bytes(b"composed")
    with sqlite3.connect(tmp_path / "rooms-api" / "rooms.db") as database:  # as a compositor's word will do it
        database.execute("UPDATE compositions SET status = 'completed', has_media = 1, size_bytes = 8")
    path = f"/v1/Compositions/{made['sid']}"

    answer = await api.rest.get(f"{path}/Media")
    media = await api.rest.get(answer.headers["location"])
    assert (media.content, media.headers["content-type"]) == (b"composed", "video/mp4")
    assert media.headers["content-disposition"] == f'attachment; filename="{made["sid"]}.mp4"'

    assert (await api.rest.delete(path)).status_code == 204
    deleted = await api.get(path)
    assert (deleted["status"], deleted["date_deleted"] is not None) == ("deleted", True)
    assert (await api.get("/v1/Compositions"))["compositions"] == []
    assert [entry["sid"] for entry in (await api.get("/v1/Compositions?Status=deleted"))["compositions"]] == [
        made["sid"]
    ]
    await eventually(lambda: not file.exists())


async def test_a_hook_is_made_found_replaced_and_deleted(api: RoomsApi) -> None:
    async def make(name: str, **parameters: Any) -> Any:
        answer = await api.rest.post(
            "/v1/CompositionHooks", data={"FriendlyName": name, "AudioSources": "*"} | parameters
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    layout = {"grid": {"video_sources": ["*"]}}
    hook = await make("Straße 100%", VideoLayout=json.dumps(layout), StatusCallback=CALLBACK, Resolution="1280x720")
    path = f"/v1/CompositionHooks/{hook['sid']}"
    assert hook["video_layout"]["grid"].keys() >= {"reuse", "max_rows"}
    assert {name: value for name, value in hook.items() if name != "video_layout"} == {
        "sid": hook["sid"],
        "account_sid": ACCOUNT,
        "friendly_name": "Straße 100%",
        "enabled": True,
        "date_created": hook["date_created"],
        "date_updated": None,
        "audio_sources": ["*"],
        "audio_sources_excluded": [],
        "resolution": "1280x720",
        "trim": True,
        "format": "webm",
        "status_callback": CALLBACK,
        "status_callback_method": "POST",
        "url": f"http://api.test{path}",
    }
    other = await make("other_1", Enabled="false")
    taken = {"FriendlyName": "other_1", "AudioSources": "*"}
    assert await api.refusal("POST", "/v1/CompositionHooks", **taken) == (400, 20001)
    assert await api.refusal("POST", path, **taken) == (400, 20001)

    async def listed(query: str) -> list[str]:
        return [
            entry["friendly_name"] for entry in (await api.get(f"/v1/CompositionHooks?{query}"))["composition_hooks"]
        ]

    assert await listed("") == ["other_1", "Straße 100%"]
    assert await listed("Enabled=true") == await listed("FriendlyName=STRASSE*") == ["Straße 100%"]
    assert await listed("Enabled=False") == await listed("FriendlyName=*R_1") == ["other_1"]
    assert await listed("FriendlyName=other%251") == await listed("FriendlyName=other") == []
    assert await listed("FriendlyName=*100%25") == ["Straße 100%"]
    assert await listed("DateCreatedBefore=2020-01-01") == []

    replaced = await api.rest.post(path, data={"FriendlyName": "Straße 100%", "AudioSources": "mic"})
    assert replaced.status_code == 200
    assert replaced.json() == hook | {
        "audio_sources": ["mic"],
        "video_layout": {},
        "resolution": "640x480",
        "status_callback": None,
        "date_updated": replaced.json()["date_updated"],
    }
    assert replaced.json()["date_updated"] is not None
    assert (await api.rest.delete(f"/v1/CompositionHooks/{other['sid']}")).status_code == 204
    assert await api.refusal("GET", f"/v1/CompositionHooks/{other['sid']}") == (404, 20404)


async def test_hooks_compose_each_recorded_room_once(replicas: list[RoomsApi]) -> None:
    api = replicas[0]
    for name, parameters in (
        ("first", {"StatusCallback": CALLBACK}),
        ("second", {"AudioSources": "mic", "Format": "mp4"}),
        ("off", {"Enabled": "false"}),
    ):
        hook = {"FriendlyName": name, "AudioSources": "*"} | parameters
        assert (await api.rest.post("/v1/CompositionHooks", data=hook)).status_code == 201
    room, silent, broken = await api.create(), await api.create(), await api.create()
    recording = NodeRecording(room["sid"])
    await tell(api.bus, recording.started(), NodeRecording(broken["sid"]).failed(FailedOperation.START))
    await end(api, silent["sid"])
    await end(api, broken["sid"])
    await end(api, room["sid"])
    assert (await api.get("/v1/Compositions"))["compositions"] == []

    await tell(api.bus, recording.completed())

    async def made() -> list[Any]:
        return list((await api.get("/v1/Compositions"))["compositions"])

    found = await eventually(made)
    await tell(api.bus, NodeRecording(room["sid"]).completed())  # one that comes late composes nothing more
    latecomer = await compose(api, silent["sid"])
    await fails(api, latecomer["sid"])  # by then the queue has been gone through
    assert {(one["room_sid"], one["format"], one["status_callback"]) for one in found} == {
        (room["sid"], "webm", CALLBACK),
        (room["sid"], "mp4", None),
    }
    assert {one["sid"] for one in await made()} == {one["sid"] for one in found} | {latecomer["sid"]}


@on_sqlite_alone
async def test_a_hooks_receiver_is_told_of_what_it_made(api: RoomsApi, tmp_path: Path) -> None:
    spec = {"FriendlyName": "all of it", "AudioSources": "*", "StatusCallback": CALLBACK}
    hook = (await api.rest.post("/v1/CompositionHooks", data=spec)).json()
    room = await api.create()
    await tell(api.bus, NodeRecording(room["sid"]).completed())
    await end(api, room["sid"])

    (told,) = await eventually(lambda: owed(tmp_path))

    (made,) = (await api.get("/v1/Compositions"))["compositions"]
    assert told | {"Timestamp": ""} == {
        "AccountSid": ACCOUNT,
        "RoomSid": room["sid"],
        "CompositionSid": made["sid"],
        "CompositionUri": f"/v1/Compositions/{made['sid']}",
        "HookSid": hook["sid"],
        "HookUri": f"/v1/CompositionHooks/{hook['sid']}",
        "HookFriendlyName": "all of it",
        "StatusCallbackEvent": "composition-enqueued",
        "Timestamp": "",
    }
