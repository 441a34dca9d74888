"""Settings of the demo: where Roomwire is, and the API key that the demo uses."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DemoSettings(BaseSettings):
    """Read from `ROOMWIRE_*` and `.env`."""

    model_config = SettingsConfigDict(env_prefix="ROOMWIRE_", env_file=".env", extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    demo_port: int = Field(default=3000, ge=1, le=65535)
    account_sid: str
    demo_api_key: str
    demo_api_secret: str
    rooms_api_port: int = 8080
    gateway_port: int = 8082
    rooms_api_url: str | None = None
    """Base URL of the REST API; on this machine when unset."""
    demo_auth_token: str | None = None
    """The account's, with which Roomwire signs callbacks."""
    demo_callback_url: str | None = None
    """Where Roomwire reaches `/callbacks` of this server. Rooms have no status callback when unset."""
    signaling_url: str | None = None
    """Where browsers connect; on the host of the page when unset."""
    demo_node_modules: Path = Path(__file__).parents[2] / "node_modules"
    """Where npm installed `twilio-video`."""

    @property
    def base_url(self) -> str:
        return self.rooms_api_url or f"http://127.0.0.1:{self.rooms_api_port}"
