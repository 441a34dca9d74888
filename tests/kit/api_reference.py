"""Holds answers against the API reference: what the document says of a route must be what the route does."""

import re
from typing import Any

import httpx
from rooms_api.reference.document import read_reference

Document = dict[str, Any]


REFERENCE = read_reference()


class UntrueReference(AssertionError):
    """The reference says something else than the service does."""


async def hold_against_reference(answer: httpx.Response) -> None:
    """A hook of HTTP clients: every answer that a test gets is as the reference describes it."""
    await answer.aread()
    is_json = answer.headers.get("content-type") == "application/json" and answer.content
    body = answer.json() if is_json else None
    check_answer(REFERENCE, answer.request.method, answer.request.url.path, answer.status_code, body)


def check_answer(document: Document, method: str, path: str, status: int, body: Any) -> None:
    """Raise `UntrueReference` when a successful answer is not described as it is. Paths outside the reference are ignored."""
    template = _template(document, path)
    if template is None or status >= 400:
        return
    operation = document["paths"][template].get(method.lower())
    if operation is None:
        raise UntrueReference(f"{method} {template} is answered and not described")
    if str(status) not in operation["responses"]:
        raise UntrueReference(f"{method} {template} is answered {status}")
    content = operation["responses"][str(status)].get("content", {}).get("application/json")
    if content is not None:
        _check(document, content["schema"], body, f"{method} {template}")


def _template(document: Document, path: str) -> str | None:
    path = path.rstrip("/")
    exact = [path] if path in document["paths"] else []
    fitting = [each for each in document["paths"] if re.fullmatch(re.sub(r"\{\w+}", "[^/]+", each), path)]
    return next(iter([*exact, *fitting]), None)


def _check(document: Document, schema: Document, value: Any, where: str) -> None:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if _kind(value) not in kinds:
        raise UntrueReference(f"{where} is {value!r}, not {kinds}")
    if "enum" in schema and value not in schema["enum"]:
        raise UntrueReference(f"{where} is {value!r}, none of {schema['enum']}")
    if "pattern" in schema and value is not None and not re.search(schema["pattern"], value):
        raise UntrueReference(f"{where} is {value!r}, not {schema['pattern']}")
    if isinstance(value, list) and "items" in schema:
        for each in value:
            _check(document, schema["items"], each, f"{where}[]")
    if isinstance(value, dict) and "properties" in schema:
        if value.keys() != schema["properties"].keys():
            raise UntrueReference(f"{where}: {sorted(value.keys() ^ schema['properties'].keys())} differ")
        for name, each in value.items():
            _check(document, schema["properties"][name], each, f"{where}.{name}")


def _kind(value: Any) -> str:
    kinds = {type(None): "null", bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
    return kinds[type(value)]
