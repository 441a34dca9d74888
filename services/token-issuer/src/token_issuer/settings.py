"""Settings of token-issuer."""

from pathlib import Path
from typing import Annotated

from contract.ids import ACCOUNT, API_KEY, is_sid
from pydantic import AfterValidator, Field, field_validator
from pydantic_settings import NoDecode
from service_kit.database import DatabaseUrl
from service_kit.rest_settings import RestSettings
from service_kit.settings import Port

MIN_SECRET_CHARACTERS = 16


def _account_sid(value: str) -> str:
    if not is_sid(value, ACCOUNT):
        raise ValueError("is not an account SID: AC and 32 hex digits")
    return value


class IssuerSettings(RestSettings):
    """Read from `ROOMWIRE_*`."""

    token_issuer_port: Port = 8081
    database_url: DatabaseUrl = None
    master_key_file: Path | None = None
    """`token-issuer/master.key` in the data folder when unset. Replicas on one database need the same one."""
    account_sid: Annotated[str, AfterValidator(_account_sid)] | None = None
    auth_token: Annotated[str, Field(min_length=MIN_SECRET_CHARACTERS)] | None = None
    api_keys: Annotated[dict[str, str], NoDecode] = {}
    """`SK...:secret`, separated by commas: keys that exist from the start."""
    turn_secret: str | None = None
    turn_urls: Annotated[tuple[str, ...], NoDecode] = ()
    """`stun:`, `turn:` and `turns:` URLs, separated by commas."""

    @field_validator("api_keys", mode="before")
    @classmethod
    def _parse_api_keys(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        keys = {}
        for pair in filter(None, (part.strip() for part in value.split(","))):
            sid, _, secret = pair.partition(":")
            if not is_sid(sid, API_KEY) or len(secret) < MIN_SECRET_CHARACTERS:
                raise ValueError(
                    f"wants SKsid:secret, ... with SK and 32 hex digits, and secrets of {MIN_SECRET_CHARACTERS} characters or more"
                )
            keys[sid] = secret
        return keys

    @field_validator("turn_urls", mode="before")
    @classmethod
    def _parse_turn_urls(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        urls = tuple(part.strip() for part in value.split(",") if part.strip())
        if not all(url.startswith(("stun:", "stuns:", "turn:", "turns:")) for url in urls):
            raise ValueError("wants stun:, turn: or turns: URLs, separated by commas")
        return urls

    @field_validator("account_sid", "auth_token", "master_key_file", "turn_secret", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value
