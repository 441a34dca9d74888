"""The delivery log of status callbacks: list, fetch with every try, send again. Routes of Roomwire's own."""

from contract.ids import STATUS_CALLBACK, is_sid
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from service_kit.rest import Principal, Query, not_found

from rooms_api.rest import fields, render
from rooms_api.rest.pages import read_paging, render_list
from rooms_api.rest.resources import Resources
from rooms_api.store.callbacks import CallbackStatus
from rooms_api.store.queries import CallbackFilters
from rooms_api.webhooks import Webhooks


def status_callbacks_router(resources: Resources, webhooks: Webhooks) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/StatusCallbacks")
    async def list_status_callbacks(request: Request, who: Principal, query: Query) -> JSONResponse:
        filters = CallbackFilters(
            room_sid=query.text("RoomSid"),
            status=fields.member(query, "Status", CallbackStatus),
            event=query.text("StatusCallbackEvent"),
            created_after=fields.instant(query, "DateCreatedAfter"),
            created_before=fields.instant(query, "DateCreatedBefore"),
        )
        asked = read_paging(query)
        page = await resources.queries.callbacks(who.account_sid, filters, asked)
        base = render.base_url(request)
        return render.answer(
            render_list(request, "status_callbacks", page, asked, lambda row: render.status_callback(row, base))
        )

    @router.get("/v1/StatusCallbacks/{sid}")
    async def fetch_status_callback(request: Request, who: Principal, sid: str) -> JSONResponse:
        return render.answer(await _whole(request, who.account_sid, sid))

    @router.post("/v1/StatusCallbacks/{sid}/Replay", status_code=202)
    async def replay_status_callback(request: Request, who: Principal, sid: str) -> JSONResponse:
        if not is_sid(sid, STATUS_CALLBACK) or not await webhooks.replay(who.account_sid, sid):
            raise not_found(request.url.path)
        return render.success(request, await _whole(request, who.account_sid, sid))

    async def _whole(request: Request, account_sid: str, sid: str) -> render.Resource:
        row = await resources.queries.callback(account_sid, sid) if is_sid(sid, STATUS_CALLBACK) else None
        if row is None:
            raise not_found(request.url.path)
        attempts = await resources.queries.callback_attempts(sid)
        return render.status_callback(row, render.base_url(request)) | {
            "attempts": [render.callback_attempt(attempt) for attempt in attempts]
        }

    return router
