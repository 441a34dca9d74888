"""Subscribe and recording rules: parsing what an application posts, and deciding whether a track is in a set. Knows no rooms."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

from contract.errors import Refused
from contract.rooms import TrackKind

from rooms_api.core import strict_json

MAX_RULES = 20
SUBSCRIBE_KINDS = frozenset(TrackKind)
RECORDING_KINDS = frozenset({TrackKind.AUDIO, TrackKind.VIDEO})


@dataclass(frozen=True, slots=True)
class Rule:
    """Includes or excludes the tracks that match all of its filters. `publisher` is a participant SID or identity, `track` a track SID or name."""

    type: Literal["include", "exclude"]
    all: bool = False
    kind: TrackKind | None = None
    publisher: str | None = None
    track: str | None = None

    def matches(self, candidate: "Candidate") -> bool:
        return self.all or (
            (self.kind is None or self.kind is candidate.kind)
            and (self.publisher is None or self.publisher in (candidate.publisher_sid, candidate.identity))
            and (self.track is None or self.track in (candidate.track_sid, candidate.track_name))
        )

    def members(self) -> dict[str, Any]:
        """The rule's set members, as JSON."""
        members: dict[str, Any] = {"type": self.type}
        if self.all:
            members["all"] = True
        for name in ("publisher", "track", "kind"):
            if (value := getattr(self, name)) is not None:
                members[name] = str(value)
        return members


@dataclass(frozen=True, slots=True)
class Candidate:
    """A published track, as rules see it."""

    publisher_sid: str
    identity: str
    track_sid: str
    track_name: str
    kind: TrackKind


Rules = tuple[Rule, ...]

INCLUDE_ALL: Rules = (Rule("include", all=True),)
EXCLUDE_ALL: Rules = (Rule("exclude", all=True),)


def admits(rules: Rules, candidate: Candidate) -> bool:
    """
    Tell whether the track is in the set that the rules describe.

    Starting with the empty set, each rule in order adds or removes what it matches; so the last one that matches decides.
    """
    for rule in reversed(rules):
        if rule.matches(candidate):
            return rule.type == "include"
    return False


def parse_rules(text: str, kinds: Collection[TrackKind], code: int) -> Rules:
    """
    Read a `Rules` parameter: a JSON array of 1 to 20 rules. Null members count as absent.

    Text that was percent-encoded once more is accepted too. Raises `Refused(code)`.
    """
    try:
        items = _load(text)
    except ValueError as error:
        raise Refused(code) from error
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_RULES:
        raise Refused(code)
    return tuple(_parse_rule(item, kinds, code) for item in items)


def stored_rules(items: list[dict[str, Any]]) -> Rules:
    """Rebuild rules from their `members()`."""
    return tuple(
        Rule(
            type=item["type"],
            all=item.get("all", False),
            kind=TrackKind(item["kind"]) if "kind" in item else None,
            publisher=item.get("publisher"),
            track=item.get("track"),
        )
        for item in items
    )


def _load(text: str) -> Any:
    try:
        return strict_json.load(text)
    except ValueError:
        if "%" not in text:
            raise
        return strict_json.load(unquote(text, errors="strict"))


def _parse_rule(item: Any, kinds: Collection[TrackKind], code: int) -> Rule:
    if not isinstance(item, dict):
        raise Refused(code)
    members = {name: value for name, value in item.items() if value is not None}
    kind_of_rule = members.pop("type", None)
    if (
        kind_of_rule not in ("include", "exclude")
        or not members
        or members.keys() - {"all", "kind", "publisher", "track"}
    ):
        raise Refused(code)
    if "all" in members:
        if members != {"all": True} or members["all"] is not True:
            raise Refused(code)
        return Rule(kind_of_rule, all=True)
    if not all(isinstance(value, str) and value for value in members.values()):
        raise Refused(code)
    kind = members.get("kind")
    if kind is not None and kind not in kinds:
        raise Refused(code)
    return Rule(
        kind_of_rule,
        kind=TrackKind(kind) if kind is not None else None,
        publisher=members.get("publisher"),
        track=members.get("track"),
    )
