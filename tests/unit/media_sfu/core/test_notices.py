"""What clients are told over media signaling, and what they know already."""

import json
from typing import Any

import pytest
from media_sfu.core.notices import Notices

from tests.kit.flowing_peers import flowing_peer


def named(text: str | None) -> Any:
    return json.loads(text)["participant"] if text is not None else "nothing said"


@pytest.mark.parametrize(
    ("told", "latest", "knows", "said"),
    [
        (None, (), ("alice",), "nothing said"),
        (None, ("alice",), ("alice",), "alice"),
        ("alice", ("alice",), ("alice",), "nothing said"),
        (None, ("alice",), (), "nothing said"),
        (None, ("carol", "alice"), ("alice",), "alice"),
        ("alice", ("carol", "alice"), ("alice", "carol"), "carol"),
        ("alice", ("carol", "alice"), ("alice",), "nothing said"),
        ("alice", ("carol",), (), "nothing said"),
        ("alice", (), ("alice",), None),
        (None, ("bob",), ("alice",), "nothing said"),
        (None, ("bob", "alice"), ("alice",), "alice"),
    ],
)
def test_the_latest_speaker_whom_the_client_knows_is_named_once(
    told: str | None, latest: tuple[str, ...], knows: tuple[str, ...], said: str | None
) -> None:
    notices = Notices(speaker=told)

    assert named(notices.speaker_to_tell(latest, flowing_peer("bob", knows=knows))) == said
    assert named(notices.speaker_to_tell(latest, flowing_peer("bob", knows=knows))) == "nothing said"


def switched(notices: Notices, off: set[str], on: set[str]) -> tuple[list[str], list[str]] | None:
    text = notices.switched_to_tell(off, on, {"MT1", "MT2"}.__contains__)
    if text is None:
        return None
    message = json.loads(text)
    return message["off"], message["on"]


def test_only_what_was_switched_is_told() -> None:
    notices = Notices()

    assert switched(notices, set(), {"MT1", "MT2"}) is None
    assert switched(notices, {"MT2", "MT1"}, set()) == (["MT1", "MT2"], [])
    assert switched(notices, {"MT1"}, {"MT2"}) == ([], ["MT2"])
    assert switched(notices, {"MT1"}, {"MT2"}) is None


def test_a_track_that_was_off_and_is_subscribed_to_again_is_told_to_be_on() -> None:
    notices = Notices()
    switched(notices, {"MT1"}, set())
    assert switched(notices, set(), set()) is None

    assert switched(notices, set(), {"MT1"}) == ([], ["MT1"])


def test_a_track_that_is_no_longer_published_is_forgotten() -> None:
    notices = Notices()
    switched(notices, {"MTgone"}, set())
    switched(notices, set(), set())

    assert switched(notices, set(), {"MTgone"}) is None
