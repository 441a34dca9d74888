"""While two clients talk, others send what nobody should: they get their error code, and the two notice nothing."""

import asyncio
import random
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.kit.browser import Tab
from tests.kit.people import Join, meet, seeing_throughout
from tests.kit.signaling import CHROMIUM_OFFER, Closed, SignalingClient, connect_message, signaling
from tests.kit.stack import Roomwire

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOO_BIG = 1009
"""RFC 6455 section 7.4.1: a message too big to process."""


@asynccontextmanager
async def undisturbed(alice: Tab, bob: Tab) -> AsyncIterator[None]:
    """While the body runs these two see each other, and hear of nothing."""
    async with seeing_throughout(bob, alice), seeing_throughout(alice, bob):
        yield
    for tab, other in ((alice, bob), (bob, alice)):
        for event in ("reconnecting", "disconnected"):
            assert await tab.count(event) == 0
        for event in ("trackUnsubscribed", "participantReconnecting", "participantDisconnected"):
            assert await tab.count(event, identity=other.name) == 0


async def refusal(socket: SignalingClient) -> str | int | None:
    """How this socket is refused: `bad`, an error's code, or the code with which the server closes it."""
    try:
        while True:
            frame = await socket.frame()
            if frame["type"] == "bad":
                return "bad"
            if frame["type"] == "msg" and frame["body"]["type"] == "error":
                return int(frame["body"]["code"])
    except Closed as closed:
        return closed.code


@pytest.fixture
def bad_frames() -> list[str | bytes]:
    """Frames that no client sends."""
    return [
        "not JSON",
        "[]",
        "null",
        "{}",
        '{"type": 7}',
        '{"type": "hello"}',
        '{"type": "msg"}',
        '{"type": "msg", "body": "text"}',
        '{"type": "unheard-of"}',
        "{" * 5000,
        '{"type": "msg", "body": {"type": "connect", "token": ' + "[" * 2000 + "]" * 2000 + "}}",
        "x" * 4_000_000,
        b"\x00\xff\xfe binary",
        "😀" * 10,
    ]


async def test_bad_frames_on_the_socket(
    join: Join, roomwire: Roomwire, room_name: str, bad_frames: list[str | bytes]
) -> None:
    alice, bob = await join("alice"), await join("bob")
    await meet(alice, bob)

    async with undisturbed(alice, bob):
        for bad in bad_frames:
            async with signaling(roomwire.ws_server) as early:
                await early.send(bad)
                assert await refusal(early) in ("bad", TOO_BIG)
        for bad in bad_frames:
            async with signaling(roomwire.ws_server) as late:
                await late.join(roomwire.token("mallory"), room_name)
                await late.send(bad)
                assert await refusal(late) in (53004, TOO_BIG)


BAD_BODIES = [
    {"type": "update", "participant": {"revision": "many", "tracks": []}},
    {"type": "update", "participant": {"revision": 2, "tracks": "all"}},
    {"type": "update", "participant": {"revision": 2, "tracks": [{"id": 5}]}},
    {"type": "update", "peer_connections": [{"id": "nobody's", "description": {"type": "offer", "revision": 2}}]},
    {"type": "update", "peer_connections": 7},
    {"type": "connect", "token": None},
    {"type": "sync", "session": 12},
    {"type": "unheard-of"},
]


async def test_bad_messages_in_the_room(join: Join, roomwire: Roomwire, room_name: str) -> None:
    alice, bob = await join("alice"), await join("bob")
    await meet(alice, bob)

    async def code(number: int, body: dict[str, Any]) -> int | None:
        async with signaling(roomwire.ws_server) as mallory:
            joined = await mallory.join(roomwire.token(f"mallory-{number}"), room_name)
            await mallory.say(body | {"version": 2, "session": joined["session"]})
            try:
                return int((await asyncio.wait_for(mallory.body("error"), 5))["code"])
            except (Closed, TimeoutError):
                return None

    async with undisturbed(alice, bob):
        codes = await asyncio.gather(*(code(number, body) for number, body in enumerate(BAD_BODIES)))
    assert set(codes) <= {53004, 53402, 53403, None}
    assert codes[:3] == [53004, 53004, 53004]


