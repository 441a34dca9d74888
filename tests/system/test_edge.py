"""The edge of the REST API over raw HTTP: what the stock helpers rely on without saying so."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from service_kit.rest import MAX_BODY_BYTES

from tests.kit.raw_http import Answer, RawConnection, basic, raw_connection
from tests.kit.stack import Roomwire, running

KEYS = "/2010-04-01/Accounts/{account}/Keys"
FORM = "Content-Type: application/x-www-form-urlencoded"


class Line:
    """A connection to the REST API, and how to ask on it. `{account}` in a target stands for the account's SID."""

    def __init__(self, raw: RawConnection, roomwire: Roomwire) -> None:
        self.raw = raw
        self.credentials = basic(roomwire.account_sid, roomwire.auth_token)
        self._account_sid = roomwire.account_sid

    def ask(
        self, method: str, target: str, *headers: str | bytes, form: bytes | None = None, host: str = "api.test"
    ) -> Answer:
        """One request with credentials, and its answer."""
        if form is not None:
            headers = (*headers, FORM, f"Content-Length: {len(form)}")
        target = target.replace("{account}", self._account_sid)
        head = (f"{method} {target} HTTP/1.1", f"Host: {host}", self.credentials, *headers)
        self.raw.send(*head, body=form or b"")
        return self.raw.answer(method)

    def create(self, name: str) -> str:
        """Make a room and return its SID."""
        answer = self.ask("POST", "/v1/Rooms", form=urlencode({"UniqueName": name}).encode())
        assert answer.status == 201, answer.body
        return str(answer.json["sid"])


@pytest.fixture
def line(roomwire: Roomwire) -> Iterator[Line]:
    with raw_connection(roomwire.base_url) as raw:
        yield Line(raw, roomwire)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "HEAD", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["/v1/Rooms", "/v1/Rooms/unknown", KEYS + ".json"])
def test_a_method_that_a_path_does_not_have_is_405(line: Line, method: str, path: str) -> None:
    answer = line.ask(method, path)

    assert answer.status == 405
    assert "GET" in answer.headers["allow"]
    if method == "HEAD":
        assert answer.body == b""
    else:
        assert answer.error == (405, 20004)


@pytest.mark.parametrize("path", ["/v1/Rooms/", "/v1/Rooms//", KEYS + ".json/"])
def test_a_slash_at_the_end_is_answered_and_not_redirected(line: Line, path: str) -> None:
    assert line.ask("GET", path).status == 200


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/Rooms", "/v1/rooms", "/docs/x", "/openapi.yaml", "/2010-04-01"])
def test_an_unknown_path_is_404_with_credentials_and_401_without(line: Line, path: str) -> None:
    assert line.ask("GET", path).error == (404, 20404)
    line.raw.send(f"GET {path} HTTP/1.1", "Host: api.test")
    assert line.raw.answer().error == (401, 20003)


def test_connection_close_is_repeated_and_kept(line: Line) -> None:
    assert "connection" not in line.ask("GET", "/v1/Rooms").headers
    closing = line.ask("GET", KEYS + ".json", "Connection: close")

    assert closing.headers["connection"] == "close"
    assert line.raw.is_closed()


def test_the_body_waits_for_continue(line: Line) -> None:
    form = b"UniqueName=waited"
    line.raw.send(
        "POST /v1/Rooms HTTP/1.1",
        "Host: a",
        line.credentials,
        FORM,
        f"Content-Length: {len(form)}",
        "Expect: 100-continue",
    )
    assert line.raw.read_line().startswith(b"HTTP/1.1 100 ")
    assert line.raw.read_line() == b"\r\n"
    line.raw.send_bytes(form)

    assert line.raw.answer("POST").json["unique_name"] == "waited"


def test_who_may_not_ask_is_told_before_the_body_is_sent(line: Line) -> None:
    line.raw.send("POST /v1/Rooms HTTP/1.1", "Host: a", FORM, "Content-Length: 2000000", "Expect: 100-continue")

    assert line.raw.answer("POST").error == (401, 20003)


@pytest.mark.parametrize("path", ["/v1/Rooms", KEYS + ".json"])
def test_a_body_without_end_is_refused_and_not_kept(line: Line, path: str) -> None:
    answer = line.ask("POST", path, form=b"x" * (MAX_BODY_BYTES + 1))

    assert answer.error == (400, 20001)
    assert answer.json["message"] == "The request body is too large"


