"""
Reads the reference into an OpenAPI document. Its text has three kinds of blocks, each with indented lines below it:

    # Title                                          then a sentence, unindented
    resource Name                                    then `member type meaning`
    METHOD /path -> 200 Name : What it does.         then `parameter type meaning` (`parameter!` is required) and `errors code ...`

Instead of `200 Name` there may be `list key Name` (pages of `/v1`), `flat key Name` (pages of `/2010-04-01`), `204 nothing` and `200 file`.
A type is `text`, `int`, `bool`, `date`, `rfc2822`, `url`, `json`, `object`, the two letters of a SID, or values between bars; `?` allows null and
`[]` makes it an array.
"""

import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from contract.errors import ERRORS

Schema = dict[str, Any]

FILES = ("rooms.txt", "media.txt", "insights.txt", "account.txt")
_TYPES: dict[str, Schema] = {
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date-time"},
    "rfc2822": {"type": "string", "format": "date-time-rfc-2822"},
    "url": {"type": "string", "format": "uri"},
    "json": {"type": "string", "format": "json"},
    "object": {"type": "object"},
}
_OPERATION = re.compile(r"(?P<method>[A-Z]+) (?P<path>\S+) -> (?P<answer>[^:]+?) : (?P<summary>.+)")
_PARAMETER = re.compile(r"\{(\w+)}")
_SID = re.compile(r"[A-Z]{2}")
_PAGING = (
    ("PageSize", "int", "Entries in a page; default 50, at most 1000."),
    ("Page", "int", "The number of the page, from 0. Shown; PageToken says where it begins."),
    ("PageToken", "text", "Where the page begins, as the URL of the next page has it."),
)
_META = ("first_page_url", "previous_page_url", "url", "next_page_url")
_FLAT = {
    "page": "int",
    "page_size": "int",
    "start": "int",
    "end": "int",
    "uri": "text",
    "first_page_uri": "text",
    "next_page_uri": "text?",
    "previous_page_uri": "text?",
}
_ALWAYS = (20003, 20404, 20429, 20500, 20503)


class _Reader:
    """Fills the document, block by block."""

    def __init__(self) -> None:
        self.tags: list[Schema] = []
        self.paths: dict[str, dict[str, Schema]] = {}
        self.schemas: dict[str, Schema] = {"Error": _error_schema()}

    def read(self, text: str) -> None:
        for block in re.split(r"\n(?=\S)", text.strip()):
            head, *lines = block.rstrip().split("\n")
            body = [line.split(None, 2) for line in lines if line.strip()]
            if head.startswith("# "):
                self.tags.append({"name": head.removeprefix("# ")})
            elif head.startswith("resource "):
                self._resource(head.removeprefix("resource "), body)
            elif match := _OPERATION.fullmatch(head):
                operation = self._operation(match, body)
                self.paths.setdefault(match["path"], {})[match["method"].lower()] = operation
            else:
                self.tags[-1]["description"] = head

    def _resource(self, name: str, members: list[list[str]]) -> None:
        self.schemas[name] = {
            "type": "object",
            "required": [member for member, _, _ in members],
            "properties": {member: schema(kind) | {"description": meaning} for member, kind, meaning in members},
        }

    def _operation(self, match: re.Match[str], lines: list[list[str]]) -> Schema:
        method, path, summary = match["method"], match["path"], match["summary"]
        errors = [int(code) for line in lines if line[0] == "errors" for code in " ".join(line[1:]).split()]
        given = [(name, kind, meaning) for name, kind, meaning in (line for line in lines if line[0] != "errors")]
        form = method == "POST"
        shape, *names = match["answer"].split()
        listed = shape in ("list", "flat")
        parameters = [_in_path(name) for name in _PARAMETER.findall(path)]
        if not form:
            parameters += [_in_query(*each) for each in (*given, *(_PAGING if listed else ()))]
        if listed:
            errors = [20001, *errors]
        status = "200" if listed else shape
        operation: Schema = {
            "operationId": f"{method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', path)}",
            "summary": summary,
            "tags": [self.tags[-1]["name"]],
            "parameters": parameters,
            "responses": {status: _answer(shape, names), **_refusals(errors)},
        }
        if form:
            content = {"application/x-www-form-urlencoded": {"schema": _form_schema(given)}}
            operation["requestBody"] = {"required": any(name.endswith("!") for name, _, _ in given), "content": content}
        return operation


