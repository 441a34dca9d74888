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
SESSIONS_LOST = Counter(
    "roomwire_rooms_sessions_lost_total", "Sessions detached because their gateway had no socket of theirs"
)
