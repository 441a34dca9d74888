"""
DTLS and SCTP on aiortc. This is the one module that touches aiortc's private names; `tests/unit/media_sfu/test_dtls.py` fails when one of them goes.

We are always the DTLS server, so that we choose the SRTP profile. RTP and RTCP never come here: the forwarder is given the keys and keeps them.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, cast

import structlog
from aiortc import RTCCertificate, RTCDataChannel, RTCDataChannelParameters, RTCSctpCapabilities, RTCSctpTransport
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    State,
)

from media_sfu.core.actions import ChannelParameters, Fingerprint
from media_sfu.forwarder import SrtpKeys

log = structlog.get_logger()

PROFILES = (SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80)
"""In our order of preference: the first costs half of the last (RFC 7714, RFC 5764)."""

DATAGRAM_QUEUE = 512
"""Datagrams waiting for the DTLS task. More are dropped: DTLS and SCTP send again what was lost."""

MAX_MESSAGE_SIZE = 262_144
"""Octets in one data channel message, offered to the client as `a=max-message-size`."""


class DatagramPipe:
    """What aiortc calls an ICE transport: datagrams of one peer, in from the shared port, out to wherever the peer is now."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._datagrams: asyncio.Queue[bytes | None] = asyncio.Queue(DATAGRAM_QUEUE)
        self._send_datagram = send
        self.closed = False
        self.dropped = 0

    def receive(self, data: bytes) -> None:
        """Hand in a DTLS datagram."""
        if self._datagrams.full():
            self.dropped += 1
        elif not self.closed:
            self._datagrams.put_nowait(data)

    def close(self) -> None:
        """Wake the reader with the end."""
        self.closed = True
        if self._datagrams.full():
            self._datagrams.get_nowait()
        self._datagrams.put_nowait(None)

    async def _recv(self) -> bytes:
        data = None if self.closed else await self._datagrams.get()
        if data is None:
            raise ConnectionError("closed")
        return data

    async def _send(self, data: bytes) -> None:
        if self.closed:
            raise ConnectionError("closed")
        self._send_datagram(data)


class DtlsTransport(RTCDtlsTransport):
    """
    The server side of one peer's DTLS, with a certificate of its own: a client keeps its DTLS session when a fingerprint stays the same, so a moved peer
    needs another one.
    """

    def __init__(self, pipe: DatagramPipe, on_keys: Callable[[SrtpKeys], None]) -> None:
        super().__init__(cast(Any, pipe), [RTCCertificate.generateCertificate()])
        self._pipe = pipe
        self._on_keys = on_keys
        self._srtp_profiles = list(PROFILES)
        self._set_role("server")
        self.closed_by_client = False
        self.broken_datagrams = 0

    @property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint of our certificate."""
        for candidate in self.getLocalParameters().fingerprints:
            if candidate.algorithm == "sha-256":
                return Fingerprint(candidate.algorithm, candidate.value)
        raise LookupError("no sha-256 fingerprint")

    async def accept(self, fingerprints: tuple[Fingerprint, ...]) -> bool:
        """
        Wait for the client's handshake; its certificate must have these fingerprints. Returns whether the transport is connected: if so, the keys have been
        handed out.
        """
        await self.start(RTCDtlsParameters([RTCDtlsFingerprint(f.algorithm, f.value) for f in fingerprints], "client"))
        return bool(self._state is State.CONNECTED)

    async def wait_closed(self) -> None:
        """Wait for the end of an accepted transport: our `close`, or the client's close_notify."""
        if self._task is not None:
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.exception()  # retrieved here; aiortc has logged it

    async def close(self) -> None:
        """Say close_notify and stop. Nothing is sent afterwards."""
        task = self._task
        await self.stop()
        self._pipe.close()
        if task is not None:
            await asyncio.wait([task])
        self.remove_all_listeners()

    def _setup_srtp(self) -> None:
        assert self._ssl is not None  # the handshake is over
        name = self._ssl.get_selected_srtp_profile()
        profile = next((p for p in PROFILES if p.openssl_profile == name), None)
        if profile is None:
            self._set_state(State.FAILED)
            return
        material = self._ssl.export_keying_material(
            b"EXTRACTOR-dtls_srtp", 2 * (profile.key_length + profile.salt_length)
        )
        self._on_keys(
            SrtpKeys(
                profile=cast(
                    Literal["SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80"], name.decode()
                ),
                receive=profile.get_key_and_salt(material, 0),  # the client's write key (RFC 5764 section 4.2)
                send=profile.get_key_and_salt(material, 1),
            )
        )

    async def _recv_next(self) -> None:
        try:
            await super()._recv_next()
        except ConnectionError:
            self.closed_by_client = not self._pipe.closed
            raise
        except Exception as error:  # aiortc's SCTP asserts what a peer may break; only this datagram is lost
            self.broken_datagrams += 1
            log.warning("peer sent an unreadable SCTP packet", error=repr(error))


class SctpAssociation(RTCSctpTransport):
    """One peer's SCTP association. `hold` and `release` move its receive window, so that a client cannot send faster than its data is passed on."""

    async def begin(self, remote_port: int, remote_max_message_size: int) -> None:
        """Associate. Call once, when the transport is connected. The client's channels come as `datachannel` events."""
        await self.start(RTCSctpCapabilities(maxMessageSize=remote_max_message_size), remote_port)

    @property
    def is_established(self) -> bool:
        return bool(self._association_state is self.State.ESTABLISHED)

    def make_channel(self, label: str, parameters: ChannelParameters) -> RTCDataChannel:
        """Open a channel towards the client; it becomes open by itself, also when the association is not yet up."""
        return RTCDataChannel(
            self,
            RTCDataChannelParameters(
                label=label,
                ordered=parameters.ordered,
                maxRetransmits=parameters.max_retransmits,
                maxPacketLifeTime=parameters.max_packet_life_time_ms,
            ),
        )

    def hold(self, octets: int) -> None:
        """Take octets that wait here out of the window that the client sees."""
        self._advertised_rwnd -= octets

    def release(self, octets: int) -> None:
        """Give them back. When the window had been nearly closed, the client is told (RFC 9260 section 6.2)."""
        was_closed = self._advertised_rwnd < MAX_MESSAGE_SIZE
        self._advertised_rwnd += octets
        if was_closed and self._advertised_rwnd >= MAX_MESSAGE_SIZE and self.is_established:
            self._window_update = asyncio.ensure_future(self._tell_window())

    async def _receive_data_chunk(self, chunk: Any) -> None:
        # A client that minds no window shall not fill our memory; what is not acknowledged comes again (RFC 9260 section 6.2).
        if self._advertised_rwnd > -MAX_MESSAGE_SIZE:
            await super()._receive_data_chunk(chunk)

    async def _tell_window(self) -> None:
        try:
            await self._send_sack()
        except ConnectionError:
            return  # the transport is gone, and the association with it
