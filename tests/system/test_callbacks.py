"""Status callbacks of the running system, checked as applications check them: by the stock helpers' validators."""

import json
from urllib.parse import quote

from twilio.request_validator import RequestValidator

from tests.kit.browser import until
from tests.kit.node import run_script
from tests.kit.receiver import receiving
from tests.kit.signaling import signaling
from tests.kit.stack import Roomwire


async def test_the_stock_helpers_believe_every_callback(roomwire: Roomwire, room_name: str) -> None:
    client = roomwire.client()
    async with receiving() as receiver:
        origin = f"http://127.0.0.1:{receiver.port}"
        for method, name in (("POST", room_name), ("GET", f"{room_name} café & bar")):
            room = client.video.v1.rooms.create(
                unique_name=name, status_callback=f"{origin}/told?by=it's&as=%7e", status_callback_method=method
            )
            async with signaling(roomwire.ws_server) as socket:
                await socket.join(roomwire.token("ada", name))
                await socket.leave()
            await until(lambda sid=room.sid: receiver.events(sid)[-1:] == ["participant-disconnected"], "ada left")
            client.video.v1.rooms(room.sid).update(status="completed")
            await until(lambda sid=room.sid: receiver.events(sid)[-1:] == ["room-ended"], "the room ended")

    signed = [
        (one.headers["x-twilio-signature"], origin + one.target, one.values if one.method == "POST" else {})
        for one in receiver.received
    ]
    assert len(signed) >= 8
    validator = RequestValidator(roomwire.auth_token)
    assert all(validator.validate(url, values, signature) for signature, url, values in signed)
    forged = [(signed[0][0], signed[0][1] + "&" + quote("more"), signed[0][2])]
    valid = run_script("callbacks.mjs", roomwire.auth_token, *(json.dumps(one) for one in signed + forged))
    assert valid == [True] * len(signed) + [False]