def test_an_answer_is_never_compressed(line: Line) -> None:
    answer = line.ask("GET", "/v1/Rooms", "Accept-Encoding: utf-8", "Accept: text/html")

    assert "content-encoding" not in answer.headers
    assert answer.headers["content-type"] == "application/json"
    assert "rooms" in answer.json


@pytest.mark.parametrize(
    "head", [b"nonsense\r\n\r\n", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_http_is_answered_in_the_envelope(line: Line, head: bytes) -> None:
    line.raw.send_bytes(head)

    assert line.raw.answer().error == (400, 20001)
    assert line.raw.is_closed()


@pytest.mark.parametrize("path", ["/v1/Rooms", KEYS + ".json"])
def test_headers_may_hold_any_octets(line: Line, path: str) -> None:
    assert line.ask("GET", path, b"Accept: \xff", b"Content-Type: \xfe").status == 200
    line.raw.send(f"GET {path} HTTP/1.1", "Host: api.test", b"Authorization: Basic \xff")
    assert line.raw.answer().error == (401, 20003)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_monitors_may_ask_for_the_head_alone(line: Line, path: str) -> None:
    line.raw.send(f"HEAD {path} HTTP/1.1", "Host: api.test")
    answer = line.raw.answer("HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert line.ask("GET", "/v1/Rooms").status == 200


def test_who_wants_a_websocket_is_answered_as_everybody(line: Line) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA")

    assert line.ask("GET", "/v1/Rooms", *upgrade).status == 200
    assert line.ask("GET", "/nothing", *upgrade).error == (404, 20404)


def test_a_name_in_a_path_may_be_encoded_in_any_way(line: Line) -> None:
    spaced, plus, umlaut = (line.create(name) for name in ("a b", "c+d", "Zürich 会"))

    for path, sid in (
        ("a%20b", spaced),
        ("a+b", spaced),
        ("c+d", plus),
        ("c%2Bd", plus),
        ("Z%C3%BCrich%20%E4%BC%9A", umlaut),
        ("Z%c3%bcrich+%e4%bc%9a", umlaut),
    ):
        assert line.ask("GET", f"/v1/Rooms/{path}").json["sid"] == sid


def test_a_path_that_is_not_utf8_names_nothing(line: Line) -> None:
    line.create("\ufffd")

    assert line.ask("GET", "/v1/Rooms/%EF%BF%BD").status == 200
    assert line.ask("GET", "/v1/Rooms/%FF").error == (404, 20404)


def test_a_name_with_a_slash_is_reached_by_its_sid_alone(line: Line) -> None:
    sid = line.create("e/")
    line.create("e")

    assert line.ask("GET", f"/v1/Rooms/{sid}").json["unique_name"] == "e/"
    assert line.ask("GET", "/v1/Rooms/e%2F").error == (404, 20404)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (b"UniqueName=%FF", (400, 53102)),
        (b"UniqueName=\xff", (400, 53102)),
        (b"UniqueName=a%00b", (400, 53102)),
        (b"Type=%FF", (400, 53108)),
        (b"AudioOnly=1", (400, 20001)),
        (b"MaxParticipants=1.0", (400, 53107)),
        (b"&" * 2000 + b"".join(b"x%d=&" % n for n in range(2000)), (400, 20001)),
        (b"UniqueName=" + b"x" * 2_000_000, (400, 20001)),
    ],
)
def test_a_form_that_makes_no_sense_is_400(line: Line, form: bytes, expected: tuple[int, int]) -> None:
    assert line.ask("POST", "/v1/Rooms", form=form).error == expected


def test_helpers_send_a_form_type_without_a_form(line: Line) -> None:
    assert line.ask("GET", "/v1/Rooms", FORM).status == 200
    assert line.ask("POST", "/v1/Rooms", FORM, "Content-Length: 0").status == 201


def test_booleans_and_arrays(line: Line) -> None:
    room = line.ask("POST", "/v1/Rooms", form=b"RecordParticipantsOnConnect=TRUE&VideoCodecs=H264&Other=1&Other=2").json

    assert room["record_participants_on_connect"] is True
    assert room["video_codecs"] == ["H264"]


@pytest.mark.parametrize(
    "moment",
    [
        "2020-01-01",
        "2020-01-01T00:00:00Z",
        "2020-01-01T00:00:00",
        "2020-01-01T00:00:00%2B02:00",
        "2020-01-01T00:00:00+02:00",
    ],
)
def test_dates_come_in_every_form_that_helpers_send(line: Line, moment: str) -> None:
    line.create(f"dated {moment}")

    found = line.ask("GET", f"/v1/Rooms?UniqueName={urlencode({'': f'dated {moment}'})[1:]}&DateCreatedAfter={moment}")
    assert len(found.json["rooms"]) == 1


def test_every_url_of_a_page_carries_every_filter(line: Line) -> None:
    for number in range(3):
        line.create(f"page {number}")
    filters = [("Status", "in-progress"), ("DateCreatedAfter", "2020-01-01T00:00:00+02:00"), ("Own", "a"), ("Own", "b")]
    first = line.ask("GET", f"/v1/Rooms?{urlencode(filters)}&PageSize=1").json["meta"]
    second = line.ask("GET", first["next_page_url"].removeprefix("http://api.test")).json["meta"]

    for page_url in (first["url"], first["next_page_url"], second["previous_page_url"], second["first_page_url"]):
        assert parse_qsl(urlsplit(page_url).query)[:4] == filters
    assert [second["page"], second["page_size"]] == [1, 1]


def test_page_sizes(line: Line) -> None:
    assert line.ask("GET", "/v1/Rooms?PageSize=99999999999999").json["meta"]["page_size"] == 1000
    assert line.ask("GET", KEYS + ".json?PageSize=5000").json["page_size"] == 1000
    for bad in ("PageSize=0", "PageSize=-1", "PageSize=ten", "PageSize=", "Page=x", "PageToken=x"):
        assert line.ask("GET", f"/v1/Rooms?{bad}").error == (400, 20001)
        assert line.ask("GET", KEYS + f".json?{bad}").error == (400, 20001)


def test_a_list_of_the_account_has_exactly_one_member_of_its_own(line: Line) -> None:
    body = line.ask("GET", KEYS + ".json").json

    paging = {"end", "first_page_uri", "next_page_uri", "page", "page_size", "previous_page_uri", "start", "uri"}
    assert body.keys() - paging == {"keys"}


def test_a_deletion_has_no_body_and_the_line_goes_on(line: Line) -> None:
    key = line.ask("POST", KEYS + ".json", form=b"FriendlyName=short").json["sid"]
    deleted = line.ask("DELETE", f"{KEYS}/{key}.json", "Content-Length: 0")

    assert (deleted.status, deleted.body) == (204, b"")
    assert "content-length" not in deleted.headers
    assert line.ask("DELETE", f"{KEYS}/{key}.json").error == (404, 20404)


def test_urls_in_answers_are_those_that_the_client_called(line: Line) -> None:
    line.create("called")

    def called(host: str) -> str:
        return str(line.ask("GET", "/v1/Rooms/called", host=host).json["url"]).rpartition("/v1/")[0]

    assert called("media.example:8080") == "http://media.example:8080"
    for host in ("video.twilio.com", "video.twilio.com:443", "Video.Twilio.com"):
        assert called(host) == "https://video.twilio.com"


def test_each_answer_has_a_request_id_of_its_own(line: Line) -> None:
    ids = {line.ask("GET", path).headers["twilio-request-id"] for path in ("/v1/Rooms", "/x", KEYS + ".json")}

    assert len(ids) == 3
    assert all(len(each) == 34 and each.startswith("RQ") for each in ids)


def test_who_guesses_secrets_is_held_back_and_who_has_them_is_not(tmp_path: Path) -> None:
    limit = {"ROOMWIRE_FAILED_LOGINS_PER_SECOND": "10"}
    with running(tmp_path, limit, services=("token-issuer", "rooms-api")) as roomwire, httpx.Client() as client:
        for path in "/v1/Rooms", KEYS + ".json":
            url = roomwire.base_url + path.replace("{account}", roomwire.account_sid)
            knows = (roomwire.account_sid, roomwire.auth_token)
            assert client.get(url, auth=knows).status_code == 200
            user = f"SK{len(path):032x}"

            guesses = [client.get(url, auth=(user, f"guess {n}")) for n in range(100)]

            assert {answer.status_code for answer in guesses[:50]} == {401}
            held_back = [answer.json()["code"] for answer in guesses if answer.status_code == 429]
            assert len(held_back) > 20
            assert set(held_back) == {20429}
            assert client.get(url, auth=knows).status_code == 200
