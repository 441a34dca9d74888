"""
Participants whose gateway lives but has no socket of theirs: the answer to a join or resume was lost for good, or a detach was. They are detached.

The gateway is the owner of sockets, so it is asked. It may hear of a session a moment after the database has it: only who is missing several
times running is lost.
"""

import structlog
from contract.errors import Refused
from contract.rooms import CheckSessions, DetachSession, SessionsChecked
from contract.subjects import gateway_sessions
from pydantic import TypeAdapter
from service_kit.bus import Bus, BusUnavailable

from rooms_api.loops import repeat
from rooms_api.metrics import SESSIONS_LOST
from rooms_api.service import RoomService
from rooms_api.store.rooms import RoomStore

log = structlog.get_logger()

CHECK_PERIOD_S = 5.0
STRIKES = 3
"""Longer together than a gateway repeats a join or resume."""
BATCH = 1000
ANSWER_TIMEOUT_S = 2.0

_checked = TypeAdapter(SessionsChecked)

Lease = tuple[str, int]
"""Participant SID and lease epoch."""


class LostSessions:
    """`check` asks every gateway once."""

    def __init__(self, service: RoomService, store: RoomStore, bus: Bus, period_s: float = CHECK_PERIOD_S) -> None:
        self._service = service
        self._store = store
        self._bus = bus
        self._period_s = period_s
        self._strikes: dict[Lease, int] = {}

    async def run(self) -> None:
        """Check until cancelled."""
        await repeat(self._period_s, self.check)

    async def check(self) -> None:
        if not self._bus.is_connected:
            return
        missing = [lease for gateway_id in await self._store.gateways() for lease in await self._missing(gateway_id)]
        self._strikes = {lease: self._strikes.get(lease, 0) + 1 for lease in missing}
        for (participant_sid, lease_epoch), strikes in self._strikes.items():
            if strikes < STRIKES:
                continue
            log.warning("session without a socket", participant_sid=participant_sid)
            SESSIONS_LOST.inc()
            try:
                await self._service.detach(DetachSession(participant_sid=participant_sid, lease_epoch=lease_epoch))
            except Refused as error:  # somebody has just taken it over
                log.info("session is another's now", participant_sid=participant_sid, code=error.code)

    async def _missing(self, gateway_id: str) -> list[Lease]:
        """What the gateway should hold and does not. Nothing when it does not answer: whether it lives is judged by its signs of life."""
        leases = list((await self._store.leases_at_gateway(gateway_id)).items())
        missing: list[Lease] = []
        for start in range(0, len(leases), BATCH):
            batch = dict(leases[start : start + BATCH])
            try:
                answer = await self._bus.request(
                    gateway_sessions(gateway_id), CheckSessions(leases=batch), _checked, ANSWER_TIMEOUT_S
                )
            except BusUnavailable:
                break
            missing += [(sid, batch[sid]) for sid in answer.lost if sid in batch]
        return missing
