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
        """
        The scope as the client made the request: `X-Forwarded-Proto`, `X-Forwarded-Host` and `X-Forwarded-For` of a trusted proxy replace scheme, host and
        address.
        """
        if not self._networks or not self._trusts(client_address(scope)):
            return scope
        scope = {**scope, "client": (self.client(scope), 0)}
        headers = dict(scope["headers"])  # of a repeated header the last one, which the nearest proxy wrote
        scheme = _first(headers.get(b"x-forwarded-proto", b"")).decode("latin-1").lower()
        host = _first(headers.get(b"x-forwarded-host", b""))
        if scheme in ("http", "https"):
            scope = {**scope, "scheme": scheme}
        if host:
            scope = {**scope, "headers": [(b"host", host), *(pair for pair in scope["headers"] if pair[0] != b"host")]}
        return scope

    def client(self, scope: Scope) -> str:
        """
        The address of the client, as far as trusted proxies tell: each appends whom it was called by to `X-Forwarded-For`, so the last entry that is not one of
        them. What stands before it anybody may have made up. Empty where there is no address.
        """
        address = client_address(scope)
        told = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").split(b",")
        for entry in reversed(told):
            if not self._trusts(address) or not (said := _ip(entry.decode("latin-1").strip())):
                break
            address = said
        return address

    def _trusts(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:  # a UNIX socket, for example
            return False
        return any(ip in network for network in self._networks)


def client_address(scope: Scope) -> str:
    """Who called, as the server or `TrustedProxies.forwarded` says; empty for a UNIX socket."""
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else ""


def _ip(entry: str) -> str:
    """The address in an entry of `X-Forwarded-For`, some of which have a port; empty when there is none."""
    host = entry.partition("]")[0].removeprefix("[")
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


def _first(value: bytes) -> bytes:
    """Of a list, what the proxy nearest to the client said."""
    return value.split(b",")[0].strip()
