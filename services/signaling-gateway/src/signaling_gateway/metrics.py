"""Counts of what the gateway does, for `/metrics`."""

from prometheus_client import Counter, Gauge

SOCKETS = Gauge("roomwire_gateway_sockets", "Open signaling sockets")
SESSIONS = Counter("roomwire_gateway_sessions_total", "Sessions that clients were told of", ["kind"])
FAILURES = Counter("roomwire_gateway_failures_total", "Errors that clients were told, by code", ["code"])
CLOSED = Counter("roomwire_gateway_closed_total", "Sockets that the gateway closed, by close code", ["close_code"])
UNREADABLE = Counter("roomwire_gateway_unreadable_total", "Messages of clients that were none")
UNANSWERED = Counter("roomwire_gateway_unanswered_total", "Commands that found no answer and were repeated", ["owner"])
RESYNCS = Counter("roomwire_gateway_resyncs_total", "Snapshots of rooms asked for")
TELEMETRY = Counter("roomwire_gateway_telemetry_events_total", "Events of client telemetry passed on")
