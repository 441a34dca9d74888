"""Video Insights: summaries of rooms and of their participants, while they run and afterwards."""

from enum import StrEnum
from typing import Any

from contract.ids import PARTICIPANT, ROOM, is_sid
from contract.rooms import LeaveReason, ParticipantStatus, RoomStatus, RoomType
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from service_kit.rest import Principal, Query, not_found, principal
from sqlalchemy import Row

from rooms_api.clock import Clock
from rooms_api.core.rules import EXCLUDE_ALL, stored_rules
from rooms_api.rest import fields, render
from rooms_api.rest.pages import read_paging, render_list
from rooms_api.store.insights import InsightsQueries, RoomFilters, Totals
from rooms_api.store.telemetry import split_codecs, stored_telemetry

BASE = "/v1/Video/Rooms"
DAY_S = 86_400.0
SETTLED_S = 10.0
"""After this time nothing is added to what was told of a room that has ended."""

EDGES = {
    "us1": "ashburn",
    "us2": "umatilla",
    "au1": "sydney",
    "br1": "sao_paulo",
    "de1": "frankfurt",
    "ie1": "dublin",
    "jp1": "tokyo",
    "sg1": "singapore",
}
"""The edge location that lies at a region. Media and signaling have the same one here."""

END_REASONS: dict[LeaveReason, tuple[str, int | None]] = {
    LeaveReason.LEFT: ("disconnected_via_sdk", None),
    LeaveReason.REMOVED: ("disconnected_via_api", None),
    LeaveReason.ROOM_COMPLETED: ("room_ended", None),
    LeaveReason.DUPLICATE_IDENTITY: ("duplicate_identity", 53205),
    LeaveReason.SESSION_EXPIRED: ("signaling_connection_lost", 53001),
    LeaveReason.DURATION_EXCEEDED: ("max_participant_duration_exceeded", 53216),
    LeaveReason.MEDIA_FAILED: ("media_connection_failed", 53405),
}


class Codec(StrEnum):
    VP8 = "VP8"
    H264 = "H264"
    VP9 = "VP9"
    OPUS = "opus"


def insights_router(queries: InsightsQueries, clock: Clock) -> APIRouter:
    router = APIRouter()

    async def find_room(request: Request, sid: str) -> tuple[Row[Any], Totals]:
        found = await queries.room(principal(request).account_sid, sid, clock.wall()) if is_sid(sid, ROOM) else None
        if found is None:
            raise not_found(request.url.path)
        return found

    @router.get(BASE)
    async def list_room_summaries(request: Request, who: Principal, query: Query) -> JSONResponse:
        now = clock.wall()
        after, before = fields.instant(query, "CreatedAfter"), fields.instant(query, "CreatedBefore")
        kinds = fields.choices(query, "RoomType", [_underscored(kind) for kind in RoomType])
        filters = RoomFilters(
            types=[kind.replace("_", "-") for kind in kinds],
            codecs=fields.choices(query, "Codec", list(Codec)),
            name=query.text("RoomName"),
            created_after=now - DAY_S if after is None and before is None else after,
            created_before=before,
        )
        asked = read_paging(query)
        page, totals = await queries.rooms(who.account_sid, filters, asked, now)
        base = render.base_url(request)
        return render.answer(
            render_list(request, "rooms", page, asked, lambda row: _room(row, totals[row.sid], base, now))
        )

    @router.get(BASE + "/{room}")
    async def fetch_room_summary(request: Request, room: str) -> JSONResponse:
        row, totals = await find_room(request, room)
        return render.answer(_room(row, totals, render.base_url(request), clock.wall()))

    @router.get(BASE + "/{room}/Participants")
    async def list_participant_summaries(request: Request, room: str, query: Query) -> JSONResponse:
        found, _ = await find_room(request, room)
        asked = read_paging(query)
        page = await queries.participants(found.sid, asked)
        base = render.base_url(request)
        return render.answer(render_list(request, "participants", page, asked, lambda row: _participant(row, base)))

    @router.get(BASE + "/{room}/Participants/{participant}")
    async def fetch_participant_summary(request: Request, room: str, participant: str) -> JSONResponse:
        found, _ = await find_room(request, room)
        row = await queries.participant(found.sid, participant) if is_sid(participant, PARTICIPANT) else None
        if row is None:
            raise not_found(request.url.path)
        return render.answer(_participant(row, render.base_url(request)))

    return router


def _room(row: Row[Any], totals: Totals, base: str, now: float) -> render.Resource:
    url = f"{base}{BASE}/{row.sid}"
    settled = row.ended_at is not None and now >= row.ended_at + SETTLED_S
    return {
        "account_sid": row.account_sid,
        "room_sid": row.sid,
        "room_name": row.unique_name,
        "room_type": _underscored(row.type),
        "room_status": "in_progress" if row.status == RoomStatus.IN_PROGRESS else "completed",
        "create_time": render.date(row.created_at),
        "end_time": render.date(row.ended_at),
        "duration_sec": render.duration(row.created_at, row.ended_at),
        "created_method": row.created_method,
        "end_reason": row.end_reason,
        "max_participants": row.max_participants,
        "max_concurrent_participants": row.peak_participants,
        "concurrent_participants": row.active_participants,
        "unique_participants": totals.participants,
        "unique_participant_identities": totals.identities,
        "total_participant_duration_sec": int(totals.participant_duration_s),
        "total_recording_duration_sec": totals.recording_duration_s,
        "recording_enabled": row.record_participants_on_connect or stored_rules(row.recording_rules) != EXCLUDE_ALL,
        "codecs": sorted(totals.codecs),
        "media_region": row.media_region,
        "edge_location": EDGES.get(row.media_region),
        "status_callback": row.status_callback,
        "status_callback_method": row.status_callback_method,
        "processing_state": "complete" if settled else "in_progress",
        "url": url,
        "links": {"participants": f"{url}/Participants"},
    }


def _participant(row: Row[Any], base: str) -> render.Resource:
    reason, code = END_REASONS[LeaveReason(row.end_reason)] if row.end_reason else (None, None)
    code = code or row.error_code
    return {
        "account_sid": row.account_sid,
        "room_sid": row.room_sid,
        "participant_sid": row.sid,
        "participant_identity": row.identity,
        "status": "disconnected" if row.status == ParticipantStatus.DISCONNECTED else "connected",
        "join_time": render.date(row.created_at),
        "leave_time": render.date(row.ended_at),
        "duration_sec": render.duration(row.created_at, row.ended_at),
        "end_reason": reason,
        "error_code": code,
        "error_code_url": None if code is None else f"https://www.twilio.com/docs/api/errors/{code}",
        "media_region": row.media_region,
        "edge_location": EDGES.get(row.media_region),
        "codecs": sorted(split_codecs([row.codecs or ""])),
        "properties": {} if row.counts is None else stored_telemetry(row).properties(),
        "publisher_info": row.publisher or {},
        "url": f"{base}{BASE}/{row.room_sid}/Participants/{row.sid}",
    }


def _underscored(kind: str) -> str:
    return kind.replace("-", "_")
