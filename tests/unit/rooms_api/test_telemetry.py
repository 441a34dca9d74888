"""What is kept of what a client's SDK tells."""

from typing import Any

import pytest
from contract.insights import TelemetryEvent
from rooms_api.core.telemetry import Telemetry


def event(group: str, name: str, **payload: Any) -> TelemetryEvent:
    return TelemetryEvent(
        account_sid="AC1",
        identity="alice",
        room_sid="RM1",
        participant_sid="PA1",
        timestamp_ms=1.0,
        group=group,
        name=name,
        payload=payload,
    )


@pytest.fixture
def told() -> Telemetry:
    return Telemetry("AC1", "alice", "RM1")


def test_codecs_are_those_of_the_own_tracks(told: Telemetry) -> None:
    told.receive(
        event(
            "quality",
            "stats-report",
            localAudioTrackStats=[{"codec": "opus"}],
            localVideoTrackStats=[{"codec": "VP8"}, {"codec": "H264"}, {"codec": "AV2"}, {"codec": None}],
            videoTrackStats=[{"codec": "VP9"}],
        )
    )

    assert told.codecs == {"opus", "VP8", "H264"}


def test_events_are_counted_by_what_they_mean(told: Telemetry) -> None:
    told.receive(event("room", "reconnecting", level="info", reason="media"))
    told.receive(event("track-warning-raised", "track-stalled", level="warning"))
    told.receive(event("quality", "quality-limitation-state-changed", qualityLimitationReason="cpu"))
    told.receive(event("quality", "quality-limitation-state-changed", qualityLimitationReason="none"))
    told.receive(event("dtls-transport-state", "failed", level="error"))

    assert told.properties() == {
        "errors": 1,
        "events": 5,
        "limited_by_cpu": 1,
        "reconnections": 1,
        "track_warnings": 1,
        "warnings": 1,
    }


def test_the_way_that_media_takes_and_the_last_error(told: Telemetry) -> None:
    pair = {"localCandidate": {"candidateType": "relay", "protocol": "tcp", "ip": "10.0.0.1"}}
    told.receive(event("quality", "active-ice-candidate-pair", **pair))
    told.receive(event("media", "error", level="warning", code=53402, context="secret SDP"))

    assert told.properties()["ice_candidate_type"] == "relay"
    assert told.properties()["ice_protocol"] == "tcp"
    assert told.error_code == 53402
    assert "secret" not in str(told)


@pytest.mark.parametrize(
    "payload",
    [
        {"localAudioTrackStats": "x", "localVideoTrackStats": [1, None, {"codec": 3}, {"codec": {}}]},
        {"localCandidate": "x"},
        {"localCandidate": {"candidateType": [], "protocol": 1}},
        {"qualityLimitationReason": {}, "code": "53000", "level": []},
        {"code": 10**30},
    ],
)
def test_nonsense_is_only_counted(told: Telemetry, payload: dict[str, Any]) -> None:
    for name in ("stats-report", "active-ice-candidate-pair", "quality-limitation-state-changed", "x" * 128):
        told.receive(event("quality", name, **payload))

    assert told.codecs == set()
    assert told.error_code is None
    assert set(told.properties()) <= {"events", "stats_reports"}


def test_a_talkative_client_costs_no_more_than_a_silent_one(told: Telemetry) -> None:
    for number in range(1000):
        told.receive(event(f"group {number}", f"name {number}", level="info", **{f"key {number}": number}))

    assert told.properties() == {"events": 1000}


def test_what_was_told_before_and_later_adds_up(told: Telemetry) -> None:
    told.receive(event("media", "error", code=53402))
    later = Telemetry("AC1", "alice", "RM1")
    later.receive(event("room", "reconnecting"))
    later.receive(event("quality", "stats-report", localAudioTrackStats=[{"codec": "opus"}]))
    told.add(later)

    assert told.properties() == {"events": 3, "reconnections": 1, "stats_reports": 1}
    assert (told.codecs, told.error_code) == ({"opus"}, 53402)
