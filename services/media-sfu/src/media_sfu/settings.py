"""What a node can be told from outside."""

import ipaddress
import secrets
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from service_kit.settings import Port, Settings

from media_sfu.forwarder import Address


def _readable(announced: str) -> str:
    announced_addresses(announced, 1)
    return announced


Announced = Annotated[str, AfterValidator(_readable)]
"""What `announced_addresses` reads."""


class SfuSettings(Settings):
    """Settings of media-sfu."""

    sfu_http_port: Port = 8083
    """Health and metrics."""
    sfu_port: Port = 40000
    """The one UDP port."""
    sfu_bind: str = ""
    """Address that the UDP port binds; empty for `host`. `0.0.0.0` or `::` with `sfu_announced` saying what clients can reach."""
    sfu_announced: Announced = "127.0.0.1"
    """Where clients reach the UDP port: `address` or `address:port` (`[address]:port` for IPv6), several separated by commas."""
    sfu_capacity: Annotated[int, Field(ge=1)] = 1000
    """How many peers this node takes."""
    sfu_drain_deadline_s: Annotated[float, Field(ge=0)] = 1.0
    """How long a node that was told to stop waits for its peers to go before it closes them."""
    node_id: str = ""
    """Name of this node on the bus; made once and kept in the data folder when empty."""
    region: str = "us1"


def announced_addresses(announced: str, port: int) -> tuple[Address, ...]:
    """
    Read `sfu_announced`; `port` is for those that name none. Raises ValueError.

    IP addresses only: Firefox ignores candidates with names, and a lite agent never hears of it.
    """
    addresses = tuple(_address(part.strip(), port) for part in announced.split(",") if part.strip())
    if not addresses:
        raise ValueError("no address at which clients reach the node")
    return addresses


def _address(text: str, port: int) -> Address:
    host, number = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        if rest and not rest.startswith(":"):
            raise ValueError("an IPv6 address with a port is written [address]:port")
        number = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, number = text.partition(":")
    if ipaddress.ip_address(host).is_unspecified:
        raise ValueError("0.0.0.0 and :: are no addresses that clients can reach")
    if number and not 1 <= int(number) <= 65_535:
        raise ValueError("a port is a number from 1 to 65535")
    return (host, int(number) if number else port)


def node_id(settings: SfuSettings) -> str:
    """The configured name, or one that is made once for this data folder and port: two nodes may share a folder."""
    if settings.node_id:
        return settings.node_id
    path = settings.data / f"node-{settings.sfu_port}.id"
    if path.exists() and (kept := path.read_text().strip()):
        return kept
    made = "node-" + secrets.token_hex(4)
    _keep(path, made)
    return made


def _keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
