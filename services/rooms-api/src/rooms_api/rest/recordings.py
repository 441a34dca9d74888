"""Recordings, of the account and of one room: list, fetch, delete, media."""

import re
from typing import Any

from contract.errors import Refused
from contract.ids import RECORDING, is_sid
from contract.recordings import CONTAINERS
from contract.rooms import TrackKind
from fastapi import APIRouter, Request
from service_kit.parameters import Parameters, invalid
from service_kit.rest import Principal, Query, not_found, principal
from service_kit.routes import note_resource
from sqlalchemy import Row
from starlette.responses import JSONResponse, Response

from rooms_api.clock import Clock
from rooms_api.core.recording import RecordingStatus
from rooms_api.media_links import MediaLinks
from rooms_api.rest import fields, render
from rooms_api.rest.media import redirect
from rooms_api.rest.pages import read_paging, render_list
from rooms_api.rest.resources import Resources
from rooms_api.store.media_files import MediaFiles
from rooms_api.store.recordings import RecordingFilters, RecordingStore

MAX_PAGE = 100
"""Of the account's list; a room's own may be as long as others."""
ANY_SID = re.compile(r"[A-Za-z]{2}[0-9a-fA-F]{32}")


def recordings_router(
    resources: Resources, store: RecordingStore, files: MediaFiles, links: MediaLinks, clock: Clock
) -> APIRouter:
    router = APIRouter()

    async def find(request: Request, sid: str, room: str | None = None) -> Row[Any]:
        room_sid = None if room is None else (await resources.find_room(request, room)).sid
        row = await store.find(principal(request).account_sid, sid) if is_sid(sid, RECORDING) else None
        if row is None or room_sid not in (None, row.room_sid):
            raise not_found(request.url.path)
        note_resource(request.scope, row.sid)
        return row

    async def delete(row: Row[Any]) -> Response:
        if row.status == RecordingStatus.PROCESSING:
            raise Refused(20001, "A Recording that is being processed cannot be deleted")
        await store.delete(row.sid, clock.wall())
        return Response(status_code=204)

    @router.get("/v1/Recordings")
    async def list_recordings(request: Request, who: Principal, query: Query) -> JSONResponse:
        filters = read_filters(
            query, groupings=_groupings(query), kind=fields.choice(query, "MediaType", ("audio", "video", "data"))
        )
        asked = read_paging(query, MAX_PAGE)
        page = await store.page(who.account_sid, filters, asked)
        base = render.base_url(request)
        return render.answer(render_list(request, "recordings", page, asked, lambda row: render_recording(row, base)))

    @router.get("/v1/Recordings/{recording}")
    async def fetch_recording(request: Request, recording: str) -> JSONResponse:
        return render.answer(render_recording(await find(request, recording), render.base_url(request)))

    @router.delete("/v1/Recordings/{recording}", status_code=204)
    async def delete_recording(request: Request, recording: str) -> Response:
        return await delete(await find(request, recording))

    @router.get("/v1/Recordings/{recording}/Media")
    async def fetch_recording_media(request: Request, recording: str, query: Query) -> Response:
        row = await find(request, recording)
        return await redirect(request, query, links, row, files.of_recording(row))

    @router.get("/v1/Rooms/{room}/Recordings")
    async def list_room_recordings(request: Request, who: Principal, room: str, query: Query) -> JSONResponse:
        found = await resources.find_room(request, room)
        asked = read_paging(query)
        page = await store.page(who.account_sid, read_filters(query, groupings=(found.sid,)), asked)
        base = render.base_url(request)
        return render.answer(
            render_list(request, "recordings", page, asked, lambda row: render_room_recording(row, base))
        )

    @router.get("/v1/Rooms/{room}/Recordings/{recording}")
    async def fetch_room_recording(request: Request, room: str, recording: str) -> JSONResponse:
        return render.answer(render_room_recording(await find(request, recording, room), render.base_url(request)))

    @router.delete("/v1/Rooms/{room}/Recordings/{recording}", status_code=204)
    async def delete_room_recording(request: Request, room: str, recording: str) -> Response:
        return await delete(await find(request, recording, room))

    @router.get("/v1/Rooms/{room}/Recordings/{recording}/Media")
    async def fetch_room_recording_media(request: Request, room: str, recording: str, query: Query) -> Response:
        row = await find(request, recording, room)
        return await redirect(request, query, links, row, files.of_recording(row))

    return router


def read_filters(query: Parameters, groupings: tuple[str, ...], kind: str | None = None) -> RecordingFilters:
    return RecordingFilters(
        status=fields.member(query, "Status", RecordingStatus),
        source_sid=query.text("SourceSid"),
        media_type=kind,
        groupings=groupings,
        created_after=fields.instant(query, "DateCreatedAfter"),
        created_before=fields.instant(query, "DateCreatedBefore"),
    )


def _groupings(query: Parameters) -> tuple[str, ...]:
    given = tuple(dict.fromkeys(sid for sid in query.texts("GroupingSid") if sid))
    if not all(ANY_SID.fullmatch(sid) for sid in given):
        raise invalid("GroupingSid")
    return given


def render_recording(row: Row[Any], base: str) -> render.Resource:
    return _shared(row, f"{base}/v1/Recordings/{row.sid}") | {
        "status_callback": row.status_callback,
        "status_callback_method": row.status_callback_method,
    }


def render_room_recording(row: Row[Any], base: str) -> render.Resource:
    return _shared(row, f"{base}/v1/Rooms/{row.room_sid}/Recordings/{row.sid}") | {"room_sid": row.room_sid}


def _shared(row: Row[Any], url: str) -> render.Resource:
    return {
        "sid": row.sid,
        "account_sid": row.account_sid,
        "source_sid": row.source_sid,
        "status": row.status,
        "type": row.type,
        "container_format": CONTAINERS[TrackKind(row.type)],
        "codec": row.codec,
        "size": row.size_bytes,
        "duration": row.duration_s,
        "offset": row.offset_ms,
        "track_name": row.track_name,
        "grouping_sids": {"room_sid": row.room_sid, "participant_sid": row.participant_sid},
        "date_created": render.date(row.created_at),
        "media_external_location": None,
        "url": url,
        "links": {"media": f"{url}/Media"},
    }
