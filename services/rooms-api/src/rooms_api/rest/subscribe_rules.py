"""Subscribe rules of a participant: fetch and replace. A change acts at once."""

from contract.errors import Refused
from contract.rooms import ParticipantStatus, RoomStatus, RoomType
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from service_kit.rest import Form, not_found

from rooms_api.core.rules import SUBSCRIBE_KINDS, parse_rules
from rooms_api.core.settings import DIRECT_TYPES
from rooms_api.rest import fields, render
from rooms_api.rest.resources import Resources

PATH = "/v1/Rooms/{room}/Participants/{participant}/SubscribeRules"


def subscribe_rules_router(resources: Resources) -> APIRouter:
    router = APIRouter()

    @router.get(PATH)
    async def fetch_subscribe_rules(request: Request, room: str, participant: str) -> JSONResponse:
        found = await resources.find_room(request, room)
        row = await resources.find_participant(request, found, participant)
        return render.answer(render.subscribe_rules(row))

    @router.post(PATH)
    async def update_subscribe_rules(request: Request, room: str, participant: str, form: Form) -> JSONResponse:
        found = await resources.find_room(request, room)
        row = await resources.find_participant(request, found, participant)
        rules = parse_rules(fields.required(form, "Rules"), SUBSCRIBE_KINDS, 53215)
        if RoomType(found.type) in DIRECT_TYPES:
            raise Refused(53117)
        if found.status != RoomStatus.IN_PROGRESS:
            raise Refused(53118)
        if row.status == ParticipantStatus.DISCONNECTED:
            raise not_found(request.url.path)
        await resources.service.set_subscribe_rules(found.sid, row.sid, rules)
        return render.answer(render.subscribe_rules(await resources.find_participant(request, found, row.sid)))

    return router
