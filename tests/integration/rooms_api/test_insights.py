"""Video Insights over REST: what rooms-api knows itself, and what clients tell over the bus."""

from pathlib import Path
from typing import Any

import pytest
from contract.insights import TelemetryEvent
from contract.media import CodecsReceived, FactTaken
from contract.rooms import Joined, LeaveReason, LeaveRoom
from contract.subjects import insights_event, media_fact
from pydantic import TypeAdapter
from rooms_api import telemetry
from rooms_api.store.database import Database
from rooms_api.store.telemetry import TelemetryStore

from tests.integration.rooms_api.conftest import (
    AUTH_TOKEN,
    OTHER_ACCOUNT,
    RoomsApi,
    eventually,
    on_sqlite_alone,
    running,
)
from tests.kit.rooms import ACCOUNT

BASE = "/v1/Video/Rooms"
DAY_S = 86_400.0
PUBLISHER = {"name": "twilio-video.js", "sdk_version": "2.36.0"}


async def tell(api: RoomsApi, joined: Joined, identity: str, group: str, name: str, **payload: Any) -> None:
    """Publish as the gateway does what a client's SDK told it."""
    event = TelemetryEvent(
        account_sid=ACCOUNT,
        identity=identity,
        room_sid=joined.snapshot.room.sid,
        participant_sid=joined.participant_sid,
        timestamp_ms=1.0,
        group=group,
        name=name,
        payload=payload,
    )
    await api.bus.publish(insights_event(event.room_sid), event)


async def leave(api: RoomsApi, joined: Joined, reason: LeaveReason = LeaveReason.LEFT) -> None:
    await api.command(LeaveRoom(participant_sid=joined.participant_sid, lease_epoch=1, reason=reason))


async def names(api: RoomsApi, query: str) -> list[str]:
    return [room["room_name"] for room in (await api.get(f"{BASE}?{query}"))["rooms"]]


async def test_a_room_is_summed_up_with_every_member(api: RoomsApi) -> None:
    room = await api.create(UniqueName="standup", Type="group-small", StatusCallback="http://127.0.0.1:9/cb")
    first = await api.join("alice")
    await api.join("bob")
    await leave(api, first)
    await api.join("alice")
    await api.rest.post("/v1/Rooms/standup", data={"Status": "completed"})
    api.clock.offset_s = 20.0

    url = f"http://api.test{BASE}/{room['sid']}"
    summary = await api.get(f"{BASE}/{room['sid']}")
    assert summary == {
        "account_sid": ACCOUNT,
        "room_sid": room["sid"],
        "room_name": "standup",
        "room_type": "group_small",
        "room_status": "completed",
        "create_time": room["date_created"],
        "end_time": summary["end_time"],
        "duration_sec": summary["duration_sec"],
        "created_method": "api",
        "end_reason": "room_ended_via_api",
        "max_participants": 4,
        "max_concurrent_participants": 2,
        "concurrent_participants": 0,
        "unique_participants": 3,
        "unique_participant_identities": 2,
        "total_participant_duration_sec": summary["total_participant_duration_sec"],
        "total_recording_duration_sec": 0,
        "recording_enabled": False,
        "codecs": [],
        "media_region": "us1",
        "edge_location": "ashburn",
        "status_callback": "http://127.0.0.1:9/cb",
        "status_callback_method": "POST",
        "processing_state": "complete",
        "url": url,
        "links": {"participants": f"{url}/Participants"},
    }
    assert 0 <= summary["duration_sec"] < 20


async def test_a_running_room_counts_who_is_there(api: RoomsApi) -> None:
    await api.join("alice")
    api.clock.offset_s = 30.0

    (room,) = (await api.get(BASE))["rooms"]
    assert (room["room_status"], room["processing_state"], room["created_method"]) == (
        "in_progress",
        "in_progress",
        "ad_hoc",
    )
    assert (room["end_time"], room["duration_sec"], room["end_reason"]) == (None, None, None)
    assert room["concurrent_participants"] == 1
    assert 30 <= room["total_participant_duration_sec"] <= 60


