"""API keys made and deleted over REST decide who gets in."""

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.kit.signaling import signaling
from tests.kit.stack import Roomwire
from tests.kit.tokens import mint


async def answer_to(roomwire: Roomwire, token: str, room: str) -> tuple[str, int | None]:
    async with signaling(roomwire.ws_server) as socket:
        answer = await socket.join(token, room)
        if answer["type"] == "connected":
            await socket.leave()
    return answer["type"], answer.get("code")


async def test_a_new_key_signs_tokens_until_it_is_deleted(client: Client, roomwire: Roomwire, room_name: str) -> None:
    key = client.new_keys.create(friendly_name="phone app")
    token = mint(roomwire.account_sid, key.sid, key.secret, "alice")

    before = await answer_to(roomwire, token, room_name)
    client.keys(key.sid).delete()
    after = await answer_to(roomwire, token, room_name)

    assert before == ("connected", None)
    assert after == ("error", 20103)


async def test_a_running_session_outlives_its_key(client: Client, roomwire: Roomwire, room_name: str) -> None:
    key = client.new_keys.create(friendly_name="short lived")

    async with signaling(roomwire.ws_server) as socket:
        sid = (await socket.join(mint(roomwire.account_sid, key.sid, key.secret, "alice"), room_name))["sid"]
        client.keys(key.sid).delete()
        (participant,) = client.video.v1.rooms(sid).participants.list()
        await socket.leave()

    assert (participant.identity, participant.status) == ("alice", "connected")


def test_a_deleted_key_is_no_credential(client: Client, roomwire: Roomwire) -> None:
    key = client.new_keys.create(friendly_name="server")
    with_key = roomwire.client(key.sid, key.secret)
    with_key.video.v1.rooms.list(limit=1)
    client.keys(key.sid).delete()

    with pytest.raises(TwilioRestException) as raised:
        with_key.video.v1.rooms("anything").fetch()

    assert (raised.value.status, raised.value.code) == (401, 20003)


def test_a_keys_secret_is_shown_once(client: Client) -> None:
    key = client.new_keys.create(friendly_name="secretive")

    fetched = client.keys(key.sid).fetch()

    assert len(key.secret) >= 32
    assert fetched.friendly_name == "secretive"
    assert not hasattr(fetched, "secret") or fetched.secret is None
    assert key.sid in [one.sid for one in client.keys.list()]
