"""The edge of a REST service: authentication before routing, the error envelope, no redirects, form parsing. Knows no resource."""

import asyncio
import base64
import binascii
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

import structlog
from contract.errors import ERRORS, Refused
from contract.ids import REQUEST
from contract.keys import CredentialsVerified, NotVerified
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.audit import AuditLog
from service_kit.audited import Audited
from service_kit.bus import BusUnavailable
from service_kit.envelope import envelope
from service_kit.failed_logins import FailedLogins
from service_kit.methods import READING
from service_kit.parameters import Parameters
from service_kit.proxies import TrustedProxies, client_address
from service_kit.rate_limit import RateLimit
from service_kit.tracing import TRACE_HEADER, start_trace

log = structlog.get_logger()

OUTAGES = (BusUnavailable, OperationalError, InterfaceError)
"""What is raised while the bus or the database is away."""
Authenticate = Callable[[str, str], Awaitable[CredentialsVerified | NotVerified]]
"""Verify a Basic user and password. May raise one of `OUTAGES`: the answer is then 503."""

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_BODY_BYTES = 1024 * 1024
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_TRACE = re.compile(rb"[0-9a-f]{32}")
TWILIO_HOSTS = frozenset({"video.twilio.com", "api.twilio.com", "insights.twilio.com"})
"""Names that an unchanged application calls us by, where its network resolves them to us (with TLS in front)."""


@dataclass(frozen=True, slots=True)
class EdgePolicy:
    """What the operator decides about the edge; the default trusts no proxy, and limits nobody."""

    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    rate_limit: RateLimit | None = None
    failed_logins: FailedLogins | None = None


def rest_app(
    title: str,
    authenticate: Authenticate,
    is_open: Callable[[str], bool] = OPEN_PATHS.__contains__,
    policy: EdgePolicy | None = None,
    audit: AuditLog | None = None,
    **options: Any,
) -> FastAPI:
    """
    Make an application that answers as the REST contract says. Paths for which `is_open` is true need no credentials. Changes go to `audit`.

    Further `FastAPI` options (`lifespan`, ...) pass through.
    """
    app = FastAPI(title=title, redirect_slashes=False, docs_url=None, redoc_url=None, openapi_url=None, **options)
    app.add_exception_handler(Refused, _on_refused)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(BusUnavailable, _on_unavailable)
    if audit is not None:
        app.add_middleware(Audited, audit=audit)
    app.add_middleware(RestEdge, authenticate=authenticate, is_open=is_open, policy=policy or EdgePolicy())
    return app


def not_found(path: str) -> Refused:
    """The error of an unknown path or resource, which names the path without its version."""
    for prefix in ("/v1", "/2010-04-01"):
        if path.startswith(prefix + "/"):
            path = path.removeprefix(prefix)
            break
    return Refused(20404, f"The requested resource {path} was not found")


async def form(request: Request) -> Parameters:
    """The parameters of a form body; none without a body. Raises `Refused` 20001 for a body of another kind, whose parameters would be missed."""
    parameters = await _read_form(request)
    request.state.parameters = parameters
    return parameters


async def _read_form(request: Request) -> Parameters:
    body = await read_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind not in ("", FORM_TYPE):
        raise Refused(20001, f"The request body is not {FORM_TYPE}")
    return Parameters.parse(body)


