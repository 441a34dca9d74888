import pytest
from contract.rooms import Ended, LeaveReason, RoomEvent, RoomRevisions
from media_sfu.room_watch import RoomWatch


@pytest.fixture
def watch():
    watch = RoomWatch()
    watch.follow("RM1")
    watch.receive_event(RoomEvent(room_sid="RM1", revision=7))
    return watch


def listed(**revisions):
    return RoomRevisions(revisions=revisions)


def test_an_event_ends_its_participants(watch):
    event = RoomEvent(room_sid="RM1", revision=8, ended=(Ended(participant_sid="PA1", reason=LeaveReason.LEFT),))

    assert watch.receive_event(event) == ("PA1",)


def test_a_room_that_is_not_followed_ends_nobody(watch):
    event = RoomEvent(room_sid="RM2", revision=8, ended=(Ended(participant_sid="PA1", reason=LeaveReason.LEFT),))

    assert watch.receive_event(event) == ()


def test_a_room_that_stays_behind_is_asked_about(watch):
    assert watch.receive_revisions(listed(RM1=8), now=0.0) == ((), ())
    assert watch.receive_revisions(listed(RM1=8), now=1.0) == (("RM1",), ())


def test_a_room_whose_event_was_only_late_is_not_asked_about(watch):
    watch.receive_revisions(listed(RM1=8), now=0.0)
    watch.receive_event(RoomEvent(room_sid="RM1", revision=8))

    assert watch.receive_revisions(listed(RM1=8), now=1.0) == ((), ())


def test_a_room_that_is_not_listed_for_ten_seconds_is_over(watch):
    assert watch.receive_revisions(listed(), now=0.0) == ((), ())
    assert watch.receive_revisions(listed(), now=9.9) == ((), ())
    assert watch.receive_revisions(listed(), now=10.0) == ((), ("RM1",))


def test_a_room_that_is_listed_again_is_not_over(watch):
    watch.receive_revisions(listed(), now=0.0)
    watch.receive_revisions(listed(RM1=7), now=5.0)

    assert watch.receive_revisions(listed(), now=12.0) == ((), ())
