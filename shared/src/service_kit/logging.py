"""One log line for each change of state, as JSON (or text for people), with the trace id and the service's name in it. Never secrets, never SDP."""

import logging
import sys
from typing import Any

import structlog

from service_kit.tracing import current_trace


def configure_logging(service: str, level: str = "info", style: str = "json") -> None:
    """Send structlog and the standard library's loggers to standard error in one form. `style` is `json` or `text`."""

    def add_context(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["service"] = service
        if trace := current_trace():
            event.setdefault("trace", trace)
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True)
        if style == "json"
        else structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        add_context,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, pad_level=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in (
        "alembic",
        "httpx",
        "httpcore",
        "uvicorn.access",
        "uvicorn.error",  # it tells of every socket and every step of a start; `serving` says what matters
        "aiosqlite",
        "aioice",
        "aiortc",
        "websockets",
        "nats",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
