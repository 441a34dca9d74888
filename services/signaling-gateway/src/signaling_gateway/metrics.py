"""Counts of what the gateway does, for `/metrics`."""

from prometheus_client import Counter, Gauge, Histogram

SOCKETS = Gauge("roomwire_gateway_sockets", "Open signaling sockets")
OPEN_SESSIONS = Gauge("roomwire_gateway_open_sessions", "Sessions held here, those that are being let go of included")
ROOMS = Gauge("roomwire_gateway_rooms", "Rooms that sockets here are in")
REQUESTS = Histogram(
    "roomwire_gateway_request_seconds",
    "Requests to owners (issuer, rooms, node, peer), by kind and result (done, refused, unanswered)",
    ["owner", "request", "result"],
)
OPENING = Histogram("roomwire_gateway_opening_seconds", "From the opening of a socket to connected or synced", ["kind"])
SESSIONS = Counter("roomwire_gateway_sessions_total", "Sessions that clients were told of", ["kind"])
FAILURES = Counter("roomwire_gateway_failures_total", "Errors that clients were told, by code", ["code"])
CLOSED = Counter("roomwire_gateway_closed_total", "Sockets that the gateway closed, by close code", ["close_code"])
UNREADABLE = Counter("roomwire_gateway_unreadable_total", "Messages of clients that were none")
RESYNCS = Counter("roomwire_gateway_resyncs_total", "Snapshots of rooms asked for")
TELEMETRY = Counter("roomwire_gateway_telemetry_events_total", "Events of client telemetry passed on")