BAD_SDP = {
    "empty": "",
    "not SDP": "hello",
    "no media": "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
    "no ICE": "\r\n".join(line for line in CHROMIUM_OFFER.split("\r\n") if not line.startswith("a=ice-")),
    "no fingerprint": "\r\n".join(line for line in CHROMIUM_OFFER.split("\r\n") if "fingerprint" not in line),
    "numbers out of range": CHROMIUM_OFFER.replace("a=rtpmap:96 VP8/90000", "a=rtpmap:99999 VP8/-1"),
    "cut short": CHROMIUM_OFFER[: len(CHROMIUM_OFFER) // 2 + 7],
    "very long": CHROMIUM_OFFER + "a=x-junk:1\r\n" * 50_000,
    "shuffled": "\r\n".join(random.Random(5).sample(CHROMIUM_OFFER.split("\r\n"), len(CHROMIUM_OFFER.split("\r\n")))),
}


async def test_bad_session_descriptions(join: Join, roomwire: Roomwire, room_name: str) -> None:
    alice, bob = await join("alice"), await join("bob")
    await meet(alice, bob)

    answers = {}
    async with undisturbed(alice, bob):
        for fault, sdp in BAD_SDP.items():
            offer = {"id": str(uuid.uuid4()), "description": {"type": "offer", "revision": 1, "sdp": sdp}}
            async with signaling(roomwire.ws_server) as mallory:
                await mallory.hello(connect_message(roomwire.token("mallory"), room_name, peer_connections=[offer]))
                answer = await mallory.body("connected", "error")
                answers[fault] = answer.get("code", answer["type"])

    for fault in ("empty", "not SDP", "no ICE", "no fingerprint", "shuffled"):
        assert answers[fault] in (53004, 53403), answers
    assert set(answers.values()) <= {53004, 53403, "connected"}


async def test_bad_datagrams(join: Join, roomwire: Roomwire) -> None:
    alice, bob = await join("alice"), await join("bob")
    await meet(alice, bob)
    seeded = random.Random(7)
    binding_request = bytes.fromhex("000100002112a442") + bytes(12)
    first_bytes = [0, 1, 20, 22, 63, 64, 128, 144, 191, 192, 255]
    junk = [binding_request, b"", b"\x80", b"\x16\xfe\xfd", binding_request[:-3]]
    junk += [bytes([first]) + seeded.randbytes(seeded.randrange(1500)) for first in first_bytes for _ in range(50)]

    target = ("127.0.0.1", int(roomwire.stack.settings["ROOMWIRE_SFU_PORT"]))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        async with undisturbed(alice, bob):
            for datagram in junk:
                stranger.sendto(datagram, target)
                await asyncio.sleep(0.002)


async def test_what_was_refused_is_counted_and_no_secret_is_logged(roomwire: Roomwire, room_name: str) -> None:
    token = roomwire.token("mallory")
    before = await refusals(roomwire)
    async with signaling(roomwire.ws_server) as mallory:
        joined = await mallory.join(token, room_name)
        await mallory.say({"type": "update", "session": joined["session"], "participant": 7})
        assert (await mallory.body("error"))["code"] == 53004

    assert await refusals(roomwire) > before
    logs = roomwire.logs()
    ice_password = next(line.split(":")[1] for line in CHROMIUM_OFFER.splitlines() if line.startswith("a=ice-pwd"))
    for secret in (token, roomwire.auth_token, roomwire.key_secret, joined["session"], ice_password):
        assert secret not in logs


async def refusals(roomwire: Roomwire) -> float:
    """How many errors the gateway says it has sent."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(roomwire.stack.url("signaling-gateway") + "/metrics")).text
    return sum(
        float(line.split()[-1]) for line in text.splitlines() if line.startswith("roomwire_gateway_failures_total")
    )
