"""The API reference: every route is in it, whatever it says can be read, and the page shows all of it."""

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from nats.aio.client import Client
from rooms_api.app import build
from rooms_api.clock import SystemClock
from rooms_api.reference.document import read_reference, schema
from rooms_api.reference.page import render_page
from rooms_api.settings import RoomsSettings
from rooms_api.store.database import Database
from service_kit.bus import Bus
from service_kit.database import open_database
from token_issuer.app import build as build_issuer
from token_issuer.app import build_store
from token_issuer.keyring import Keyring
from token_issuer.settings import IssuerSettings

from tests.kit.api_reference import UntrueReference, check_answer

UNDESCRIBED = {"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/2010-04-01/{path:path}"}
PATH_NAMES = re.compile(r"\{\w+}")


def rooms_api(data: Path) -> FastAPI:
    settings = RoomsSettings(data=data, _env_file=None)  # type: ignore[call-arg]  # of pydantic-settings
    return build(settings, Bus(Client()), Database(open_database(None, data / "rooms.db")), SystemClock())


def token_issuer(data: Path) -> FastAPI:
    settings = IssuerSettings(data=data, _env_file=None)  # type: ignore[call-arg]  # of pydantic-settings
    store = build_store(settings)
    return build_issuer(settings, Bus(Client()), store, Keyring(store, None))


def operations(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path of every route, whatever the names of its path parameters."""
    return {
        (method, PATH_NAMES.sub("{}", route.path))
        for route in iter_route_contexts(app.routes)
        if route.path and route.path not in UNDESCRIBED
        for method in route.methods or ()
    }


def described(document: dict[str, Any]) -> set[tuple[str, str]]:
    paths = document["paths"].items()
    return {(method.upper(), PATH_NAMES.sub("{}", path)) for path, methods in paths for method in methods}


async def test_every_route_is_described_and_nothing_else(tmp_path: Path) -> None:
    routes = operations(rooms_api(tmp_path)) | operations(token_issuer(tmp_path))

    assert described(read_reference()) == routes


def test_every_parameter_and_member_has_a_meaning() -> None:
    document = read_reference()

    for name, resource in document["components"]["schemas"].items():
        if name != "Error":
            assert all(member["description"].endswith(".") for member in resource["properties"].values()), name
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"].endswith("."), path
            assert all(p["description"] for p in operation["parameters"] if p["in"] == "query"), path
            names = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert names == {name.strip("{}") for name in PATH_NAMES.findall(path)}


def test_what_is_referred_to_is_there_and_used() -> None:
    document = read_reference()
    referred = set(re.findall(r"#/components/schemas/(\w+)", str(document["paths"])))

    assert referred == document["components"]["schemas"].keys()


def test_types() -> None:
    assert schema("RM?") == {"type": ["string", "null"], "pattern": "^RM[0-9a-fA-F]{32}$"}
    assert schema("text[]") == {"type": "array", "items": {"type": "string"}}
    assert schema("a|b") == {"type": "string", "enum": ["a", "b"]}
    assert schema("a|b|?") == {"type": ["string", "null"], "enum": ["a", "b", None]}


def test_the_page_shows_every_route_and_member_and_loads_nothing() -> None:
    document = read_reference()
    page = render_page(document)

    for path in document["paths"]:
        assert f"<code>{path}</code>" in page
    for name in ("max_concurrent_published_tracks", "RecordingRules", "PageToken", "publisher_info"):
        assert f"<code>{name}</code>" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"?(https?:)?//", page)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"code": 1}, "differ"),
        ({"code": "1", "message": "m", "more_info": "u", "status": 1}, "not"),
    ],
)
def test_an_answer_that_is_not_as_described_is_noticed(answer: dict[str, Any], complaint: str) -> None:
    response = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    document = read_reference() | {"paths": {"/x/{y}": {"get": {"responses": {"200": response}}}}}

    check_answer(document, "GET", "/other", 200, answer)
    with pytest.raises(UntrueReference, match=complaint):
        check_answer(document, "GET", "/x/1", 200, answer)
    with pytest.raises(UntrueReference, match="201"):
        check_answer(document, "GET", "/x/1", 201, answer)