@on_sqlite_alone
async def test_participants_tell_how_they_left(api: RoomsApi) -> None:
    alice = await api.join("alice", publisher=PUBLISHER)
    room = alice.snapshot.room.sid
    bob, carol = await api.join("bob"), await api.join("carol")
    await api.join("bob")
    await leave(api, carol, LeaveReason.MEDIA_FAILED)
    await api.rest.post(f"/v1/Rooms/standup/Participants/{alice.participant_sid}", data={"Status": "disconnected"})

    listed = (await api.get(f"{BASE}/{room}/Participants"))["participants"]
    assert [
        (one["participant_identity"], one["status"], one["end_reason"], one["error_code"]) for one in listed[::-1]
    ] == [
        ("alice", "disconnected", "disconnected_via_api", None),
        ("bob", "disconnected", "duplicate_identity", 53205),
        ("carol", "disconnected", "media_connection_failed", 53405),
        ("bob", "connected", None, None),
    ]
    shown = await api.get(f"{BASE}/{room}/Participants/{alice.participant_sid}")
    assert {
        name: value for name, value in shown.items() if name not in ("join_time", "leave_time", "duration_sec")
    } == {
        "account_sid": ACCOUNT,
        "room_sid": room,
        "participant_sid": alice.participant_sid,
        "participant_identity": "alice",
        "status": "disconnected",
        "end_reason": "disconnected_via_api",
        "error_code": None,
        "error_code_url": None,
        "media_region": "us1",
        "edge_location": "ashburn",
        "codecs": [],
        "properties": {},
        "publisher_info": PUBLISHER,
        "url": f"http://api.test{BASE}/{room}/Participants/{alice.participant_sid}",
    }
    failed = await api.get(f"{BASE}/{room}/Participants/{bob.participant_sid}")
    assert failed["error_code_url"] == "https://www.twilio.com/docs/api/errors/53205"


async def test_telemetry_adds_codecs_properties_and_errors(api: RoomsApi) -> None:
    alice = await api.join("alice")
    path = f"{BASE}/{alice.snapshot.room.sid}/Participants/{alice.participant_sid}"
    await tell(api, alice, "mallory", "quality", "stats-report", localAudioTrackStats=[{"codec": "H264"}], code=53000)
    await tell(api, alice, "alice", "quality", "stats-report", localVideoTrackStats=[{"codec": "VP8"}])
    await tell(api, alice, "alice", "quality", "active-ice-candidate-pair", localCandidate={"candidateType": "host"})
    await tell(api, alice, "alice", "media", "error", level="warning", code=53402)

    async def codecs() -> Any:
        return (await api.get(path))["codecs"]

    await eventually(codecs)
    await tell(api, alice, "alice", "quality", "stats-report", localAudioTrackStats=[{"codec": "opus"}])

    async def all_codecs() -> bool:
        return bool(await codecs() == ["VP8", "opus"])

    await eventually(all_codecs)
    shown = await api.get(path)
    assert (shown["error_code"], shown["properties"]["ice_candidate_type"]) == (53402, "host")
    assert shown["properties"]["stats_reports"] == 2
    assert await names(api, "Codec=VP8") == ["standup"]
    assert await names(api, "Codec=H264&Codec=opus") == ["standup"]
    assert await names(api, "Codec=H264") == []
    assert (await api.get(BASE))["rooms"][0]["codecs"] == ["VP8", "opus"]


async def test_nodes_add_the_codecs_that_they_receive(api: RoomsApi) -> None:
    alice, bob = await api.join("alice"), await api.join("bob")
    room = alice.snapshot.room.sid

    async def receive(participant_sid: str, *codecs: str, room_sid: str = room) -> None:
        fact = CodecsReceived(room_sid=room_sid, participant_sid=participant_sid, codecs=codecs)
        await api.bus.request(media_fact("node-1"), fact, TypeAdapter(FactTaken))

    await receive(alice.participant_sid, "opus")
    await receive(alice.participant_sid, "VP8", "opus")
    await receive(bob.participant_sid, "h264", "PCMU")
    await receive("PA" + "0" * 32, "VP9")
    await receive(bob.participant_sid, "VP9", room_sid="RM" + "0" * 32)

    listed = (await api.get(f"{BASE}/{room}/Participants"))["participants"]
    assert [(one["participant_identity"], one["codecs"], one["properties"]) for one in listed] == [
        ("bob", ["H264"], {}),
        ("alice", ["VP8", "opus"], {}),
    ]
    assert (await api.get(f"{BASE}/{room}"))["codecs"] == ["H264", "VP8", "opus"]
    assert await names(api, "Codec=H264") == ["standup"]
    assert await names(api, "Codec=VP9") == []


