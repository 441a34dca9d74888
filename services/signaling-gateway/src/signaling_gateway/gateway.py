"""What the sockets of one gateway share: who to ask, whom to follow, and how many there may be."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from contract.rooms import CheckSessions, SessionsChecked
from fastapi import WebSocket
from service_kit.bus import Bus
from service_kit.proxies import TrustedProxies

from signaling_gateway.core.bodies import ICE_SERVERS_TTL_S
from signaling_gateway.core.link import LinkLimits
from signaling_gateway.core.session import SessionSettings
from signaling_gateway.core.turn import ice_servers
from signaling_gateway.metrics import SOCKETS
from signaling_gateway.room_feed import RoomFeeds
from signaling_gateway.settings import Settings
from signaling_gateway.tokens import TokenVerifier


@dataclass(slots=True)
class Gateway:
    """`gateway_id` is fresh in each process, so that the owner of rooms notices a restart as the death of the former one."""

    gateway_id: str
    settings: Settings
    bus: Bus
    tokens: TokenVerifier
    feeds: RoomFeeds
    proxies: TrustedProxies
    limits: LinkLimits = field(default_factory=LinkLimits)
    sockets: int = 0
    leases: dict[str, int] = field(default_factory=dict)
    """Lease epochs of the sessions that connections here have, or are still letting go of, by participant SID."""

    @property
    def is_full(self) -> bool:
        return self.sockets > self.settings.gateway_max_sockets

    @property
    def session_settings(self) -> SessionSettings:
        return SessionSettings(
            gateway_id=self.gateway_id,
            region=self.settings.region,
            ice_servers=self._ice_servers,
            new_session=_new_session,
        )

    def address_of(self, socket: WebSocket) -> str:
        """The client's, as far as trusted proxies tell."""
        return self.proxies.client(socket.scope)

    def hold(self, participant_sid: str, lease_epoch: int) -> None:
        self.leases[participant_sid] = max(lease_epoch, self.leases.get(participant_sid, 0))

    def release(self, participant_sid: str, lease_epoch: int) -> None:
        """Another connection here may have the session under a newer lease: that one keeps it."""
        if self.leases.get(participant_sid) == lease_epoch:
            del self.leases[participant_sid]

    async def check_sessions(self, asked: CheckSessions) -> SessionsChecked:
        lost = [sid for sid, lease_epoch in asked.leases.items() if self.leases.get(sid, 0) < lease_epoch]
        return SessionsChecked(lost=tuple(lost))

    def _ice_servers(self, identity: str) -> list[dict[str, Any]]:
        expires_at_s = int(time.time()) + ICE_SERVERS_TTL_S
        return ice_servers(self.settings.turn_url_list, self.settings.turn_secret, identity, expires_at_s)

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[None]:
        """Count a socket for as long as the body runs."""
        self.sockets += 1
        SOCKETS.inc()
        try:
            yield
        finally:
            self.sockets -= 1
            SOCKETS.dec()


def _new_session() -> str:
    """A session string: 256 random bits."""
    return secrets.token_urlsafe(32)
