"""The DTLS side of DTLS-SRTP: one self-signed certificate for all of a run's clients, and the handshake of each. Bytes in, bytes out; no sockets."""

import datetime
import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from pylibsrtp import Policy

MTU = 1200
CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305"


@dataclass(frozen=True, slots=True)
class Profile:
    """An SRTP protection profile: pylibsrtp's number, octets of master key and salt (RFC 5764 section 4.1.2, RFC 7714 section 14.2)."""

    number: int
    key_octets: int
    salt_octets: int


PROFILES = {
    "SRTP_AEAD_AES_128_GCM": Profile(Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    "SRTP_AEAD_AES_256_GCM": Profile(Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
    "SRTP_AES128_CM_SHA1_80": Profile(Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}


class HandshakeFailed(Exception):
    """DTLS did not come up: the peer ended it, showed another certificate than its fingerprint says, or shares no SRTP profile."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What a handshake gave: the profile's name, and key||salt for each direction."""

    profile: str
    send: bytes
    receive: bytes


class Identity:
    """A certificate, and the TLS settings that go with it. `profiles` are offered in this order."""

    def __init__(self, profiles: tuple[str, ...] = tuple(PROFILES)) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "load-test")])
        now = datetime.datetime.now(tz=datetime.UTC)
        day = datetime.timedelta(days=1)
        builder = x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - day, now + 30 * day
        )
        certificate = builder.sign(key, hashes.SHA256())
        self.fingerprint = colon_hex(certificate.fingerprint(hashes.SHA256()))
        self.context = SSL.Context(SSL.DTLS_METHOD)
        self.context.set_options(SSL.OP_NO_TICKET)
        # Any certificate will do here: it is compared with the fingerprint of the description after the handshake.
        self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        self.context.use_certificate(certificate)
        self.context.use_privatekey(key)
        self.context.set_cipher_list(CIPHERS)
        self.context.set_tlsext_use_srtp(":".join(profiles).encode())


class Handshake:
    """
    One handshake. Give it what comes and send what `datagrams_to_send` returns; `keys` is there once it is done.

    Call `handle_timeout` after `timeout_s`: lost flights are sent again.
    """

    def __init__(self, identity: Identity, fingerprint: tuple[str, str], *, is_client: bool) -> None:
        self._fingerprint = fingerprint
        self._is_client = is_client
        self._connection = SSL.Connection(identity.context, None)
        self._connection.set_ciphertext_mtu(MTU)
        if is_client:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()
        self.keys: Keys | None = None

    def start(self) -> None:
        self._step()

    def receive_datagram(self, data: bytes) -> None:
        """Raises HandshakeFailed. After the handshake only alerts are read."""
        self._connection.bio_write(data)
        if self.keys is None:
            self._step()
            return
        try:
            self._connection.recv(MTU)
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            raise HandshakeFailed("the server ended DTLS") from error

    def timeout_s(self) -> float | None:
        """Seconds until `handle_timeout`, or None when nothing waits."""
        return self._connection.DTLSv1_get_timeout() if self.keys is None else None

    def handle_timeout(self) -> None:
        self._connection.DTLSv1_handle_timeout()

    def datagrams_to_send(self) -> list[bytes]:
        """Records, packed into datagrams of at most the MTU."""
        try:
            data = self._connection.bio_read(65536)
        except SSL.WantReadError:
            return []
        datagrams = [b""]
        while data:
            size = 13 + int.from_bytes(data[11:13], "big")  # RFC 6347 section 4.1: the length ends the record header
            if datagrams[-1] and len(datagrams[-1]) + size > MTU:
                datagrams.append(b"")
            datagrams[-1] += data[:size]
            data = data[size:]
        return datagrams

    def _step(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            raise HandshakeFailed(f"DTLS handshake refused: {error}") from error
        self._check_certificate()
        self.keys = self._export_keys()

    def _check_certificate(self) -> None:
        name, expected = self._fingerprint
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        try:
            digest = hashlib.new(name.replace("-", ""), certificate.public_bytes(Encoding.DER) if certificate else b"")
        except ValueError:
            raise HandshakeFailed(f"the server's fingerprint is of an unknown kind: {name}") from None
        if colon_hex(digest.digest()) != expected:
            raise HandshakeFailed("the server's certificate is not the one of its description")

    def _export_keys(self) -> Keys:
        name = self._connection.get_selected_srtp_profile().decode()
        if name not in PROFILES:
            raise HandshakeFailed("no SRTP profile in common with the server")
        key, salt = PROFILES[name].key_octets, PROFILES[name].salt_octets
        material = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        return Keys(name, client, server) if self._is_client else Keys(name, server, client)


def colon_hex(digest: bytes) -> str:
    """A fingerprint as SDP writes it. RFC 8122 section 5."""
    return digest.hex(":").upper()
