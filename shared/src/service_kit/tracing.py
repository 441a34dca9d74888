"""One trace id from the REST call or client socket to the last service that acts on it: a context variable, carried in bus headers and logged."""

import secrets
from contextvars import ContextVar

TRACE_HEADER = "Roomwire-Trace"

_trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)


def current_trace() -> str | None:
    return _trace_id.get()


def start_trace(trace_id: str | None = None) -> str:
    """Begin a trace (or go on with one that came in) in the current context."""
    trace_id = trace_id or secrets.token_hex(16)
    _trace_id.set(trace_id)
    return trace_id
