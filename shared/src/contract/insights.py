"""Telemetry of client SDKs, as gateways pass it on. Best effort: nothing depends on an event arriving."""

from typing import Any

from contract.model import Message


class TelemetryEvent(Message):
    """
    One event of a client's telemetry socket. `account_sid` and `identity` are those of its verified token; the room and participant are what the
    client claims. `timestamp_ms` is the client's clock in epoch milliseconds; `payload` is as the SDK sent it.
    """

    account_sid: str
    identity: str
    room_sid: str
    participant_sid: str
    timestamp_ms: float
    group: str
    name: str
    payload: dict[str, Any]
