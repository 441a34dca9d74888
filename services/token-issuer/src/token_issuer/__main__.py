"""`python -m token_issuer` runs the service; `python -m token_issuer credentials` shows the account's credentials and a key."""

import argparse
import asyncio
import sys

from service_kit.bus import Bus
from service_kit.database import DatabaseUnavailable
from service_kit.logging import configure_logging
from service_kit.serving import run, serve
from service_kit.settings import load

from token_issuer.app import build, build_store
from token_issuer.credentials import show_credentials
from token_issuer.handlers import answer_bus
from token_issuer.keyring import Keyring, SetupRefused
from token_issuer.settings import IssuerSettings
from token_issuer.vault import VaultError


async def service(settings: IssuerSettings) -> None:
    """Run until told to stop."""
    store = build_store(settings)
    bus = await Bus.connect(settings.nats_url, "token-issuer")
    try:
        keyring = Keyring(store, bus)
        await keyring.prepare(settings)
        await answer_bus(bus, keyring)
        await serve(build(settings, bus, store, keyring), settings.host, settings.token_issuer_port)
    finally:
        await bus.close()
        await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="token_issuer", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    shown = commands.add_parser("credentials", help="print the account's credentials and a key's as JSON")
    shown.add_argument("--key-name", default="default", help="name of the key; it is made if there is none")
    arguments = parser.parse_args()
    settings = load(IssuerSettings)
    try:
        if arguments.command == "credentials":
            configure_logging("token-issuer", "warning", settings.log_format)
            asyncio.run(show_credentials(settings, arguments.key_name))
        else:
            configure_logging("token-issuer", settings.log_level, settings.log_format)
            run(service(settings))
    except (VaultError, SetupRefused, DatabaseUnavailable) as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
