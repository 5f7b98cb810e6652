"""A pytest plugin: the tests run on a copy of the contracts with a fault in it, and their results are written down.

The environment names the copy. A test has seen the fault if it fails by an assertion, if the contracts refuse a call
that it needs, or if an event that it asks for is not there; one that cannot be set up, or that breaks in another way,
proves nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bulkhead import build
from bulkhead.chain import ChainError
from tools.coverage.instrumented import use_copy
from tools.coverage.plugin import lift_limits

COPY = "BULKHEAD_FAULT"
RESULT = "result.json"
SEES = (AssertionError, pytest.fail.Exception, ChainError)

#: Messages by the test's id.
_seen: dict[str, dict[str, str]] = {"caught": {}, "broken": {}}


def saw(error: BaseException) -> bool:
    """Is this what a fault is seen by? Of all failures that Hypothesis found in a test, one is enough."""
    if isinstance(error, BaseExceptionGroup):
        return any(saw(one) for one in error.exceptions)
    return isinstance(error, SEES)


def pytest_configure() -> None:
    use_copy(Path(os.environ[COPY]))
    lift_limits()
    try:
        build.build()
    except build.BuildError as error:
        pytest.exit(f"does not compile: {error}", returncode=pytest.ExitCode.INTERNAL_ERROR)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:  # type: ignore[misc]
    report: pytest.TestReport = yield
    if call.excinfo is not None:
        caught = call.when == "call" and saw(call.excinfo.value)
        _seen["caught" if caught else "broken"][item.nodeid] = call.excinfo.exconly().partition("\n")[0]
    return report


def pytest_sessionfinish() -> None:
    (Path(os.environ[COPY]) / RESULT).write_text(json.dumps(_seen))
