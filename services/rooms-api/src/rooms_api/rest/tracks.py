"""Published and subscribed tracks of a participant: list and fetch. They show the present; after a disconnect there are none."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from service_kit.rest import Query, not_found

from rooms_api.rest import render
from rooms_api.rest.pages import read_paging, render_list
from rooms_api.rest.resources import Resources

PARTICIPANT = "/v1/Rooms/{room}/Participants/{participant}"


def tracks_router(resources: Resources) -> APIRouter:
    router = APIRouter()

    @router.get(PARTICIPANT + "/PublishedTracks")
    async def list_published_tracks(request: Request, room: str, participant: str, query: Query) -> JSONResponse:
        owner = await resources.find_participant(request, await resources.find_room(request, room), participant)
        asked = read_paging(query)
        page = await resources.queries.published_tracks(owner.sid, asked)
        base = render.base_url(request)
        return render.answer(
            render_list(request, "published_tracks", page, asked, lambda row: render.published_track(row, base))
        )

    @router.get(PARTICIPANT + "/PublishedTracks/{track}")
    async def fetch_published_track(request: Request, room: str, participant: str, track: str) -> JSONResponse:
        owner = await resources.find_participant(request, await resources.find_room(request, room), participant)
        row = await resources.queries.published_track(owner.sid, track)
        if row is None:
            raise not_found(request.url.path)
        return render.answer(render.published_track(row, render.base_url(request)))

    @router.get(PARTICIPANT + "/SubscribedTracks")
    async def list_subscribed_tracks(request: Request, room: str, participant: str, query: Query) -> JSONResponse:
        owner = await resources.find_participant(request, await resources.find_room(request, room), participant)
        asked = read_paging(query)
        page = await resources.queries.subscribed_tracks(owner.sid, asked)
        base = render.base_url(request)
        return render.answer(
            render_list(request, "subscribed_tracks", page, asked, lambda row: render.subscribed_track(row, base))
        )

    @router.get(PARTICIPANT + "/SubscribedTracks/{track}")
    async def fetch_subscribed_track(request: Request, room: str, participant: str, track: str) -> JSONResponse:
        owner = await resources.find_participant(request, await resources.find_room(request, room), participant)
        row = await resources.queries.subscribed_track(owner.sid, track)
        if row is None:
            raise not_found(request.url.path)
        return render.answer(render.subscribed_track(row, render.base_url(request)))

    return router
