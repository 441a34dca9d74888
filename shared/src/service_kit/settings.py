"""Settings from the environment and `.env`, prefix `ROOMWIRE_`; bad values are refused with a clear message."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=1, le=65535)]


NATS_PORT = 4222


def nats_servers(url: str) -> list[tuple[str, int]]:
    """Host and port of each server that a NATS URL lists, without the credentials that it may hold. Raises ValueError."""
    parts = [part.strip() for part in url.split(",") if part.strip()]
    try:
        split = [urlsplit(part if "://" in part else f"nats://{part}") for part in parts]
        found = [(server.hostname or "", server.port or NATS_PORT) for server in split]
    except ValueError:  # its message may quote a password
        found = [("", 0)]
    if not all(host for host, _ in found):
        raise ValueError("wants nats://host:port, several separated by commas")
    return found


def server_names(url: str) -> str:
    """The servers of a NATS URL, for people to read."""
    return ", ".join(f"{host}:{port}" for host, port in nats_servers(url))


def _nats_url(url: str) -> str:
    nats_servers(url)
    return url


NatsUrl = Annotated[str, AfterValidator(_nats_url)]


class Settings(BaseSettings):
    """What every service needs. A service adds its own by a subclass."""

    model_config = SettingsConfigDict(
        env_prefix="ROOMWIRE_", env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    host: str = "127.0.0.1"
    """Address that the HTTP ports bind."""
    data: Path = Path("./var")
    nats_url: NatsUrl = "nats://127.0.0.1:4222"
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    log_format: Annotated[str, Field(pattern="^(json|text)$")] = "json"


S = TypeVar("S", bound=BaseSettings)


def load(kind: type[S]) -> S:
    """Read the settings, or end the process with one line for each value that is wrong (its name, never the value: it may be a secret)."""
    try:
        return kind()
    except ValidationError as error:
        _refuse(error)


def _refuse(error: ValidationError) -> NoReturn:
    for detail in error.errors(include_input=False, include_url=False):
        name = "ROOMWIRE_" + "_".join(str(part) for part in detail["loc"]).upper()
        print(f"{name}: {detail['msg'].removeprefix('Value error, ')}", file=sys.stderr)
    raise SystemExit(2)
