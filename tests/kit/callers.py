"""Clients at protocol level with real ICE and DTLS, those of the load tester: many of them cost little. They send real packets."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from roomwire.load_test.dtls import Identity
from roomwire.load_test.engine import Engine, StreamPlan
from roomwire.load_test.participant import Participant, ParticipantPlan
from roomwire.load_test.settings import audio_plan
from roomwire.load_test.signaling import SignalingFailed
from roomwire.load_test.transport import Network

from tests.kit.stack import Roomwire

PATIENCE_S = 30.0


class Callers:
    """Joins callers, each with a microphone, and sees them off."""

    def __init__(self, roomwire: Roomwire, network: Network) -> None:
        self._roomwire = roomwire
        self._network = network
        self._identity = Identity()
        self._ssrcs = itertools.count(1000, 10)
        self._tokens: dict[str, str] = {}
        self._stays: dict[Participant, asyncio.Task[None]] = {}

    async def join(self, identity: str, room: str, ws_server: str | None = None) -> Participant:
        """Connect, and return when ICE and DTLS stand and the microphone is published."""
        streams: tuple[StreamPlan, ...] = (audio_plan(next(self._ssrcs)),)
        if identity not in self._tokens:
            self._tokens[identity] = self._roomwire.token(identity)
        plan = ParticipantPlan(identity, room, self._tokens[identity], streams)
        caller = Participant(plan, ws_server or self._roomwire.ws_server, self._network, self._identity)
        await caller.join(PATIENCE_S)
        self._stays[caller] = asyncio.create_task(self._stay(caller))
        return caller

    async def leave(self, caller: Participant) -> None:
        """Say goodbye."""
        await caller.leave()
        await self._stays.pop(caller)

    async def vanish(self, caller: Participant) -> None:
        """Forget a caller whose socket a test has cut: from now on it sends nothing, and it says no goodbye to the media server."""
        caller.transport.close()
        await self._stays.pop(caller)

    async def close(self) -> None:
        for caller in list(self._stays):
            await self.leave(caller)

    @staticmethod
    async def _stay(caller: Participant) -> None:
        with contextlib.suppress(SignalingFailed):
            await caller.run()


@asynccontextmanager
async def calling(roomwire: Roomwire) -> AsyncIterator[Callers]:
    engine = Engine()
    network = Network(engine)
    callers = Callers(roomwire, network)
    try:
        yield callers
    finally:
        await callers.close()
        network.close()
        engine.close()
