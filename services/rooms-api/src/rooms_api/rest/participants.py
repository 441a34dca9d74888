"""Participants of a room: list, fetch, disconnect, anonymize."""

from contract.errors import Refused
from contract.rooms import ParticipantStatus, RoomStatus
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from service_kit.rest import Form, Query

from rooms_api.rest import fields, render
from rooms_api.rest.pages import read_paging, render_list
from rooms_api.rest.resources import Resources
from rooms_api.store.queries import Filters


def participants_router(resources: Resources) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/Rooms/{room}/Participants")
    async def list_participants(request: Request, room: str, query: Query) -> JSONResponse:
        found = await resources.find_room(request, room)
        in_progress = found.status == RoomStatus.IN_PROGRESS
        filters = Filters(
            status=fields.member(query, "Status", ParticipantStatus)
            or (ParticipantStatus.CONNECTED if in_progress else ParticipantStatus.DISCONNECTED),
            name=query.text("Identity"),
            created_after=fields.instant(query, "DateCreatedAfter"),
            created_before=fields.instant(query, "DateCreatedBefore"),
        )
        asked = read_paging(query)
        page = await resources.queries.participants(found.sid, filters, asked)
        base = render.base_url(request)
        return render.answer(
            render_list(request, "participants", page, asked, lambda row: render.participant(row, base))
        )

    @router.get("/v1/Rooms/{room}/Participants/{participant}")
    async def fetch_participant(request: Request, room: str, participant: str) -> JSONResponse:
        found = await resources.find_room(request, room)
        row = await resources.find_participant(request, found, participant)
        return render.answer(render.participant(row, render.base_url(request)))

    @router.post("/v1/Rooms/{room}/Participants/{participant}", status_code=202)
    async def update_participant(request: Request, room: str, participant: str, form: Form) -> JSONResponse:
        found = await resources.find_room(request, room)
        row = await resources.find_participant(request, found, participant)
        if fields.required(form, "Status") != ParticipantStatus.DISCONNECTED:
            raise Refused(53209)
        if row.status != ParticipantStatus.DISCONNECTED:
            await resources.service.remove_participant(found.sid, row.sid)
            row = await resources.find_participant(request, found, row.sid)
        return render.success(request, render.participant(row, render.base_url(request)))

    @router.post("/v1/Rooms/{room}/Participants/{participant}/Anonymize")
    async def anonymize_participant(request: Request, room: str, participant: str) -> JSONResponse:
        found = await resources.find_room(request, room)
        row = await resources.find_participant(request, found, participant)
        if found.status == RoomStatus.IN_PROGRESS or row.status != ParticipantStatus.DISCONNECTED:
            raise Refused(20001, "Only a disconnected Participant of a completed Room can be anonymized")
        await resources.service.anonymize_participant(row.sid)
        row = await resources.find_participant(request, found, row.sid)
        return render.answer(render.anonymized_participant(row, render.base_url(request)))

    return router
