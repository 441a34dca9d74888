"""Recording rules of a room: fetch and replace."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from service_kit.rest import Form

from rooms_api.core.rules import RECORDING_KINDS, parse_rules
from rooms_api.rest import fields, render
from rooms_api.rest.resources import Resources

PATH = "/v1/Rooms/{room}/RecordingRules"


def recording_rules_router(resources: Resources) -> APIRouter:
    router = APIRouter()

    @router.get(PATH)
    async def fetch_recording_rules(request: Request, room: str) -> JSONResponse:
        return render.answer(render.recording_rules(await resources.find_room(request, room)))

    @router.post(PATH)
    async def update_recording_rules(request: Request, room: str, form: Form) -> JSONResponse:
        found = await resources.find_room(request, room)
        rules = parse_rules(fields.required(form, "Rules"), RECORDING_KINDS, 53120)
        await resources.service.set_recording_rules(found.sid, rules)
        return render.answer(render.recording_rules(await resources.find_room(request, found.sid)))

    return router
