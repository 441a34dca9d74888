"""The account."""

from typing import Any

from fastapi import APIRouter

from token_issuer.keyring import Keyring
from token_issuer.rest.access import BASE, AccountItself
from token_issuer.rest.dates import rfc2822


def accounts_router(keyring: Keyring) -> APIRouter:
    router = APIRouter()

    @router.get(f"{BASE}.json")
    async def fetch(sid: AccountItself) -> dict[str, Any]:
        account = keyring.account
        base = f"/2010-04-01/Accounts/{sid}"
        return {
            "sid": sid,
            "friendly_name": account.friendly_name,
            "status": "active",
            "type": "Full",
            "owner_account_sid": sid,
            "auth_token": account.auth_token,
            "date_created": rfc2822(account.created_s),
            "date_updated": rfc2822(account.updated_s),
            "uri": f"{base}.json",
            "subresource_uris": {
                "keys": f"{base}/Keys.json",
                "signing_keys": f"{base}/SigningKeys.json",
                "tokens": f"{base}/Tokens.json",
            },
        }

    return router
