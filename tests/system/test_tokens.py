"""What the signaling socket says to tokens: the good one gets in, and each bad one gets its own code."""

import base64
import time

import pytest

from tests.kit.signaling import signaling
from tests.kit.stack import Roomwire
from tests.kit.tokens import forge

HOUR_S = 3600
DAY_S = 24 * HOUR_S
STRANGER = "AC" + "f" * 32
NO_KEY = "SK" + "f" * 32


def forged(roomwire: Roomwire, **changes: object) -> str:
    secret = str(changes.pop("secret", roomwire.key_secret))
    return forge(roomwire.account_sid, roomwire.key_sid, secret, **changes)  # type: ignore[arg-type]  # claims of any type


NOW = int(time.time())
BAD = {
    "no token": (20101, None),
    "wrong type": (20102, {"header": {"typ": "JWS"}}),
    "wrong content type": (20102, {"header": {"cty": "twilio-fpa;v=2"}}),
    "no content type": (20102, {"header": {"cty": ""}}),
    "unknown key": (20103, {"iss": NO_KEY}),
    "no issuer": (20103, {"iss": None}),
    "foreign account": (20103, {"sub": STRANGER}),
    "no account": (20103, {"sub": None}),
    "expired": (20104, {"nbf": NOW - 2 * HOUR_S, "exp": NOW - HOUR_S}),
    "no expiry": (20104, {"exp": None}),
    "valid for days": (20104, {"exp": NOW + 3 * DAY_S}),
    "not yet valid": (20105, {"nbf": NOW + HOUR_S, "exp": NOW + 2 * HOUR_S}),
    "no grants": (20106, {"grants": None}),
    "no video grant": (20106, {"grants": {"identity": "mallory"}}),
    "no identity": (20106, {"grants": {"video": {}}}),
    "wrong secret": (20107, {"secret": "guessed" * 8}),
}


@pytest.mark.parametrize("shape", ["ice", "connect"])
@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_token_gets_its_code(roomwire: Roomwire, room_name: str, kind: str, shape: str) -> None:
    code, changes = BAD[kind]
    token = "no.token" if changes is None else forged(roomwire, **changes)

    async with signaling(roomwire.ws_server) as socket:
        answer = await (socket.acquire(token) if shape == "ice" else socket.join(token, room_name))

    assert (answer["type"], answer["code"]) == ("error", code)


def unsigned(roomwire: Roomwire) -> str:
    head, claims, _ = forged(roomwire).split(".")
    none = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"none","cty":"twilio-fpa;v=1"}').rstrip(b"=").decode()
    assert head != none
    return f"{none}.{claims}."


async def test_a_token_without_signature_is_refused(roomwire: Roomwire, room_name: str) -> None:
    async with signaling(roomwire.ws_server) as socket:
        answer = await socket.join(unsigned(roomwire), room_name)

    assert answer["type"] == "error"
    assert answer["code"] in (20102, 20107)


@pytest.mark.parametrize("token", ["", None], ids=repr)
async def test_no_token_at_all_is_an_invalid_one(roomwire: Roomwire, room_name: str, token: object) -> None:
    async with signaling(roomwire.ws_server) as socket:
        answer = await socket.join(token, room_name)  # type: ignore[arg-type]  # what an application may pass by mistake

    assert (answer["type"], answer["code"]) == ("error", 20101)


async def test_a_token_for_another_room_is_refused_with_20106(roomwire: Roomwire, room_name: str) -> None:
    roomwire.client().video.v1.rooms.create(unique_name=room_name)

    async with signaling(roomwire.ws_server) as socket:
        answer = await socket.join(roomwire.token("alice", room="elsewhere"), room_name)

    assert (answer["type"], answer["code"]) == ("error", 20106)


async def test_a_token_for_one_room_names_the_room_when_the_client_does_not(roomwire: Roomwire, room_name: str) -> None:
    room = roomwire.client().video.v1.rooms.create(unique_name=room_name)

    async with signaling(roomwire.ws_server) as socket:
        answer = await socket.join(roomwire.token("alice", room=room_name))
        await socket.leave()

    assert (answer["type"], answer["sid"], answer["name"]) == ("connected", room.sid, room_name)
    assert answer["participant"]["identity"] == "alice"


async def test_a_good_token_gets_ice_servers(roomwire: Roomwire) -> None:
    async with signaling(roomwire.ws_server) as socket:
        answer = await socket.acquire(roomwire.token("alice"))

    assert answer["type"] == "iced"
    assert isinstance(answer["ice_servers"], list)
