"""Keys and SigningKeys: two names of the same resource."""

from typing import Any

from contract.errors import Refused
from fastapi import APIRouter, Request, Response
from service_kit.parameters import Parameters
from service_kit.rest import Form, Query, not_found

from token_issuer.keyring import Keyring
from token_issuer.rest.access import BASE, AccountItself
from token_issuer.rest.dates import rfc2822
from token_issuer.rest.paging import page_body, parse_page
from token_issuer.store.store import ApiKey

MAX_FRIENDLY_NAME_CHARACTERS = 64


def keys_router(keyring: Keyring) -> APIRouter:
    router = APIRouter()
    for segment, list_key in (("Keys", "keys"), ("SigningKeys", "signing_keys")):
        _add_routes(router, keyring, f"{BASE}/{segment}", list_key)
    return router


def _add_routes(router: APIRouter, keyring: Keyring, base: str, list_key: str) -> None:
    @router.post(f"{base}.json", status_code=201)
    async def create(account: AccountItself, form: Form) -> dict[str, Any]:
        key = await keyring.create_key(_friendly_name(form) or "")
        return {**_render(key), "secret": key.secret}

    @router.get(f"{base}.json")
    async def index(account: AccountItself, query: Query, request: Request) -> dict[str, Any]:
        page = parse_page(query)
        found = await keyring.list_keys(page.size + 1, page.below, page.offset)
        shown = found[: page.size]
        last_number = shown[-1].number if len(found) > page.size else None
        return page_body(list_key, [_render(key) for key in shown], page, request.url.path, last_number)

    @router.get(f"{base}/{{key_sid}}.json")
    async def fetch(account: AccountItself, key_sid: str, request: Request) -> dict[str, Any]:
        return _render(await _key(key_sid, request))

    @router.post(f"{base}/{{key_sid}}.json")
    async def change(account: AccountItself, key_sid: str, form: Form, request: Request) -> dict[str, Any]:
        key = await _key(key_sid, request)
        name = _friendly_name(form)
        return _render(key if name is None else await keyring.rename_key(key_sid, name))

    @router.delete(f"{base}/{{key_sid}}.json", status_code=204)
    async def delete(account: AccountItself, key_sid: str, request: Request) -> Response:
        await _key(key_sid, request)
        await keyring.delete_key(key_sid)
        return Response(status_code=204)

    async def _key(sid: str, request: Request) -> ApiKey:
        try:
            return await keyring.live_key(sid)
        except Refused as refused:
            raise not_found(request.url.path) from refused


def _friendly_name(form: Parameters) -> str | None:
    name = form.text("FriendlyName", 20002)
    if name is not None and len(name) > MAX_FRIENDLY_NAME_CHARACTERS:
        raise Refused(20002)
    return name


def _render(key: ApiKey) -> dict[str, Any]:
    return {
        "sid": key.sid,
        "friendly_name": key.friendly_name,
        "date_created": rfc2822(key.created_s),
        "date_updated": rfc2822(key.updated_s),
    }
