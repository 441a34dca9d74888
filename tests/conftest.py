"""What holds for every test: shared fixtures, and that a skipped test has failed."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.kit.nats import nats_server, nats_url

__all__ = ["nats_server", "nats_url"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that did not run proves nothing: it counts as failed."""
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file."""
    return _refuse_skip((yield))


def _refuse_skip(report: Any) -> Any:
    if report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"skipped, which counts as failed: {report.longrepr}"
    return report
