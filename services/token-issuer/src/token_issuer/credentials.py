"""Tells the person who runs this machine, and may read its master key, what the credentials are."""

import json

from token_issuer.app import build_store
from token_issuer.keyring import Keyring
from token_issuer.settings import IssuerSettings


async def show_credentials(settings: IssuerSettings, key_name: str) -> None:
    """Print the account and a key of that name (made if there is none) as one line of JSON."""
    store = build_store(settings)
    try:
        keyring = Keyring(store, bus=None)
        await keyring.prepare(settings)
        key = await keyring.ensure_key(key_name)
    finally:
        await store.close()
    shown = {
        "account_sid": keyring.account.sid,
        "auth_token": keyring.account.auth_token,
        "api_key": key.sid,
        "api_secret": key.secret,
    }
    print(json.dumps(shown))
