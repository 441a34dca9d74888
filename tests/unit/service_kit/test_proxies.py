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


def test_what_a_proxy_does_not_say_stays() -> None:
    proxies = TrustedProxies(["10.0.0.1"])

    assert seen(proxies.forwarded(request_from("10.0.0.1"))) == ("http", b"inside")
    assert seen(proxies.forwarded(request_from("10.0.0.1", (b"x-forwarded-proto", b"gopher")))) == ("http", b"inside")
