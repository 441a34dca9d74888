"""Addresses as the engine keeps them: 16 octets of IPv6, IPv4 mapped into it, and a port."""

import socket
from functools import lru_cache

from media_sfu.forwarder import Address

MAPPED = bytes(10) + b"\xff\xff"


@lru_cache(maxsize=4096)
def pack_ip(text: str) -> bytes:
    """Raises OSError for what is no IP address."""
    if ":" in text:
        return socket.inet_pton(socket.AF_INET6, text)
    return MAPPED + socket.inet_pton(socket.AF_INET, text)


@lru_cache(maxsize=4096)
def unpack_ip(octets: bytes) -> str:
    if octets.startswith(MAPPED):
        return socket.inet_ntop(socket.AF_INET, octets[12:])
    return socket.inet_ntop(socket.AF_INET6, octets)


def is_wildcard(host: str) -> bool:
    return not any(pack_ip(host).removeprefix(MAPPED))


def unpack_address(ip: bytes, port: int) -> Address:
    return unpack_ip(ip), port
