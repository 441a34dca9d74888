"""The media of recordings and compositions: the redirect that answers `/Media`, and the signed links that it leads to."""

import asyncio
import os
import re
import stat
from pathlib import Path
from typing import Any

from contract.errors import Refused
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse
from service_kit.parameters import Parameters, invalid
from service_kit.rest import Query, not_found
from sqlalchemy import Row
from starlette.responses import Response

from rooms_api.media_links import PATH, MediaLink, MediaLinks
from rooms_api.rest import fields, render
from rooms_api.store.media_files import MediaFile, MediaFiles

DEFAULT_TTL_S = 600
MAX_TTL_S = 3600
DISPOSITION = re.compile(r"[\x20-\x7e]{1,512}")


async def redirect(request: Request, query: Parameters, links: MediaLinks, row: Row[Any], file: MediaFile) -> Response:
    """
    Lead to the media of a recording or composition: by `Location`, and by the body, which customers read through helpers that follow no redirect.

    Raises 20404 when there is none (yet, or any more).
    """
    ttl_s = fields.integer(query, "Ttl", 1, MAX_TTL_S) or DEFAULT_TTL_S
    disposition = query.text("ContentDisposition") or f'attachment; filename="{file.path.name}"'
    if not DISPOSITION.fullmatch(disposition):
        raise invalid("ContentDisposition")
    if row.status != "completed" or not row.has_media:
        raise not_found(request.url.path)
    url = render.base_url(request) + await links.path(row.account_sid, row.sid, ttl_s, disposition)
    return JSONResponse({"redirect_to": url}, status_code=302, headers={"Location": url})


def media_router(files: MediaFiles, links: MediaLinks) -> APIRouter:
    """Links carry their own right: their paths need no credentials."""
    router = APIRouter()

    @router.get(PATH + "/{sid}")
    async def fetch_media(request: Request, sid: str, query: Query) -> Response:
        found = await files.find(sid)
        if found is None:
            raise not_found(request.url.path)
        row, file = found
        link = MediaLink(sid, query.integer("Expires") or 0, query.text("ContentDisposition") or "")
        if not await links.is_good(row.account_sid, link, query.text("Signature") or ""):
            raise Refused(20403)
        status = await asyncio.to_thread(_stat, file.path) if row.status == "completed" else None
        if status is None:
            raise not_found(request.url.path)
        headers = {"Content-Disposition": link.disposition, "X-Content-Type-Options": "nosniff"}
        return FileResponse(file.path, headers=headers, media_type=file.media_type, stat_result=status)

    return router


def _stat(path: Path) -> os.stat_result | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None
