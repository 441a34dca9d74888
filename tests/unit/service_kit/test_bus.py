"""What the bus makes of its client's peculiarities; the rest is tested with a real server."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from contract.media import FactTaken
from pydantic import TypeAdapter
from service_kit.bus import Bus


class Client:
    """Waits for answers as the NATS client does."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def request(self, *_: Any, **options: Any) -> Any:
        return await asyncio.wait_for(self.answer, options["timeout"])


async def test_a_cancellation_that_comes_together_with_the_answer_is_not_swallowed() -> None:
    client = Client()
    asking = asyncio.create_task(Bus(client).request("subject", FactTaken(), TypeAdapter(FactTaken)))
    await asyncio.sleep(0)
    client.answer.set_result(SimpleNamespace(data=b"{}"))
    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
