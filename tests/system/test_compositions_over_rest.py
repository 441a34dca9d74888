"""Compositions, composition hooks and transcriptions with the stock Python and Node helpers."""

from datetime import datetime

import pytest
from service_kit.bus import Bus
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.kit.browser import until
from tests.kit.node import run_script
from tests.kit.recordings import NodeRecording, tell
from tests.kit.stack import Roomwire

LAYOUT = {"grid": {"video_sources": ["*"], "max_columns": 3}}


async def test_a_composition_fails_when_its_room_has_ended_without_recordings(client: Client, room_name: str) -> None:
    room = client.video.v1.rooms.create(unique_name=room_name)
    made = client.video.v1.compositions.create(
        room_sid=room.sid, audio_sources=["*"], video_layout=LAYOUT, format="mp4", resolution="1280x720", trim=False
    )

    assert (made.status, made.room_sid, made.format, made.resolution) == ("enqueued", room.sid, "mp4", "1280x720")
    assert (made.audio_sources, made.trim, made.duration) == (["*"], False, 0)
    assert made.video_layout["grid"] == {
        "video_sources": ["*"],
        "video_sources_excluded": [],
        "reuse": "show_oldest",
        "x_pos": 0,
        "y_pos": 0,
        "z_pos": 0,
        "width": 0,
        "height": 0,
        "max_columns": 3,
        "max_rows": 0,
        "cells_excluded": [],
    }
    composition = client.video.v1.compositions(made.sid)
    assert composition.fetch().status == "enqueued"
    client.video.v1.rooms(room.sid).update(status="completed")
    await until(lambda: composition.fetch().status == "failed", "the composition has failed")
    assert [one.sid for one in client.video.v1.compositions.list(room_sid=room.sid, status="failed")] == [made.sid]

    kept = client.video.v1.rooms.create()
    other = client.video.v1.compositions.create(room_sid=kept.sid, audio_sources="*")
    assert client.video.v1.compositions(other.sid).delete()
    assert client.video.v1.compositions(other.sid).fetch().status == "deleted"
    client.video.v1.rooms(kept.sid).update(status="completed")


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"audio_sources": []}, 400, 20001),
        ({"audio_sources": ["*"], "resolution": "1920x1080"}, 400, 20001),
        ({"video_layout": {"grid": {"video_sources": []}}}, 400, 20001),
        ({"audio_sources": ["*"], "status_callback": "nowhere"}, 400, 53111),
        ({"audio_sources": ["*"], "room_sid": "RM" + "0" * 32}, 404, 20404),
    ],
)
def test_what_cannot_be_composed_is_refused(client: Client, options: dict[str, object], status: int, code: int) -> None:
    room = client.video.v1.rooms.create()

    with pytest.raises(TwilioRestException) as raised:
        client.video.v1.compositions.create(**{"room_sid": room.sid} | options)

    assert (raised.value.status, raised.value.code) == (status, code)


async def test_a_hook_composes_what_was_recorded(client: Client, roomwire: Roomwire, room_name: str) -> None:
    hooks = client.video.v1.composition_hooks
    hook = hooks.create(friendly_name=f"hook of {room_name}", audio_sources=["*"], video_layout=LAYOUT)
    try:
        assert (hook.enabled, hook.date_updated, hook.format) == (True, None, "webm")
        assert [one.sid for one in hooks.list(friendly_name=f"HOOK*{room_name}", enabled=True)] == [hook.sid]
        renamed = hooks(hook.sid).update(friendly_name=f"{room_name} again", audio_sources=["mic"], format="mp4")
        assert (renamed.video_layout, isinstance(renamed.date_updated, datetime)) == ({}, True)

        room = client.video.v1.rooms.create(unique_name=room_name)
        bus = await Bus.connect(roomwire.stack.nats_url, "node-that-records")
        await tell(bus, NodeRecording(room.sid).completed())
        await bus.close()
        client.video.v1.rooms(room.sid).update(status="completed")
        (made,) = await until(lambda: client.video.v1.compositions.list(room_sid=room.sid), "the hook has composed")
        assert (made.audio_sources, made.format) == (["mic"], "mp4")
    finally:
        assert hooks(hook.sid).delete()
    with pytest.raises(TwilioRestException) as raised:
        hooks(hook.sid).fetch()
    assert (raised.value.status, raised.value.code) == (404, 20404)


def test_a_transcription_is_started_stopped_and_configured(client: Client, room_name: str) -> None:
    client.video.v1.rooms.create(unique_name=room_name)
    transcriptions = client.video.v1.rooms(room_name).transcriptions

    begun = transcriptions.create(configuration={"languageCode": "en-GB"})
    assert (begun.status, begun.configuration, begun.end_time) == ("started", {"languageCode": "en-GB"}, None)
    assert isinstance(begun.start_time, datetime)
    stopped = transcriptions(begun.ttid).update(status="stopped", configuration={"partialResults": True})
    assert (stopped.status, isinstance(stopped.end_time, datetime)) == ("stopped", True)
    assert transcriptions(begun.ttid).fetch().configuration == {"languageCode": "en-GB", "partialResults": True}
    assert [one.ttid for one in transcriptions.list()] == [begun.ttid]


def test_node_uses_rules_compositions_hooks_and_transcriptions(roomwire: Roomwire, room_name: str) -> None:
    seen = run_script("media.mjs", roomwire.base_url, roomwire.account_sid, roomwire.auth_token, room_name)

    assert seen["rules"] == [{"type": "include", "kind": "audio"}]
    assert seen["recordings"] == {"ofRoom": 0, "ofAccount": 0}
    assert seen["settings"] == {"friendlyName": "by Node", "encryptionEnabled": False}
    assert seen["composition"] == {"status": "enqueued", "layout": "show_newest", "listed": True, "removed": True}
    assert seen["hook"] == {"enabled": False, "resolution": "640x480", "updated": "mp4", "removed": True}
    assert seen["transcription"] == {"status": "stopped", "configuration": {"languageCode": "en-US"}, "listed": 1}
    assert (seen["refused"]["status"], seen["refused"]["code"]) == (400, 53120)
