"""Recordings: which tracks of a room shall be recorded."""

from collections.abc import Iterable

from rooms_api.core.rules import RECORDING_KINDS, Candidate, Rules, admits


def tracks_to_record(rules: Rules, published: Iterable[Candidate]) -> list[Candidate]:
    """Of a room's published tracks those that its recording rules admit. Data tracks are never recorded."""
    return [track for track in published if track.kind in RECORDING_KINDS and admits(rules, track)]
