"""Rooms: create, fetch, list, complete."""

from typing import Any

from contract.errors import Refused
from contract.rooms import RoomStatus, RoomType
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from service_kit.parameters import Parameters
from service_kit.rest import Form, Principal, Query
from sqlalchemy import Row

from rooms_api.core.names import check_room_name
from rooms_api.core.rules import EXCLUDE_ALL, INCLUDE_ALL, RECORDING_KINDS, parse_rules
from rooms_api.core.settings import DIRECT_TYPES, VIDEO_CODECS, RoomSettings, most_participants
from rooms_api.rest import fields, render
from rooms_api.rest.pages import read_paging, render_list
from rooms_api.rest.resources import Resources
from rooms_api.settings import RoomsSettings
from rooms_api.store.queries import Filters
from rooms_api.store.rooms import as_stored

REGIONS = ("us1", "us2", "au1", "br1", "de1", "ie1", "in1", "jp1", "sg1")
NEAREST_REGION = "gll"
METHODS = ("POST", "GET")


def rooms_router(resources: Resources) -> APIRouter:
    router = APIRouter()

    @router.post("/v1/Rooms", status_code=201)
    async def create_room(request: Request, who: Principal, form: Form) -> JSONResponse:
        name = form.text("UniqueName", 53102)
        if name is not None:
            check_room_name(name)
        nearest = next(iter(resources.service.live_regions()), resources.settings.media_region)
        settings = read_settings(form, resources.settings, nearest)
        room = await resources.service.create_room(who.account_sid, name, settings)
        return render.success(request, render.room(as_stored(room), render.base_url(request)))

    @router.get("/v1/Rooms")
    async def list_rooms(request: Request, who: Principal, query: Query) -> JSONResponse:
        filters = Filters(
            status=fields.member(query, "Status", RoomStatus) or RoomStatus.IN_PROGRESS,
            name=query.text("UniqueName"),
            created_after=fields.instant(query, "DateCreatedAfter"),
            created_before=fields.instant(query, "DateCreatedBefore"),
        )
        asked = read_paging(query)
        page = await resources.queries.rooms(who.account_sid, filters, asked)
        base = render.base_url(request)
        return render.answer(render_list(request, "rooms", page, asked, lambda row: render.room(row, base)))

    @router.get("/v1/Rooms/{room}")
    async def fetch_room(request: Request, room: str) -> JSONResponse:
        row = await resources.find_room(request, room)
        return render.answer(render.room(row, render.base_url(request)))

    @router.post("/v1/Rooms/{room}", status_code=202)
    async def update_room(request: Request, room: str, form: Form) -> JSONResponse:
        row: Row[Any] = await resources.find_room(request, room)
        if fields.required(form, "Status") != RoomStatus.COMPLETED:
            raise Refused(53112)
        await resources.service.complete_room(row.sid)
        row = await resources.find_room(request, row.sid)
        return render.success(request, render.room(row, render.base_url(request)))

    return router


def read_settings(form: Parameters, operator: RoomsSettings, nearest_region: str) -> RoomSettings:
    """The parameters of a new room, defaults filled in. Raises 53107 to 53124, and 20001 for those without a code of their own."""
    kind = fields.member(form, "Type", RoomType, 53108) or RoomType.GROUP
    direct = kind in DIRECT_TYPES
    most = most_participants(kind, operator.max_participants)
    record = form.boolean("RecordParticipantsOnConnect") or False
    rules_text = form.text("RecordingRules")
    rules = parse_rules(rules_text, RECORDING_KINDS, 53120) if rules_text else None
    if direct and (record or rules is not None):
        raise Refused(53114)
    audio_only = form.boolean("AudioOnly") or False
    if audio_only and kind is not RoomType.GROUP:
        raise Refused(53124)
    region = fields.choice(form, "MediaRegion", (*REGIONS, NEAREST_REGION), 53115) or operator.media_region
    codecs = fields.choices(form, "VideoCodecs", VIDEO_CODECS) or VIDEO_CODECS
    form.boolean("EnableTurn")
    return RoomSettings(
        type=kind,
        status_callback=fields.callback_url(form, "StatusCallback", 53111),
        status_callback_method=fields.choice(form, "StatusCallbackMethod", METHODS, 53110) or "POST",
        max_participants=fields.integer(form, "MaxParticipants", 1, most, 53107) or most,
        max_participant_duration_s=fields.integer(form, "MaxParticipantDuration", 600, 86400, 53123) or 14400,
        empty_room_timeout_min=fields.integer(form, "EmptyRoomTimeout", 1, 60, 53109) or 5,
        unused_room_timeout_min=fields.integer(form, "UnusedRoomTimeout", 1, 60, 53109) or 5,
        record_participants_on_connect=record,
        recording_rules=rules or (INCLUDE_ALL if record else EXCLUDE_ALL),
        video_codecs=() if audio_only else codecs,
        media_region=None if direct else nearest_region if region == NEAREST_REGION else region,
        audio_only=audio_only,
        large_room=form.boolean("LargeRoom") or False,
        transcribe_participants_on_connect=form.boolean("TranscribeParticipantsOnConnect") or False,
        transcriptions_configuration=fields.json_object(form, "TranscriptionsConfiguration"),
    )


def ad_hoc_settings(operator: RoomsSettings) -> RoomSettings:
    """Of a room that the first client to join creates; it ends when the last one leaves."""
    return RoomSettings(
        max_participants=operator.max_participants,
        media_region=operator.media_region,
        empty_room_timeout_min=0,
        transcriptions_configuration={},
    )
