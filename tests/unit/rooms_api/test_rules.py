"""Subscribe and recording rules."""

import json

import pytest
from contract.errors import Refused
from contract.rooms import TrackKind
from rooms_api.core.rules import (
    EXCLUDE_ALL,
    INCLUDE_ALL,
    RECORDING_KINDS,
    SUBSCRIBE_KINDS,
    Candidate,
    Rule,
    admits,
    parse_rules,
    stored_rules,
)

MICROPHONE = Candidate("PA1", "alice", "MT1", "mic", TrackKind.AUDIO)
CAMERA = Candidate("PA1", "alice", "MT2", "camera", TrackKind.VIDEO)


def parse(text: str):
    return parse_rules(text, SUBSCRIBE_KINDS, 53215)


@pytest.mark.parametrize(
    ("rules", "mic", "camera"),
    [
        (INCLUDE_ALL, True, True),
        (EXCLUDE_ALL, False, False),
        ((Rule("include", kind=TrackKind.AUDIO),), True, False),
        ((*INCLUDE_ALL, Rule("exclude", track="camera")), True, False),
        ((Rule("exclude", track="camera"), *INCLUDE_ALL), True, True),
        ((Rule("include", publisher="alice", kind=TrackKind.VIDEO),), False, True),
        ((Rule("include", publisher="PA1", track="MT1"),), True, False),
        ((Rule("include", publisher="Alice"),), False, False),
    ],
)
def test_the_last_rule_that_matches_decides(rules, mic, camera):
    assert (admits(rules, MICROPHONE), admits(rules, CAMERA)) == (mic, camera)


def test_rules_are_read_in_order():
    rules = parse('[{"type":"include","all":true},{"type":"exclude","publisher":"bob","kind":"video"}]')

    assert rules == (Rule("include", all=True), Rule("exclude", publisher="bob", kind=TrackKind.VIDEO))
    assert stored_rules([rule.members() for rule in rules]) == rules


def test_null_members_count_as_absent_so_that_an_answer_can_be_posted_back():
    text = '[{"type":"include","all":true,"publisher":null,"track":null,"kind":null,"priority":null}]'

    assert parse(text) == INCLUDE_ALL


def test_text_that_was_encoded_once_more_is_read():
    assert parse("%5B%7B%22type%22%3A%22include%22%2C%22all%22%3Atrue%7D%5D") == INCLUDE_ALL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "{}",
        '{"type":"include","all":true}',
        "[]",
        "[1]",
        json.dumps([{"type": "include", "all": True}] * 21),
        '[{"all":true}]',
        '[{"type":"maybe","all":true}]',
        '[{"type":["include"],"all":true}]',
        '[{"type":"include"}]',
        '[{"type":"include","room":"x"}]',
        '[{"type":"include","all":"true"}]',
        '[{"type":"include","all":false}]',
        '[{"type":"include","all":1}]',
        '[{"type":"include","all":true,"kind":"audio"}]',
        '[{"type":"include","kind":"wideo"}]',
        '[{"type":"include","publisher":7}]',
        '[{"type":"include","kind":"audio","kind":"video"}]',
        '[{"type":"include","all":true,"priority":"high"}]',
        "[" * 100_000,
    ],
)
def test_invalid_rules_are_refused(text):
    with pytest.raises(Refused, match=r"^53215 "):
        parse(text)


def test_data_tracks_are_never_recorded():
    with pytest.raises(Refused, match=r"^53120 "):
        parse_rules('[{"type":"include","kind":"data"}]', RECORDING_KINDS, 53120)


@pytest.mark.parametrize(
    "text", [r'[{"type":"include","publisher":"\ud800"}]', '[{"type":"include","track":NaN}]', "[" * 100_000]
)
def test_json_that_cannot_be_written_back_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse(text)
