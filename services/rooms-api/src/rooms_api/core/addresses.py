"""Which addresses callbacks may go to. A URL comes from whoever may create a room, and must not lead into the operator's own network."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

SPECIAL = tuple(
    ip_network(block)
    for block in (
        "192.0.0.0/24",  # protocol assignments, RFC 6890
        "192.88.99.0/24",  # relays of 6to4, RFC 7526
        "64:ff9b:1::/48",  # NAT64 of a network's own, RFC 8215
        "2001::/23",  # protocol assignments, Teredo (RFC 4380) among them
        "3fff::/20",  # documentation, RFC 9637
        "5f00::/16",  # segment routing, RFC 9602
        "fec0::/10",  # site-local, RFC 3879
    )
)
"""Not for the public, but `ipaddress` of some Python version that we run on says otherwise."""
NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: a gateway sends what comes here to the IPv4 address in the last 32 bits."""
COMPATIBLE = IPv6Network("::/96")
"""RFC 4291, section 2.5.5.1: deprecated, the same."""


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public internet. IPv4 addresses inside of IPv6 ones count as themselves."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        parsed = _embedded(parsed) or parsed
    return (
        parsed.is_global
        and not parsed.is_multicast
        and not parsed.is_reserved
        and not any(parsed in block for block in SPECIAL)
    )


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in NAT64 or address in COMPATIBLE:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
