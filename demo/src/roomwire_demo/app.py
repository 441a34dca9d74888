"""The demo's routes: a page, the calls that it makes to its own server, and the receiver of status callbacks."""

import logging
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, StringConstraints
from twilio.base.exceptions import TwilioException, TwilioRestException

from roomwire_demo.settings import DemoSettings
from roomwire_demo.video import Attendee, Video

PAGE = Path(__file__).with_name("page")
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
RoomName = Annotated[Name, StringConstraints(pattern=r"^[^/]+$")]
log = logging.getLogger("roomwire_demo")


class Joining(BaseModel):
    """What the join form holds."""

    identity: Name
    room: RoomName


class Admission(BaseModel):
    """What the SDK needs to connect."""

    token: str
    room_sid: str
    signaling_url: str


def build(settings: DemoSettings) -> FastAPI:
    """Make the application."""
    app = FastAPI(title="Roomwire demo", docs_url=None, redoc_url=None, openapi_url=None)
    video = Video(settings)
    sdk = settings.demo_node_modules / "twilio-video" / "dist"

    @app.exception_handler(TwilioRestException)
    async def on_refused(_request: Request, error: TwilioRestException) -> Response:
        if error.status in (401, 403):  # this server's own key: nothing that the person at the page did
            log.error("the video server does not accept the API key: %s", error.msg)
            return JSONResponse({"message": "This page's server may not use the video server.", "code": None}, 502)
        return JSONResponse({"message": error.msg, "code": error.code}, status_code=error.status)

    @app.exception_handler(TwilioException)  # a list that failed
    @app.exception_handler(OSError)  # what `requests` raises is one
    async def on_unavailable(_request: Request, _error: Exception) -> Response:
        return JSONResponse({"message": "The video server is not available.", "code": None}, status_code=502)

    @app.post("/api/join")
    def join(joining: Joining, request: Request) -> Admission:
        # A real application knows who asks. This one believes the name in the form.
        return Admission(
            room_sid=video.open_room(joining.room),
            token=video.token(joining.identity, joining.room),
            signaling_url=settings.signaling_url or f"ws://{request.url.hostname}:{settings.gateway_port}/signaling",
        )

    @app.get("/api/rooms/{room}/participants")
    def participants(room: str) -> list[Attendee]:
        return video.attendees(room)

    @app.post("/api/rooms/{room}/complete", status_code=204)
    def complete(room: str) -> None:
        video.complete_room(room)

    @app.post("/callbacks", status_code=204)
    async def callback(request: Request) -> None:
        told = {name: str(value) for name, value in (await request.form()).items()}
        if not video.is_genuine(told, request.headers.get("X-Twilio-Signature", "")):
            raise HTTPException(403)
        # It may come twice: then with the same I-Twilio-Idempotency-Token. A line more in the log does no harm.
        log.info("%s: %s %s", told["RoomName"], told["StatusCallbackEvent"], told.get("ParticipantIdentity", ""))

    @app.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/readyz")
    async def readyz() -> Any:
        failing = [] if sdk.exists() else [f"{sdk} is missing: run npm ci in demo/"]
        return JSONResponse({"ready": not failing, "failing": failing}, status_code=503 if failing else 200)

    app.mount("/sdk", StaticFiles(directory=sdk, check_dir=False))
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app
