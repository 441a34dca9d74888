"""A callback as a request: sections 16.4 and 17 of the REST contract."""

import base64
import hashlib
import hmac

import pytest
from rooms_api.core.webhook import BadUrl, failure_of, make_request, receiver_of, retry_delay_s
from twilio.request_validator import RequestValidator

TOKEN = "12345"


def sign(text: str) -> str:
    return base64.b64encode(hmac.new(TOKEN.encode(), text.encode(), hashlib.sha1).digest()).decode()


def test_the_vector_of_the_contract() -> None:
    request = make_request("http://127.0.0.1:9999/cb?x=1", "POST", "RoomName=a+b&AccountSid=AC1")

    assert request.signed_text == "http://127.0.0.1:9999/cb?x=1AccountSidAC1RoomNamea b"
    assert sign(request.signed_text) == "KWfyFRGmlM9QBnmHmWwW4Ivyqtw="


@pytest.mark.parametrize(
    ("url", "target", "called"),
    [
        ("https://app.example", "/", "https://app.example/"),
        ("https://app.example?a=1", "/?a=1", "https://app.example/?a=1"),
        (
            "https://app.example/it's%27/../x?q=%7e'#part",
            "/it's%27/../x?q=%7e'",
            "https://app.example/it's%27/../x?q=%7e'",
        ),
        ("HTTPS://App.Example:443/?", "/?", "https://App.Example:443/?"),
        ("http://ada:p%40ss@[::1]:8080//x", "//x", "http://[::1]:8080//x"),
    ],
)
def test_what_is_signed_is_what_the_receiver_sees(url: str, target: str, called: str) -> None:
    request = make_request(url, "POST", "B=2&A=%C3%A9")

    assert request.target == target
    assert request.signed_text == called + "AéB2"
    assert request.body == "B=2&A=%C3%A9"


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://app.example/x", "/x?A=1"),
        ("http://app.example/x?", "/x?A=1"),
        ("http://app.example/x?b=2", "/x?b=2&A=1"),
        ("http://app.example/x?b=2&", "/x?b=2&A=1"),
        ("http://app.example", "/?A=1"),
    ],
)
def test_a_get_has_its_values_in_the_query_which_is_signed_with_the_url(url: str, target: str) -> None:
    request = make_request(url, "GET", "A=1")

    assert (request.target, request.body) == (target, "")
    assert request.signed_text == "http://app.example" + target


def test_the_stock_helper_accepts_what_the_receiver_sees() -> None:
    body = "RoomName=caf%C3%A9+%26+bar&AccountSid=AC1"
    posted = make_request("https://app.example:8443/cb?x=it's", "POST", body)
    got = make_request("https://app.example/cb?x=it's", "GET", body)
    validator = RequestValidator(TOKEN)

    values = {"RoomName": "café & bar", "AccountSid": "AC1"}
    assert validator.validate("https://app.example:8443" + posted.target, values, sign(posted.signed_text))
    assert validator.validate("https://app.example" + got.target, {}, sign(got.signed_text))
    assert not validator.validate("https://app.example" + got.target + "&x", {}, sign(got.signed_text))


def test_credentials_become_basic_authentication() -> None:
    request = make_request("https://ada:p%40ss%3A@app.example/", "POST", "")

    assert request.authorization == "Basic " + base64.b64encode(b"ada:p@ss:").decode()
    assert (request.authority, request.host, request.port) == ("app.example", "app.example", 443)
    assert make_request("https://app.example/", "POST", "").authorization is None


@pytest.mark.parametrize("url", ["ftp://app.example/", "http://", "http://a:b:c/", "http://a:0/", "http://a:70000/"])
def test_nothing_is_sent_to_what_is_no_url(url: str) -> None:
    with pytest.raises(BadUrl):
        make_request(url, "POST", "")


def test_a_receiver_is_a_host_and_a_port() -> None:
    assert receiver_of("https://ada@App.Example/x") == "app.example:443"
    assert receiver_of("http://[::1]:81?x") == "::1:81"
    assert receiver_of("nowhere") == "nowhere"


def test_what_counts_as_delivered() -> None:
    assert [status for status in (200, 204, 301, 400, 404, 410, 429, 500, 503, 599) if failure_of(status) is None] == [
        200, 204, 301, 400, 404, 410,
    ]  # fmt: skip


def test_retries_come_after_1_second_to_5_minutes() -> None:
    assert [retry_delay_s(tries, 0.0) for tries in (1, 2, 3, 9, 1000)] == [1.0, 2.0, 4.0, 150.0, 150.0]
    assert [retry_delay_s(tries, 1.0) for tries in (1, 2, 3, 9, 1000)] == [2.0, 4.0, 8.0, 300.0, 300.0]
