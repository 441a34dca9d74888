"""Who rooms-api lets in while token-issuer is there, and while it is not, over a real bus."""

from collections.abc import AsyncIterator

import pytest
from contract.keys import CredentialsVerified, KeysChanged, NotVerified, VerifyCredentials, verify_request
from contract.subjects import KEYS_VERIFY
from rooms_api.rest.auth import Authenticator
from service_kit.bus import Bus, BusUnavailable, Subscription

from tests.integration.rooms_api.conftest import MovedClock
from tests.kit.rooms import ACCOUNT


class Surroundings:
    """A token-issuer with one secret, which can go away, and an authenticator that asks it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._answering: Subscription | None = None
        self.clock = MovedClock()
        self.secret = "right"
        self.authenticator = Authenticator(bus, self.clock)

    async def start_issuer(self) -> None:
        self._answering = await self._bus.answer(KEYS_VERIFY, verify_request, self._verify)

    async def stop_issuer(self) -> None:
        assert self._answering is not None
        await self._answering.stop()

    async def is_let_in(self, secret: str = "right") -> bool:
        return isinstance(await self.authenticator.verify(ACCOUNT, secret), CredentialsVerified)

    async def _verify(self, request: object) -> CredentialsVerified | NotVerified:
        assert isinstance(request, VerifyCredentials)
        if request.password != self.secret:
            return NotVerified(code=20003, message="Authenticate")
        return CredentialsVerified(account_sid=ACCOUNT, user=ACCOUNT, is_account=True)


@pytest.fixture
async def keys(nats_url: str) -> AsyncIterator[Surroundings]:
    bus = await Bus.connect(nats_url, "rooms-api")
    keys = Surroundings(bus)
    await keys.start_issuer()
    yield keys
    await bus.close()


async def test_who_was_let_in_is_let_in_for_a_quarter_of_an_hour_without_token_issuer(keys: Surroundings) -> None:
    assert await keys.is_let_in()
    await keys.stop_issuer()

    keys.clock.stood_still_s = 899.0
    assert await keys.is_let_in()
    with pytest.raises(BusUnavailable):
        await keys.is_let_in("never asked about")
    keys.clock.stood_still_s = 901.0
    with pytest.raises(BusUnavailable):
        await keys.is_let_in()


async def test_token_issuer_is_asked_again_as_soon_as_it_is_back(keys: Surroundings) -> None:
    assert await keys.is_let_in()
    await keys.stop_issuer()
    keys.clock.stood_still_s = 40.0
    assert await keys.is_let_in()
    keys.secret = "another"
    await keys.start_issuer()

    assert not await keys.is_let_in()
    await keys.stop_issuer()
    with pytest.raises(BusUnavailable):
        await keys.is_let_in()


async def test_a_key_that_was_changed_is_not_let_in_by_memory(keys: Surroundings) -> None:
    assert await keys.is_let_in()
    await keys.stop_issuer()

    await keys.authenticator.forget(KeysChanged(key_sid=ACCOUNT))

    with pytest.raises(BusUnavailable):
        await keys.is_let_in()
