"""
Typed reading of parameters with the contract's limits and codes.

Each reader returns None for a parameter that is not there, and raises `Refused`: with the code that it is given, else 20001.
"""

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

from contract.errors import Refused
from service_kit.parameters import Parameters, invalid

from rooms_api.core import strict_json

MAX_URL = 1023
"""Characters in a URL."""

E = TypeVar("E", bound=StrEnum)


def required(form: Parameters, name: str) -> str:
    value = form.text(name)
    if value is None:
        raise Refused(20001, f"Missing required parameter {name} in the post body")
    return value


def integer(form: Parameters, name: str, low: int, high: int, code: int = 20001) -> int | None:
    value = form.integer(name, code)
    if value is not None and not low <= value <= high:
        raise _refusal(name, code)
    return value


def choice(form: Parameters, name: str, choices: Collection[str], code: int = 20001) -> str | None:
    value = form.text(name, code)
    if value is not None and value not in choices:
        raise _refusal(name, code)
    return value


def member(form: Parameters, name: str, kind: type[E], code: int = 20001) -> E | None:
    value = choice(form, name, list(kind), code)
    return kind(value) if value is not None else None


def choices(form: Parameters, name: str, allowed: Collection[str]) -> tuple[str, ...]:
    """A repeated parameter, without repetitions. Empty values do not count."""
    given = tuple(value for value in dict.fromkeys(form.texts(name)) if value)
    if any(value not in allowed for value in given):
        raise invalid(name)
    return given


def callback_url(form: Parameters, name: str, code: int) -> str | None:
    """An absolute http(s) URL, kept to the letter because callbacks are signed with it. An empty one is none."""
    return web_url(form, name, ("http", "https"), code)


def web_url(form: Parameters, name: str, schemes: Collection[str], code: int = 20001) -> str | None:
    """An absolute URL of one of the `schemes`. An empty one is none."""
    value = form.text(name, code)
    if not value:
        return None
    if len(value) > MAX_URL or not re.fullmatch(r"[\x21-\x7e]+", value) or not _is_absolute(value, schemes):
        raise _refusal(name, code)
    return value


def instant(form: Parameters, name: str) -> float | None:
    """A date or date-time as epoch seconds."""
    moment = form.date(name)
    return moment.timestamp() if moment is not None else None


def json_object(form: Parameters, name: str) -> dict[str, Any]:
    """A parameter that holds a JSON object; an empty or absent one is an empty object."""
    text = form.text(name)
    if not text:
        return {}
    try:
        value = strict_json.load(text)
    except ValueError as error:
        raise invalid(name) from error
    if not isinstance(value, dict):
        raise invalid(name)
    return value


def _is_absolute(url: str, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme.lower() in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets, or a port out of range
        return False


def _refusal(name: str, code: int) -> Refused:
    return invalid(name) if code == 20001 else Refused(code)
