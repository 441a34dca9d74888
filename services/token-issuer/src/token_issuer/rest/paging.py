"""Lists of `/2010-04-01`: flat, with relative URIs, in pages that follow the order of creation."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlencode

from service_kit.parameters import Parameters, invalid

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
_TOKEN = re.compile(r"PK([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Page:
    """What page is asked for. `below` is the number of the last row of the page before, when a token named it."""

    number: int
    size: int
    below: int | None

    @property
    def offset(self) -> int:
        """Rows to pass over: none after a token, which already says where to go on."""
        return 0 if self.below is not None else self.number * self.size


def parse_page(query: Parameters) -> Page:
    """Read `PageSize` (clamped), `Page` and `PageToken`. Raises `Refused` 20001."""
    size = query.integer("PageSize")
    number = query.integer("Page")
    token = query.text("PageToken")
    if size is not None and size < 1:
        raise invalid("PageSize")
    if number is not None and not 0 <= number < 2**31:
        raise invalid("Page")
    match = _TOKEN.fullmatch(token) if token else None
    if token and match is None:
        raise invalid("PageToken")
    return Page(
        number=number or 0,
        size=min(size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE),
        below=int(match[1]) if match else None,
    )


def page_body(
    key: str,
    records: Sequence[object],
    page: Page,
    path: str,
    last_number: int | None,
    filters: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, object]:
    """The body. `last_number` is the number of the last record when more follow, else None; every URI carries the `filters`."""

    def uri(number: int, **more: str) -> str:
        return f"{path}?{urlencode({**filters, 'PageSize': page.size, 'Page': number, **more})}"

    start = page.number * page.size
    return {
        key: records,
        "page": page.number,
        "page_size": page.size,
        "start": start,
        "end": start + max(len(records) - 1, 0),
        "uri": uri(page.number) if page.below is None else uri(page.number, PageToken=f"PK{page.below}"),
        "first_page_uri": uri(0),
        "next_page_uri": None if last_number is None else uri(page.number + 1, PageToken=f"PK{last_number}"),
        "previous_page_uri": uri(page.number - 1) if page.number > 0 else None,
    }
