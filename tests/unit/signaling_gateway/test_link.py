"""TCMP: what a socket hears for what it says, and when."""

import json
from typing import Any

import pytest
from signaling_gateway.core.link import (
    BodyReceived,
    BodyUnreadable,
    ByeReceived,
    Link,
    LinkFailed,
    LinkLimits,
)
from signaling_gateway.core.wire import IceRequest

HELLO = {"type": "hello", "id": "h1", "version": 2, "timeout": 5000}
ICE = {"type": "ice", "version": 1, "edge": "roaming", "token": "t"}


@pytest.fixture
def link() -> Link:
    return Link(now=0.0)


@pytest.fixture
def open_link(link: Link) -> Link:
    say(link, HELLO)
    return link


def say(link: Link, frame: dict[str, Any] | str, now: float = 0.0) -> list[dict[str, Any]]:
    link.receive_text(frame if isinstance(frame, str) else json.dumps(frame), now)
    return heard(link)


def heard(link: Link) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in link.frames_to_send()]


def test_a_hello_is_welcomed_with_the_period_it_asked_for(link: Link) -> None:
    assert say(link, HELLO) == [{"type": "welcome", "negotiatedTimeout": 5000}]


@pytest.mark.parametrize(("wished_ms", "given_ms"), [(60_000, 5000), (2000, 2000), (1, 500)])
def test_the_period_stays_within_what_works(link: Link, wished_ms: int, given_ms: int) -> None:
    assert say(link, HELLO | {"timeout": wished_ms}) == [{"type": "welcome", "negotiatedTimeout": given_ms}]


def test_a_repeated_hello_is_welcomed_again_but_its_body_counts_once(link: Link) -> None:
    first = say(link, HELLO | {"body": ICE})
    again = say(link, HELLO | {"id": "h2", "body": ICE})

    assert first == again == [{"type": "welcome", "negotiatedTimeout": 5000}]
    assert link.events_received() == [BodyReceived(IceRequest(type="ice", token="t"))]


def test_a_body_in_a_msg_is_handed_on(open_link: Link) -> None:
    say(open_link, {"type": "msg", "body": ICE})

    assert open_link.events_received() == [BodyReceived(IceRequest(type="ice", token="t"))]


@pytest.mark.parametrize(
    "frame",
    ["", "no json", "[]", "null", '{"type":"what"}', '{"type":"hello"}', json.dumps(HELLO | {"version": 1})],
)
def test_what_is_no_hello_is_bad_and_the_end(link: Link, frame: str) -> None:
    (answer,) = say(link, frame)

    assert answer["type"] == "bad"
    (event,) = link.events_received()
    assert isinstance(event, LinkFailed)
    assert event.close_code == 1008


@pytest.mark.parametrize("frame", [{"type": "heartbeat"}, {"type": "msg", "body": ICE}, {"type": "bye"}])
def test_nothing_but_hello_may_come_first(link: Link, frame: dict[str, Any]) -> None:
    assert say(link, frame) == [{"type": "bad", "reason": "hello expected"}]


@pytest.mark.parametrize(
    "frame",
    [
        "no json",
        '{"type":"what"}',
        '{"type":"msg"}',
        '{"type":"msg","body":{"type":"what"}}',
        '{"type":"msg","body":{"type":"connect"}}',
        "[" * 100_000,
    ],
)
def test_after_welcome_a_bad_message_is_reported_and_never_answered_by_bad(open_link: Link, frame: str) -> None:
    assert say(open_link, frame) == []
    (event,) = open_link.events_received()
    assert isinstance(event, BodyUnreadable)


def test_a_bad_message_is_not_repeated_in_the_reason(open_link: Link) -> None:
    say(open_link, {"type": "msg", "body": {"type": "ice", "token": ["secret"]}})

    (event,) = open_link.events_received()
    assert isinstance(event, BodyUnreadable)
    assert "secret" not in event.reason


def test_a_bye_is_told(open_link: Link) -> None:
    say(open_link, {"type": "bye"})

    assert open_link.events_received() == [ByeReceived()]


def test_an_idle_link_sends_a_heartbeat_before_the_period_ends(open_link: Link) -> None:
    assert open_link.next_timeout() == 4.5

    open_link.handle_timeout(now=4.5)

    assert heard(open_link) == [{"type": "heartbeat"}]
    assert open_link.next_timeout() == 9.0


def test_a_message_counts_as_a_heartbeat(open_link: Link) -> None:
    open_link.send({"type": "update"}, now=4.0)

    open_link.handle_timeout(now=4.5)

    assert heard(open_link) == [{"type": "msg", "body": {"type": "update"}}]


def test_a_client_silent_for_three_periods_is_given_up(open_link: Link) -> None:
    say(open_link, {"type": "heartbeat"}, now=1.0)

    open_link.handle_timeout(now=15.9)
    assert open_link.events_received() == []

    open_link.handle_timeout(now=16.0)
    assert open_link.events_received() == [LinkFailed(1011, "client silent")]
    assert open_link.next_timeout() is None


def test_who_was_held_up_itself_gives_the_client_a_period_to_be_heard(open_link: Link) -> None:
    open_link.forgive_silence(now=3600.0)
    open_link.handle_timeout(now=3600.0)
    assert open_link.events_received() == []
    assert heard(open_link) == [{"type": "heartbeat"}]

    open_link.handle_timeout(now=3605.0)
    assert open_link.events_received() == [LinkFailed(1011, "client silent")]


def test_a_standstill_takes_nothing_from_who_was_just_heard(open_link: Link) -> None:
    say(open_link, {"type": "heartbeat"}, now=100.0)
    open_link.forgive_silence(now=100.0)
    open_link.handle_timeout(now=114.9)

    assert open_link.events_received() == []


def test_a_hello_that_came_during_a_standstill_is_waited_for(link: Link) -> None:
    link.forgive_silence(now=3600.0)
    link.handle_timeout(now=3600.0)

    assert say(link, HELLO, now=3600.1) == [{"type": "welcome", "negotiatedTimeout": 5000}]


def test_a_socket_that_never_says_hello_is_closed(link: Link) -> None:
    assert link.next_timeout() == 15.0

    link.handle_timeout(now=15.0)

    assert link.events_received() == [LinkFailed(1008, "no hello in time")]


def test_nothing_is_sent_before_welcome(link: Link) -> None:
    link.send({"type": "update"}, now=0.0)

    assert heard(link) == []


def test_a_busy_gateway_says_so_for_good(link: Link) -> None:
    busy = Link(now=0.0, is_busy=True)

    assert say(busy, HELLO) == [{"type": "busy", "retryAfter": -1, "keepAlive": False}]


def test_a_flood_closes_the_socket(link: Link) -> None:
    flooded = Link(now=0.0, limits=LinkLimits(rate=1.0, burst=3.0))
    say(flooded, HELLO)

    for _ in range(3):
        say(flooded, {"type": "heartbeat"})

    assert flooded.events_received() == [LinkFailed(1008, "too many messages")]


def test_the_rate_is_forgiven_with_time() -> None:
    link = Link(now=0.0, limits=LinkLimits(rate=1.0, burst=2.0))
    say(link, HELLO)

    for second in range(1, 100):
        say(link, {"type": "heartbeat"}, now=float(second))

    assert link.events_received() == []


def test_a_closed_link_is_deaf_and_mute(open_link: Link) -> None:
    open_link.close()

    assert say(open_link, {"type": "msg", "body": ICE}) == []
    assert open_link.events_received() == []
    assert open_link.next_timeout() is None
