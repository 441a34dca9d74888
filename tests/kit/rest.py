"""What a customer's server sees of one room, through the stock helper."""

from typing import Any

from twilio.rest import Client


class Rest:
    """What a customer's server sees of the test's room, through the stock helper."""

    def __init__(self, client: Client, room: str) -> None:
        self._rooms = client.video.v1.rooms
        self.room = room

    def create(self, **options: Any) -> str:
        return str(self._rooms.create(unique_name=self.room, **options).sid)

    def complete(self, sid: str) -> None:
        self._rooms(sid).update(status="completed")

    def remove(self, participant: str) -> None:
        self._rooms(self.room).participants(participant).update(status="disconnected")

    def status(self, sid: str) -> str:
        return str(self._rooms(sid).fetch().status)

    def participants(self, sid: str | None = None, **filters: Any) -> dict[str, str]:
        """Participant SID -> status."""
        return {one.sid: one.status for one in self._rooms(sid or self.room).participants.list(**filters)}

    def published(self, participant: str) -> dict[str, bool]:
        """Track name -> whether it is enabled."""
        listed = self._rooms(self.room).participants(participant).published_tracks.list()
        return {track.name: track.enabled for track in listed}

    def subscribe(self, participant: str, *rules: dict[str, Any]) -> None:
        self._rooms(self.room).participants(participant).subscribe_rules.update(rules=list(rules))

    def subscribed(self, participant: str) -> set[str]:
        """Names of the tracks that a participant receives."""
        return {track.name for track in self._rooms(self.room).participants(participant).subscribed_tracks.list()}
