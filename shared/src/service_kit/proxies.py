"""What a proxy in front says about a request, believed only of those that the operator trusts."""

import ipaddress
from collections.abc import Iterable

from starlette.types import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedProxies:
    """`networks` are addresses and CIDR ranges. Raises `ValueError` for anything else."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(each) for each in networks)

    def forwarded(self, scope: Scope) -> Scope:
        """The scope as the client made the request: `X-Forwarded-Proto` and `X-Forwarded-Host` of a trusted proxy replace scheme and host."""
        if not self._networks or not self._trusts(scope.get("client")):
            return scope
        headers = dict(scope["headers"])  # of a repeated header the last one, which the nearest proxy wrote
        scheme = _first(headers.get(b"x-forwarded-proto", b"")).decode("latin-1").lower()
        host = _first(headers.get(b"x-forwarded-host", b""))
        if scheme in ("http", "https"):
            scope = {**scope, "scheme": scheme}
        if host:
            scope = {**scope, "headers": [(b"host", host), *(pair for pair in scope["headers"] if pair[0] != b"host")]}
        return scope

    def _trusts(self, client: tuple[str, int] | None) -> bool:
        try:
            address = ipaddress.ip_address(client[0] if client else "")
        except ValueError:  # a UNIX socket, for example
            return False
        return any(address in network for network in self._networks)


def _first(value: bytes) -> bytes:
    """Of a list, what the proxy nearest to the client said."""
    return value.split(b",")[0].strip()
