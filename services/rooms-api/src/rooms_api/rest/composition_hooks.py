"""Composition hooks: create, list, fetch, replace, delete."""

from typing import Any

from contract.errors import Refused
from contract.ids import COMPOSITION_HOOK, is_sid
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from service_kit.parameters import Parameters, invalid
from service_kit.rest import Form, Principal, Query, not_found, principal
from sqlalchemy import Row
from starlette.responses import Response

from rooms_api.clock import Clock
from rooms_api.rest import fields, render
from rooms_api.rest.composition_spec import read_spec
from rooms_api.rest.pages import read_paging, render_list
from rooms_api.store.compositions import Hook, HookFilters, HookNameTaken, HookStore

MAX_NAME = 100


def composition_hooks_router(store: HookStore, clock: Clock) -> APIRouter:
    router = APIRouter()

    async def find(request: Request, sid: str) -> Row[Any]:
        row = await store.find(principal(request).account_sid, sid) if is_sid(sid, COMPOSITION_HOOK) else None
        if row is None:
            raise not_found(request.url.path)
        return row

    @router.post("/v1/CompositionHooks", status_code=201)
    async def create_composition_hook(request: Request, who: Principal, form: Form) -> JSONResponse:
        try:
            sid = await store.create(who.account_sid, read_hook(form), clock.wall())
        except HookNameTaken as error:
            raise _name_taken() from error
        return render.success(request, render_hook(await find(request, sid), render.base_url(request)))

    @router.get("/v1/CompositionHooks")
    async def list_composition_hooks(request: Request, who: Principal, query: Query) -> JSONResponse:
        filters = HookFilters(
            enabled=query.boolean("Enabled"),
            name=query.text("FriendlyName"),
            created_after=fields.instant(query, "DateCreatedAfter"),
            created_before=fields.instant(query, "DateCreatedBefore"),
        )
        asked = read_paging(query)
        page = await store.page(who.account_sid, filters, asked)
        base = render.base_url(request)
        return render.answer(render_list(request, "composition_hooks", page, asked, lambda row: render_hook(row, base)))

    @router.get("/v1/CompositionHooks/{hook}")
    async def fetch_composition_hook(request: Request, hook: str) -> JSONResponse:
        return render.answer(render_hook(await find(request, hook), render.base_url(request)))

    @router.post("/v1/CompositionHooks/{hook}")
    async def update_composition_hook(request: Request, hook: str, form: Form) -> JSONResponse:
        row = await find(request, hook)
        try:
            await store.replace(row.sid, read_hook(form), clock.wall())
        except HookNameTaken as error:
            raise _name_taken() from error
        return render.answer(render_hook(await find(request, hook), render.base_url(request)))

    @router.delete("/v1/CompositionHooks/{hook}", status_code=204)
    async def delete_composition_hook(request: Request, hook: str) -> Response:
        await store.delete((await find(request, hook)).sid)
        return Response(status_code=204)

    return router


def read_hook(form: Parameters) -> Hook:
    """The hook that is asked for, defaults filled in: an update replaces everything, too. Raises as `read_spec`."""
    name = fields.required(form, "FriendlyName")
    if not 0 < len(name) <= MAX_NAME:
        raise invalid("FriendlyName")
    enabled = form.boolean("Enabled")
    return Hook(name=name, is_enabled=True if enabled is None else enabled, spec=read_spec(form))


def render_hook(row: Row[Any], base: str) -> render.Resource:
    return {
        "sid": row.sid,
        "account_sid": row.account_sid,
        "friendly_name": row.friendly_name,
        "enabled": row.enabled,
        "date_created": render.date(row.created_at),
        "date_updated": render.date(row.updated_at),
        "audio_sources": row.audio_sources,
        "audio_sources_excluded": row.audio_sources_excluded,
        "video_layout": row.video_layout,
        "resolution": row.resolution,
        "trim": row.trim,
        "format": row.format,
        "status_callback": row.status_callback,
        "status_callback_method": row.status_callback_method,
        "url": f"{base}/v1/CompositionHooks/{row.sid}",
    }


def _name_taken() -> Refused:
    return Refused(20001, "Invalid parameter FriendlyName: another CompositionHook has it")
