"""Hands `/2010-04-01` over to token-issuer, so that one base URL serves every helper library."""

import time
from collections.abc import Awaitable, Callable

import httpx
import structlog
from fastapi import APIRouter, Request
from service_kit.envelope import envelope
from service_kit.failed_logins import FailedLogins
from service_kit.methods import READING
from service_kit.proxies import client_address
from service_kit.rest import basic_credentials, read_body
from service_kit.tracing import TRACE_HEADER, current_trace
from starlette.responses import Response

log = structlog.get_logger()

PREFIX = "/2010-04-01/"
PASSED = (b"authorization", b"content-type", b"accept", b"host")
RETURNED = ("content-type", "www-authenticate", "allow", "location", "retry-after")


def forward_router(
    issuer: httpx.AsyncClient, forget_credentials: Callable[[], Awaitable[None]], failed_logins: FailedLogins
) -> APIRouter:
    """
    `issuer` has token-issuer's base URL and a timeout. What it refuses is counted in `failed_logins`, since all callers have one address for it.

    `forget_credentials` is awaited before a change is answered: the next request with a deleted key may overtake what the bus says of it.
    """
    router = APIRouter(include_in_schema=False)

    @router.api_route(PREFIX + "{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
    async def forward(request: Request) -> Response:
        raw: bytes = request.scope["raw_path"]
        query: bytes = request.scope["query_string"]
        headers = {
            name: value for name, value in request.headers.raw if name in PASSED
        }  # bytes, which need not be ASCII
        headers[TRACE_HEADER.encode()] = (current_trace() or "").encode()
        credentials = basic_credentials(request.headers.get("authorization", "").encode("latin-1"))
        if credentials is None:
            return envelope(20003)
        login = failed_logins.login(client_address(request.scope), *credentials)
        if not failed_logins.admits(login, time.monotonic()):
            return envelope(20429)
        body = await read_body(request)
        try:
            answer = await issuer.request(
                request.method,
                httpx.URL(raw_path=raw + (b"?" + query if query else b"")),
                content=body,
                headers=list(headers.items()),
            )
        except httpx.HTTPError as error:
            log.warning("token-issuer cannot be reached", error=repr(error))
            return envelope(20503)
        if answer.status_code == 401:
            failed_logins.receive_failure(login, time.monotonic())
        elif answer.is_success:
            failed_logins.receive_success(login, time.monotonic())
        if request.method not in READING:
            await forget_credentials()
        returned = {name: value for name in RETURNED if (value := answer.headers.get(name)) is not None}
        return Response(answer.content, status_code=answer.status_code, headers=returned)

    return router
