"""
A callback as an HTTP request, what its answer means, and when to try again. Sections 16.4 and 17 of the REST contract.

A configured URL is never parsed and put together again: what is signed are the very bytes that the receiver sees, and it cannot see ours.
"""

import base64
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl, unquote

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 300.0

_URL = re.compile(r"(?P<scheme>https?)://(?:(?P<user>[^/?#]*)@)?(?P<authority>[^/?#]+)(?P<rest>[^#]*)(?:#.*)?", re.I)
_AUTHORITY = re.compile(r"(?:\[(?P<literal>[^\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[0-9]*))?")


class BadUrl(ValueError):
    """Nothing can be sent to this URL."""


class FailureReason(StrEnum):
    """Why a try failed, in classes that operators count."""

    BAD_URL = "bad_url"
    UNRESOLVED = "unresolved"
    PRIVATE_ADDRESS = "private_address"
    CONNECTION = "connection"
    TLS = "tls"
    HTTP = "http"
    TIMEOUT = "timeout"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """
    What goes out. `authority` is the Host header, `host` what is resolved and what TLS asks for, `target` what the request line holds.

    `signed_text` is what the account's auth token signs. `authorization` is there when the URL has credentials.
    """

    method: str
    is_secure: bool
    authority: str
    host: str
    port: int
    target: str
    body: str
    authorization: str | None
    signed_text: str


def make_request(url: str, method: str, body: str) -> WebhookRequest:
    """
    Make the request that carries the form `body` to `url`: in the query for GET, else as its body. Raises `BadUrl`.

    Credentials and fragment of the URL are not sent, so they are not signed. Names are unique in our forms, so that sorting them is enough.
    """
    match = _URL.fullmatch(url)
    authority = _AUTHORITY.fullmatch(match["authority"]) if match else None
    if match is None or authority is None:
        raise BadUrl("is no http(s) URL")
    host = authority["literal"] or authority["host"]
    scheme = match["scheme"].lower()
    port = int(authority["port"] or (443 if scheme == "https" else 80))
    if not host or not 0 < port < 65536:
        raise BadUrl("has no host, or no such port")
    target = match["rest"] if match["rest"].startswith("/") else "/" + match["rest"]
    if method == "GET":
        joint = "" if target[-1] in "?&" else "&" if "?" in target else "?"
        target, body = f"{target}{joint}{body}", ""
    called = f"{scheme}://{match['authority']}{target}"
    return WebhookRequest(
        method=method,
        is_secure=scheme == "https",
        authority=match["authority"],
        host=host,
        port=port,
        target=target,
        body=body,
        authorization=_basic(match["user"]),
        signed_text=called + "".join(name + value for name, value in sorted(parse_qsl(body, keep_blank_values=True))),
    )


def receiver_of(url: str) -> str:
    """The host and port that a URL leads to: what connections are counted by. Of a URL that leads nowhere, the URL."""
    try:
        request = make_request(url, "POST", "")
    except BadUrl:
        return url
    return f"{request.host.lower()}:{request.port}"


def failure_of(status: int) -> FailureReason | None:
    """What an answer with this status failed of; None when the receiver took it. Errors of the request are final: it would be the same the next time."""
    if status == 429:
        return FailureReason.THROTTLED
    return None if 200 <= status < 500 else FailureReason.SERVER_ERROR


def retry_delay_s(tries: int, chance: float) -> float:
    """
    Seconds to wait after `tries` (from 1) that failed: doubled each time, half of it by `chance` (0 to 1), so that receivers of many rooms
    are not asked by all of them at once.
    """
    longest = min(2.0 * FIRST_RETRY_S * 2.0 ** min(tries - 1, 16), LONGEST_RETRY_S)
    return longest * (0.5 + 0.5 * chance)


def _basic(credentials: str | None) -> str | None:
    """Source: RFC 7617. In a URL they are percent-encoded."""
    if not credentials:
        return None
    user, _, password = credentials.partition(":")
    return "Basic " + base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
