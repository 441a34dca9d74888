"""Settings of a service with a REST API."""

from typing import Annotated

from pydantic import Field

from service_kit.edge_settings import EdgeSettings
from service_kit.failed_logins import FailedLogins
from service_kit.rate_limit import RateLimit
from service_kit.rest import EdgePolicy


class RestSettings(EdgeSettings):
    """What such a service needs besides."""

    reads_per_second: Annotated[float, Field(ge=0)] = 0
    """How many GETs a second a credential may send to one process; 0: any number."""
    writes_per_second: Annotated[float, Field(ge=0)] = 0
    audit_retention_days: Annotated[float, Field(gt=0)] = 90
    """How long the audit log remembers a change."""

    def edge_policy(self, failed_logins: FailedLogins | None = None) -> EdgePolicy:
        return EdgePolicy(self.proxies, RateLimit(self.reads_per_second, self.writes_per_second), failed_logins)
