"""How many rooms and participants an account may have at the same time. Counted inside the transaction that adds one, so that it holds exactly."""

from dataclasses import dataclass
from typing import Any

from contract.errors import Refused
from contract.rooms import RoomStatus
from sqlalchemy import Connection, Select, func, select, text

from rooms_api.core.change import Change, Happening
from rooms_api.store.tables import rooms

LOCK = text("SELECT pg_advisory_xact_lock(hashtext(:account_sid))")


@dataclass(frozen=True, slots=True)
class Quotas:
    """None is no limit, and costs nothing."""

    rooms: int | None = None
    participants: int | None = None

    def check_rooms(self, connection: Connection, account_sid: str) -> None:
        """Call after the new room is written. Raises 53119, which must undo the transaction."""
        if self.rooms is None:
            return
        count = select(func.count()).select_from(rooms).where(rooms.c.status == RoomStatus.IN_PROGRESS)
        if _count(connection, count, account_sid) > self.rooms:
            raise Refused(53119)

    def check_participants(self, connection: Connection, account_sid: str, change: Change) -> None:
        """Call after the room of somebody who may have joined is written. Raises 53206, which must undo the transaction."""
        joined = any(happened.event is Happening.PARTICIPANT_CONNECTED for happened in change.happened)
        if self.participants is None or not joined:
            return
        count = select(func.sum(rooms.c.active_participants)).where(rooms.c.active_participants > 0)
        if _count(connection, count, account_sid) > self.participants:
            raise Refused(53206)


def _count(connection: Connection, query: Select[Any], account_sid: str) -> int:
    if connection.dialect.name == "postgresql":  # one after the other: each sees what the one before has committed
        connection.execute(LOCK, {"account_sid": account_sid})
    return connection.scalar(query.where(rooms.c.account_sid == account_sid)) or 0
