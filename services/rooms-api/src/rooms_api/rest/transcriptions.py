"""The transcription of a room: start, list, fetch, stop and start again."""

from typing import Any

from contract.errors import Refused
from contract.rooms import RoomStatus
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from service_kit.rest import Form, Principal, Query, not_found
from sqlalchemy import Row

from rooms_api.clock import Clock
from rooms_api.core.transcription import TranscriptionStatus, check_move
from rooms_api.rest import fields, render
from rooms_api.rest.pages import read_paging, render_list
from rooms_api.rest.resources import Resources
from rooms_api.store.transcriptions import TranscriptionStore

PATH = "/v1/Rooms/{room}/Transcriptions"
ALLOWED = (TranscriptionStatus.STARTED, TranscriptionStatus.STOPPED)


def transcriptions_router(resources: Resources, store: TranscriptionStore, clock: Clock) -> APIRouter:
    router = APIRouter()

    async def find(request: Request, room_sid: str, ttid: str) -> Row[Any]:
        row = await store.find(room_sid, ttid)
        if row is None:
            raise not_found(request.url.path)
        return row

    @router.post(PATH, status_code=202)
    async def create_transcription(request: Request, who: Principal, room: str, form: Form) -> JSONResponse:
        found = await resources.find_room(request, room)
        configuration = fields.json_object(form, "Configuration")
        _require_progress(found)
        ttid = await store.begin(who.account_sid, found.sid, configuration, clock.wall())
        row = await find(request, found.sid, ttid)
        return render.success(request, render_transcription(row, render.base_url(request)))

    @router.get(PATH)
    async def list_transcriptions(request: Request, room: str, query: Query) -> JSONResponse:
        found = await resources.find_room(request, room)
        asked = read_paging(query)
        page = await store.page(found.sid, asked)
        base = render.base_url(request)
        return render.answer(
            render_list(request, "transcriptions", page, asked, lambda row: render_transcription(row, base))
        )

    @router.get(PATH + "/{ttid}")
    async def fetch_transcription(request: Request, room: str, ttid: str) -> JSONResponse:
        found = await resources.find_room(request, room)
        return render.answer(render_transcription(await find(request, found.sid, ttid), render.base_url(request)))

    @router.post(PATH + "/{ttid}", status_code=202)
    async def update_transcription(request: Request, room: str, ttid: str, form: Form) -> JSONResponse:
        found = await resources.find_room(request, room)
        row = await find(request, found.sid, ttid)
        current = TranscriptionStatus(row.status)
        asked = fields.choice(form, "Status", ALLOWED)
        configuration = fields.json_object(form, "Configuration")
        _require_progress(found)
        wanted = current if asked is None else TranscriptionStatus(asked)
        check_move(current, wanted)
        if wanted is not current or configuration:
            await store.update(row, wanted, configuration, clock.wall())
        row = await find(request, found.sid, ttid)
        return render.success(request, render_transcription(row, render.base_url(request)))

    return router


def render_transcription(row: Row[Any], base: str) -> render.Resource:
    return {
        "ttid": row.ttid,
        "account_sid": row.account_sid,
        "room_sid": row.room_sid,
        "source_sid": None,
        "status": row.status,
        "configuration": row.configuration,
        "date_created": render.date(row.created_at),
        "date_updated": render.date(row.updated_at),
        "start_time": render.date(row.started_at),
        "end_time": render.date(row.ended_at),
        "duration": render.duration(row.started_at, row.ended_at),
        "url": f"{base}/v1/Rooms/{row.room_sid}/Transcriptions/{row.ttid}",
    }


def _require_progress(room: Row[Any]) -> None:
    if room.status != RoomStatus.IN_PROGRESS:
        raise Refused(53118)
