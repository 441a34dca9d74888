"""The edge of a REST service: authentication before routing, the error envelope, no redirects, form parsing. Knows no resource."""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import structlog
from contract.errors import ERRORS, Refused
from contract.ids import REQUEST, new_sid
from contract.keys import CredentialsVerified, NotVerified
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.bus import BusUnavailable
from service_kit.parameters import Parameters
from service_kit.tracing import start_trace

log = structlog.get_logger()

Authenticate = Callable[[str, str], Awaitable[CredentialsVerified | NotVerified]]
"""Verify a Basic user and password. May raise `BusUnavailable`: the answer is then 503."""

MAX_BODY_BYTES = 1024 * 1024
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


def rest_app(
    title: str, authenticate: Authenticate, is_open: Callable[[str], bool] = OPEN_PATHS.__contains__, **options: Any
) -> FastAPI:
    """
    Make an application that answers as the REST contract says. Paths for which `is_open` is true need no credentials.

    Further `FastAPI` options (`lifespan`, ...) pass through.
    """
    app = FastAPI(title=title, redirect_slashes=False, docs_url=None, redoc_url=None, openapi_url=None, **options)
    app.add_exception_handler(Refused, _on_refused)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(BusUnavailable, _on_unavailable)
    app.add_middleware(RestEdge, authenticate=authenticate, is_open=is_open)
    return app


def envelope(code: int, message: str | None = None, status: int | None = None) -> JSONResponse:
    """The error body that every helper library understands. `message` and `status` replace those of the table."""
    kind = ERRORS[code]
    status = status or kind.status
    body = {
        "code": code,
        "message": message or kind.message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if code == 20003 else None
    return JSONResponse(body, status_code=status, headers=headers)


def not_found(path: str) -> Refused:
    """The error of an unknown path or resource, which names the path without its version."""
    for prefix in ("/v1", "/2010-04-01"):
        if path.startswith(prefix + "/"):
            path = path.removeprefix(prefix)
            break
    return Refused(20404, f"The requested resource {path} was not found")


async def form(request: Request) -> Parameters:
    """The parameters of a form body. A body of any other kind has none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        return Parameters([])
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise Refused(20001, "The request body is too large")
    return Parameters.parse(bytes(body))


def query(request: Request) -> Parameters:
    """The parameters of the query string."""
    return Parameters.parse(request.scope["query_string"])


def principal(request: Request) -> CredentialsVerified:
    """Who asks, as the edge verified it."""
    who: CredentialsVerified = request.state.principal
    return who


Form = Annotated[Parameters, Depends(form)]
Query = Annotated[Parameters, Depends(query)]
Principal = Annotated[CredentialsVerified, Depends(principal)]


def public_base(request: Request, configured: str | None) -> str:
    """The base of absolute URLs in bodies, without a slash at its end: the configured one, else as the request came."""
    return (configured or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")


class RestEdge:
    """ASGI middleware: what must happen before routing, and what every answer carries."""

    def __init__(self, app: ASGIApp, authenticate: Authenticate, is_open: Callable[[str], bool]) -> None:
        self._app = app
        self._authenticate = authenticate
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A slash at the end means the same as none, answered directly: the helpers do not follow redirects.
        path = scope["path"].rstrip("/") or "/"
        scope = {**scope, "path": path, "state": dict(scope.get("state", {}))}
        start_trace()
        answer = _Answer(scope, send)
        try:
            refusal = None if self._is_open(path) else await self._refusal(scope)
            if refusal is None:
                await self._app(scope, receive, answer.send)
            else:
                await refusal(scope, receive, answer.send)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("request failed", method=scope["method"], path=path)
            if answer.has_started:
                raise
            await envelope(20500)(scope, receive, answer.send)

    async def _refusal(self, scope: Scope) -> Response | None:
        """Authenticate before routing: an unknown path without credentials is 401, not 404."""
        credentials = basic_credentials(_header(scope, b"authorization"))
        if credentials is None:
            return envelope(20003)
        try:
            verified = await self._authenticate(*credentials)
        except BusUnavailable:
            return envelope(20503)
        if isinstance(verified, NotVerified):
            return envelope(verified.code, verified.message)
        scope["state"]["principal"] = verified
        return None


class _Answer:
    """Adds what every answer carries: a request id, and `Connection: close` when the client said so (old Node agents hang up otherwise)."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._headers = [(b"twilio-request-id", new_sid(REQUEST).encode())]
        if b"close" in _header(scope, b"connection").lower():
            self._headers.append((b"connection", b"close"))
        self.has_started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
        await self._send(message)


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
        return envelope(20004)
    if error.status_code >= 500:
        return envelope(20503 if error.status_code == 503 else 20500)
    return envelope(20001, status=error.status_code)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    name = next((str(part) for detail in error.errors() for part in reversed(detail["loc"])), "body")
    return await _on_refused(request, Refused(20001, f"Invalid parameter {name}"))


async def _on_unavailable(request: Request, error: Exception) -> Response:
    return envelope(20503)
