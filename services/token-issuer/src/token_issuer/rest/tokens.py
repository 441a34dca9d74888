"""Tokens: ICE servers with TURN credentials, and access tokens for people without a helper library."""

import secrets
import time
from typing import Any

from contract.errors import Refused
from fastapi import APIRouter, Depends, Request
from service_kit.parameters import Parameters, invalid
from service_kit.rest import Form, Principal

from token_issuer.core.turn import ice_servers, turn_credentials
from token_issuer.keyring import Keyring
from token_issuer.rest.access import BASE, OwnAccount
from token_issuer.rest.dates import rfc2822
from token_issuer.settings import IssuerSettings

MAX_TTL_S = 86_400
DEFAULT_ACCESS_TOKEN_TTL_S = 3_600


def tokens_router(keyring: Keyring, settings: IssuerSettings) -> APIRouter:
    router = APIRouter(dependencies=[Depends(_changes_nothing)])

    @router.post(f"{BASE}/Tokens.json", status_code=201)
    async def create(account_sid: OwnAccount, form: Form) -> dict[str, Any]:
        ttl_s = _ttl_s(form, MAX_TTL_S)
        now_s = int(time.time())
        credentials = None
        if settings.turn_secret is not None:
            credentials = turn_credentials(settings.turn_secret, now_s + ttl_s, secrets.token_hex(8))
        return {
            "account_sid": account_sid,
            "username": credentials.username if credentials else "",
            "password": credentials.password if credentials else "",
            "ttl": str(ttl_s),
            "date_created": rfc2822(now_s),
            "date_updated": rfc2822(now_s),
            "ice_servers": ice_servers(settings.turn_urls, credentials),
        }

    @router.post(f"{BASE}/AccessTokens.json", status_code=201)
    async def create_access_token(account_sid: OwnAccount, form: Form, who: Principal) -> dict[str, Any]:
        identity = form.text("Identity", 53202)
        if identity is None:
            raise Refused(20001, "Missing required parameter Identity in the post body")
        room = form.text("Room") or None
        # A key signs for itself; only the account may choose among its keys.
        key_sid = form.text("KeySid") if who.is_account else who.user
        ttl_s = _ttl_s(form, DEFAULT_ACCESS_TOKEN_TTL_S)
        token, key = await keyring.mint_token(key_sid, identity, room, ttl_s)
        return {
            "account_sid": account_sid,
            "key_sid": key.sid,
            "identity": identity,
            "room": room,
            "ttl": str(ttl_s),
            "token": token,
        }

    return router


async def _changes_nothing(request: Request) -> None:
    """Nothing is stored, so that there is nothing to audit."""
    request.state.changes_nothing = True


def _ttl_s(form: Parameters, default_s: int) -> int:
    ttl_s = form.integer("Ttl")
    if ttl_s is None:
        return default_s
    if not 1 <= ttl_s <= MAX_TTL_S:
        raise invalid("Ttl")
    return ttl_s
