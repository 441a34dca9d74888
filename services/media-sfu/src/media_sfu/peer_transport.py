"""
The transport of one peer: ICE-lite, DTLS and SCTP over the shared port, and its place in the forwarder. It knows no room and no SDP.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aioice.stun import Message

from media_sfu.core.actions import Fingerprint, IceCredentials, StartSctp, StartTransport
from media_sfu.data_channels import Clock, DataChannels
from media_sfu.dtls import DatagramPipe, DtlsTransport, SctpAssociation
from media_sfu.forwarder import Address, Forwarder, SrtpKeys
from media_sfu.ice_lite import CheckRefused, IceLiteConnection


@dataclass(frozen=True, slots=True)
class TransportConnected:
    """DTLS is up and the forwarder has the keys."""


@dataclass(frozen=True, slots=True)
class TransportLost:
    """`closed_by_client`: close_notify was seen; else consent expired, or the handshake failed, and the client may come back by an ICE restart."""

    closed_by_client: bool


TransportEvent = TransportConnected | TransportLost


class PeerTransport:
    """
    Make it before the first answer, for the answer's fingerprint; then `start`, and `close` in the end, started or not. `on_event` is called from the
    event loop, never from within a call here.
    """

    def __init__(self, forwarder: Forwarder, clock: Clock) -> None:
        self._forwarder = forwarder
        self._pipe = DatagramPipe(self._send)
        self._dtls = DtlsTransport(self._pipe, self._hand_out)
        self._sctp = SctpAssociation(self._dtls)
        self._sctp_command: StartSctp | None = None
        self._sctp_wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.handle = forwarder.add_peer()
        self.ice: IceLiteConnection | None = None
        self.channels = DataChannels(self._sctp, clock)

    @property
    def fingerprint(self) -> Fingerprint:
        """What our SDP shall say. Made for this transport alone."""
        return self._dtls.fingerprint

    def start(self, command: StartTransport, on_event: Callable[[TransportEvent], None]) -> None:
        """Answer checks, and wait for the client's handshake."""
        self.ice = IceLiteConnection(command.local)
        self._task = asyncio.create_task(self._run(command.fingerprints, on_event))

    def restart_ice(self, local: IceCredentials) -> None:
        """Answer checks under new credentials too. Call after `start`."""
        assert self.ice is not None
        self.ice.restart(local)

    def start_sctp(self, command: StartSctp) -> None:
        """Associate as soon as DTLS is up."""
        self._sctp_command = command
        self._sctp_wanted.set()

    def receive_check(self, request: Message, remote: Address, now: float) -> CheckRefused | None:
        """Answer a connectivity check that names one of our username fragments. Call after `start`."""
        assert self.ice is not None
        answer = self.ice.receive_check(request, remote, now)
        if isinstance(answer, CheckRefused):
            return answer
        if answer.is_new:
            self._forwarder.bind_address(self.handle, remote)
        if answer.is_selected:
            self._forwarder.set_send_address(self.handle, remote)
        self._forwarder.send_datagram(answer.response, remote)
        return None

    def receive_dtls(self, data: bytes) -> None:
        """Take a DTLS datagram from one of the peer's addresses."""
        self._pipe.receive(data)

    def expire(self, now: float) -> bool:
        """Drop addresses without consent. Returns whether the peer lost its last way to us: nothing is sent until a check comes."""
        if self.ice is None or not self.ice.addresses:
            return False
        had_way = self.ice.selected is not None
        for address in self.ice.expire(now):
            self._forwarder.unbind_address(address)
        if not had_way or self.ice.selected is not None:
            return False
        self._forwarder.set_send_address(self.handle, None)
        return True

    async def close(self) -> None:
        """Stop media at once, then say goodbye to SCTP and DTLS. Idempotent."""
        if self._closing:
            return
        self._closing = True
        self._forwarder.remove_peer(self.handle)
        self.channels.close()
        await self._sctp.stop()
        await self._dtls.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, fingerprints: tuple[Fingerprint, ...], on_event: Callable[[TransportEvent], None]) -> None:
        if not await self._dtls.accept(fingerprints):
            if not self._closing:
                on_event(TransportLost(closed_by_client=False))
            return
        on_event(TransportConnected())
        associating = asyncio.create_task(self._associate())
        try:
            await self._dtls.wait_closed()
        finally:
            associating.cancel()
        if not self._closing:
            on_event(TransportLost(self._dtls.closed_by_client))

    async def _associate(self) -> None:
        await self._sctp_wanted.wait()
        assert self._sctp_command is not None
        try:
            await self._sctp.begin(self._sctp_command.remote_port, self._sctp_command.remote_max_message_size)
        except ConnectionError:
            return  # DTLS has just ended; `_run` says so

    def _send(self, data: bytes) -> None:
        if self.ice is not None and self.ice.selected is not None:
            self._forwarder.send_datagram(data, self.ice.selected)

    def _hand_out(self, keys: SrtpKeys) -> None:
        if not self._closing:
            self._forwarder.set_srtp_keys(self.handle, keys)
