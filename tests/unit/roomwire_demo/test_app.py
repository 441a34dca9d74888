"""The demo's server: its page, what it refuses, the tokens that it makes, and the callbacks that it takes."""

from pathlib import Path

import httpx
import jwt
import pytest
from roomwire_demo.app import build
from roomwire_demo.settings import DemoSettings
from roomwire_demo.video import Video
from twilio.request_validator import RequestValidator

SECRET = "s" * 32
AUTH_TOKEN = "t" * 32
CALLBACK_URL = "https://demo.example.org/callbacks"
CALLBACK = {"RoomName": "standup", "StatusCallbackEvent": "participant-connected", "ParticipantIdentity": "ada"}


def settings(modules: Path, callback_url: str | None = CALLBACK_URL) -> DemoSettings:
    return DemoSettings(
        account_sid="AC" + "1" * 32,
        demo_api_key="SK" + "1" * 32,
        demo_api_secret=SECRET,
        demo_auth_token=AUTH_TOKEN,
        demo_callback_url=callback_url,
        demo_node_modules=modules,
        rooms_api_url="http://127.0.0.1:1",
    )


def client(modules: Path) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(build(settings(modules))), base_url="http://test")


def test_a_token_admits_one_name_to_one_room(tmp_path: Path) -> None:
    claims = jwt.decode(Video(settings(tmp_path)).token("ada", "standup"), SECRET, algorithms=["HS256"])

    assert claims["grants"] == {"identity": "ada", "video": {"room": "standup"}}
    assert claims["sub"] == "AC" + "1" * 32


async def test_the_page_and_its_modules_are_served(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        page = await http.get("/")
        script = await http.get("/main.js")

    assert "<title>Roomwire</title>" in page.text
    assert script.headers["content-type"].startswith("text/javascript")


async def test_it_is_not_ready_without_the_sdk(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        without = await http.get("/readyz")
        dist = tmp_path / "twilio-video" / "dist"
        dist.mkdir(parents=True)
        (dist / "twilio-video.min.js").write_text("sdk")
        ready = await http.get("/readyz")
        sdk = await http.get("/sdk/twilio-video.min.js")

    assert (without.status_code, ready.status_code) == (503, 200)
    assert sdk.text == "sdk"


@pytest.mark.parametrize("form", [{}, {"identity": " ", "room": "r"}, {"identity": "a", "room": "a/b"}])
async def test_a_form_with_no_name_is_refused(tmp_path: Path, form: dict[str, str]) -> None:
    async with client(tmp_path) as http:
        assert (await http.post("/api/join", json=form)).status_code == 422


async def test_a_server_that_is_away_is_told_in_a_sentence(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        answer = await http.post("/api/join", json={"identity": "a", "room": "r"})

    assert (answer.status_code, answer.json()["message"]) == (502, "The video server is not available.")


async def post(http: httpx.AsyncClient, callback: dict[str, str], url: str = CALLBACK_URL) -> int:
    """Deliver a callback, signed for this URL."""
    signature = RequestValidator(AUTH_TOKEN).compute_signature(url, callback)
    return (await http.post("/callbacks", data=callback, headers={"X-Twilio-Signature": signature})).status_code


async def test_a_callback_that_roomwire_signed_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "roomwire_demo")
    async with client(tmp_path) as http:
        assert await post(http, CALLBACK) == 204

    assert caplog.messages == ["standup: participant-connected ada"]


async def test_a_callback_that_somebody_else_sent_is_refused(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        assert await post(http, CALLBACK, url="https://other.example.org/callbacks") == 403
        assert (await http.post("/callbacks", data=CALLBACK)).status_code == 403


def test_without_a_callback_url_no_callback_is_genuine(tmp_path: Path) -> None:
    signature = RequestValidator(AUTH_TOKEN).compute_signature("", CALLBACK)

    assert not Video(settings(tmp_path, callback_url=None)).is_genuine(CALLBACK, signature)
