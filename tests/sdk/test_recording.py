"""Clients see whether their room is being recorded. A stand-in for the node that records speaks on the real bus."""

import pytest
from service_kit.bus import Bus

from tests.kit.people import Join
from tests.kit.recordings import NodeRecording, tell
from tests.kit.rest import Rest
from tests.kit.stack import Roomwire

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_room_is_recorded_from_the_first_recording_to_the_last(
    join: Join, rest: Rest, roomwire: Roomwire
) -> None:
    sid = rest.create()
    one, two = NodeRecording(sid), NodeRecording(sid)
    bus = await Bus.connect(roomwire.stack.nats_url, "node-that-records")
    alice = await join("alice", [])
    assert (await alice.state())["isRecording"] is False

    await tell(bus, one.started(), two.started())
    await alice.event("recordingStarted")
    bob = await join("bob", [])
    assert (await bob.state())["isRecording"] is True

    await tell(bus, one.completed(), two.failed())
    for tab in (alice, bob):
        await tab.event("recordingStopped")
        assert (await tab.state())["isRecording"] is False
    assert (await alice.count("recordingStarted"), await alice.count("recordingStopped")) == (1, 1)
    await bus.close()
