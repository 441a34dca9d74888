"""The dominant speaker."""

import pytest
from media_sfu.core.speakers import Speakers


@pytest.fixture
def speakers() -> Speakers:
    return Speakers()


def hear(speakers: Speakers, start: float, seconds: float, **levels: float | None) -> float:
    """Five levels a second; returns the time after them."""
    now = start
    for _ in range(round(seconds * 5)):
        speakers.receive_levels(levels, now)
        now += 0.2
    return now


def test_nobody_speaks_in_a_quiet_room(speakers: Speakers) -> None:
    hear(speakers, 0.0, 3.0, alice=-70.0, bob=None)

    assert speakers.dominant() is None


def test_the_first_voice_is_dominant_within_half_a_second(speakers: Speakers) -> None:
    hear(speakers, 0.0, 0.6, alice=-20.0, bob=-80.0)

    assert speakers.dominant() == "alice"


def test_a_cough_does_not_take_over(speakers: Speakers) -> None:
    now = hear(speakers, 0.0, 2.0, alice=-25.0, bob=-80.0)
    now = hear(speakers, now, 0.4, alice=-25.0, bob=-10.0)
    hear(speakers, now, 1.0, alice=-25.0, bob=-80.0)

    assert speakers.dominant() == "alice"


def test_a_louder_voice_takes_over(speakers: Speakers) -> None:
    now = hear(speakers, 0.0, 2.0, alice=-35.0, bob=-80.0)
    hear(speakers, now, 2.0, alice=-35.0, bob=-15.0)

    assert speakers.dominant() == "bob"


def test_a_silent_speaker_stays_until_another_speaks(speakers: Speakers) -> None:
    now = hear(speakers, 0.0, 1.0, alice=-20.0, bob=None)
    now = hear(speakers, now, 5.0, alice=None, bob=-70.0)
    assert speakers.dominant() == "alice"

    hear(speakers, now, 2.0, alice=None, bob=-30.0)
    assert speakers.dominant() == "bob"


def test_the_one_before_is_known_as_well(speakers: Speakers) -> None:
    now = hear(speakers, 0.0, 1.0, alice=-20.0, bob=None)
    hear(speakers, now, 3.0, alice=None, bob=-20.0)

    assert speakers.latest == ("bob", "alice")


def test_two_who_speak_at_once_are_both_known(speakers: Speakers) -> None:
    hear(speakers, 0.0, 2.0, alice=-20.0, bob=-21.0, carol=-80.0)

    assert speakers.latest == ("alice", "bob")


def test_who_speaks_comes_before_who_has_spoken(speakers: Speakers) -> None:
    now = hear(speakers, 0.0, 1.0, alice=-20.0, bob=-80.0, carol=-80.0)
    now = hear(speakers, now, 3.0, alice=-80.0, bob=-20.0, carol=-80.0)
    hear(speakers, now, 3.0, alice=-80.0, bob=-20.0, carol=-22.0)

    assert speakers.latest == ("bob", "carol", "alice")


def test_who_leaves_is_no_longer_dominant(speakers: Speakers) -> None:
    now = hear(speakers, 0.0, 1.0, alice=-20.0, bob=None)

    assert speakers.receive_levels({"bob": None}, now)
    assert speakers.dominant() is None
