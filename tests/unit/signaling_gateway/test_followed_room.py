"""Following a room: events in order, gaps, and what ends the session."""

from typing import Any

import pytest
from contract.rooms import Ended, Joined, Leased, LeaveReason, RoomEvent, RoomStatus
from signaling_gateway.core.followed_room import Changed, FollowedRoom, Missed, Out, Step, Taken

from tests.kit.room_states import participant, session, snapshot

OWN = session("PA1")


def event(revision: int, **members: Any) -> RoomEvent:
    return RoomEvent(room_sid="RM1", revision=revision, **members)


def came(revision: int, sid: str) -> RoomEvent:
    return event(revision, participants=(participant(sid, revision),))


def people(steps: list[Step]) -> list[list[str]]:
    """Who is in the room after each step."""
    assert all(isinstance(step, Changed) for step in steps)
    return [[p.sid for p in step.snapshot.participants] for step in steps if isinstance(step, Changed)]


@pytest.fixture
def joined() -> Joined:
    return Joined(
        participant_sid="PA1",
        session="s1",
        lease_epoch=1,
        snapshot=snapshot(7, (participant("PA1"), participant("PA2")), OWN, session("PA2")),
    )


@pytest.fixture
def room(joined: Joined) -> FollowedRoom:
    room = FollowedRoom()
    assert room.join(joined) == []
    return room


def test_each_event_is_a_step(room: FollowedRoom) -> None:
    assert people(room.receive_event(came(8, "PA3"))) == [["PA1", "PA2", "PA3"]]
    assert people(room.receive_event(came(9, "PA4"))) == [["PA1", "PA2", "PA3", "PA4"]]
    assert (room.revision, room.others) == (9, ["PA2", "PA3", "PA4"])


def test_of_sessions_only_the_own_one_is_kept(room: FollowedRoom) -> None:
    assert room.current[0].sessions == (OWN,)


def test_what_came_before_the_join_is_applied_with_it(joined: Joined) -> None:
    room = FollowedRoom()
    for revision in (6, 7, 8):
        assert room.receive_event(came(revision, f"PA{revision}")) == []

    assert people(room.join(joined)) == [["PA1", "PA2", "PA8"]]


def test_events_that_overtake_each_other_are_put_in_order(room: FollowedRoom) -> None:
    assert room.receive_event(came(9, "PA4")) == [Missed()]
    assert people(room.receive_event(came(8, "PA3"))) == [["PA1", "PA2", "PA3"], ["PA1", "PA2", "PA3", "PA4"]]


def test_a_snapshot_fills_a_gap(room: FollowedRoom) -> None:
    room.receive_event(came(10, "PA4"))

    steps = room.receive_snapshot(snapshot(9, (participant("PA1"), participant("PA3")), OWN))

    assert people(steps) == [["PA1", "PA3"], ["PA1", "PA3", "PA4"]]


def test_after_a_snapshot_every_other_may_have_a_new_lease(room: FollowedRoom) -> None:
    (step,) = room.receive_snapshot(snapshot(8, (participant("PA1"), participant("PA2"), participant("PA3")), OWN))

    assert isinstance(step, Changed)
    assert step.leased == ("PA2", "PA3")


def test_another_ones_new_lease_is_named(room: FollowedRoom) -> None:
    (step,) = room.receive_event(event(8, leased=(Leased(participant_sid="PA2", gateway_id="g2", lease_epoch=2),)))

    assert isinstance(step, Changed)
    assert step.leased == ("PA2",)


def test_what_is_old_changes_nothing(room: FollowedRoom) -> None:
    assert room.receive_event(came(7, "PA3")) == []
    assert room.receive_snapshot(snapshot(6, (participant("PA1"),), OWN)) == []
    assert room.revision == 7


def test_the_end_is_the_last_step(room: FollowedRoom) -> None:
    room.receive_event(came(9, "PA3"))

    steps = room.receive_event(event(8, ended=(Ended(participant_sid="PA1", reason=LeaveReason.REMOVED),)))

    assert steps == [Out(LeaveReason.REMOVED)]


def test_a_session_that_was_leased_elsewhere_is_taken(room: FollowedRoom) -> None:
    lease = Leased(participant_sid="PA1", gateway_id="g2", lease_epoch=2)

    assert room.receive_event(event(8, leased=(lease,))) == [Taken()]


def test_a_lease_that_was_missed_is_seen_in_the_snapshot(room: FollowedRoom) -> None:
    taken = session("PA1", gateway_id="g2", lease_epoch=2)

    assert room.receive_snapshot(snapshot(9, (participant("PA1"),), taken)) == [Taken()]


@pytest.mark.parametrize(
    ("people_left", "of_room", "reason"),
    [
        ((), {"status": RoomStatus.COMPLETED}, LeaveReason.ROOM_COMPLETED),
        ((participant("PA7", identity="identity of PA1"),), {}, LeaveReason.DUPLICATE_IDENTITY),
        ((participant("PA7"),), {}, LeaveReason.REMOVED),
    ],
)
def test_an_end_that_was_missed_is_told_from_the_snapshot(
    room: FollowedRoom, people_left: tuple[Any, ...], of_room: dict[str, Any], reason: LeaveReason
) -> None:
    assert room.receive_snapshot(snapshot(9, people_left, **of_room)) == [Out(reason)]
