"""Commands to one owner: in order, one at a time, repeated until answered."""

from contract.rooms import DescribeRoom
from signaling_gateway.core.lane import Lane

FIRST, SECOND, THIRD = (DescribeRoom(room_sid=sid) for sid in ("RM1", "RM2", "RM3"))


def test_commands_go_out_one_after_the_other() -> None:
    lane: Lane[DescribeRoom] = Lane()
    lane.push(FIRST)
    lane.push(SECOND)

    assert lane.message_to_send(now=0) is FIRST
    assert lane.message_to_send(now=0) is None
    assert lane.receive_reply() is FIRST
    assert lane.message_to_send(now=0) is SECOND


def test_an_unanswered_command_is_repeated_with_growing_pauses() -> None:
    lane: Lane[DescribeRoom] = Lane()
    lane.push(FIRST)
    now, pauses = 0.0, []

    for _ in range(6):
        assert lane.message_to_send(now) is FIRST
        assert lane.receive_silence(now) is None
        when = lane.next_timeout()
        assert when is not None
        pauses.append(round(when - now, 3))
        now = when

    assert pauses == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_a_command_whose_time_is_up_is_handed_back_and_the_next_goes_on() -> None:
    lane: Lane[DescribeRoom] = Lane()
    lane.push(FIRST, give_up_at=5.0)
    lane.push(SECOND)
    lane.message_to_send(now=0)

    assert lane.receive_silence(now=5.0) is FIRST
    assert lane.message_to_send(now=5.0) is SECOND


def test_a_repeated_command_may_ask_differently() -> None:
    lane: Lane[DescribeRoom] = Lane()
    lane.push(FIRST, retry_as=SECOND)
    lane.message_to_send(now=0)
    lane.receive_silence(now=0)

    assert lane.message_to_send(now=1) is SECOND
    assert lane.receive_reply() is SECOND


def test_overtaken_commands_are_dropped_but_not_the_outstanding_one() -> None:
    lane: Lane[DescribeRoom] = Lane()
    lane.push(FIRST)
    lane.message_to_send(now=0)
    lane.push(SECOND)
    lane.push(THIRD)

    lane.drop_queued(lambda command: command is not THIRD)

    assert lane.in_flight is FIRST
    lane.receive_reply()
    assert lane.message_to_send(now=0) is THIRD


def test_a_lane_that_winds_up_repeats_nothing() -> None:
    lane: Lane[DescribeRoom] = Lane()
    lane.push(FIRST)
    lane.message_to_send(now=0)
    lane.push(SECOND)

    lane.wind_up()

    assert lane.receive_silence(now=0) is FIRST
    assert not lane


def test_a_free_way_ends_the_pause() -> None:
    lane: Lane[DescribeRoom] = Lane()
    lane.push(FIRST)
    lane.message_to_send(now=0)
    lane.receive_silence(now=0)
    assert lane.message_to_send(now=0.1) is None

    lane.retry_now()

    assert lane.message_to_send(now=0.1) is FIRST
