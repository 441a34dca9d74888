"""Which recordings a composition means, and when there is nothing to compose."""

import pytest
from contract.rooms import TrackKind
from rooms_api.core.composition import MAX_SOURCE_BYTES, Source, reason_to_fail, selects, wanted_sources
from rooms_api.core.layout import Region
from rooms_api.core.recording import RecordingStatus


def source(number: int = 1, name: str = "teacher-camera", kind: TrackKind = TrackKind.VIDEO, **members) -> Source:
    return Source(
        **{
            "sid": f"RT{number}",
            "track_sid": f"MT{number}",
            "participant_sid": "PA1",
            "track_name": name,
            "kind": kind,
            "status": RecordingStatus.COMPLETED,
            "size_bytes": 1000,
            **members,
        }
    )


@pytest.mark.parametrize(
    ("entry", "is_selected"),
    [
        ("*", True),
        ("RT1", True),
        ("MT1", True),
        ("PA1", True),
        ("RT2", False),
        ("RT*", False),  # patterns are of names
        ("teacher-camera", True),
        ("Teacher-camera", False),
        ("teacher", False),
        ("teacher*", True),
        ("*camera", True),
        ("*er-cam*", True),
        ("teacher-camera*", True),
        ("*teacher", False),
        ("camera*", False),
        ("teacher*camera", False),  # only at an end
        ("**", True),
    ],
)
def test_a_source_is_named_by_sid_name_or_pattern(entry: str, is_selected: bool) -> None:
    assert selects([entry], [], source()) is is_selected


def test_what_is_excluded_is_not_selected() -> None:
    assert not selects(["*"], ["teacher*"], source())
    assert selects(["*"], ["student*"], source())
    assert not selects([], [], source())


def test_a_star_in_a_tracks_name_is_still_its_name() -> None:
    assert selects(["a*b"], [], source(name="a*b"))


def test_audio_and_each_region_choose_for_themselves() -> None:
    mic, noise = source(1, "mic", TrackKind.AUDIO), source(2, "noise", TrackKind.AUDIO)
    front, screen, back = source(3, "front"), source(4, "screen"), source(5, "back")
    layout = {"main": Region(("screen",)), "row": Region(("*",), ("screen", "back"))}

    assert wanted_sources(["*"], ["noise"], layout, [mic, noise, front, screen, back]) == [mic, front, screen]
    assert wanted_sources([], [], layout, [mic, back]) == []
    assert wanted_sources(["*"], [], {}, [mic, front]) == [mic]


def test_without_a_usable_source_a_composition_fails() -> None:
    deleted = source(status=RecordingStatus.DELETED)
    broken, empty = source(status=RecordingStatus.FAILED), source(size_bytes=0)

    assert reason_to_fail([]) == 53630
    assert reason_to_fail([broken, empty]) == 53630
    assert reason_to_fail([deleted, broken]) == 53628
    assert reason_to_fail([deleted, broken, source()]) is None


def test_sources_may_be_forty_gigabytes_in_all() -> None:
    half = MAX_SOURCE_BYTES // 2

    assert reason_to_fail([source(size_bytes=half), source(size_bytes=half)]) is None
    assert reason_to_fail([source(size_bytes=half), source(size_bytes=half + 1)]) == 53633
    assert (
        reason_to_fail([source(size_bytes=half), source(size_bytes=half + 1, status=RecordingStatus.DELETED)]) is None
    )
