"""Fixtures that every test may use."""

from tests.kit.nats import nats_server, nats_url

__all__ = ["nats_server", "nats_url"]
