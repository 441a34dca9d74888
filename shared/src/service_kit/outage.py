"""What REST answers while the service's database is away."""

import structlog
from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import InterfaceError, OperationalError

from service_kit.envelope import envelope

log = structlog.get_logger()


def answer_outages(app: FastAPI) -> None:
    """Make the application answer 503, code 20503, when its database cannot be reached."""
    for error in (OperationalError, InterfaceError):
        app.add_exception_handler(error, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    log.warning("database cannot be reached", path=request.url.path, error=repr(error))
    return envelope(20503)
