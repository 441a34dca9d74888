"""What the resource files share: the services behind them, and finding the room and participant that a path names."""

from dataclasses import dataclass
from typing import Any

from contract.ids import PARTICIPANT, ROOM, is_sid
from fastapi import Request
from service_kit.rest import not_found, principal
from service_kit.routes import note_resource
from sqlalchemy import Row

from rooms_api.service import RoomService
from rooms_api.settings import RoomsSettings
from rooms_api.store.queries import Queries


@dataclass(frozen=True, slots=True)
class Resources:
    """Changes go to `service`, reads to `queries`."""

    service: RoomService
    queries: Queries
    settings: RoomsSettings

    async def find_room(self, request: Request, sid_or_name: str) -> Row[Any]:
        """The room that a path names: by SID in any state, by name only while in progress. Raises 20404."""
        account_sid = principal(request).account_sid
        if is_sid(sid_or_name, ROOM):
            row = await self.queries.room_by_sid(account_sid, sid_or_name)
        else:
            row = await self.queries.room_by_name(account_sid, sid_or_name)
            if row is None and "+" in sid_or_name:  # the Java helper encodes a space in a path as a plus
                row = await self.queries.room_by_name(account_sid, sid_or_name.replace("+", " "))
        if row is None:
            raise not_found(request.url.path)
        note_resource(request.scope, row.sid)
        return row

    async def find_participant(self, request: Request, room: Row[Any], sid_or_identity: str) -> Row[Any]:
        """The participant that a path names: by SID in any status, by identity only while here. Raises 20404."""
        if is_sid(sid_or_identity, PARTICIPANT):
            row = await self.queries.participant_by_sid(room.sid, sid_or_identity)
        else:
            row = await self.queries.participant_by_identity(room.sid, sid_or_identity)
            if row is None and "+" in sid_or_identity:
                row = await self.queries.participant_by_identity(room.sid, sid_or_identity.replace("+", " "))
        if row is None:
            raise not_found(request.url.path)
        note_resource(request.scope, row.sid)
        return row
