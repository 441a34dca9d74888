"""What an application server does with Roomwire: the stock `twilio` package, with one line changed."""

from collections.abc import Mapping
from dataclasses import dataclass

from twilio.base import values
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VideoGrant
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from roomwire_demo.settings import DemoSettings

ROOM_EXISTS = 53113
TIMEOUT_S = 10
TOKEN_TTL_S = 4 * 3600


@dataclass(frozen=True, slots=True)
class Attendee:
    """A participant as the page lists it."""

    sid: str
    identity: str


class Video:
    """Rooms and tokens of one account. Its calls block; FastAPI runs them in threads."""

    def __init__(self, settings: DemoSettings) -> None:
        self._settings = settings
        http = TwilioHttpClient(timeout=TIMEOUT_S)
        client = Client(settings.demo_api_key, settings.demo_api_secret, settings.account_sid, http_client=http)
        client.video.base_url = settings.base_url  # the one line
        self._rooms = client.video.v1.rooms
        self._callback_url = settings.demo_callback_url or values.unset
        self._validator = RequestValidator(settings.demo_auth_token or "")

    def open_room(self, name: str) -> str:
        """Create the room unless it is there. Returns its SID. Raises `TwilioRestException`."""
        try:
            return str(self._rooms.create(unique_name=name, status_callback=self._callback_url).sid)
        except TwilioRestException as error:
            if error.code != ROOM_EXISTS or (sid := self._find_room(name)) is None:
                raise
            return sid

    def _find_room(self, name: str) -> str | None:
        """SID of the room of that name that is in progress. Asks for a list: the helper puts a name into a path as it is, `?` and all."""
        found = self._rooms.list(unique_name=name, status="in-progress", limit=1)
        return str(found[0].sid) if found else None

    def token(self, identity: str, room: str) -> str:
        """A token that admits `identity` to `room` and nowhere else."""
        settings = self._settings
        token = AccessToken(
            settings.account_sid, settings.demo_api_key, settings.demo_api_secret, identity=identity, ttl=TOKEN_TTL_S
        )
        token.add_grant(VideoGrant(room=room))
        return str(token.to_jwt())

    def attendees(self, room: str) -> list[Attendee]:
        """Who is in the room now. Raises `TwilioRestException`."""
        sid = self._find_room(room)
        present = self._rooms(sid).participants.list(status="connected", limit=100) if sid else []
        return [Attendee(participant.sid, participant.identity) for participant in present]

    def complete_room(self, room: str) -> None:
        """End the room for everybody, if it has not ended. Raises `TwilioRestException`."""
        if sid := self._find_room(room):
            self._rooms(sid).update(status="completed")

    def is_genuine(self, callback: Mapping[str, str], signature: str) -> bool:
        """
        Whether Roomwire sent this status callback.

        The signature covers the URL that Roomwire was told. Behind a proxy that is not the one that this server sees: never take it from the request.
        """
        settings = self._settings
        if not (settings.demo_auth_token and settings.demo_callback_url):
            return False
        return bool(self._validator.validate(settings.demo_callback_url, dict(callback), signature))
