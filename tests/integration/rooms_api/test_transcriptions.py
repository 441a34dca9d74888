"""Transcriptions: one a room, made by POST or with the room, and failed where there is audio but no engine to hear it."""

import json
from typing import Any

from tests.integration.rooms_api.conftest import RoomsApi, eventually, on_sqlite_alone
from tests.kit.rooms import ACCOUNT, audio, video

PATH = "/v1/Rooms/standup/Transcriptions"


async def begin(api: RoomsApi, **configuration: Any) -> Any:
    form = {"Configuration": json.dumps(configuration)} if configuration else {}
    answer = await api.rest.post(PATH, data=form)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def update(api: RoomsApi, ttid: str, **parameters: str) -> Any:
    answer = await api.rest.post(f"{PATH}/{ttid}", data=parameters)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_a_transcription_starts_stops_and_starts_again(api: RoomsApi) -> None:
    room = await api.create(UniqueName="standup")
    assert (await api.get(PATH))["transcriptions"] == []

    begun = await begin(api, languageCode="en-GB", partialResults="true")
    again = await begin(api, languageCode="de-DE")

    ttid = begun["ttid"]
    assert ttid.startswith("video_transcriptions_")
    assert begun == {
        "ttid": ttid,
        "account_sid": ACCOUNT,
        "room_sid": room["sid"],
        "source_sid": None,
        "status": "started",
        "configuration": {"languageCode": "en-GB", "partialResults": "true"},
        "date_created": begun["date_created"],
        "date_updated": None,
        "start_time": begun["date_created"],
        "end_time": None,
        "duration": None,
        "url": f"http://api.test/v1/Rooms/{room['sid']}/Transcriptions/{ttid}",
    }
    assert again == begun == await api.get(f"{PATH}/{ttid}")
    listed = await api.get(PATH)
    assert (listed["transcriptions"], listed["meta"]["key"]) == ([begun], "transcriptions")
    assert await update(api, ttid, Status="started") == begun

    api.clock.offset_s = 60
    stopped = await update(api, ttid, Status="stopped", Configuration='{"languageCode":"fr-FR","hints":"a,b"}')
    assert (stopped["status"], 60 <= stopped["duration"] < 90) == ("stopped", True)
    assert stopped["end_time"] == stopped["date_updated"]
    assert stopped["configuration"] == {"languageCode": "fr-FR", "partialResults": "true", "hints": "a,b"}
    api.clock.offset_s = 90
    restarted = await update(api, ttid, Status="started")
    assert (restarted["status"], restarted["end_time"], restarted["duration"]) == ("started", None, None)
    assert restarted["start_time"] > begun["start_time"]

    for bad in ({"Status": "failed"}, {"Status": "x"}, {"Configuration": "[]"}, {"Configuration": "x"}):
        assert await api.refusal("POST", f"{PATH}/{ttid}", **bad) == (400, 20001), bad
    assert await api.refusal("POST", PATH, Configuration="[]") == (400, 20001)
    assert await api.refusal("GET", f"{PATH}/video_transcriptions_0") == (404, 20404)
    assert await api.refusal("GET", "/v1/Rooms/elsewhere/Transcriptions") == (404, 20404)

    await api.rest.post("/v1/Rooms/standup", data={"Status": "completed"})
    path = f"/v1/Rooms/{room['sid']}/Transcriptions"
    over = await api.get(f"{path}/{ttid}")
    assert (over["status"], over["end_time"]) == ("stopped", (await api.get(f"/v1/Rooms/{room['sid']}"))["end_time"])
    assert await api.refusal("POST", path) == (400, 53118)
    assert await api.refusal("POST", f"{path}/{ttid}", Status="started") == (400, 53118)


@on_sqlite_alone
async def test_without_an_engine_a_transcription_fails_when_there_is_audio(api: RoomsApi) -> None:
    await api.create(
        UniqueName="standup",
        TranscribeParticipantsOnConnect="true",
        TranscriptionsConfiguration='{"languageCode":"en-US"}',
    )
    (begun,) = (await api.get(PATH))["transcriptions"]
    assert (begun["status"], begun["configuration"]) == ("started", {"languageCode": "en-US"})
    await api.create(UniqueName="other", TranscribeParticipantsOnConnect="true")
    await api.join("bob", video(), room="other")
    await api.join("alice", audio())

    async def has_failed() -> bool:
        return (await api.get(f"{PATH}/{begun['ttid']}"))["status"] == "failed"

    await eventually(has_failed)
    failed = await api.get(f"{PATH}/{begun['ttid']}")
    assert failed["end_time"] == failed["date_updated"] is not None
    for status in ("started", "stopped"):
        assert await api.refusal("POST", f"{PATH}/{begun['ttid']}", Status=status) == (400, 20001)
    (silent,) = (await api.get("/v1/Rooms/other/Transcriptions"))["transcriptions"]
    assert silent["status"] == "started"
