"""Lists: what `PageSize`, `Page` and `PageToken` ask for, and the `meta` member that answers."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

from fastapi import Request
from service_kit.parameters import Parameters, invalid
from sqlalchemy import Row

from rooms_api.core.names import is_storable
from rooms_api.rest import fields
from rooms_api.rest.render import base_url
from rooms_api.store.paging import Page, PageRequest, Position

DEFAULT_SIZE = 50
MAX_SIZE = 1000
PAGING = ("PageSize", "Page", "PageToken")


def read_paging(form: Parameters, max_size: int = MAX_SIZE) -> PageRequest:
    """What part of the list is wanted. Sizes that are too large are clamped; others out of range raise 20001."""
    size = fields.integer(form, "PageSize", 1, 10**18)
    number = fields.integer(form, "Page", 0, 10**6)
    token = form.text("PageToken")
    return PageRequest(
        size=min(size or DEFAULT_SIZE, max_size), number=number or 0, position=_read_token(token) if token else None
    )


def render_list(
    request: Request, key: str, page: Page, asked: PageRequest, render: Callable[[Row[Any]], dict[str, Any]]
) -> dict[str, Any]:
    """A page in the `/v1` shape. The URLs repeat every filter."""
    start = base_url(request) + quote_path(request)
    filters = [
        (name, value) for name, value in parse_qsl(request.url.query, keep_blank_values=True) if name not in PAGING
    ]

    def url(number: int, position: Position | None) -> str:
        query = [*filters, ("PageSize", str(asked.size)), ("Page", str(number))]
        if position is not None:
            query.append(("PageToken", _make_token(position)))
        return f"{start}?{urlencode(query, quote_via=quote_plus)}"

    return {
        key: [render(row) for row in page.rows],
        "meta": {
            "page": asked.number,
            "page_size": asked.size,
            "key": key,
            "first_page_url": url(0, None),
            "previous_page_url": url(max(asked.number - 1, 0), page.preceding) if page.preceding else None,
            "url": url(asked.number, asked.position),
            "next_page_url": url(asked.number + 1, page.following) if page.following else None,
        },
    }


def quote_path(request: Request) -> str:
    """The path as the client encoded it."""
    raw: bytes = request.scope["raw_path"]
    return raw.decode("ascii", "replace").rstrip("/")


def _make_token(position: Position) -> str:
    text = json.dumps([position.created_at, position.sid, int(position.backward)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(token: str) -> Position:
    try:
        created_at, sid, backward = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        position = Position(float(created_at), str(sid), bool(backward))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise invalid("PageToken") from error
    if not is_storable(position.sid):
        raise invalid("PageToken")
    return position
