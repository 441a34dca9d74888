"""The error body of every HTTP answer. Knows no resource, and needs no database: services without one answer by it as well."""

from typing import Any

from contract.errors import ERRORS
from fastapi.responses import JSONResponse

_HEADERS = {20003: {"WWW-Authenticate": 'Basic realm="Twilio API"'}, 20429: {"Retry-After": "1"}}


def error_body(code: int, message: str | None = None, status: int | None = None) -> dict[str, Any]:
    """The error body that every helper library understands. `message` and `status` replace those of the table."""
    kind = ERRORS[code]
    return {
        "code": code,
        "message": message or kind.message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status or kind.status,
    }


def envelope(code: int, message: str | None = None, status: int | None = None) -> JSONResponse:
    """The answer with an `error_body`."""
    body = error_body(code, message, status)
    return JSONResponse(body, status_code=body["status"], headers=_HEADERS.get(code))
