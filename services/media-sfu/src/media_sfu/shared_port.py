"""
The one UDP port: tells STUN from DTLS (RFC 7983) and finds the peer that a datagram belongs to. RTP and RTCP stay in the forwarder.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from media_sfu.data_channels import Clock
from media_sfu.forwarder import DatagramReceived, Forwarder, KeyframeRequested, PeerHandle
from media_sfu.ice_lite import CheckRefused, parse_check, username_fragment
from media_sfu.peer_transport import PeerTransport
from media_sfu.rate_cap import RateCap

STRANGER_RATE = 200.0
STRANGERS_RATE = 2000.0
"""STUN datagrams a second that are read from one unknown address, and from all. A joining browser sends some ten in its first second."""


class SharedPort:
    """
    Owns the forwarder's readiness callback. Events of tracks go to `on_feedback`.
    """

    def __init__(self, forwarder: Forwarder, clock: Clock, on_feedback: Callable[[KeyframeRequested], None]) -> None:
        self._forwarder = forwarder
        self._clock = clock
        self._on_feedback = on_feedback
        self._transports: dict[PeerHandle, PeerTransport] = {}
        self._by_fragment: dict[str, PeerTransport] = {}
        self._strangers = RateCap(STRANGER_RATE, STRANGERS_RATE)
        self.dropped: Counter[str] = Counter()
        asyncio.get_running_loop().add_reader(forwarder.fileno(), self._receive)

    def add(self, transport: PeerTransport) -> None:
        """Route this peer's datagrams. Call again after an ICE restart."""
        assert transport.ice is not None
        self.remove(transport)
        self._transports[transport.handle] = transport
        for fragment in transport.ice.username_fragments:
            self._by_fragment[fragment] = transport

    def remove(self, transport: PeerTransport) -> None:
        self._transports.pop(transport.handle, None)
        for fragment in [f for f, t in self._by_fragment.items() if t is transport]:
            del self._by_fragment[fragment]

    def close(self) -> None:
        """Stop reading, and close the forwarder."""
        asyncio.get_running_loop().remove_reader(self._forwarder.fileno())
        self._forwarder.close()

    def _receive(self) -> None:
        for event in self._forwarder.events_received():
            if isinstance(event, DatagramReceived):
                self._receive_datagram(event)
            else:
                self._on_feedback(event)

    def _receive_datagram(self, event: DatagramReceived) -> None:
        kind = event.data[0]
        if kind <= 3:
            self._receive_check(event)
        elif 20 <= kind <= 63:
            transport = self._transports.get(event.peer) if event.peer is not None else None
            if transport is None:
                self.dropped["dtls_unknown_address"] += 1
            else:
                transport.receive_dtls(event.data)
        else:
            self.dropped["unknown_protocol"] += 1

    def _receive_check(self, event: DatagramReceived) -> None:
        now = self._clock()
        if event.peer is None and not self._strangers.admits(event.remote[0], now):
            self.dropped["stun_rate"] += 1
            return
        request = parse_check(event.data)
        if isinstance(request, CheckRefused):
            self.dropped["stun_" + request.name.lower()] += 1
            return
        transport = self._by_fragment.get(username_fragment(request))
        if transport is None:
            self.dropped["stun_unknown_username"] += 1
            return
        if event.peer is not None and event.peer != transport.handle:
            self.dropped["stun_address_taken"] += (
                1  # else a participant could take another's address over by a forged source
            )
            return
        refused = transport.receive_check(request, event.remote, now)
        if refused is not None:
            self.dropped["stun_" + refused.name.lower()] += 1
