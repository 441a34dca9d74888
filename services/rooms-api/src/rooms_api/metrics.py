"""What operators see of rooms-api in `/metrics`. Rooms and participants are those of the whole installation, told by every replica alike."""

from prometheus_client import Counter, Gauge, Histogram

ROOMS = Gauge("roomwire_rooms", "Rooms in progress")
PARTICIPANTS = Gauge("roomwire_participants", "Participants that are connected or reconnecting")
UNPUBLISHED = Gauge(
    "roomwire_rooms_events_unpublished", "Room events that are committed, and not known to be published"
)
COMMANDS = Histogram(
    "roomwire_rooms_command_seconds",
    "Commands of gateways, by kind and result (done, stale, or an error code)",
    ["command", "result"],
)
HAPPENED = Counter(
    "roomwire_rooms_happened_total", "What happened in rooms, by the name of the status callback", ["event"]
)
CONFLICTS = Counter("roomwire_rooms_conflicts_total", "Changes done anew because another replica was faster")
CALLBACKS_PENDING = Gauge(
    "roomwire_callbacks_pending", "Status callbacks that are owed, of the whole installation; counted up to 100,000"
)
CALLBACKS_DELIVERED = Counter("roomwire_callbacks_delivered_total", "Status callbacks that their receivers took")
CALLBACKS_GIVEN_UP = Counter("roomwire_callbacks_given_up_total", "Status callbacks that failed for too long")
CALLBACK_FAILURES = Counter(
    "roomwire_callback_failures_total", "Tries of status callbacks that failed, by reason", ["reason"]
)
CALLBACK_DELIVERY = Histogram(
    "roomwire_callback_delivery_seconds",
    "From when a status callback was owed until its receiver took it",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200, 86400),
)
SESSIONS_LOST = Counter(
    "roomwire_rooms_sessions_lost_total", "Sessions detached because their gateway had no socket of theirs"
)
