"""
ICE and DTLS of one client towards a server: connectivity and consent checks, the handshake, the keys for the packet engine. Checks go only to
addresses of the server's description, and media only to the one that answered.

Not here: gathering, TURN, and the controlled role; a server that is not ICE-lite gets its own checks answered.
"""

import asyncio
import random
import secrets
import socket
from collections.abc import Callable

from aioice import stun

from roomwire.load_test.dtls import PROFILES, Handshake, HandshakeFailed, Identity
from roomwire.load_test.engine import Address, Endpoint, Engine
from roomwire.load_test.sdp import PAYLOAD_TYPES, LocalTransport, RemoteTransport

CHECK_INTERVAL_S = 0.05
"""RFC 8445 section 14.2 (Ta)."""
CONSENT_INTERVAL_S = 5.0
CONSENT_TIMEOUT_S = 30.0
"""RFC 7675 section 5.1."""
PRIORITY = 1853824767
"""A host candidate's, as peer-reflexive (RFC 8445 section 5.1.2); one candidate pair a server address, so it decides nothing."""


class Network:
    """Hands datagrams from the engine to the transports, in the event loop's thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._transports: dict[int, Transport] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(engine.fileno(), self._receive)

    def close(self) -> None:
        self._loop.remove_reader(self.engine.fileno())

    def open_endpoint(self, transport: "Transport", remote: Address, *, decrypt: bool, nack: bool) -> Endpoint:
        """Open a socket on the address from which `remote` is reached. Raises OSError."""
        endpoint = self.engine.open_endpoint(
            local_address(remote), decrypt=decrypt, video_payload_type=PAYLOAD_TYPES["video"], nack=nack
        )
        self._transports[endpoint.index] = transport
        return endpoint

    def _receive(self) -> None:
        for datagram in self.engine.datagrams_received():
            transport = self._transports[datagram.endpoint]
            if datagram.data[0] < 4:
                transport.receive_stun(datagram.data, datagram.remote)
            elif 20 <= datagram.data[0] < 64:
                transport.receive_dtls(datagram.data, datagram.remote)


def local_address(remote: Address) -> str:
    """The local address that the kernel would send from. Nothing is sent."""
    family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(remote)
        return str(probe.getsockname()[0])


class Transport:
    """
    One client's ICE and DTLS. Call `connect` with each new description of the server; `connected` becomes done when keys are in the
    engine, or fails with HandshakeFailed, OSError or TimeoutError (consent lost).
    """

    def __init__(self, network: Network, identity: Identity, *, decrypt: bool, nack: bool) -> None:
        self._network = network
        self._identity = identity
        self._options = {"decrypt": decrypt, "nack": nack}
        self._loop = asyncio.get_running_loop()
        self._remote: RemoteTransport | None = None
        self._is_client = True
        self._transactions: dict[bytes, Address] = {}
        self._selected: Address | None = None
        self._consent_until = 0.0
        self._handshake: Handshake | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tie_breaker = secrets.randbits(64)
        self.endpoint: Endpoint | None = None
        self.profile: str | None = None
        self.failure: Exception | None = None
        self.connected: asyncio.Future[None] = self._loop.create_future()
        self.renew_credentials()

    def renew_credentials(self) -> None:
        """Make new ICE credentials, for an ICE restart."""
        self.local = LocalTransport(secrets.token_hex(4), secrets.token_hex(16), self._identity.fingerprint)

    @property
    def is_client(self) -> bool:
        """Whether we are the DTLS client; once decided it holds (RFC 8842 section 5.5)."""
        return self._is_client

    def is_restarted_by(self, remote: RemoteTransport) -> bool:
        """Whether a description restarts ICE."""
        return self._remote is not None and (remote.ufrag, remote.password) != (
            self._remote.ufrag,
            self._remote.password,
        )

    def connect(self, remote: RemoteTransport, *, is_client: bool, on_open: Callable[[Endpoint], None]) -> None:
        """
        Check the server's addresses with its credentials; a description that changes neither starts nothing. `on_open` is told of the socket,
        once. Raises OSError, and ValueError for a description without a UDP address.
        """
        if self._remote and not self.is_restarted_by(remote):
            return
        if not remote.addresses:
            raise ValueError("the server's description offers no UDP address")
        renewed = self._remote is not None and remote.fingerprint != self._remote.fingerprint
        self._remote, self._is_client = remote, is_client
        if renewed:
            self._handshake = self.profile = None
        if self.endpoint is None:
            self.endpoint = self._network.open_endpoint(self, remote.addresses[0], **self._options)
            on_open(self.endpoint)
        self._selected = None
        self._transactions.clear()
        self._check()

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        if self.endpoint:
            self.endpoint.close()
        if not self.connected.done():
            self.connected.cancel()

    # -- ICE -----------------------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        assert self._remote
        now = self._loop.time()
        if self._selected and now > self._consent_until:
            self._fail(TimeoutError("the server stopped answering ICE checks"))
            return
        for address in [self._selected] if self._selected else self._remote.addresses:
            self._send_check(address)
        delay = CONSENT_INTERVAL_S * random.uniform(0.8, 1.2) if self._selected else CHECK_INTERVAL_S
        self._arm("check", delay, self._check)

    def _send_check(self, address: Address) -> None:
        assert self._remote
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self._remote.ufrag}:{self.local.ufrag}"
        request.attributes["PRIORITY"] = PRIORITY
        request.attributes["ICE-CONTROLLING"] = self._tie_breaker
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self._remote.password.encode())
        while len(self._transactions) >= 32:
            del self._transactions[next(iter(self._transactions))]
        self._transactions[request.transaction_id] = address
        self._send(bytes(request), address)

    def receive_stun(self, data: bytes, remote: Address) -> None:
        try:
            message = stun.parse_message(data)
        except ValueError:
            return
        if message.message_method != stun.Method.BINDING:
            return
        if message.message_class == stun.Class.REQUEST:
            self._answer_check(message, remote)
        elif message.message_class == stun.Class.RESPONSE:
            self._receive_answer(message, remote)

    def _answer_check(self, request: stun.Message, remote: Address) -> None:
        if not self._remote or remote not in self._remote.addresses:
            return
        if not request.check_message_integrity(self.local.password.encode()):
            return
        answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=request.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = remote
        answer.add_message_integrity(self.local.password.encode())
        self._send(bytes(answer), remote)

    def _receive_answer(self, answer: stun.Message, remote: Address) -> None:
        assert self._remote
        if self._transactions.get(answer.transaction_id) != remote:
            return
        if not answer.check_message_integrity(self._remote.password.encode()):
            return
        del self._transactions[answer.transaction_id]
        self._consent_until = self._loop.time() + CONSENT_TIMEOUT_S
        if self._selected is None:
            self._select(remote)

    def _select(self, remote: Address) -> None:
        assert self.endpoint
        assert self._remote
        self._selected = remote
        self.endpoint.set_remote(remote)
        self._arm("check", CONSENT_INTERVAL_S, self._check)
        if self._handshake is None:
            self._start_handshake()

    # -- DTLS ----------------------------------------------------------------------------------------------------------------------

    def _start_handshake(self) -> None:
        assert self._remote
        self._handshake = Handshake(self._identity, self._remote.fingerprint, is_client=self._is_client)
        if self._is_client:
            self._handshake.start()
            self._pump_handshake()

    def receive_dtls(self, data: bytes, remote: Address) -> None:
        if self._handshake is None or remote != self._selected:
            return
        try:
            self._handshake.receive_datagram(data)
        except HandshakeFailed as error:
            self._fail(error)
            return
        self._pump_handshake()

    def _pump_handshake(self) -> None:
        assert self._handshake
        assert self._selected
        for datagram in self._handshake.datagrams_to_send():
            self._send(datagram, self._selected)
        timeout_s = self._handshake.timeout_s()
        if timeout_s is not None:
            self._arm("handshake", timeout_s, self._repeat_flight)
        elif self._handshake.keys and (timer := self._timers.pop("handshake", None)):
            timer.cancel()
        if self._handshake.keys and self.profile is None:
            self._use_keys()

    def _repeat_flight(self) -> None:
        if self._handshake and self._selected:
            self._handshake.handle_timeout()
            self._pump_handshake()

    def _use_keys(self) -> None:
        assert self.endpoint
        assert self._handshake
        keys = self._handshake.keys
        assert keys
        self.profile = keys.profile
        self.endpoint.set_srtp_keys(PROFILES[keys.profile].number, keys.send, keys.receive)
        if not self.connected.done():
            self.connected.set_result(None)

    # -- both ----------------------------------------------------------------------------------------------------------------------

    def _send(self, data: bytes, remote: Address) -> None:
        if self.endpoint:
            self.endpoint.send_datagram(data, remote)

    def _arm(self, name: str, delay_s: float, call: Callable[[], None]) -> None:
        if timer := self._timers.get(name):
            timer.cancel()
        self._timers[name] = self._loop.call_later(delay_s, call)

    def _fail(self, error: Exception) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self.failure = error
        if self.endpoint:
            self.endpoint.hold()
        if not self.connected.done():
            self.connected.set_exception(error)
