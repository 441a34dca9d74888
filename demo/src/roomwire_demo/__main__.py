"""`python -m roomwire_demo`: serve the demo."""

import logging
import sys

import uvicorn
from pydantic import ValidationError

from roomwire_demo.app import build
from roomwire_demo.settings import DemoSettings


def main() -> None:
    try:
        settings = DemoSettings()
    except ValidationError as error:
        for detail in error.errors(include_input=False, include_url=False):
            print(f"ROOMWIRE_{'_'.join(map(str, detail['loc'])).upper()}: {detail['msg']}", file=sys.stderr)
        raise SystemExit(2) from None
    logging.basicConfig(format="%(asctime)s demo: %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("roomwire_demo").setLevel(logging.INFO)
    app = build(settings)
    uvicorn.run(app, host=settings.host, port=settings.demo_port, log_level="warning", timeout_graceful_shutdown=3)


if __name__ == "__main__":
    main()
