"""What an application server does with Roomwire: the stock `twilio` package, with one line changed."""

from dataclasses import dataclass

from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VideoGrant
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
    status: str


class Video:
    """Rooms and tokens of one account. Its calls block; FastAPI runs them in threads."""

    def __init__(self, settings: DemoSettings) -> None:
        self._settings = settings
        http = TwilioHttpClient(timeout=TIMEOUT_S)
        client = Client(settings.demo_api_key, settings.demo_api_secret, settings.account_sid, http_client=http)
        client.video.base_url = settings.base_url  # the one line
        self._rooms = client.video.v1.rooms

    def open_room(self, name: str) -> str:
        """Create the room unless it is there. Returns its SID. Raises `TwilioRestException`."""
        try:
            return str(self._rooms.create(unique_name=name).sid)
        except TwilioRestException as error:
            if error.code != ROOM_EXISTS:
                raise
        return str(self._rooms(name).fetch().sid)

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
        present = self._rooms(room).participants.list(status="connected", limit=100)
        return [Attendee(participant.sid, participant.identity, str(participant.status)) for participant in present]

    def complete_room(self, room: str) -> None:
        """End the room for everybody. Raises `TwilioRestException`."""
        self._rooms(room).update(status="completed")
