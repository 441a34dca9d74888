"""JSON text that applications post, read strictly: what is ambiguous or cannot be written back is refused."""

import json
from typing import Any


def load(text: str) -> Any:  # JSON is anything; who reads it validates it
    """
    Read JSON text. Raises `ValueError` for what is not JSON, a member that occurs twice, a number that is none (`NaN`) or too large, lone
    surrogates, and nesting that is too deep.
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