async def read_body(request: Request) -> bytes:
    """The whole body. Raises `Refused` 20001 when it has more than `MAX_BODY_BYTES`, or when the client went before its end and hears no answer."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise Refused(20001, "The request body is too large")
    except ClientDisconnect as error:
        raise Refused(20001, "The request body is incomplete") from error
    return bytes(body)


async def query(request: Request) -> Parameters:  # FastAPI would call a plain function in a thread of its pool
    """The parameters of the query string."""
    return Parameters.parse(request.scope["query_string"])


def principal(request: Request) -> CredentialsVerified:
    """Who asks, as the edge verified it."""
    who: CredentialsVerified = request.state.principal
    return who


async def _principal(request: Request) -> CredentialsVerified:  # a coroutine for the same reason as `query`
    return principal(request)


Form = Annotated[Parameters, Depends(form)]
Query = Annotated[Parameters, Depends(query)]
Principal = Annotated[CredentialsVerified, Depends(_principal)]


def public_base(request: Request, configured: str | None) -> str:
    """
    The base of absolute URLs in bodies, without a slash at its end: the configured one, else as the request came.

    Who calls us by one of Twilio's host names goes on under it, and over TLS: a helper calls `next_page_url` as it is.
    """
    host = request.url.hostname
    if host in TWILIO_HOSTS:
        return f"https://{host}"
    return (configured or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")


class RestEdge:
    """ASGI middleware: what must happen before routing, and what every answer carries."""

    def __init__(
        self, app: ASGIApp, authenticate: Authenticate, is_open: Callable[[str], bool], policy: EdgePolicy
    ) -> None:
        self._app = app
        self._authenticate = authenticate
        self._is_open = is_open
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = _without_slash(self._policy.proxies.forwarded(scope))
        came_with = _TRACE.fullmatch(_header(scope, TRACE_HEADER.lower().encode()))
        trace = start_trace(came_with[0].decode() if came_with else None)
        answer = _Answer(scope, send, trace)
        try:
            response = await self._refusal(scope)
            if response is None:
                await self._app(scope, receive, answer.send)
            else:
                await response(scope, receive, answer.send)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("request failed", method=scope["method"], path=scope["path"])
            if answer.has_started:
                raise
            await envelope(20500)(scope, receive, answer.send)

    async def _refusal(self, scope: Scope) -> Response | None:
        """Authenticate before routing: an unknown path without credentials is 401, not 404."""
        path: str = scope["path"]
        if self._is_open(path):
            return None
        credentials = basic_credentials(_header(scope, b"authorization"))
        if credentials is None:
            return envelope(20003)
        try:
            verified = await self._verify(scope, *credentials)
        except OUTAGES as error:
            log.warning("credentials cannot be verified", error=repr(error))
            return envelope(20503)
        if isinstance(verified, NotVerified):
            return envelope(verified.code, verified.message)
        limit = self._policy.rate_limit
        if limit is not None and not limit.admits(verified.user, scope["method"] not in READING, time.monotonic()):
            return envelope(20429)
        if not _is_text(scope):
            unknown = not_found(path)
            return envelope(unknown.code, unknown.message)
        scope["state"]["principal"] = verified
        return None

    async def _verify(self, scope: Scope, user: str, password: str) -> CredentialsVerified | NotVerified:
        """Look credentials up, unless too many were wrong (20429)."""
        logins = self._policy.failed_logins
        if logins is None:
            return await self._authenticate(user, password)
        login = logins.login(client_address(scope), user, password)
        if not logins.admits(login, time.monotonic()):
            return NotVerified(code=20429, message=ERRORS[20429].message)
        verified = await self._authenticate(user, password)
        if isinstance(verified, CredentialsVerified):
            logins.receive_success(login, time.monotonic())
        else:
            logins.receive_failure(login, time.monotonic())
        return verified


class _Answer:
    """Adds what every answer carries: a request id, and `Connection: close` when the client said so (old Node agents hang up otherwise)."""

    def __init__(self, scope: Scope, send: Send, trace: str) -> None:
        self._send = send
        self._headers = [(b"twilio-request-id", f"{REQUEST}{trace}".encode())]
        if b"close" in _header(scope, b"connection").lower():
            self._headers.append((b"connection", b"close"))
        self.has_started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
        await self._send(message)


def _without_slash(scope: Scope) -> Scope:
    """The scope for the application. A slash at the end means the same as none, answered directly: the helpers do not follow redirects."""
    path: str = scope["path"]
    if path.endswith("/") and scope["raw_path"].endswith(b"/"):  # a "%2F" belongs to the name before it
        path = path.rstrip("/") or "/"
    return {**scope, "path": path, "state": dict(scope.get("state", {}))}


def _is_text(scope: Scope) -> bool:
    """
    Tell whether the path may name something: it decodes, and has no NUL, for which PostgreSQL cannot be asked. The server replaces what does not decode,
    which would name another resource.
    """
    if b"%" not in scope["raw_path"]:
        return True
    path = unquote_to_bytes(scope["raw_path"])
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in path


def basic_credentials(header: bytes) -> tuple[str, str] | None:
    """User and password of an `Authorization` header, or None when it is not well-formed Basic. Source: RFC 7617."""
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


async def _on_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return envelope(error.code, error.message)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return await _on_refused(request, not_found(request.scope["path"]))
    if error.status_code == 405:
        answer = envelope(20004)
        answer.headers["allow"] = ", ".join(sorted(_methods(request)))
        return answer
    if error.status_code >= 500:
        return envelope(20503 if error.status_code == 503 else 20500)
    return envelope(20001, status=error.status_code)


def _methods(request: Request) -> set[str]:
    """What may be done with a path: several routes share it, one for each method."""
    path = request.scope["path"]
    routes = (route for route in iter_route_contexts(request.app.routes) if route.methods)
    return {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    name = next((str(part) for detail in error.errors() for part in reversed(detail["loc"])), "body")
    return await _on_refused(request, Refused(20001, f"Invalid parameter {name}"))


async def _on_unavailable(request: Request, error: Exception) -> Response:
    return envelope(20503)
