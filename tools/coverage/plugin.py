"""A pytest plugin: the tests run on the instrumented copy, and each worker writes down which outcomes they took.

Code is larger and gas is higher in the copy, so the engines' limits on them are lifted.
"""

from __future__ import annotations

import functools
import json
import os
from typing import Any

import pyrevm

from bulkhead.chain import AnvilChain, RevmChain
from tools.coverage.instrumented import COPY, MARKS, marks, use_copy

CODE_LIMIT = 1 << 20
GAS_LIMIT = 10**9

_engines: list[Any] = []


def pytest_configure() -> None:
    use_copy(COPY)
    lift_limits()
    pyrevm.EVM = functools.partial(_remembered, pyrevm.EVM)


def lift_limits() -> None:
    """Contracts of any size run from here on, with gas for them."""
    pyrevm.CfgEnv = functools.partial(pyrevm.CfgEnv, limit_contract_code_size=CODE_LIMIT)
    RevmChain.__init__ = functools.partialmethod(RevmChain.__init__, gas_limit=GAS_LIMIT)
    # It keeps no marks that could be read, but what runs on it must be able to.
    AnvilChain.__init__ = functools.partialmethod(AnvilChain.__init__, options=("--code-size-limit", str(CODE_LIMIT)))


def _remembered(engine: Any, *args: Any, **kwargs: Any) -> Any:
    _engines.append(engine(*args, **kwargs))
    return _engines[-1]


def pytest_sessionfinish() -> None:
    taken = {number for engine in _engines for number in marks(engine)}
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    MARKS.mkdir(exist_ok=True)
    (MARKS / f"{worker}.json").write_text(json.dumps(sorted(taken)))
