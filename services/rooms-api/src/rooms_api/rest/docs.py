"""`/docs` and `/openapi.json`: the reference of the whole REST API. Open to everybody, since it holds no secrets."""

import json

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from rooms_api.reference.document import read_reference
from rooms_api.reference.page import render_page

PATHS = frozenset({"/docs", "/openapi.json"})
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def docs_router() -> APIRouter:
    document = read_reference()
    text, page = json.dumps(document, indent=1), render_page(document)
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json")
    async def openapi() -> Response:
        return Response(text, media_type="application/json")

    @router.get("/docs")
    async def docs() -> Response:
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    return router
