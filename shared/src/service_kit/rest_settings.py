"""Settings of a service with a REST API."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from service_kit.proxies import TrustedProxies
from service_kit.rate_limit import RateLimit
from service_kit.rest import EdgePolicy
from service_kit.settings import Settings


class RestSettings(Settings):
    """What such a service needs besides."""

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses and CIDR ranges, separated by commas, of proxies whose `X-Forwarded-Proto` and `X-Forwarded-Host` count."""
    reads_per_second: Annotated[float, Field(ge=0)] = 0
    """How many GETs a second a credential may send to one process; 0: any number."""
    writes_per_second: Annotated[float, Field(ge=0)] = 0
    audit_retention_days: Annotated[float, Field(gt=0)] = 90
    """How long the audit log remembers a change."""

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _parse_proxies(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        networks = tuple(part.strip() for part in value.split(",") if part.strip())
        TrustedProxies(networks)
        return networks

    def edge_policy(self) -> EdgePolicy:
        return EdgePolicy(
            proxies=TrustedProxies(self.trusted_proxies),
            rate_limit=RateLimit(self.reads_per_second, self.writes_per_second),
        )
