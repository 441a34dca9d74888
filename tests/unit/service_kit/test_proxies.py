"""Which proxies are believed, and what of it."""

import pytest
from service_kit.proxies import TrustedProxies
from starlette.types import Scope

CLAIMS = [(b"x-forwarded-proto", b"https, http"), (b"x-forwarded-host", b"video.example.org, inner")]


def request_from(address: str | None, *headers: tuple[bytes, bytes]) -> Scope:
    return {"client": (address, 1) if address else None, "scheme": "http", "headers": [(b"host", b"inside"), *headers]}


def seen(scope: Scope) -> tuple[str, bytes]:
    """Scheme and host."""
    return scope["scheme"], dict(scope["headers"])[b"host"]


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1", "fd00::7"])
def test_a_trusted_proxy_says_how_the_client_called(address: str) -> None:
    proxies = TrustedProxies(["10.0.0.0/8", "127.0.0.1", "fd00::/16"])

    assert seen(proxies.forwarded(request_from(address, *CLAIMS))) == ("https", b"video.example.org")


@pytest.mark.parametrize("address", ["11.1.2.3", "127.0.0.2", "fe80::7", "testclient", None])
def test_anybody_else_is_not_believed(address: str | None) -> None:
    proxies = TrustedProxies(["10.0.0.0/8", "127.0.0.1", "fd00::/16"])

    assert seen(proxies.forwarded(request_from(address, *CLAIMS))) == ("http", b"inside")
    assert seen(TrustedProxies().forwarded(request_from("127.0.0.1", *CLAIMS))) == ("http", b"inside")


@pytest.mark.parametrize(
    ("told", "client"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["198.51.100.1, 203.0.113.9"], "203.0.113.9"),  # the first one is what the client itself claimed
        (["203.0.113.9, 10.0.0.2"], "203.0.113.9"),  # two proxies of ours, one behind the other
        (["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2001:db8::9]:4711"], "2001:db8::9"),
        (["2001:db8::9"], "2001:db8::9"),
        (["unknown"], "10.0.0.1"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ([], "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_one_that_is_no_proxy_of_ours(told: list[str], client: str) -> None:
    proxies = TrustedProxies(["10.0.0.0/24"])
    request = request_from("10.0.0.1", *((b"x-forwarded-for", value.encode()) for value in told))

    assert proxies.client(request) == proxies.forwarded(request)["client"][0] == client


def test_a_stranger_is_not_believed_to_be_somebody_else() -> None:
    request = request_from("192.0.2.7", (b"x-forwarded-for", b"203.0.113.9"))

    assert TrustedProxies(["10.0.0.0/24"]).client(request) == TrustedProxies().client(request) == "192.0.2.7"
    assert TrustedProxies().client(request_from(None)) == ""


def test_what_a_proxy_does_not_say_stays() -> None:
    proxies = TrustedProxies(["10.0.0.1"])

    assert seen(proxies.forwarded(request_from("10.0.0.1"))) == ("http", b"inside")
    assert seen(proxies.forwarded(request_from("10.0.0.1", (b"x-forwarded-proto", b"gopher")))) == ("http", b"inside")
