"""The bus against a real NATS server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import service_kit.bus
from contract.keys import KeysChanged
from pydantic import TypeAdapter
from roomwire.stack import free_port
from service_kit.bus import Bus, BusUnavailable
from service_kit.tracing import current_trace, start_trace
from structlog.testing import capture_logs

from tests.kit.nats import NatsServer
from tests.kit.webrtc_client import until

changed: TypeAdapter[KeysChanged] = TypeAdapter(KeysChanged)


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_url, "test")
    yield bus
    await bus.close()


async def test_a_request_is_answered_under_the_same_trace(bus: Bus) -> None:
    traces = []

    async def answer(request: KeysChanged) -> KeysChanged:
        traces.append(current_trace())
        return KeysChanged(key_sid=request.key_sid + "!")

    await bus.answer("test.echo", changed, answer, queue="q")
    start_trace("trace-1")

    reply = await bus.request("test.echo", KeysChanged(key_sid="SK1"), changed)

    assert reply.key_sid == "SK1!"
    assert traces == ["trace-1"]


async def test_a_request_that_nobody_hears_fails_at_once(bus: Bus) -> None:
    with pytest.raises(BusUnavailable):
        await bus.request("test.nobody", KeysChanged(key_sid="SK1"), changed, timeout_s=30)


async def test_a_handler_that_fails_does_not_stop_the_next_message(bus: Bus) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def listen(message: KeysChanged) -> None:
        if message.key_sid == "bad":
            raise ValueError
        heard.put_nowait(message.key_sid)

    await bus.listen("test.listen", changed, listen)
    await bus.publish("test.listen", KeysChanged(key_sid="bad"))
    await bus.publish("test.listen", KeysChanged(key_sid="good"))

    assert await asyncio.wait_for(heard.get(), 30) == "good"


async def test_subscriptions_survive_a_restart_of_the_server(nats_server: NatsServer) -> None:
    bus = await Bus.connect(nats_server.url, "test")
    reconnected = asyncio.Event()
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def notice() -> None:
        reconnected.set()

    async def listen(message: KeysChanged) -> None:
        heard.put_nowait(message.key_sid)

    bus.on_reconnect(notice)
    await bus.listen("test.restart", changed, listen)
    nats_server.kill()
    nats_server.start()
    await asyncio.wait_for(reconnected.wait(), 30)
    await bus.publish("test.restart", KeysChanged(key_sid="SK1"))

    assert await asyncio.wait_for(heard.get(), 30) == "SK1"
    await bus.close()


async def test_who_waits_for_the_bus_says_so_without_its_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_kit.bus, "QUIET_S", 0.05)
    port = free_port()
    with capture_logs() as logs:
        connecting = asyncio.create_task(Bus.connect(f"nats://secret@127.0.0.1:{port}", "test"))
        await until(lambda: any(line["log_level"] == "warning" for line in logs))
        connecting.cancel()
        await asyncio.wait([connecting])

    [told] = [line for line in logs if line["log_level"] == "warning"]
    assert (told["event"], told["servers"]) == ("waiting for the bus", f"127.0.0.1:{port}")
    assert "secret" not in str(told)
