"""The settings of the recording and composition stores, one row for each account and kind."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select

from rooms_api.store.database import Database
from rooms_api.store.media_tables import media_settings
from rooms_api.store.upsert import upsert


class MediaKind(StrEnum):
    RECORDING = "recording"
    COMPOSITION = "composition"


class MediaSettingsStore:
    """What an account posted last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fetch(self, account_sid: str, kind: MediaKind) -> Row[Any] | None:
        """The settings, or None before the first POST."""
        query = select(media_settings).where(
            media_settings.c.account_sid == account_sid, media_settings.c.kind == str(kind)
        )
        return await self._database.read(lambda connection: connection.execute(query).first())

    async def replace(self, account_sid: str, kind: MediaKind, values: Mapping[str, Any]) -> None:
        """Store `values`, one for each of the other columns."""
        row = {"account_sid": account_sid, "kind": kind, **values}
        await self._database.write(lambda connection: connection.execute(upsert(self._database, media_settings), row))
