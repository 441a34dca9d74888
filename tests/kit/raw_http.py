"""HTTP by hand: for what no client library would send, and for what they hide of an answer."""

import http.client
import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, int]:
        """Status and code of an error, whose envelope is checked."""
        body = self.json
        assert body.keys() == {"code", "message", "more_info", "status"}
        assert body["status"] == self.status
        assert self.headers["content-type"] == "application/json"
        return self.status, body["code"]


class RawConnection:
    """One connection. `send` writes bytes as they are; `answer` reads the next answer."""

    def __init__(self, peer: socket.socket) -> None:
        self._socket = peer

    def send(self, *lines: str | bytes, body: bytes = b"") -> None:
        """Lines of a head, the empty one is added, and a body."""
        encoded = [line.encode() if isinstance(line, str) else line for line in lines]
        self.send_bytes(b"\r\n".join([*encoded, b"", b""]) + body)

    def send_bytes(self, sent: bytes) -> None:
        self._socket.sendall(sent)

    def answer(self, method: str = "GET") -> Answer:
        """The answer to a request of this method; one that only says "continue" is passed over."""
        response = http.client.HTTPResponse(self._socket, method=method)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, headers, response.read())
        response.close()
        return answer

    def read_line(self) -> bytes:
        """What comes up to the end of a line."""
        line = bytearray()
        while not line.endswith(b"\r\n"):
            received = self._socket.recv(1)
            assert received, bytes(line)
            line += received
        return bytes(line)

    def is_closed(self) -> bool:
        """Tell whether the other side closes the connection, waiting for it; anything that is sent instead says no."""
        return self._socket.recv(1) == b""


@contextmanager
def raw_connection(url: str, source: str = "127.0.0.1") -> Iterator[RawConnection]:
    """Connect to the host and port of `url`, from this address of the machine."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80)
    with socket.create_connection(address, timeout=PATIENCE_S, source_address=(source, 0)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield RawConnection(peer)


def basic(user: str, password: str) -> str:
    """The header line of HTTP Basic credentials."""
    return "Authorization: Basic " + b64encode(f"{user}:{password}".encode()).decode()
