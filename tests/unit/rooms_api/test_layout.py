"""Layouts of compositions: the contract's worked examples, its ranges, and cells to the pixel."""

import pytest
from contract.errors import Refused
from rooms_api.core.layout import (
    Box,
    Grid,
    Region,
    Reuse,
    divide,
    fit,
    grid_size,
    parse_layout,
    parse_resolution,
    stored_layout,
)

ALL = {"video_sources": ["*"]}


def region(**members):
    (parsed,) = parse_layout({"main": ALL | members}, 640, 480).values()
    return parsed


@pytest.mark.parametrize(
    ("sources", "rows", "columns"),
    [
        (0, 1, 1),
        (1, 1, 1),
        (2, 1, 2),
        (3, 2, 2),
        (4, 2, 2),
        (5, 2, 3),
        (6, 2, 3),
        (7, 3, 3),
        (9, 3, 3),
        (10, 3, 4),
        (12, 3, 4),
        (13, 4, 4),
        (16, 4, 4),
        (17, 4, 5),
        (20, 4, 5),
    ],
)
def test_a_free_grid_is_as_square_as_possible(sources: int, rows: int, columns: int) -> None:
    assert grid_size(sources) == Grid(rows, columns)


@pytest.mark.parametrize(
    ("sources", "max_rows", "max_columns", "grid"),
    [
        (5, 2, 0, Grid(2, 3)),
        (7, 2, 0, Grid(2, 4)),
        (5, 0, 2, Grid(3, 2)),
        (12, 0, 2, Grid(6, 2)),
        (9, 2, 7, Grid(2, 5)),
        (9, 3, 7, Grid(3, 3)),
        (9, 1, 7, Grid(1, 7)),
        (9, 1, 1, Grid(1, 1)),
    ],
)
def test_a_bounded_grid_grows_in_the_other_direction(sources: int, max_rows: int, max_columns: int, grid: Grid) -> None:
    assert grid_size(sources, max_rows, max_columns) == grid


def test_excluded_cells_make_the_grid_grow() -> None:
    assert grid_size(4, cells_excluded=[0]) == Grid(2, 3)
    assert grid_size(4, cells_excluded=[0, 0, 1, 2, 17]) == Grid(3, 3)  # 17 is outside the grid
    assert grid_size(2, max_rows=1, max_columns=2, cells_excluded=[0]) == Grid(1, 2)  # one source is never shown
    assert grid_size(1, cells_excluded=range(100_000)) == Grid(316, 317)


def test_cells_are_counted_from_the_top_left() -> None:
    assert list(divide(Box(10, 20, 640, 480), Grid(2, 2))) == [
        Box(10, 20, 320, 240),
        Box(330, 20, 320, 240),
        Box(10, 260, 320, 240),
        Box(330, 260, 320, 240),
    ]


def test_cells_fill_a_region_that_they_do_not_divide() -> None:
    assert [(box.x, box.width) for box in divide(Box(0, 0, 640, 16), Grid(1, 3))] == [(0, 213), (213, 214), (427, 213)]


def test_a_region_without_a_size_reaches_to_the_edge() -> None:
    assert region().box(640, 480) == Box(0, 0, 640, 480)
    assert region(x_pos=600, y_pos=400).box(640, 480) == Box(600, 400, 40, 80)
    assert region(x_pos=600, width=20, height=480).box(640, 480) == Box(600, 0, 20, 480)


def test_excluded_cells_hold_no_video() -> None:
    shown = region(cells_excluded=[0, 3])

    grid = shown.grid(3)

    assert grid == Grid(2, 3)
    assert shown.cells(640, 480, grid) == [
        Box(213, 0, 214, 240),
        Box(427, 0, 213, 240),
        Box(213, 240, 214, 240),
        Box(427, 240, 213, 240),
    ]


