"""Settings of a service that clients reach, perhaps by proxies."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from service_kit.proxies import TrustedProxies
from service_kit.settings import Settings


class EdgeSettings(Settings):
    """What such a service needs besides."""

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses and CIDR ranges, separated by commas, of proxies whose `X-Forwarded-Proto`, `X-Forwarded-Host` and `X-Forwarded-For` count."""

    failed_logins_per_second: Annotated[float, Field(ge=0)] = 100
    """How many wrong credentials or bad tokens a second of one address a process looks at, twenty seconds' worth at once; 0: any number."""

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _parse_proxies(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        networks = tuple(part.strip() for part in value.split(",") if part.strip())
        TrustedProxies(networks)
        return networks

    @property
    def proxies(self) -> TrustedProxies:
        return TrustedProxies(self.trusted_proxies)
