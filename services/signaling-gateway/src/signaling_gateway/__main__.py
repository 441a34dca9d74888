"""`python -m signaling_gateway`."""

from service_kit.bus import Bus
from service_kit.logging import configure_logging
from service_kit.serving import run, serve
from service_kit.settings import load

from signaling_gateway.app import build
from signaling_gateway.settings import Settings

MAX_FRAME_BYTES = 1024 * 1024


async def main() -> None:
    settings = load(Settings)
    configure_logging("signaling-gateway", settings.log_level, settings.log_format)
    bus = await Bus.connect(settings.nats_url, "signaling-gateway")
    # On SIGTERM uvicorn closes every websocket with 1012, which clients take as an invitation to resume elsewhere.
    await serve(
        build(settings, bus),
        settings.host,
        settings.gateway_port,
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
    )


if __name__ == "__main__":
    run(main())
