"""
A small WebRTC client for tests: ICE checks, DTLS client, SRTP and SCTP over one UDP socket of its own. It stands in for a browser where a test wants
to see every packet. No SDP: a test passes credentials and fingerprints itself.
"""

import asyncio
import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aioice import stun
from aiortc import RTCCertificate, RTCDataChannel, RTCDataChannelParameters, RTCSctpCapabilities, RTCSctpTransport
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from aiortc.rtp import RTCP_RTPFB, RtcpPacket, is_rtcp

Address = tuple[str, int]
CHECK_INTERVAL_S = 0.05
KEEPALIVE_INTERVAL_S = 1.0


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes, Address], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._receive(data, (addr[0], addr[1]))


class _Pipe:
    """What aiortc's DTLS transport takes for an ICE transport."""

    role = "controlling"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._send_now = send

    async def _recv(self) -> bytes:
        data = await self.queue.get()
        if data is None:
            raise ConnectionError
        return data

    async def _send(self, data: bytes) -> None:
        self._send_now(data)


class _Dtls(RTCDtlsTransport):
    def __init__(self, pipe: Any, on_rtp: Callable[[bytes], None], on_rtcp: Callable[[bytes], None]) -> None:
        super().__init__(pipe, [RTCCertificate.generateCertificate()])
        self._set_role("client")
        self._on_rtp = on_rtp
        self._on_rtcp = on_rtcp

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        self._on_rtp(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self._on_rtcp(data)


@dataclass
class WebRtcClient:
    """
    `ufrag` and `pwd` are the client's own; `remote_*` the server's. Lists `rtp`, `rtcp` (parsed compounds, flattened), `messages` (label, data) and
    `channels` fill as things arrive.
    """

    remote: Address
    remote_ufrag: str = ""
    remote_pwd: str = ""
    ufrag: str = field(default_factory=lambda: secrets.token_hex(4))
    pwd: str = field(default_factory=lambda: secrets.token_hex(12))
    profiles: tuple[bytes, ...] = ()
    """OpenSSL names of the SRTP profiles to offer; all by default."""
    rtp: list[bytes] = field(default_factory=list)
    rtcp: list[Any] = field(default_factory=list)
    messages: list[tuple[str, str | bytes]] = field(default_factory=list)
    channels: dict[str, RTCDataChannel] = field(default_factory=dict)
    """Channels that the server opened, by label."""
    checks_answered: int = 0
    drop: Callable[[bytes], bool] = lambda _: False
    """Told every datagram in both directions; true loses it."""

    async def open(self) -> None:
        """Bind the socket. Call before anything else."""
        self._pipe = _Pipe(self._send)
        self._dtls = _Dtls(self._pipe, self.rtp.append, self._receive_rtcp)
        if self.profiles:
            self._dtls._srtp_profiles = [p for p in SRTP_PROFILES if p.openssl_profile in self.profiles]
        self._sctp = RTCSctpTransport(self._dtls)
        self._sctp.on("datachannel", self._receive_channel)
        self._checking: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()
        await self.change_address()

    async def change_address(self) -> None:
        """Go on from another local port, as after a change of network."""
        if hasattr(self, "_udp"):
            self._udp.close()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self._receive), local_addr=("::1" if ":" in self.remote[0] else "127.0.0.1", 0)
        )
        self._udp = transport

    @property
    def address(self) -> Address:
        name = self._udp.get_extra_info("sockname")
        return (name[0], name[1])

    @property
    def fingerprint(self) -> tuple[str, str]:
        """Algorithm and value."""
        found = self._dtls.getLocalParameters().fingerprints[0]
        return (found.algorithm, found.value)

    @property
    def dtls_state(self) -> str:
        return str(self._dtls.state)

    @property
    def srtp_profile(self) -> bytes:
        return bytes(self._dtls._ssl.get_selected_srtp_profile())

    async def connect(self, ufrag: str, pwd: str, fingerprint: tuple[str, str], *, data: bool = True) -> None:
        """ICE, DTLS and (with `data`) SCTP. Returns when DTLS is up; raises ConnectionError when it fails."""
        await self.check(ufrag, pwd)
        await self._dtls.start(RTCDtlsParameters([RTCDtlsFingerprint(*fingerprint)], "server"))
        if self._dtls.state != "connected":
            raise ConnectionError("DTLS failed")
        if data:
            await self._sctp.start(RTCSctpCapabilities(maxMessageSize=262144), 5000)

    async def check(self, ufrag: str, pwd: str) -> None:
        """Send checks until one is answered, and keep on sending. With new credentials this is an ICE restart."""
        self.remote_ufrag, self.remote_pwd = ufrag, pwd
        self._answered.clear()
        if self._checking is None:
            self._checking = asyncio.create_task(self._check_for_ever())
        else:
            self.send_check()
        await self._answered.wait()

    def pause_checks(self) -> None:
        """Send no more checks: consent runs out."""
        if self._checking is not None:
            self._checking.cancel()
            self._checking = None

    def send_check(self, *, nominate: bool = True, **changes: Any) -> None:
        """One check; `changes` replace or (None) remove attributes before it is sealed."""
        self._send(self.make_check(nominate=nominate, **changes))

    def make_check(self, *, nominate: bool = True, password: str | None = None, **changes: Any) -> bytes:
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self.remote_ufrag}:{self.ufrag}"
        request.attributes["PRIORITY"] = 1
        request.attributes["ICE-CONTROLLING"] = 1
        if nominate:
            request.attributes["USE-CANDIDATE"] = None
        for name, value in changes.items():
            name = name.replace("_", "-").upper()
            if value is None:
                request.attributes.pop(name, None)
            else:
                request.attributes[name] = value
        request.add_message_integrity((password or self.remote_pwd).encode())
        return bytes(request)

    def forget_received(self) -> None:
        """Start SRTP reception anew, so that a packet that is sent again is not taken for a replay."""
        self._dtls._setup_srtp()

    def send_raw(self, data: bytes) -> None:
        self._send(data)

    def send_rtp(self, packet: bytes) -> None:
        self._send(self._dtls._tx_srtp.protect(packet))

    def send_rtcp(self, packet: Any) -> None:
        self._send(self._dtls._tx_srtp.protect_rtcp(bytes(packet)))

    def open_channel(
        self, label: str, *, ordered: bool = True, max_retransmits: int | None = None, max_life_ms: int | None = None
    ) -> RTCDataChannel:
        channel = RTCDataChannel(
            self._sctp,
            RTCDataChannelParameters(
                label=label, ordered=ordered, maxRetransmits=max_retransmits, maxPacketLifeTime=max_life_ms
            ),
        )
        channel.on("message", lambda data: self.messages.append((label, data)))
        return channel

    async def close(self, *, goodbye: bool = True) -> None:
        """Leave; without `goodbye` like a machine that lost its power."""
        self.pause_checks()
        if not goodbye:
            self._pipe._send_now = lambda data: None
        await self._sctp.stop()
        await self._dtls.stop()
        self._pipe.queue.put_nowait(None)
        self._udp.close()

    def _send(self, data: bytes) -> None:
        if not self.drop(data):
            self._udp.sendto(data, self.remote)

    def _receive(self, data: bytes, remote: Address) -> None:
        if not data or self.drop(data):
            return
        if data[0] <= 3:
            self._receive_stun(data)
        else:
            self._pipe.queue.put_nowait(data)

    def _receive_stun(self, data: bytes) -> None:
        message = stun.parse_message(data)
        if message.message_class is stun.Class.RESPONSE and message.check_message_integrity(self.remote_pwd.encode()):
            self.checks_answered += 1
            self._answered.set()
        elif message.message_class is stun.Class.ERROR:
            self.rtcp.append(message)

    def _receive_rtcp(self, data: bytes) -> None:
        if len(data) >= 2 and data[1] == RTCP_RTPFB and data[0] & 0x1F == 15:
            return
        self.rtcp.extend(RtcpPacket.parse(data))

    def _receive_channel(self, channel: RTCDataChannel) -> None:
        self.channels[channel.label] = channel
        channel.on("message", lambda data: self.messages.append((channel.label, data)))

    async def _check_for_ever(self) -> None:
        while True:
            self.send_check()
            await asyncio.sleep(KEEPALIVE_INTERVAL_S if self._answered.is_set() else CHECK_INTERVAL_S)


def rtp_packet(
    seq: int,
    rtp_time: int,
    ssrc: int,
    payload_type: int,
    payload: bytes = b"payload",
    *,
    marker: bool = False,
    extensions: dict[int, bytes] | None = None,
) -> bytes:
    """An RTP packet, with one-byte header extensions."""
    block = b"".join(
        bytes([(identifier << 4) | (len(value) - 1)]) + value for identifier, value in (extensions or {}).items()
    )
    block += bytes(-len(block) % 4)
    header = struct.pack(
        "!BBHLL",
        0x90 if extensions else 0x80,
        (0x80 if marker else 0) | payload_type,
        seq & 0xFFFF,
        rtp_time & 0xFFFFFFFF,
        ssrc,
    )
    if extensions:
        header += struct.pack("!HH", 0xBEDE, len(block) // 4) + block
    return header + payload


async def until(question: Callable[[], Any], patience_s: float = 5.0) -> Any:
    """Wait until the answer is true, and return it."""
    deadline = time.monotonic() + patience_s
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        await asyncio.sleep(0.005)
    return answer


__all__ = ["Address", "WebRtcClient", "is_rtcp", "rtp_packet", "until"]
