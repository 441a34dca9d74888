"""Video Insights knows what the stock SDK tells of itself over its telemetry socket, and the codecs of those who tell nothing."""

import pytest

from tests.kit.browser import until
from tests.kit.people import Join
from tests.kit.stack import Roomwire

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_participants_are_summed_up_with_and_without_telemetry(roomwire: Roomwire, join: Join) -> None:
    alice = await join("alice", insights=True, wsServerInsights=roomwire.ws_server_insights)
    await join("bob")
    room = roomwire.client().insights.v1.rooms(alice.joined["sid"])
    silent, talkative = room.participants.list()

    await until(lambda: talkative.fetch().properties, "telemetry is stored")
    told = talkative.fetch()
    assert (told.participant_identity, told.status) == ("alice", "connected")
    assert told.publisher_info["name"] == "twilio-video.js"
    assert told.properties["events"] > 5
    await until(lambda: silent.fetch().codecs == talkative.fetch().codecs == ["VP8", "opus"], "codecs are stored")
    assert (silent.fetch().participant_identity, silent.fetch().properties) == ("bob", {})
    assert room.fetch().codecs == ["VP8", "opus"]
