"""The base of every message between services."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """
    A frozen message. Members that a receiver does not know are ignored, so that old and new services can talk during an upgrade.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