def test_video_is_fitted_into_its_cell() -> None:
    assert fit(1280, 720, Box(0, 0, 640, 480)) == Box(0, 60, 640, 360)
    assert fit(480, 640, Box(100, 0, 640, 480)) == Box(240, 0, 360, 480)
    assert fit(160, 120, Box(0, 0, 640, 480)) == Box(0, 0, 640, 480)
    assert fit(10_000, 10, Box(0, 0, 100, 100)) == Box(0, 49, 100, 1)


def test_a_region_has_its_defaults_and_is_stored_whole() -> None:
    layout = parse_layout({"main": {"video_sources": ["*"], "width": 0, "reuse": None}}, 640, 480)

    assert layout == {"main": Region(("*",))}
    assert layout["main"].members() == {
        "video_sources": ["*"],
        "video_sources_excluded": [],
        "reuse": "show_oldest",
        "x_pos": 0,
        "y_pos": 0,
        "z_pos": 0,
        "width": 0,
        "height": 0,
        "max_columns": 0,
        "max_rows": 0,
        "cells_excluded": [],
    }
    assert parse_layout({"main": layout["main"].members()}, 640, 480) == layout
    assert stored_layout({"main": layout["main"].members()}) == layout


def test_every_member_of_a_region_is_read() -> None:
    assert region(
        video_sources=["MT*", "screen"],
        video_sources_excluded=["PA1"],
        reuse="show_newest",
        x_pos=624,
        y_pos=464,
        z_pos=-99,
        width=16,
        height=16,
        max_columns=1000,
        max_rows=1,
        cells_excluded=[0, 999_999],
    ) == Region(("MT*", "screen"), ("PA1",), Reuse.SHOW_NEWEST, 624, 464, -99, 16, 16, 1000, 1, (0, 999_999))


@pytest.mark.parametrize(
    "members",
    [
        {"video_sources": []},
        {"video_sources": None},
        {"video_sources": "*"},
        {"video_sources": [1]},
        {"video_sources": [""]},
        {"video_sources": ["x" * 257]},
        {"video_sources_excluded": "*"},
        {"x_pos": -1},
        {"x_pos": 625},
        {"x_pos": 1, "width": 640},
        {"x_pos": 1.0},
        {"x_pos": True},
        {"x_pos": "1"},
        {"y_pos": 465},
        {"y_pos": 380, "height": 101},
        {"z_pos": 100},
        {"z_pos": -100},
        {"width": 15},
        {"width": 641},
        {"height": 481},
        {"height": -16},
        {"max_columns": 1001},
        {"max_rows": -1},
        {"cells_excluded": [1_000_000]},
        {"cells_excluded": [-1]},
        {"cells_excluded": 3},
        {"reuse": "show_all"},
        {"reuse": ["none"]},
        {"colour": "red"},
    ],
)
def test_what_a_region_may_not_be(members: dict[str, object]) -> None:
    with pytest.raises(Refused) as refused:
        region(**members)

    assert refused.value.code == 20001
    assert (
        next(iter(members)) in refused.value.message
        or "x_pos" in refused.value.message
        or "y_pos" in refused.value.message
    )


@pytest.mark.parametrize("layout", [[], "x", 1, {"main": []}, {"main": None}, {"main": {}}, {"a\0b": ALL}])
def test_what_a_layout_may_not_be(layout: object) -> None:
    with pytest.raises(Refused):
        parse_layout(layout, 640, 480)


def test_a_layout_may_be_empty() -> None:
    assert parse_layout({}, 640, 480) == {}


@pytest.mark.parametrize(
    ("text", "size"), [("640x480", (640, 480)), ("16x16", (16, 16)), ("1280x720", (1280, 720)), ("960x960", (960, 960))]
)
def test_resolutions_up_to_the_largest(text: str, size: tuple[int, int]) -> None:
    assert parse_resolution(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "640",
        "640x",
        "x480",
        "640X480",
        "15x480",
        "640x15",
        "1281x16",
        "1280x721",
        "961x960",
        "-16x16",
        "640x480x1",
        "٦٤x16",
    ],
)
def test_what_a_resolution_may_not_be(text: str) -> None:
    with pytest.raises(Refused):
        parse_resolution(text)
