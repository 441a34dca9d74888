"""
The load tester's engine as a generator for any SFU: peers with streams, driven by an adapter instead of signaling.

A `Peer` has the members that adapters use (`offer`, `answer`, `remote`, `i`, `ufrag`, `pwd`, `e.fingerprint`), so that an adapter of this folder also works
under another generator that has them.
"""

import asyncio
import secrets
import threading
import time

from roomwire.load_test.dtls import Identity
from roomwire.load_test.engine import Engine, StreamPlan
from roomwire.load_test.reading import take_reading
from roomwire.load_test.sdp import LocalTransport, OwnTrack, RemoteTransport, make_answer, make_offer
from roomwire.load_test.settings import audio_plan
from roomwire.load_test.transport import Network, Transport

VIDEO_PACKETS = 4
VIDEO_OCTETS = 1100
FRAMES_PER_S = 30
CONNECT_S = 60
PACKETS_PER_PUBLISHER = VIDEO_PACKETS * FRAMES_PER_S + 50


class Generator:
    """All peers of a run. Its event loop has a thread of its own, so that adapters may be synchronous."""

    def __init__(self, profile: str, uneven: bool) -> None:
        self._identity = Identity((profile,))
        self.fingerprint = self._identity.fingerprint
        self._uneven = uneven
        self.engine = Engine()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._network = self.call(self._open_network)
        self.peers: list[Peer] = []

    async def _open_network(self) -> Network:
        return Network(self.engine)

    def call(self, make, *arguments):
        """Run a coroutine function in the generator's loop; returns its result."""
        return asyncio.run_coroutine_threadsafe(make(*arguments), self.loop).result(CONNECT_S + 5)

    def publisher(self, ssrc: int) -> "Peer":
        """A peer that sends one video and one audio stream."""
        video = StreamPlan(
            ssrc, 96, "video", FRAMES_PER_S, VIDEO_PACKETS, VIDEO_OCTETS, VIDEO_OCTETS, int(self._uneven)
        )
        return self._peer((video, audio_plan(ssrc + 1)), decrypt=False)

    def subscriber(self, *, decrypt: bool) -> "Peer":
        return self._peer((), decrypt=decrypt)

    def _peer(self, plans: tuple[StreamPlan, ...], decrypt: bool) -> "Peer":
        async def make() -> Transport:
            return Transport(self._network, self._identity, decrypt=decrypt, nack=False)

        peer = Peer(self, len(self.peers), self.call(make), plans)
        self.peers.append(peer)
        return peer

    def wait_up(self, peers: list["Peer"]) -> None:
        async def wait() -> None:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.gather(*(peer.transport.connected for peer in peers))

        self.call(wait)

    def reading(self):
        with self.engine.halted():
            return take_reading(self.engine, [peer.transport.endpoint for peer in self.peers])

    def close(self) -> None:
        async def close() -> None:
            for peer in self.peers:
                peer.transport.close()
            self._network.close()

        self.call(close)
        self.engine.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()


class Peer:
    """One transport and its streams."""

    def __init__(self, generator: Generator, index: int, transport: Transport, plans: tuple[StreamPlan, ...]) -> None:
        self.e, self.i, self.transport, self.plans = generator, index, transport, plans
        self.tracks = [OwnTrack(secrets.token_hex(8), plan.kind, plan.ssrc) for plan in plans]

    @property
    def local(self) -> LocalTransport:
        return self.transport.local

    @property
    def ufrag(self) -> str:
        return self.local.ufrag

    @property
    def pwd(self) -> str:
        return self.local.password

    def offer(self) -> str:
        return make_offer(self.local, self.tracks)

    def answer(self, offer: str) -> str:
        return make_answer(self.local, offer, "active", {})

    def remote(self, remote: dict, dtls_client: bool, controlling: bool) -> None:
        """Connect to what `description.parse_remote` read. We are always controlling: every SFU here is ICE-lite."""
        transport = RemoteTransport(
            remote["ufrag"], remote["pwd"], remote["fingerprint"], remote["setup"], ((remote["ip"], remote["port"]),)
        )

        async def connect() -> None:
            self.transport.connect(transport, is_client=dtls_client, on_open=self._add_streams)

        self.e.call(connect)

    def _add_streams(self, endpoint) -> None:
        for plan in self.plans:
            endpoint.add_stream(plan)

    @property
    def sent(self) -> int:
        return sum(stream.packets for stream in self.transport.endpoint.sent_streams())


def settle(seconds: float) -> None:
    """Measured time passes: the only sleeping here, for it is what is measured."""
    time.sleep(seconds)
