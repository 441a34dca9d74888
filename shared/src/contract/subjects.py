"""Names of the bus subjects. Everything a service says or asks goes over one of these."""

ROOM_COMMAND = "rooms.v1.command"
"""Request, queue group `ROOMS_QUEUE`: a `rooms.RoomCommand`, answered by rooms-api with a `rooms.RoomReply`."""
ROOMS_QUEUE = "rooms-api"
ROOM_REVISIONS = "rooms.v1.revision"
"""Published by rooms-api each second: `rooms.RoomRevisions`."""
ALL_ROOM_EVENTS = "rooms.v1.event.*"

KEYS_VERIFY = "keys.v1.verify"
"""Request, queue group `KEYS_QUEUE`: a `keys.VerifyRequest`, answered by token-issuer with a `keys.VerifyReply`."""
KEYS_SIGN = "keys.v1.sign"
"""Request, queue group `KEYS_QUEUE`: `keys.SignCallback`, answered with `keys.CallbackSignature`."""
KEYS_CHANGED = "keys.v1.changed"
"""Published by token-issuer: `keys.KeysChanged`. Whoever caches verifications forgets them."""
KEYS_QUEUE = "token-issuer"

ALL_MEDIA_FACTS = "media.v1.fact.*"
ALL_MEDIA_LOADS = "media.v1.load.*"
ALL_GATEWAYS_ALIVE = "gateway.v1.alive.*"
ALL_INSIGHTS_EVENTS = "insights.v1.event.*"


def room_event(room_sid: str) -> str:
    """Published by rooms-api: `rooms.RoomEvent`, one for each revision of the room, in order."""
    return f"rooms.v1.event.{room_sid}"


def media_command(node_id: str) -> str:
    """Request: a `media.MediaCommand`, answered by that node with a `media.MediaReply`."""
    return f"media.v1.command.{node_id}"


def media_fact(node_id: str) -> str:
    """Request: a `media.MediaFact`, answered by rooms-api (queue group `ROOMS_QUEUE`) with `media.FactTaken`."""
    return f"media.v1.fact.{node_id}"


def media_load(node_id: str) -> str:
    """Published by that node each second: `media.NodeLoad`."""
    return f"media.v1.load.{node_id}"


def gateway_alive(gateway_id: str) -> str:
    """Published by that gateway each second: `rooms.GatewayAlive`."""
    return f"gateway.v1.alive.{gateway_id}"


def gateway_sessions(gateway_id: str) -> str:
    """Request: a `rooms.CheckSessions`, answered by that gateway with a `rooms.SessionsChecked`."""
    return f"gateway.v1.session.{gateway_id}"


def participant_signal(participant_sid: str) -> str:
    """Published by SFU nodes and gateways, heard by the gateway that holds the participant's socket: `media.PeerSignal`."""
    return f"signal.v1.participant.{participant_sid}"


def peer_relay(participant_sid: str) -> str:
    """Request: a `peers.RelayToPeer`, answered with `peers.Relayed` by the gateway that holds the participant's socket."""
    return f"signal.v1.peer.{participant_sid}"


def insights_event(room_sid: str) -> str:
    """Published by gateways: telemetry of the client SDK, stored by rooms-api."""
    return f"insights.v1.event.{room_sid}"
