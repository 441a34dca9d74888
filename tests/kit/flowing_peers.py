"""Peers whose negotiation is over: their tracks flow, without any SDP."""

from contract.media import DesiredState, NodePublication, NodeSubscription
from contract.rooms import TrackKind
from media_sfu.core.actions import UpTrackName
from media_sfu.core.negotiation import Negotiation, Settings
from media_sfu.core.peer import Down, Peer
from media_sfu.forwarder import DownTrackParameters, UpTrackParameters

from tests.kit.sdp import LOCAL, id_makers


def flowing_peer(
    sid: str,
    publishes: dict[str, int] | None = None,
    watches: dict[str, str] | None = None,
    knows: tuple[str, ...] = (),
) -> Peer:
    """
    A participant that publishes cameras, their layers by client track id, and has video subscriptions, the publisher's SID by client track id of the
    camera. The SID of a track is its publisher's and its client track id; `knows` are the others that its client was told of.
    """
    publications = [
        NodePublication(client_track_id=name, track_sid=f"MT{sid}-{name}", kind=TrackKind.VIDEO, enabled=True)
        for name in publishes or {}
    ]
    subscriptions = [
        NodeSubscription(
            id=f"{publisher}-{name}", track_sid=f"MT{publisher}-{name}", publisher_sid=publisher, kind=TrackKind.VIDEO
        )
        for name, publisher in (watches or {}).items()
    ]
    desired = DesiredState(revision=1, publications=publications, subscriptions=subscriptions, participants=knows)
    negotiation = Negotiation(LOCAL, id_makers(), Settings(("VP8",), audio_only=False))
    peer = Peer(sid, f"pc-{sid}", 1, negotiation, desired, connected=True)
    for name, layers in (publishes or {}).items():
        peer.applied.up_tracks[name] = UpTrackParameters("video", 90000, tuple(range(1, layers + 1)), (), {}, {}, {})
    for name, publisher in (watches or {}).items():
        peer.applied.down_tracks[f"{publisher}-{name}"] = down_track(UpTrackName(publisher, name))
    return peer


def down_track(source: UpTrackName) -> Down:
    return Down(source, DownTrackParameters(1, None, {}, {}, {}, "cname"), is_video=True)
