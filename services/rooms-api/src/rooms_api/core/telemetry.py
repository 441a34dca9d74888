"""
What a client's SDK tells of itself, folded into a summary of fixed size: events are counted and forgotten, so that a talkative client costs no more
than a silent one. No clock and no I/O.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contract.insights import TelemetryEvent

CODECS = {"vp8": "VP8", "h264": "H264", "vp9": "VP9", "opus": "opus"}
"""As Video Insights spells them, by the lower-case names of SDPs."""
LOCAL_STATS = ("localAudioTrackStats", "localVideoTrackStats")
QUALITY_LIMITATIONS = ("cpu", "bandwidth", "other")
COUNTED = {
    ("room", "reconnecting"): "reconnections",
    ("network", "network-type-changed"): "network_changes",
    ("get-user-media", "failed"): "failed_get_user_media",
    ("get-user-media", "denied"): "failed_get_user_media",
}
MAX_WORD = 16
CANDIDATE_TYPES = ("host", "srflx", "prflx", "relay")
PROTOCOLS = ("udp", "tcp")


@dataclass(slots=True)
class Telemetry:
    """
    What one participant's SDK told. `counts` has at most a dozen names; `codecs` are those that it sent with; `error_code` is the last Video error
    that it met. Who it is comes from its verified token, the room is what it claims.
    """

    account_sid: str
    identity: str
    room_sid: str
    counts: Counter[str] = field(default_factory=Counter)
    codecs: set[str] = field(default_factory=set)
    candidate_type: str | None = None
    protocol: str | None = None
    error_code: int | None = None

    def receive(self, event: TelemetryEvent) -> None:
        """Fold one event in. What it holds may be anything: what is not understood is only counted."""
        self.counts["events"] += 1
        name = COUNTED.get((event.group, event.name))
        if name is not None:
            self.counts[name] += 1
        if event.group == "track-warning-raised":
            self.counts["track_warnings"] += 1
        if (level := event.payload.get("level")) in ("error", "warning"):
            self.counts[f"{level}s"] += 1
        code = event.payload.get("code")
        if isinstance(code, int) and 53000 <= code < 54000:
            self.error_code = code
        if event.group == "quality":
            self._receive_quality(event.name, event.payload)

    def _receive_quality(self, name: str, payload: Mapping[str, Any]) -> None:
        if name == "stats-report":
            self.counts["stats_reports"] += 1
            for kind in LOCAL_STATS:
                self._receive_stats(payload.get(kind))
        elif name == "active-ice-candidate-pair":
            local = payload.get("localCandidate")
            if isinstance(local, Mapping):
                self.candidate_type = _one_of(CANDIDATE_TYPES, local.get("candidateType")) or self.candidate_type
                self.protocol = _one_of(PROTOCOLS, local.get("protocol")) or self.protocol
        elif name == "quality-limitation-state-changed":
            reason = _one_of(QUALITY_LIMITATIONS, payload.get("qualityLimitationReason"))
            if reason is not None:
                self.counts[f"limited_by_{reason}"] += 1

    def _receive_stats(self, reports: Any) -> None:
        for report in reports if isinstance(reports, list) else ():
            codec = report.get("codec") if isinstance(report, Mapping) else None
            if isinstance(codec, str):
                self.codecs |= insights_codecs([codec])

    def add(self, later: "Telemetry") -> None:
        """Fold in what the same participant told later."""
        self.counts.update(later.counts)
        self.codecs |= later.codecs
        self.candidate_type = later.candidate_type or self.candidate_type
        self.protocol = later.protocol or self.protocol
        self.error_code = later.error_code or self.error_code

    def properties(self) -> dict[str, Any]:
        """For people to read."""
        shown: dict[str, Any] = dict(sorted(self.counts.items()))
        if self.candidate_type is not None:
            shown["ice_candidate_type"] = self.candidate_type
        if self.protocol is not None:
            shown["ice_protocol"] = self.protocol
        return shown


def insights_codecs(names: Iterable[str]) -> set[str]:
    """Codecs as Video Insights spells them; those that it does not know are left out."""
    return {CODECS[name.lower()] for name in names if name.lower() in CODECS}


def _one_of(known: tuple[str, ...], value: Any) -> str | None:
    return value if isinstance(value, str) and value in known else None
