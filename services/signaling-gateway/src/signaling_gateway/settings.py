"""What an operator can set for the gateway, beside what every service has."""

from typing import Annotated

from pydantic import Field
from service_kit.edge_settings import EdgeSettings
from service_kit.settings import Port


class Settings(EdgeSettings):
    gateway_port: Port = 8082
    region: str = "us1"
    """Told to clients as their signaling region."""
    turn_urls: str = ""
    """`turn:` and `stun:` URLs that clients get, separated by commas."""
    turn_secret: str = ""
    """Shared with the TURN server (`static-auth-secret` of coturn)."""
    gateway_max_sockets: Annotated[int, Field(ge=1)] = 10_000

    @property
    def turn_url_list(self) -> list[str]:
        return [url.strip() for url in self.turn_urls.split(",") if url.strip()]
