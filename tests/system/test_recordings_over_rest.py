"""Recordings with the stock Python helper: rules, settings, lists and media. A stand-in for the node that records speaks on the real bus."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from contract.rooms import TrackKind
from service_kit.bus import Bus
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.kit.recordings import NodeRecording, tell
from tests.kit.signaling import SignalingClient, signaling
from tests.kit.stack import Roomwire

RULES = [{"type": "include", "all": True}, {"type": "exclude", "publisher": "bob", "kind": "video"}]


@pytest.fixture
async def bus(roomwire: Roomwire) -> AsyncIterator[Bus]:
    bus = await Bus.connect(roomwire.stack.nats_url, "node-that-records")
    yield bus
    await bus.close()


def refusal(raised: pytest.ExceptionInfo[TwilioRestException]) -> tuple[int, int]:
    return raised.value.status, raised.value.code


def fetch(link: str, **headers: str) -> httpx.Response:
    """Without credentials, as a browser would."""
    return httpx.get(link, headers=headers)


def test_recording_rules_are_fetched_and_replaced(client: Client, room_name: str) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name, record_participants_on_connect=True)
    rules = client.video.v1.rooms(room_name).recording_rules

    before = rules.fetch()
    after = rules.update(rules=RULES)

    assert (before.room_sid, before.rules, before.date_created) == (room.sid, RULES[:1], room.date_created)
    assert (after.rules, isinstance(after.date_updated, datetime)) == (RULES, True)
    assert rules.fetch().rules == RULES
    with pytest.raises(TwilioRestException) as raised:
        rules.update(rules=[{"type": "include", "kind": "data"}])
    assert refusal(raised) == (400, 53120)


def test_settings_of_both_stores_are_replaced(client: Client) -> None:
    for settings in (client.video.v1.recording_settings(), client.video.v1.composition_settings()):
        made = settings.create(
            friendly_name="store",
            aws_credentials_sid="CR" + "a" * 32,
            aws_s3_url="https://bucket.s3.amazonaws.com/x",
            aws_storage_enabled=True,
        )
        assert (made.friendly_name, made.aws_storage_enabled, made.encryption_enabled) == ("store", True, False)
        cleared = settings.create(friendly_name="other")
        fetched = settings.fetch()
        assert (fetched.friendly_name, fetched.aws_credentials_sid, fetched.aws_s3_url) == ("other", None, None)
        assert fetched.url == cleared.url


async def test_a_recording_is_found_fetched_by_its_link_and_deleted(
    client: Client, roomwire: Roomwire, room_name: str, bus: Bus
) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)
    async with signaling(roomwire.ws_server) as socket:
        joined = await socket.join(roomwire.token("alice"), room_name)
        alice = joined["participant"]["sid"]
        (camera,) = [
            track
            for track in client.video.v1.rooms(room.sid).participants(alice).published_tracks.list()
            if track.kind == "video"
        ]
        recording = NodeRecording(room.sid, alice, camera.sid, TrackKind.VIDEO)
        await tell(bus, recording.started())
        begun = client.video.v1.recordings(recording.sid).fetch()
        await socket.leave()
    recording.leave(Path(roomwire.stack.settings["ROOMWIRE_DATA"]), b"matroska")
    await tell(bus, recording.completed(size_bytes=8, duration_ms=4600))

    assert (begun.status, begun.size, begun.duration) == ("processing", None, None)
    done = client.video.v1.recordings(recording.sid).fetch()
    assert (done.status, done.size, done.duration, done.type, done.codec) == ("completed", 8, 5, "video", "VP8")
    assert (done.container_format, done.track_name, done.source_sid) == ("mkv", "camera", camera.sid)
    assert done.grouping_sids == {"room_sid": room.sid, "participant_sid": alice}
    assert done.offset == begun.offset == 1_767_225_600_123
    assert isinstance(done.date_created, datetime)

    recordings, within = client.video.v1.recordings, client.video.v1.rooms(room.sid).recordings
    hour = timedelta(hours=1)
    for found in (
        recordings.list(grouping_sid=[room.sid, alice]),
        recordings.list(source_sid=camera.sid, media_type="video", status="completed"),
        recordings.list(grouping_sid=[room.sid], date_created_after=datetime.now(UTC) - hour),
        within.list(),
        within.list(status="completed", source_sid=camera.sid),
    ):
        assert [one.sid for one in found] == [recording.sid]
    assert within.list(date_created_after=datetime.now(UTC) + hour) == recordings.list(status="deleted", limit=1) == []
    assert within(recording.sid).fetch().room_sid == room.sid

    answer = client.request("GET", f"{done.url}/Media")
    link = json.loads(answer.text)["redirect_to"]
    assert (answer.status_code, answer.headers["Location"]) == (302, link)
    part = fetch(link, Range="bytes=0-5")
    assert (part.status_code, part.content, part.headers["content-type"]) == (206, b"matros", "video/x-matroska")

    assert within(recording.sid).delete()
    assert recordings(recording.sid).fetch().status == "deleted"
    assert (within.list(), fetch(link).status_code) == ([], 404)


async def test_clients_are_told_while_their_room_is_recorded(
    client: Client, roomwire: Roomwire, room_name: str, bus: Bus
) -> None:
    recording = NodeRecording(client.video.v1.rooms.create(unique_name=room_name).sid)

    async def told(socket: SignalingClient) -> dict[str, Any]:
        """What the next message that speaks of recording says of it."""
        while "recording" not in (update := await socket.body("update")):
            pass
        return dict(update["recording"])

    async with signaling(roomwire.ws_server) as socket:
        before = (await socket.join(roomwire.token("alice"), room_name))["recording"]
        await tell(bus, recording.started())
        during = await told(socket)
        await tell(bus, recording.completed())
        after = await told(socket)
        await socket.leave()

    assert [state["is_recording"] for state in (before, during, after)] == [False, True, False]
    assert before["revision"] < during["revision"] < after["revision"]


async def test_recordings_are_listed_in_pages(client: Client, room_name: str, bus: Bus) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)
    made = [NodeRecording(room.sid) for _ in range(5)]
    await tell(bus, *[recording.completed() for recording in made])

    walked = client.video.v1.recordings.list(grouping_sid=[room.sid], page_size=2)

    assert [recording.sid for recording in walked] == [recording.sid for recording in reversed(made)]
    assert len(client.video.v1.rooms(room.sid).recordings.list(limit=3)) == 3


async def test_somebody_who_was_recorded_is_anonymized(client: Client, roomwire: Roomwire, room_name: str) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)
    async with signaling(roomwire.ws_server) as socket:
        await socket.join(roomwire.token("alice"), room_name)
        (alice,) = client.video.v1.rooms(room.sid).participants.list()
        client.video.v1.rooms(room.sid).update(status="completed")
    participant = client.video.v1.rooms(room.sid).participants(alice.sid)

    anonymized = participant.anonymize().update()

    assert (anonymized.sid, anonymized.identity, anonymized.status) == (alice.sid, alice.sid, "disconnected")
    assert anonymized.url.endswith("/Anonymize")
    assert participant.fetch().identity == alice.sid
    assert client.insights.v1.rooms(room.sid).participants(alice.sid).fetch().participant_identity == alice.sid
