"""Starting on what an earlier start left: same account, same keys, nothing readable at rest."""

from pathlib import Path

import pytest
from contract.ids import new_sid
from token_issuer.app import build_store
from token_issuer.keyring import Keyring, SetupRefused
from token_issuer.settings import IssuerSettings
from token_issuer.vault import VaultError

from tests.integration.token_issuer.conftest import ACCOUNT_SID, API_KEY, API_SECRET, AUTH_TOKEN, running, settings
from tests.kit.nats import NatsServer
from tests.kit.postgres import PostgresServer


async def start(chosen: IssuerSettings) -> Keyring:
    store = build_store(chosen)
    keyring = Keyring(store, bus=None)
    try:
        await keyring.prepare(chosen)
    except BaseException:
        await store.close()
        raise
    return keyring


async def end(keyring: Keyring) -> None:
    await keyring._store.close()


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def is_good(keyring: Keyring, user: str, password: str) -> bool:
    return (await keyring.verify_credentials(user, password)).type == "credentials-verified"


async def test_an_account_is_made_once_and_kept(tmp_path: Path) -> None:
    first = await start(settings(tmp_path, account_sid=None, auth_token=None))
    await end(first)
    second = await start(settings(tmp_path, account_sid=None, auth_token=None))
    await end(second)

    assert first.account == second.account
    assert first.account.sid.startswith("AC")


async def test_no_secret_is_readable_at_rest(tmp_path: Path) -> None:
    await end(await start(settings(tmp_path)))

    stored = everything_in(tmp_path)
    assert API_KEY.encode() in stored
    assert API_SECRET.encode() not in stored
    assert AUTH_TOKEN.encode() not in stored


async def test_the_settings_may_change_auth_token_and_secret_but_not_the_account(tmp_path: Path) -> None:
    await end(await start(settings(tmp_path)))
    keyring = await start(settings(tmp_path, auth_token="u" * 32, api_keys={API_KEY: "v" * 32}))

    assert await is_good(keyring, ACCOUNT_SID, "u" * 32)
    assert not await is_good(keyring, ACCOUNT_SID, AUTH_TOKEN)
    assert await is_good(keyring, API_KEY, "v" * 32)
    await end(keyring)
    with pytest.raises(SetupRefused):
        await start(settings(tmp_path, account_sid="AC" + "2" * 32))


async def test_a_configured_key_that_was_deleted_stays_so(tmp_path: Path) -> None:
    keyring = await start(settings(tmp_path))
    await keyring.delete_key(API_KEY)
    await end(keyring)
    keyring = await start(settings(tmp_path))

    assert not await is_good(keyring, API_KEY, API_SECRET)
    await end(keyring)


async def test_another_master_key_is_noticed_at_the_start(tmp_path: Path) -> None:
    await end(await start(settings(tmp_path)))
    (tmp_path / "token-issuer" / "master.key").unlink()

    with pytest.raises(VaultError, match=ACCOUNT_SID):
        await start(settings(tmp_path))


async def test_the_same_on_postgresql(tmp_path: Path, postgres: PostgresServer) -> None:
    chosen = settings(tmp_path, database_url=postgres.new_database())
    first = await start(chosen)
    key = await first.create_key(new_sid("x"))
    await first.delete_key(API_KEY)
    await end(first)
    second = await start(chosen)

    assert [found.sid for found in await second.list_keys(10, None, 0)] == [key.sid]
    assert (await second.live_key(key.sid)).secret == key.secret
    await end(second)


async def test_a_database_that_goes_away_is_waited_for(
    tmp_path: Path, nats_server: NatsServer, own_postgres: PostgresServer
) -> None:
    chosen = settings(tmp_path, database_url=own_postgres.new_database())
    path = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Keys.json"
    async with running(chosen, nats_server.url) as issuer, issuer.client() as client:
        own_postgres.stop()
        refused = await client.get(path)
        own_postgres.start()
        listed = await client.get(path)

    assert (refused.status_code, refused.json()["code"]) == (503, 20503)
    assert [key["sid"] for key in listed.json()["keys"]] == [API_KEY]
