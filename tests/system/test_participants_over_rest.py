"""Participants, their tracks and their rules, with the stock Python helper: found by SID and by name, filtered, and in pages."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client
from twilio.rest.video.v1.room import RoomContext

from tests.kit.signaling import SignalingClient, signaling
from tests.kit.stack import Roomwire

PEOPLE = ("alice", "bob", "carol")


@pytest.fixture
async def people(roomwire: Roomwire, client: Client, room_name: str) -> AsyncIterator[dict[str, SignalingClient]]:
    """Three participants, each with a microphone and a camera."""
    client.video.v1.rooms.create(unique_name=room_name)
    async with AsyncExitStack() as stack:
        sockets = {}
        for identity in PEOPLE:
            sockets[identity] = await stack.enter_async_context(signaling(roomwire.ws_server))
            answer = await sockets[identity].join(roomwire.token(identity), room_name)
            assert answer["type"] == "connected", answer
        yield sockets


@pytest.fixture
def room(client: Client, room_name: str) -> RoomContext:
    return client.video.v1.rooms(room_name)


def refusal(raised: pytest.ExceptionInfo[TwilioRestException]) -> tuple[int, int]:
    return raised.value.status, raised.value.code


async def test_participants_are_filtered_and_listed_in_pages(
    people: dict[str, SignalingClient], room: RoomContext
) -> None:
    def identities(**options: object) -> list[str]:
        return [one.identity for one in room.participants.list(**options)]

    hour = timedelta(hours=1)
    now = datetime.now(UTC)

    assert identities() == identities(status="connected") == identities(page_size=1) == ["carol", "bob", "alice"]
    assert identities(limit=2) == ["carol", "bob"]
    assert identities(identity="bob") == ["bob"]
    assert identities(identity="nobody") == identities(status="reconnecting") == []
    assert identities(date_created_after=now - hour, date_created_before=now + hour) == ["carol", "bob", "alice"]
    assert identities(date_created_after=now + hour) == identities(date_created_before=now - hour) == []

    page = room.participants.page(page_size=2)
    assert [one.identity for one in page] == ["carol", "bob"]
    following = page.next_page()
    assert following is not None
    assert [one.identity for one in following] == ["alice"]
    assert following.next_page() is None
    back = following.previous_page()
    assert back is not None
    assert [one.identity for one in back] == ["carol", "bob"]

    with pytest.raises(TwilioException, match="Unable to fetch page"):
        identities(status="away")


async def test_who_has_left_is_found_by_sid_and_no_longer_by_identity(
    people: dict[str, SignalingClient], room: RoomContext
) -> None:
    alice = room.participants("alice").fetch()
    sid = room.fetch().sid
    removed = room.participants(alice.sid).update(status="disconnected")

    assert (removed.sid, removed.status) == (alice.sid, "disconnected")
    assert isinstance(removed.end_time, datetime)
    assert isinstance(removed.duration, int)
    with pytest.raises(TwilioRestException) as raised:
        room.participants("alice").fetch()
    assert refusal(raised) == (404, 20404)
    again = room.participants(alice.sid).update(status="disconnected")
    assert (again.end_time, again.duration) == (removed.end_time, removed.duration)
    assert room.participants(alice.sid).published_tracks.list() == []
    with pytest.raises(TwilioRestException) as raised:
        room.participants("bob").update(status="connected")
    assert refusal(raised) == (400, 53209)

    room.update(status="completed")
    by_sid = type(room)(room._version, sid)
    assert {one.identity for one in by_sid.participants.list()} == set(PEOPLE)
    assert by_sid.participants.list(status="connected") == []
    assert by_sid.participants(alice.sid).fetch().duration == removed.duration


async def test_tracks_are_found_by_sid_and_name_at_both_ends(
    people: dict[str, SignalingClient], room: RoomContext
) -> None:
    published = room.participants("alice").published_tracks
    camera = room.participants("alice").published_tracks("camera").fetch()

    assert [track.name for track in published.list(page_size=1)] == [track.name for track in published.list()]
    assert {(track.name, track.kind, track.enabled) for track in published.list()} == {
        ("microphone", "audio", True),
        ("camera", "video", True),
    }
    assert room.participants("alice").published_tracks(camera.sid).fetch().name == "camera"
    assert camera.participant_sid == room.participants("alice").fetch().sid
    assert camera.date_updated >= camera.date_created

    subscribed = room.participants("bob").subscribed_tracks
    assert len(subscribed.list()) == len({track.sid for track in subscribed.list(page_size=1)}) == 4
    one = room.participants("bob").subscribed_tracks(camera.sid).fetch()
    assert (one.name, one.kind, one.enabled, one.publisher_sid) == ("camera", "video", True, camera.participant_sid)
    assert one.participant_sid == room.participants("bob").fetch().sid
    for missing in (
        room.participants("alice").published_tracks("screen"),
        room.participants("alice").subscribed_tracks(camera.sid),
        room.participants("bob").subscribed_tracks("camera"),
    ):
        with pytest.raises(TwilioRestException) as raised:
            missing.fetch()
        assert refusal(raised) == (404, 20404)


async def test_subscribe_rules_are_replaced_and_posted_back(
    people: dict[str, SignalingClient], room: RoomContext
) -> None:
    bob = room.participants("bob")
    first = bob.subscribe_rules.fetch()

    assert [rule["type"] for rule in first.rules] == ["include"]
    told = people["bob"]
    changed = bob.subscribe_rules.update(
        rules=[{"type": "include", "kind": "video"}, {"type": "exclude", "publisher": "carol"}]
    )
    assert changed.participant_sid == bob.fetch().sid
    (left,) = bob.subscribed_tracks.list()
    assert (left.name, left.publisher_sid) == ("camera", room.participants("alice").fetch().sid)
    while [track["sid"] for track in ((await told.body("update")).get("subscribed") or {}).get("tracks", [])] != [
        left.sid
    ]:
        pass  # the client is told as well: the lists before this one are those of its joining

    bob.subscribe_rules.update(rules=first.rules)
    assert len(bob.subscribed_tracks.list()) == 4
    for bad in ([], [{"type": "include"}], [{"type": "include", "all": "true"}], {"type": "include", "all": True}):
        with pytest.raises(TwilioRestException) as raised:
            bob.subscribe_rules.update(rules=json.dumps(bad))
        assert refusal(raised) == (400, 53215)
    assert len(bob.subscribed_tracks.list()) == 4
