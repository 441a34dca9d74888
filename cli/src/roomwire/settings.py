"""What `roomwire run` can be told, by `ROOMWIRE_*` variables or `.env`. Each service reads what is its own besides."""

import errno
import os
import socket
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from media_sfu.settings import Announced
from pydantic import AfterValidator, Field, field_validator
from service_kit.settings import NatsUrl, Port, Settings

PREFIX = "ROOMWIRE_"


def _http_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("is not an http:// or https:// URL")
    return value.rstrip("/")


class RunSettings(Settings):
    """The defaults are those of a system for one machine, on the loopback address."""

    rooms_api_port: Port = 8080
    token_issuer_port: Port = 8081
    gateway_port: Port = 8082
    sfu_http_port: Port = 8083
    sfu_port: Port = 40000
    sfu_announced: Announced = "127.0.0.1"
    demo_port: Port = 3000
    nats_url: NatsUrl = ""
    """Empty: an embedded server."""
    public_url: Annotated[str, AfterValidator(_http_url)] | None = None
    ad_hoc_rooms: bool = True
    allow_private_callbacks: bool = True
    """Callbacks to this very machine: what one tries out here has its server here."""
    max_participants: Annotated[int, Field(ge=1, le=1000)] = 50
    log_format: Literal["json", "text"] = "text"

    @field_validator("public_url", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value


def variables(settings: RunSettings, env_file: Path = Path(".env")) -> dict[str, str]:
    """The variables for the services: everything with our prefix that is set, over it what `settings` made of it."""
    given = {key: value for key, value in dotenv_values(env_file).items() if value is not None} | dict(os.environ)
    ours = {key: value for key, value in given.items() if key.startswith(PREFIX)}
    for name, value in settings:
        if value is not None:
            ours[PREFIX + name.upper()] = str(value).lower() if isinstance(value, bool) else str(value)
    return ours


def ports_in_use(settings: RunSettings) -> list[str]:
    """One sentence for each port that cannot be bound, naming its variable."""
    told = []
    seen: dict[tuple[int, socket.SocketKind], str] = {}
    for name in ("rooms_api_port", "token_issuer_port", "gateway_port", "sfu_http_port", "sfu_port", "demo_port"):
        variable = PREFIX + name.upper()
        port: int = getattr(settings, name)
        kind = socket.SOCK_DGRAM if name == "sfu_port" else socket.SOCK_STREAM
        if (port, kind) in seen:
            told.append(f"{variable}: port {port} is taken by {seen[port, kind]}")
        elif reason := _cannot_bind(settings.host, port, kind):
            told.append(f"{variable}: port {port} {reason}")
        seen[port, kind] = variable
    return told


def _cannot_bind(host: str, port: int, kind: socket.SocketKind) -> str:
    """Why not; empty when it can be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as the servers do: an old connection is no server
        try:
            probe.bind((host, port))
        except OSError as error:
            return "is in use" if error.errno == errno.EADDRINUSE else f"cannot be bound at {host}: {error.strerror}"
    return ""
