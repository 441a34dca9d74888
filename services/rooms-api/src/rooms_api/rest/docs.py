"""`/docs` and `/openapi.json`: the reference of the whole REST API. Open to everybody, since it holds no secrets."""

import functools
import json

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from rooms_api.reference.document import read_reference
from rooms_api.reference.page import render_page

PATHS = frozenset({"/docs", "/openapi.json"})
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@functools.cache
def written() -> tuple[str, str]:
    """The document's text and its page: written once in a process, whatever it builds."""
    document = read_reference()
    return json.dumps(document, indent=1), render_page(document)


def docs_router() -> APIRouter:
    text, page = written()
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json")
    async def openapi() -> Response:
        return Response(text, media_type="application/json")

    @router.get("/docs")
    async def docs() -> Response:
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    return router
