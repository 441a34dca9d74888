"""Video Insights through the stock helper, fed by a client's telemetry socket."""

import json

import websockets
from twilio.rest import Client

from tests.kit.browser import until
from tests.kit.signaling import signaling
from tests.kit.stack import Roomwire

REPORT = {
    "elapsedTime": 10000,
    "level": "info",
    "localAudioTrackStats": [{"trackSid": "MT1", "codec": "opus", "packetsSent": 500}],
    "localVideoTrackStats": [{"trackSid": "MT2", "codec": "VP8", "packetsSent": 900}],
}


async def test_what_a_client_tells_is_in_the_summaries(client: Client, roomwire: Roomwire, room_name: str) -> None:
    token = roomwire.token("alice")
    async with signaling(roomwire.ws_server) as socket:
        joined = await socket.join(token, room_name)
        where = {"roomSid": joined["sid"], "participantSid": joined["participant"]["sid"]}
        async with websockets.connect(roomwire.ws_server_insights) as told:
            await told.send(json.dumps({"type": "connect", "version": 1, "token": token, "publisher": where}))
            session = json.loads(await told.recv())["session"]
            event = {"type": "event", "version": 1, "session": session, "timestamp": 1767225600000}
            await told.send(json.dumps(event | {"group": "quality", "name": "stats-report", "payload": REPORT}))
            room = client.insights.v1.rooms(joined["sid"])
            alice = room.participants(joined["participant"]["sid"])
            await until(lambda: alice.fetch().codecs, "telemetry is stored")
        await socket.leave()
    await until(lambda: room.fetch().room_status == "completed", "the room has ended")

    summary, participant = room.fetch(), alice.fetch()
    assert (summary.room_name, summary.created_method, summary.end_reason) == (room_name, "ad_hoc", "timeout")
    assert (summary.codecs, summary.unique_participants, summary.media_region) == (["VP8", "opus"], 1, "us1")
    assert participant.codecs == ["VP8", "opus"]
    assert (participant.participant_identity, participant.end_reason) == ("alice", "disconnected_via_sdk")
    assert participant.publisher_info["sdk_version"] == "2.36.0"
    assert participant.join_time <= participant.leave_time
    assert [one.participant_sid for one in room.participants.list()] == [joined["participant"]["sid"]]
    listed = client.insights.v1.rooms.list(room_name=room_name, codec=["VP8"], room_type=["group"])
    assert [one.room_sid for one in listed] == [joined["sid"]]
