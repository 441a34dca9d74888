"""The network quality of a participant, from the readings of its tracks and what its client says of its line. What the numbers mean is `network_quality`'s affair."""

from media_sfu.core.actions import UpTrackName
from media_sfu.core.network_quality import FlowQuality, MediaQuality, NetworkQuality, worst
from media_sfu.core.peer import Peer
from media_sfu.core.statistics import Rates


def participant_quality(peer: Peer, rates: Rates, round_trip_s: float | None) -> NetworkQuality | None:
    """
    `round_trip_s` is the client's own measurement, None when it gave none.

    Returns None while nothing is known: the SDK keeps the statistics that came with a level until there is another level.
    """
    if not peer.connected:
        return None
    sent: dict[str, list[FlowQuality]] = {"audio": [], "video": []}
    got: dict[str, list[FlowQuality]] = {"audio": [], "video": []}
    for client_track_id, parameters in peer.applied.up_tracks.items():
        name = UpTrackName(peer.participant_sid, client_track_id)
        if name in rates.measured:
            sent[parameters.kind].append(rates.up[name].quality)
    for subscription_id, down in peer.applied.down_tracks.items():
        if (peer.participant_sid, subscription_id) in rates.measured:
            flow = rates.down[peer.participant_sid][subscription_id]
            got["video" if down.is_video else "audio"].append(flow)
    has_tracks = bool(peer.applied.up_tracks or peer.applied.down_tracks)
    if has_tracks and not any((*sent.values(), *got.values())):
        return None
    line = FlowQuality(round_trip_s=round_trip_s)
    audio, video = (MediaQuality(worst([line, *sent[kind]]), worst([line, *got[kind]])) for kind in ("audio", "video"))
    return NetworkQuality(audio, video)
