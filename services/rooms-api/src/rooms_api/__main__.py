"""`python -m rooms_api` runs the service."""

import sys

from service_kit.bus import Bus
from service_kit.database import DatabaseUnavailable
from service_kit.logging import configure_logging
from service_kit.serving import background, run, serve
from service_kit.settings import load

from rooms_api.app import build
from rooms_api.database_clock import PERIOD_S, DatabaseClock
from rooms_api.loops import repeat
from rooms_api.settings import RoomsSettings
from rooms_api.store.database import Database


async def main() -> None:
    settings = load(RoomsSettings)
    configure_logging("rooms-api", settings.log_level, settings.log_format)
    database = await Database.open(settings.database_url, settings.data)
    clock = DatabaseClock(database.time)
    await clock.synchronize()
    bus = await Bus.connect(settings.nats_url, "rooms-api")
    try:
        async with background(repeat(PERIOD_S, clock.synchronize)):
            await serve(build(settings, bus, database, clock), settings.host, settings.rooms_api_port)
    finally:
        await bus.close()
        await database.close()


if __name__ == "__main__":
    try:
        run(main())
    except DatabaseUnavailable as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
