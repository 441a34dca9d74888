"""Media files that recorders and compositors left in the data folder: where they are, and their removal after what they belong to was deleted."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from contract.compositions import composition_file
from contract.ids import COMPOSITION, RECORDING, is_sid
from contract.recordings import recording_file
from contract.rooms import TrackKind
from sqlalchemy import Row, Table, delete, select, update

from rooms_api.store.database import Database
from rooms_api.store.media_tables import compositions, recordings

log = structlog.get_logger()

KEPT_S = 30 * 24 * 3600
"""How long metadata stay after a deletion (REST contract, section 22)."""
BATCH = 100


@dataclass(frozen=True, slots=True)
class MediaFile:
    path: Path
    media_type: str


class MediaFiles:
    """`data` is the folder that rooms-api shares with those who write media."""

    def __init__(self, data: Path, database: Database) -> None:
        self._data = data
        self._database = database

    def of_recording(self, row: Row[Any]) -> MediaFile:
        return MediaFile(
            self._data / recording_file(row.room_sid, row.sid, TrackKind(row.type)), f"{row.type}/x-matroska"
        )

    def of_composition(self, row: Row[Any]) -> MediaFile:
        return MediaFile(self._data / composition_file(row.sid, row.format), f"video/{row.format}")

    async def find(self, sid: str) -> tuple[Row[Any], MediaFile] | None:
        """The row of this SID, in any account and status, and its file."""
        for prefix, table, file in self._kinds():
            if is_sid(sid, prefix):
                query = select(table).where(table.c.sid == sid)
                row = await self._database.read(lambda connection, query=query: connection.execute(query).first())  # type: ignore[misc]  # mypy infers no type for a lambda's default
                return (row, file(row)) if row is not None else None
        return None

    async def remove_deleted(self, now: float) -> None:
        """Remove the files of what was deleted, and the rows of what was deleted long ago. What a crash interrupts is done again."""
        for _, table, file in self._kinds():
            await self._remove_files(table, file)
            await self._remove_rows(table, before=now - KEPT_S)

    def _kinds(self) -> tuple[tuple[str, Table, Callable[[Row[Any]], MediaFile]], ...]:
        return ((RECORDING, recordings, self.of_recording), (COMPOSITION, compositions, self.of_composition))

    async def _remove_files(self, table: Table, file: Callable[[Row[Any]], MediaFile]) -> None:
        query = select(table).where(table.c.deleted_at.is_not(None), table.c.has_media).limit(BATCH)
        rows = await self._database.read(lambda connection: list(connection.execute(query)))
        if rows:
            await asyncio.to_thread(_unlink, [file(row).path for row in rows])
            removed = update(table).where(table.c.sid.in_([row.sid for row in rows])).values(has_media=False)
            await self._database.write(lambda connection: connection.execute(removed))
            log.info("media removed", sids=[row.sid for row in rows])

    async def _remove_rows(self, table: Table, before: float) -> None:
        query = select(table.c.sid).where(table.c.deleted_at < before, table.c.has_media.is_(False)).limit(BATCH)
        sids = await self._database.read(lambda connection: list(connection.scalars(query)))
        if sids:
            statement = delete(table).where(table.c.sid.in_(sids))
            await self._database.write(lambda connection: connection.execute(statement))


def _unlink(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
