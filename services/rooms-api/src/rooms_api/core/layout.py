"""
Layouts of compositions: what an application may post, how large a region's grid is, and where its cells are. Draws nothing.

Pixels count from the top left of the picture; cells from 0, left to right and then top to bottom.
"""

import math
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contract.errors import Refused

MIN_SIDE = 16
"""Least width and height of a picture and of a region, in pixels."""
MAX_SIDE = 1280
MAX_AREA = 921_600
"""Pixels in the largest picture: 1280x720."""
MAX_GRID_SIDE = 1000
MAX_CELL = 999_999
MAX_DEPTH = 99
MAX_SOURCE = 256
"""Characters in a source: more than any SID or track name has."""


class Reuse(StrEnum):
    """What happens to a cell whose source ended, and to a source that finds no cell."""

    NONE = "none"
    SHOW_OLDEST = "show_oldest"
    SHOW_NEWEST = "show_newest"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Grid:
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle with a grid of videos. A `width`, `height`, `max_columns` or `max_rows` of 0 is one that was not given."""

    video_sources: tuple[str, ...]
    video_sources_excluded: tuple[str, ...] = ()
    reuse: Reuse = Reuse.SHOW_OLDEST
    x_pos: int = 0
    y_pos: int = 0
    z_pos: int = 0
    width: int = 0
    height: int = 0
    max_columns: int = 0
    max_rows: int = 0
    cells_excluded: tuple[int, ...] = ()

    def members(self) -> dict[str, Any]:
        """The region as JSON, with every member."""
        return {
            "video_sources": list(self.video_sources),
            "video_sources_excluded": list(self.video_sources_excluded),
            "reuse": str(self.reuse),
            "x_pos": self.x_pos,
            "y_pos": self.y_pos,
            "z_pos": self.z_pos,
            "width": self.width,
            "height": self.height,
            "max_columns": self.max_columns,
            "max_rows": self.max_rows,
            "cells_excluded": list(self.cells_excluded),
        }

    def box(self, width: int, height: int) -> Box:
        """Where the region is in a picture of this size: what was not given reaches to the edge."""
        return Box(self.x_pos, self.y_pos, self.width or width - self.x_pos, self.height or height - self.y_pos)

    def grid(self, sources: int) -> Grid:
        """The grid for that many sources, see `grid_size`."""
        return grid_size(sources, self.max_rows, self.max_columns, self.cells_excluded)

    def cells(self, width: int, height: int, grid: Grid) -> list[Box]:
        """The cells that hold video in a picture of this size, in the order in which sources take them."""
        excluded = frozenset(self.cells_excluded)
        boxes = divide(self.box(width, height), grid)
        return [box for index, box in enumerate(boxes) if index not in excluded]


Layout = dict[str, Region]
"""Regions by name."""


# -- what an application may post ------------------------------------------------------------------------------------------------------


def parse_resolution(text: str) -> tuple[int, int]:
    """Width and height of `WxH`: sides of 16 to 1280 pixels, at most 921,600 pixels in all. Raises `Refused` 20001."""
    sides = text.split("x")
    if len(sides) == 2 and all(side.isascii() and side.isdigit() and len(side) <= 4 for side in sides):
        width, height = int(sides[0]), int(sides[1])
        if all(MIN_SIDE <= side <= MAX_SIDE for side in (width, height)) and width * height <= MAX_AREA:
            return width, height
    raise Refused(20001, "Invalid parameter Resolution")


def parse_layout(value: Any, width: int, height: int) -> Layout:
    """
    Read a `VideoLayout` for a picture of this size from its JSON value. An empty object has no region, and null members count as absent.

    Raises `Refused` 20001 that names the region and the member.
    """
    if not isinstance(value, dict):
        raise Refused(20001, "Invalid parameter VideoLayout")
    return {name: _RegionReader(name, region).read(width, height) for name, region in value.items()}


def stored_layout(value: dict[str, Any]) -> Layout:
    """Rebuild a layout from the `members()` of its regions."""
    return {
        name: Region(
            **members
            | {
                "video_sources": tuple(members["video_sources"]),
                "video_sources_excluded": tuple(members["video_sources_excluded"]),
                "cells_excluded": tuple(members["cells_excluded"]),
                "reuse": Reuse(members["reuse"]),
            }
        )
        for name, members in value.items()
    }


class _RegionReader:
    def __init__(self, name: str, value: Any) -> None:
        self._name = name
        if not isinstance(value, dict) or "\0" in name:
            raise Refused(20001, f"Invalid parameter VideoLayout: region {name!r}")
        self._members = {member: content for member, content in value.items() if content is not None}

    def read(self, width: int, height: int) -> Region:
        for member in self._members.keys() - Region.__dataclass_fields__.keys():
            raise self._refusal(member)
        sources = self._sources("video_sources")
        if not sources:
            raise self._refusal("video_sources")
        own_width = self._integer("width", MIN_SIDE, width, zero_is_unset=True)
        own_height = self._integer("height", MIN_SIDE, height, zero_is_unset=True)
        return Region(
            video_sources=sources,
            video_sources_excluded=self._sources("video_sources_excluded"),
            reuse=self._reuse(),
            x_pos=self._integer("x_pos", 0, width - (own_width or MIN_SIDE)),
            y_pos=self._integer("y_pos", 0, height - (own_height or MIN_SIDE)),
            z_pos=self._integer("z_pos", -MAX_DEPTH, MAX_DEPTH),
            width=own_width,
            height=own_height,
            max_columns=self._integer("max_columns", 1, MAX_GRID_SIDE, zero_is_unset=True),
            max_rows=self._integer("max_rows", 1, MAX_GRID_SIDE, zero_is_unset=True),
            cells_excluded=self._cells(),
        )

    def _refusal(self, member: str) -> Refused:
        return Refused(20001, f"Invalid parameter VideoLayout: {member} of region {self._name!r}")

    def _sources(self, member: str) -> tuple[str, ...]:
        value = self._members.get(member, [])
        if not isinstance(value, list) or not all(is_source(source) for source in value):
            raise self._refusal(member)
        return tuple(value)

    def _integer(self, member: str, low: int, high: int, *, zero_is_unset: bool = False) -> int:
        value = self._members.get(member, 0)
        if type(value) is not int:  # a boolean is an `int` too
            raise self._refusal(member)
        if value == 0 and (zero_is_unset or member not in self._members):
            return 0
        if not low <= value <= high:
            raise self._refusal(member)
        return value

    def _cells(self) -> tuple[int, ...]:
        value = self._members.get("cells_excluded", [])
        if not isinstance(value, list) or not all(type(cell) is int and 0 <= cell <= MAX_CELL for cell in value):
            raise self._refusal("cells_excluded")
        return tuple(value)

    def _reuse(self) -> Reuse:
        value = self._members.get("reuse", Reuse.SHOW_OLDEST)
        if value not in tuple(Reuse):
            raise self._refusal("reuse")
        return Reuse(value)


def is_source(value: Any) -> bool:
    """Tell whether this may name sources: a SID, a track name, or a pattern."""
    return isinstance(value, str) and 0 < len(value) <= MAX_SOURCE and "\0" not in value


# -- geometry ----------------------------------------------------------------------------------------------------------------------------


def grid_size(sources: int, max_rows: int = 0, max_columns: int = 0, cells_excluded: Collection[int] = ()) -> Grid:
    """
    The grid that shows that many sources at once, as square as its bounds allow; columns grow first. A bound of 0 is none.

    Excluded cells hold no video, so the grid grows until enough others are left, or until it has reached both bounds: then some sources are
    never shown.
    """
    excluded = sorted(set(cells_excluded))
    grid = _smallest(max(sources, 1), max_rows, max_columns)
    for cells in range(max(sources, 1) + 1, sources + len(excluded) + 1):
        if _usable(grid, excluded) >= sources:
            break
        grid = _smallest(cells, max_rows, max_columns)
    return grid


def divide(box: Box, grid: Grid) -> Iterator[Box]:
    """The cells of a grid in a box, in order. Edges are rounded to whole pixels, so that the cells fill the box without gaps."""
    for row in range(grid.rows):
        top, bottom = (round(edge * box.height / grid.rows) for edge in (row, row + 1))
        for column in range(grid.columns):
            left, right = (round(edge * box.width / grid.columns) for edge in (column, column + 1))
            yield Box(box.x + left, box.y + top, right - left, bottom - top)


def fit(width: int, height: int, cell: Box) -> Box:
    """Where a picture of this size goes in a cell: as large as it can be at its own aspect ratio, centred."""
    scale = min(cell.width / width, cell.height / height)
    shown_width, shown_height = max(round(width * scale), 1), max(round(height * scale), 1)
    return Box(
        cell.x + (cell.width - shown_width) // 2, cell.y + (cell.height - shown_height) // 2, shown_width, shown_height
    )


def _smallest(cells: int, max_rows: int, max_columns: int) -> Grid:
    columns = math.isqrt(cells - 1) + 1
    rows = math.ceil(cells / columns)
    if max_rows and rows > max_rows:
        rows = max_rows
        columns = math.ceil(cells / rows)
    if max_columns and columns > max_columns:
        columns = max_columns
        rows = math.ceil(cells / columns)
        rows = min(rows, max_rows) if max_rows else rows
    return Grid(rows, columns)


def _usable(grid: Grid, excluded: Sequence[int]) -> int:
    """Cells that hold video. `excluded` is sorted, without repetitions."""
    cells = grid.rows * grid.columns
    return cells - bisect_left(excluded, cells)
