"""Settings from the environment and `.env`, prefix `ROOMWIRE_`; bad values are refused with a clear message."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """What every service needs. A service adds its own by a subclass."""

    model_config = SettingsConfigDict(
        env_prefix="ROOMWIRE_", env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    host: str = "127.0.0.1"
    """Address that the HTTP ports bind."""
    data: Path = Path("./var")
    nats_url: str = "nats://127.0.0.1:4222"
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
