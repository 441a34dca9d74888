"""`python -m media_sfu`: one node."""

from service_kit.logging import configure_logging
from service_kit.serving import run, serve
from service_kit.settings import load

from media_sfu.app import build
from media_sfu.engine import PacketForwarder, log_self_test
from media_sfu.settings import SfuSettings


def main() -> None:
    settings = load(SfuSettings)
    configure_logging("media-sfu", settings.log_level, settings.log_format)
    log_self_test()
    run(serve(build(settings, PacketForwarder.bind), settings.host, settings.sfu_http_port))


if __name__ == "__main__":
    main()