@on_sqlite_alone
async def test_what_was_told_is_forgotten_no_sooner_than_its_room(api: RoomsApi, tmp_path: Path) -> None:
    alice = await api.join("alice")
    path = f"{BASE}/{alice.snapshot.room.sid}"
    fact = CodecsReceived(room_sid=alice.snapshot.room.sid, participant_sid=alice.participant_sid, codecs=("opus",))
    await api.bus.request(media_fact("node-1"), fact, TypeAdapter(FactTaken))
    database = await Database.open(None, tmp_path)
    store, now = TelemetryStore(database), api.clock.wall()

    await store.purge(now + DAY_S)
    assert (await api.get(path))["codecs"] == ["opus"]
    await api.rest.post("/v1/Rooms/standup", data={"Status": "completed"})
    await store.purge(now - 1)
    assert (await api.get(path))["codecs"] == ["opus"]
    await store.purge(now + DAY_S)
    assert (await api.get(path))["codecs"] == []
    await database.close()


async def test_rooms_are_filtered_and_paged(api: RoomsApi) -> None:
    api.clock.offset_s = -2 * DAY_S
    await api.create(UniqueName="old", Type="go")
    await api.rest.post("/v1/Rooms/old", data={"Status": "completed"})
    api.clock.offset_s = 0.0
    for name, kind in (("one", "group"), ("two", "peer-to-peer"), ("three", "group-small")):
        await api.create(UniqueName=name, Type=kind)

    assert await names(api, "") == ["three", "two", "one"]
    assert await names(api, "CreatedAfter=2020-01-01") == ["three", "two", "one", "old"]
    assert await names(api, "CreatedBefore=2030-01-01T00:00:00Z&RoomType=go") == ["old"]
    assert await names(api, "RoomType=peer_to_peer&RoomType=group_small") == ["three", "two"]
    assert await names(api, "RoomName=one") == ["one"]
    first = await api.get(f"{BASE}?PageSize=2&RoomType=group&RoomType=group_small&RoomType=peer_to_peer")
    second = await api.get(first["meta"]["next_page_url"])
    assert [room["room_name"] for page in (first, second) for room in page["rooms"]] == ["three", "two", "one"]
    assert (second["meta"]["next_page_url"], second["meta"]["key"]) == (None, "rooms")


@on_sqlite_alone
async def test_bad_filters_are_refused(api: RoomsApi) -> None:
    for query in ("RoomType=peer-to-peer", "Codec=vp8", "CreatedAfter=x", "PageSize=0"):
        assert await api.refusal("GET", f"{BASE}?{query}") == (400, 20001), query


@on_sqlite_alone
async def test_what_is_not_there_is_404(api: RoomsApi) -> None:
    joined = await api.join("alice")
    room, alice = joined.snapshot.room.sid, joined.participant_sid
    unknown = "0" * 32

    for path in ("standup", f"RM{unknown}", f"{room}/Participants/PA{unknown}", f"{room}/Participants/alice"):
        assert await api.refusal("GET", f"{BASE}/{path}") == (404, 20404)
    other = (OTHER_ACCOUNT, AUTH_TOKEN)
    for path in (room, f"{room}/Participants", f"{room}/Participants/{alice}"):
        assert (await api.rest.get(f"{BASE}/{path}", auth=other)).status_code == 404


async def test_rooms_are_shown_for_as_long_as_the_operator_wants(surroundings: str, tmp_path: Path) -> None:
    async with running(surroundings, tmp_path, insights_retention_days=7) as api:
        room = await api.create(UniqueName="standup")
        await api.rest.post("/v1/Rooms/standup", data={"Status": "completed"})
        api.clock.offset_s = 6.9 * DAY_S
        assert (await api.get(f"{BASE}/{room['sid']}"))["room_name"] == "standup"
        api.clock.offset_s = 7.1 * DAY_S

        assert await api.refusal("GET", f"{BASE}/{room['sid']}") == (404, 20404)
        assert (await api.get(f"{BASE}?CreatedAfter=2020-01-01"))["rooms"] == []
        assert (await api.get(f"/v1/Rooms/{room['sid']}"))["status"] == "completed"


@on_sqlite_alone
async def test_only_so_many_participants_wait_to_be_stored(api: RoomsApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "MAX_WAITING", 0)
    alice = await api.join("alice")
    dropped = telemetry.DROPPED._value.get()

    for _ in range(3):
        await tell(api, alice, "alice", "room", "reconnecting")

    await eventually(lambda: telemetry.DROPPED._value.get() == dropped + 3)
