"""What holds for every test: shared fixtures, and that a skipped test has failed."""

from collections.abc import Generator
from typing import TypeVar

import pytest
import structlog
from hypothesis import settings

from tests.kit.nats import nats_server, nats_url
from tests.kit.postgres import own_postgres, postgres
from tests.kit.stack import room_name, roomwire, shared_roomwire, show_logs

__all__ = ["nats_server", "nats_url", "own_postgres", "postgres", "room_name", "roomwire", "shared_roomwire"]

# The same examples in every run, and no deadline: a test must not fail because the machine was busy.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

# Where rich is installed, structlog would have it draw tracebacks: seconds of work for one.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

R = TypeVar("R", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that did not run proves nothing: it counts as failed. A failed one shows what the services logged."""
    report = _refuse_skip((yield))
    show_logs(item, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file."""
    return _refuse_skip((yield))


def _refuse_skip(report: R) -> R:
    if report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"skipped, which counts as failed: {report.longrepr}"
    return report
