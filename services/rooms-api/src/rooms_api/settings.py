"""Settings of rooms-api, from the environment with the prefix `ROOMWIRE_`."""

from typing import Annotated

from pydantic import Field
from service_kit.database import DatabaseUrl
from service_kit.rest_settings import RestSettings
from service_kit.settings import Port


class RoomsSettings(RestSettings):
    """See the fields. Limits on rooms are those of the REST contract, section 6."""

    rooms_api_port: Port = 8080
    database_url: DatabaseUrl = None
    """`postgresql://...`; without it SQLite in the data folder."""
    ad_hoc_rooms: bool = True
    """Whether a client that connects to a room that is not there creates it."""
    max_participants: Annotated[int, Field(ge=1, le=1000)] = 50
    """Upper bound and default of `MaxParticipants` for group rooms."""
    max_concurrent_rooms: Annotated[int, Field(ge=1)] | None = None
    """Rooms in progress that an account may have; more are refused with 53119."""
    max_concurrent_participants: Annotated[int, Field(ge=1)] | None = None
    """Participants that an account may have connected, in all rooms; more are refused with 53206."""
    media_region: str = "us1"
    """Region of rooms that are created without one."""
    public_url: str | None = None
    """Start of the URLs in answers; without it the request's scheme and host."""
    insights_retention_days: Annotated[float, Field(gt=0)] = 30
    """How long Video Insights shows a room after its end, and keeps what clients told."""
    allow_private_callbacks: bool = False
    """Whether status callbacks may go to addresses that are not on the public internet."""
    callback_retry_hours: Annotated[float, Field(ge=0, le=168)] = 24.0
    """How long a receiver that does not take a callback is tried."""
    callback_log_days: Annotated[float, Field(gt=0, le=3650)] = 7.0
    """How long callbacks that were delivered or given up are kept."""
    token_issuer_url: str | None = None
    token_issuer_port: Port = 8081

    @property
    def issuer_url(self) -> str:
        """Where `/2010-04-01` is forwarded to."""
        return (self.token_issuer_url or f"http://127.0.0.1:{self.token_issuer_port}").rstrip("/")
