"""Compositions: create, list, fetch, delete, media."""

from typing import Any

from contract.errors import Refused
from contract.ids import COMPOSITION, ROOM, is_sid
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from service_kit.parameters import invalid
from service_kit.rest import Form, Principal, Query, not_found, principal
from sqlalchemy import Row
from starlette.responses import Response

from rooms_api.clock import Clock
from rooms_api.core.composition import CompositionStatus
from rooms_api.media_links import MediaLinks
from rooms_api.rest import fields, render
from rooms_api.rest.composition_spec import read_spec
from rooms_api.rest.media import redirect
from rooms_api.rest.pages import read_paging, render_list
from rooms_api.rest.resources import Resources
from rooms_api.store.compositions import CompositionFilters, CompositionStore
from rooms_api.store.media_files import MediaFiles

MAX_PAGE = 100


def compositions_router(
    resources: Resources, store: CompositionStore, files: MediaFiles, links: MediaLinks, clock: Clock
) -> APIRouter:
    router = APIRouter()

    async def find(request: Request, sid: str) -> Row[Any]:
        row = await store.find(principal(request).account_sid, sid) if is_sid(sid, COMPOSITION) else None
        if row is None:
            raise not_found(request.url.path)
        return row

    @router.post("/v1/Compositions", status_code=201)
    async def create_composition(request: Request, who: Principal, form: Form) -> JSONResponse:
        room_sid = fields.required(form, "RoomSid")
        if not is_sid(room_sid, ROOM):
            raise invalid("RoomSid")
        spec = read_spec(form)
        if await resources.queries.room_by_sid(who.account_sid, room_sid) is None:
            raise not_found(f"/Rooms/{room_sid}")
        sid = await store.create(who.account_sid, room_sid, spec, clock.wall())
        return render.success(request, render_composition(await find(request, sid), render.base_url(request)))

    @router.get("/v1/Compositions")
    async def list_compositions(request: Request, who: Principal, query: Query) -> JSONResponse:
        filters = CompositionFilters(
            status=fields.member(query, "Status", CompositionStatus),
            room_sid=query.text("RoomSid"),
            created_after=fields.instant(query, "DateCreatedAfter"),
            created_before=fields.instant(query, "DateCreatedBefore"),
        )
        asked = read_paging(query, MAX_PAGE)
        page = await store.page(who.account_sid, filters, asked)
        base = render.base_url(request)
        return render.answer(
            render_list(request, "compositions", page, asked, lambda row: render_composition(row, base))
        )

    @router.get("/v1/Compositions/{composition}")
    async def fetch_composition(request: Request, composition: str) -> JSONResponse:
        return render.answer(render_composition(await find(request, composition), render.base_url(request)))

    @router.delete("/v1/Compositions/{composition}", status_code=204)
    async def delete_composition(request: Request, composition: str) -> Response:
        row = await find(request, composition)
        if row.status == CompositionStatus.FAILED:
            raise Refused(20001, "A failed Composition cannot be deleted")
        await store.delete(row.sid, clock.wall())
        return Response(status_code=204)

    @router.get("/v1/Compositions/{composition}/Media")
    async def fetch_composition_media(request: Request, composition: str, query: Query) -> Response:
        row = await find(request, composition)
        return await redirect(request, query, links, row, files.of_composition(row))

    return router


def render_composition(row: Row[Any], base: str) -> render.Resource:
    url = f"{base}/v1/Compositions/{row.sid}"
    return {
        "sid": row.sid,
        "account_sid": row.account_sid,
        "room_sid": row.room_sid,
        "status": row.status,
        "audio_sources": row.audio_sources,
        "audio_sources_excluded": row.audio_sources_excluded,
        "video_layout": row.video_layout,
        "resolution": row.resolution,
        "trim": row.trim,
        "format": row.format,
        "bitrate": row.bitrate_kbps,
        "size": row.size_bytes,
        "duration": row.duration_s,
        "date_created": render.date(row.created_at),
        "date_completed": render.date(row.completed_at),
        "date_deleted": render.date(row.deleted_at),
        "media_external_location": None,
        "status_callback": row.status_callback,
        "status_callback_method": row.status_callback_method,
        "url": url,
        "links": {"media": f"{url}/Media"},
    }