def read_reference() -> Schema:
    """The whole reference as an OpenAPI document."""
    reader = _Reader()
    for name in FILES:
        reader.read(files(__package__).joinpath(name).read_text("utf-8"))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Roomwire REST API",
            "version": "1",
            "description": "HTTP Basic credentials: account SID and auth token, or API key SID and secret. Bodies of POST are forms.",
        },
        "security": [{"basic": []}],
        "tags": reader.tags,
        "paths": reader.paths,
        "components": {
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
            "schemas": reader.schemas,
        },
    }


def schema(kind: str) -> Schema:
    """The schema that a type in the text stands for. Raises `KeyError` for one that there is not."""
    if "|" in kind:
        values: list[str | None] = [value for value in kind.split("|") if value != "?"]
        return (
            _nullable({"type": "string", "enum": values}) if kind.endswith("|?") else {"type": "string", "enum": values}
        )
    if kind.endswith("?"):
        return _nullable(schema(kind.removesuffix("?")))
    if kind.endswith("[]"):
        return {"type": "array", "items": schema(kind.removesuffix("[]"))}
    if _SID.fullmatch(kind):
        return {"type": "string", "pattern": f"^{kind}[0-9a-fA-F]{{32}}$"}
    return dict(_TYPES[kind]) if kind in _TYPES else {"type": "string", "enum": [kind]}


def _nullable(each: Schema) -> Schema:
    return each | {"type": [each["type"], "null"]} | ({"enum": [*each["enum"], None]} if "enum" in each else {})


def _in_path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _in_query(name: str, kind: str, meaning: str) -> Schema:
    required = name.endswith("!")
    return {
        "name": name.removesuffix("!"),
        "in": "query",
        "required": required,
        "description": meaning,
        "schema": schema(kind),
    }


def _form_schema(given: Iterable[tuple[str, str, str]]) -> Schema:
    given = list(given)
    return {
        "type": "object",
        "required": [name.removesuffix("!") for name, _, _ in given if name.endswith("!")],
        "properties": {
            name.removesuffix("!"): schema(kind) | {"description": meaning} for name, kind, meaning in given
        },
    }


def _answer(shape: str, names: list[str]) -> Schema:
    if names == ["nothing"]:
        return {"description": "Done."}
    if names == ["file"]:
        return {"description": "The media.", "content": {"application/octet-stream": {}}}
    if shape == "list":
        urls = {name: schema("url" if name in ("first_page_url", "url") else "url?") for name in _META}
        meta = {"page": schema("int"), "page_size": schema("int"), "key": schema("text"), **urls}
        members = {names[0]: _array_of(names[1]), "meta": _object_of(meta)}
        return _json("A page.", _object_of(members))
    if shape == "flat":
        members = {names[0]: _array_of(names[1]), **{name: schema(kind) for name, kind in _FLAT.items()}}
        return _json("A page.", _object_of(members))
    return _json("Done.", _reference_to(names[0]))


def _refusals(codes: list[int]) -> Schema:
    by_status: dict[int, list[int]] = {}
    for code in sorted({*codes, *_ALWAYS}):
        by_status.setdefault(ERRORS[code].status, []).append(code)
    return {
        str(status): _json("; ".join(f"{code} {ERRORS[code].message}" for code in each), _reference_to("Error"))
        for status, each in by_status.items()
    }


def _json(description: str, content: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": content}}}


def _reference_to(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _array_of(name: str) -> Schema:
    return {"type": "array", "items": _reference_to(name)}


def _object_of(members: dict[str, Schema]) -> Schema:
    return {"type": "object", "required": list(members), "properties": members}


def _error_schema() -> Schema:
    kinds = {"code": "int", "message": "text", "more_info": "url", "status": "int"}
    return _object_of({name: schema(kind) for name, kind in kinds.items()})
