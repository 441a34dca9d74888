"""Fixtures of the system tests: the running stack and the stock Python helper."""

import pytest
from twilio.rest import Client

from tests.kit.stack import Roomwire


@pytest.fixture
def client(roomwire: Roomwire) -> Client:
    """The stock helper library with the account's credentials."""
    return roomwire.client()
