"""The REST edge: authentication first, one error envelope, no redirects."""

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from contract.errors import Refused
from contract.keys import CredentialsVerified, NotVerified
from service_kit.bus import BusUnavailable
from service_kit.failed_logins import FailedLogins
from service_kit.rate_limit import RateLimit
from service_kit.rest import EdgePolicy, Form, Principal, basic_credentials, rest_app


async def authenticate(user: str, password: str) -> CredentialsVerified | NotVerified:
    if user == "away":
        raise BusUnavailable
    if (user, password) != ("AC1", "secret"):
        return NotVerified(code=20003, message="Authenticate")
    return CredentialsVerified(account_sid="AC1", user="AC1", is_account=True)


app = rest_app("test", authenticate)


@app.get("/healthz")
async def healthz() -> str:
    return "ok"


@app.get("/v1/Rooms")
async def rooms(who: Principal) -> str:
    return who.account_sid


@app.post("/v1/Rooms")
async def create(form: Form) -> list[str]:
    return form.texts("Codec")


@app.get("/v1/Refused")
async def refused() -> None:
    raise Refused(53113)


@app.get("/v1/Broken")
async def broken() -> None:
    raise ZeroDivisionError


@app.get("/v1/Number/{number}")
async def number(number: int) -> int:
    return number


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", auth=("AC1", "secret")) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "message"),
    [
        ("GET", "/v1/Nothing/RM1?x=1", 404, 20404, "The requested resource /Nothing/RM1 was not found"),
        ("GET", "/2010-04-01/Nothing", 404, 20404, "The requested resource /Nothing was not found"),
        ("DELETE", "/v1/Rooms", 405, 20004, "Method not allowed"),
        ("GET", "/v1/Refused", 400, 53113, "Room exists"),
        ("GET", "/v1/Broken", 500, 20500, "Internal Server Error"),
        ("GET", "/v1/Number/x", 400, 20001, "Invalid parameter number"),
    ],
)
async def test_errors_come_in_the_envelope(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: int, message: str
) -> None:
    answer = await client.request(method, path)

    assert answer.status_code == status
    assert answer.json() == {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }


@pytest.mark.parametrize("path", ["/v1/Rooms", "/v1/Nothing"])
async def test_authentication_comes_before_routing(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, auth=("AC1", "wrong"))

    assert answer.status_code == 401
    assert answer.json()["code"] == 20003
    assert answer.headers["www-authenticate"] == 'Basic realm="Twilio API"'


async def test_open_paths_need_no_credentials(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz", auth=("x", "y"))).status_code == 200


async def test_credentials_that_cannot_be_verified_now_are_503(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/Rooms", auth=("away", "x"))

    assert (answer.status_code, answer.json()["code"]) == (503, 20503)


async def test_a_slash_at_the_end_means_the_same_and_never_redirects(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/Rooms/")

    assert (answer.status_code, answer.json()) == (200, "AC1")


async def test_repeated_form_fields_stay_an_array(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/Rooms", data={"Codec": ["VP8", "H264"]})

    assert answer.json() == ["VP8", "H264"]


async def test_a_body_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/Rooms", data={"Codec": "x" * 2_000_000})

    assert (answer.status_code, answer.json()["code"]) == (400, 20001)


async def test_a_client_that_goes_before_the_end_of_its_body_is_no_failure_of_ours() -> None:
    parts = iter([{"type": "http.request", "body": b"Codec=", "more_body": True}, {"type": "http.disconnect"}])
    answer: list[Any] = []

    async def receive() -> Any:
        return next(parts)

    async def send(message: Any) -> None:
        answer.append(message)

    headers = [(b"authorization", b"Basic " + b64encode(b"AC1:secret"))]
    path = {"path": "/v1/Rooms", "raw_path": b"/v1/Rooms", "query_string": b""}
    await app({"type": "http", "method": "POST", "headers": headers, **path}, receive, send)

    assert answer[0]["status"] == 400


async def test_a_body_that_is_no_form_is_refused_rather_than_missed(client: httpx.AsyncClient) -> None:
    refused = await client.post("/v1/Rooms", json={"Codec": "VP8"})
    empty = await client.post("/v1/Rooms", headers={"Content-Type": "application/json"})

    assert (refused.status_code, refused.json()["code"]) == (400, 20001)
    assert refused.json()["message"] == "The request body is not application/x-www-form-urlencoded"
    assert (empty.status_code, empty.json()) == (200, [])


async def test_connection_close_is_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/Rooms", headers={"Connection": "close"})

    assert answer.headers["connection"] == "close"
    assert len(answer.headers["twilio-request-id"]) == 34


async def test_who_failed_too_often_is_429_and_who_was_in_is_not() -> None:
    guarded = rest_app("test", authenticate, policy=EdgePolicy(failed_logins=FailedLogins(b"key", per_second=10)))
    transport = httpx.ASGITransport(guarded, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (
            await client.get("/v1/Rooms", auth=("AC1", "secret"))
        ).status_code == 404  # this application has no routes
        wrong = [await client.get("/v1/Rooms", auth=("AC1", f"guess {n}")) for n in range(60)]

        assert [answer.status_code for answer in wrong[:50]] == [401] * 50
        assert wrong[-1].status_code == 429
        assert wrong[-1].json()["code"] == 20429
        assert wrong[-1].headers["retry-after"] == "1"
        assert (await client.get("/v1/Rooms", auth=("AC1", "secret"))).status_code == 404
        assert (await client.get("/v1/Rooms")).status_code == 401


async def test_more_than_the_limit_is_429() -> None:
    limited = rest_app("test", authenticate, policy=EdgePolicy(rate_limit=RateLimit(reads_per_s=2, writes_per_s=0.01)))
    limited.include_router(app.router)
    transport = httpx.ASGITransport(limited)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", auth=("AC1", "secret")) as client:
        answers = [await client.post("/v1/Rooms") for _ in range(3)]
        wrong = await client.post("/v1/Rooms", auth=("AC1", "wrong"))
        read = await client.get("/v1/Rooms")

    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert answers[2].json()["code"] == 20429
    assert answers[2].headers["retry-after"] == "1"
    assert (wrong.status_code, read.status_code) == (401, 200)


@pytest.mark.parametrize(
    ("header", "credentials"),
    [
        (b"Basic QUMxOnM6eA==", ("AC1", "s:x")),
        (b"basic QUMxOg==", ("AC1", "")),
        (b"", None),
        (b"Bearer QUMxOnM=", None),
        (b"Basic QUMx", None),
        (b"Basic !!!!", None),
        (b"Basic /////w==", None),
    ],
)
def test_basic_credentials(header: bytes, credentials: tuple[str, str] | None) -> None:
    assert basic_credentials(header) == credentials
