"""The shared port of an SFU node without its rooms: transports by hand, for tests of what happens on the wire."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from media_sfu.core.actions import Fingerprint, IceCredentials, StartSctp, StartTransport
from media_sfu.forwarder import Forwarder, KeyframeRequested
from media_sfu.peer_transport import PeerTransport, TransportConnected, TransportEvent
from media_sfu.shared_port import SharedPort

from tests.kit.webrtc_client import WebRtcClient, until


@dataclass
class Clock:
    """Monotonic time that a test can push on."""

    ahead_s: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


@dataclass
class PortPeer:
    """A client and its transport at the port."""

    client: WebRtcClient
    transport: PeerTransport
    credentials: IceCredentials
    events: list[TransportEvent] = field(default_factory=list)


class PortKit:
    """A port that clients reach at `host`. `feedback` collects what the forwarder says of tracks."""

    def __init__(
        self, make_forwarder: Callable[[str, int], Forwarder], bind: str = "127.0.0.1", host: str = "127.0.0.1"
    ) -> None:
        self.host = host
        self.clock = Clock()
        self.forwarder = make_forwarder(bind, 0)
        self.feedback: list[KeyframeRequested] = []
        self.port = SharedPort(self.forwarder, self.clock, self.feedback.append)
        self.peers: list[PortPeer] = []

    @property
    def address(self) -> tuple[str, int]:
        return (self.host, self.forwarder.port)  # type: ignore[attr-defined]

    async def start_peer(
        self, *, fingerprint: tuple[str, str] | None = None, profiles: tuple[bytes, ...] = ()
    ) -> PortPeer:
        """A transport that waits for its client, which has not said anything yet."""
        client = WebRtcClient(self.address, profiles=profiles)
        await client.open()
        credentials = IceCredentials(secrets.token_hex(4), secrets.token_hex(12))
        transport = PeerTransport(self.forwarder, self.clock)
        peer = PortPeer(client, transport, credentials)
        remote = IceCredentials(client.ufrag, client.pwd)
        fingerprints = (Fingerprint(*(fingerprint or client.fingerprint)),)
        transport.start(StartTransport("PA1", credentials, remote, fingerprints), peer.events.append)
        transport.start_sctp(StartSctp("PA1", 5000, 262144))
        self.port.add(transport)
        self.peers.append(peer)
        return peer

    async def connect(self, peer: PortPeer, *, data: bool = True) -> None:
        ours = peer.transport.fingerprint
        await peer.client.connect(peer.credentials.ufrag, peer.credentials.pwd, (ours.algorithm, ours.value), data=data)
        await until(lambda: TransportConnected() in peer.events)

    async def open_peer(self, *, profiles: tuple[bytes, ...] = (), data: bool = True) -> PortPeer:
        """A connected peer."""
        peer = await self.start_peer(profiles=profiles)
        await self.connect(peer, data=data)
        return peer

    async def close_peer(self, peer: PortPeer) -> None:
        self.peers.remove(peer)
        self.port.remove(peer.transport)
        await peer.client.close()
        await peer.transport.close()

    async def close(self) -> None:
        for peer in list(self.peers):
            await self.close_peer(peer)
        self.port.close()
        await asyncio.sleep(0)
