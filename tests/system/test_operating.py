"""What an operator sees of one call: its lines in the logs of all services, and the numbers in their metrics."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
from twilio.rest import Client

from tests.kit.browser import until
from tests.kit.callers import calling
from tests.kit.stack import Roomwire

Line = dict[str, Any]


def lines_of(roomwire: Roomwire, room_sid: str) -> list[Line]:
    """What a search for the room SID finds in all logs, in order of time."""
    found = [json.loads(line) for line in roomwire.logs().splitlines() if room_sid in line]
    return sorted(found, key=lambda line: str(line["timestamp"]))


def told(lines: list[Line], participant_sid: str | None = None) -> list[tuple[str, str]]:
    """Service and event of each line, of one participant or of the room alone."""
    return [(line["service"], line["event"]) for line in lines if line.get("participant_sid") == participant_sid]


async def test_a_call_is_followed_by_its_room_sid(client: Client, roomwire: Roomwire, room_name: str) -> None:
    auth = (roomwire.account_sid, roomwire.auth_token)
    async with httpx.AsyncClient(base_url=roomwire.base_url, auth=auth, trust_env=False) as http:
        created = await http.post("/v1/Rooms", data={"UniqueName": room_name})
    sid = created.json()["sid"]
    async with calling(roomwire) as callers:
        alice = await callers.join("alice", room_name)
        participant_sid = client.video.v1.rooms(sid).participants("alice").fetch().sid
        await until(
            lambda: ("media-sfu", "up track started") in told(lines_of(roomwire, sid), participant_sid), "media"
        )
        await callers.leave(alice)
        await until(lambda: ("media-sfu", "peer closed") in told(lines_of(roomwire, sid), participant_sid), "left")
        client.video.v1.rooms(sid).update(status="completed")

    lines = lines_of(roomwire, sid)
    assert told(lines) == [("rooms-api", "room created"), ("rooms-api", "room ended")]
    of_alice = told(lines, participant_sid)
    for event in (
        ("rooms-api", "participant connected"),
        ("rooms-api", "track added"),
        ("media-sfu", "peer opened"),
        ("signaling-gateway", "participant connected"),
        ("media-sfu", "peer connected"),
        ("media-sfu", "up track started"),
        ("signaling-gateway", "session over"),
        ("rooms-api", "participant disconnected"),
        ("media-sfu", "peer closed"),
        ("signaling-gateway", "socket closed"),
    ):
        assert of_alice.count(event) == 1, (event, of_alice)
    traces = {line["trace"] for line in lines if line.get("participant_sid") == participant_sid}
    assert len(traces) == 1, lines
    request = created.headers["twilio-request-id"].removeprefix("RQ")
    assert next(line["trace"] for line in lines if line["event"] == "room created") == request
    assert "alice" not in json.dumps(lines)


async def test_the_metrics_count_a_call(roomwire: Roomwire, room_name: str) -> None:
    async def metric(service: str, name: str) -> float:
        async with httpx.AsyncClient(trust_env=False) as http:
            text = (await http.get(f"{roomwire.stack.url(service)}/metrics")).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    joins = 'roomwire_rooms_command_seconds_count{command="join-room",result="done"}'
    asked = 'roomwire_gateway_request_seconds_count{owner="node",request="open-peer",result="done"}'
    before = [await metric("rooms-api", joins), await metric("signaling-gateway", asked)]
    async with calling(roomwire) as callers:
        await callers.join("alice", room_name)
        await callers.join("bob", room_name)

        assert await metric("signaling-gateway", "roomwire_gateway_sockets ") >= 2
        assert await metric("signaling-gateway", "roomwire_gateway_open_sessions ") >= 2
        assert await metric("signaling-gateway", "roomwire_gateway_rooms ") >= 1
        assert await metric("media-sfu", "roomwire_sfu_peers ") >= 2

        async def has_both() -> bool:
            return await metric("rooms-api", "roomwire_participants ") >= 2

        await until(has_both, "participants in the metrics of rooms-api")
        assert await metric("rooms-api", "roomwire_rooms ") >= 1

    after = [await metric("rooms-api", joins), await metric("signaling-gateway", asked)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 2]


MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
SERIES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


async def test_the_dashboard_shows_what_the_services_tell(roomwire: Roomwire) -> None:
    series: set[str] = set()
    async with httpx.AsyncClient(trust_env=False) as http:
        for service in ("rooms-api", "token-issuer", "signaling-gateway", "media-sfu"):
            text = (await http.get(f"{roomwire.stack.url(service)}/metrics")).text
            for name, kind in re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE):
                series.update(name + suffix for suffix in SERIES[kind])
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    shown = {name for each in expressions for name in re.findall(r"\b(?:roomwire|process)_\w+", each)}

    assert len(expressions) > 20
    assert shown <= series


def test_prometheus_is_pointed_at_every_service_of_the_compose_file() -> None:
    targets = re.findall(r'targets: \["([a-z-]+):\d+"\]', (MONITORING / "prometheus.yaml").read_text())
    services = re.findall(
        r"^  ([a-z-]+):\n    <<: \*service$", (MONITORING.parent / "compose.yaml").read_text(), re.MULTILINE
    )

    assert sorted([*targets, "demo"]) == sorted(services)
