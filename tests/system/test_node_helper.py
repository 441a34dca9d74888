"""A server application on the stock Node helper does what one on the Python helper does."""

from datetime import datetime

from tests.kit.node import run_script
from tests.kit.signaling import signaling
from tests.kit.stack import Roomwire


async def test_node_creates_a_room_mints_a_token_and_completes_the_room(roomwire: Roomwire, room_name: str) -> None:
    seen = run_script(
        "rooms.mjs",
        roomwire.base_url,
        roomwire.account_sid,
        roomwire.auth_token,
        roomwire.key_sid,
        roomwire.key_secret,
        room_name,
    )

    sid = seen["room"]["sid"]
    assert (seen["room"]["uniqueName"], seen["room"]["status"]) == (room_name, "in-progress")
    assert datetime.fromisoformat(seen["room"]["created"])
    assert (seen["byName"], seen["listed"], seen["participants"]) == (sid, [sid], 0)
    assert (seen["refused"]["status"], seen["refused"]["code"]) == (400, 53113)
    assert seen["key"] == {"listed": True, "removed": True}
    assert seen["completed"] == "completed"

    async with signaling(roomwire.ws_server) as socket:
        answer = await socket.join(seen["token"])
        await socket.leave()
    assert (answer["type"], answer["name"], answer["participant"]["identity"]) == ("connected", room_name, "node")
