"""What a gateway knows of tokens by itself, over a real bus, with a stand-in for the issuer."""

from collections.abc import AsyncIterator

import pytest
from contract.keys import NotVerified, TokenVerified, VerifyToken
from service_kit.bus import Bus, BusUnavailable
from signaling_gateway.tokens import TokenVerifier

from tests.integration.signaling_gateway.owners import Owners


@pytest.fixture
async def tokens(nats_url: str, owners: Owners) -> AsyncIterator[TokenVerifier]:
    bus = await Bus.connect(nats_url, "tokens")
    tokens = TokenVerifier(bus, failed_logins_per_second=10)
    await tokens.start()
    yield tokens
    await bus.close()


async def verdict(tokens: TokenVerifier, token: str, address: str = "192.0.2.1", *, resuming: bool = False) -> int:
    """The code of a refusal, or 0."""
    reply = await tokens.verify(VerifyToken(token=token, resuming=resuming), address)
    assert isinstance(reply, TokenVerified | NotVerified)
    return reply.code if isinstance(reply, NotVerified) else 0


async def test_an_address_with_too_many_bad_tokens_is_told_that_the_server_is_busy(tokens, owners):
    verdicts = [await verdict(tokens, f"bad-{n}") for n in range(300)]

    assert verdicts[:200] == [20107] * 200
    assert 53006 in verdicts[200:]
    assert owners.verifications == 300 - verdicts.count(53006)
    assert await verdict(tokens, "good-bob", "192.0.2.2") == 0


async def test_who_was_in_before_is_not_held_back_by_others_of_its_address(tokens, owners):
    assert await verdict(tokens, "good-alice") == 0
    assert await verdict(tokens, "good-bob", resuming=True) == 0
    for n in range(300):
        await verdict(tokens, f"bad-{n}")

    assert await verdict(tokens, "good-alice") == 0
    assert await verdict(tokens, "good-bob", resuming=True) == 0


async def test_a_token_that_was_verified_needs_no_issuer_and_another_one_does(tokens, owners):
    assert await verdict(tokens, "good-alice") == 0
    await owners.stop()

    assert await verdict(tokens, "good-alice") == 0
    with pytest.raises(BusUnavailable):
        await verdict(tokens, "good-bob")
