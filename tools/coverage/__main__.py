"""Runs the tests on contracts with a probe at every branch outcome, and reports what no test took."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys

from rich.console import Console

from bulkhead import build
from tools.argued import ArgumentInvalid, read_argued
from tools.coverage.instrument import NotUnderstood
from tools.coverage.instrumented import COPY, MARKS, use_copy, write_copy
from tools.coverage.report import EXCEPTIONS, Argued, Report

RESULT = build.ROOT / "benchmarks" / "coverage.json"

# Tests of the chains and of this tool run no core; those of the door and of the whole system are there for other ends.
ELSEWHERE = ("tests/unit/chain", "tests/unit/coverage", "tests/unit/protocol", "tests/unit/scenario")
ELSEWHERE += ("tests/unit/fuzz", "tests/unit/mutation", "tests/unit/test_readme.py", "tests/integration", "tests/ape")
ELSEWHERE += ("tests/invariants", "tests/unit/options/test_figures.py")  # of the twin; of the gas of the shipped build
ELSEWHERE += ("tests/unit/keeper", "tests/unit/risk")  # on a node, and in floats
# Tests that hold the oracle to amounts of gas, by how their names begin: in these copies a search may burn more.
WORST = "tests/unit/oracles/test_outage_gas.py::test_req_24_the_worst"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "tools.coverage.plugin", "-p", "no:cacheprovider"]
PYTEST += ["--hypothesis-seed=0", *(f"--ignore={folder}" for folder in ELSEWHERE)]
PYTEST += [f"--deselect={WORST}", "tests"]


def main() -> int:
    try:
        exceptions = read_argued(EXCEPTIONS, "untaken", Argued)
        outcomes = write_copy(COPY)
        use_copy(COPY)
        with contextlib.redirect_stderr(io.StringIO()):  # warnings of sizes, and of `view` that could be `pure`
            build.build()
    except (build.BuildError, ArgumentInvalid, NotUnderstood) as error:
        print(error, file=sys.stderr)
        return 1

    shutil.rmtree(MARKS, ignore_errors=True)
    tests = subprocess.run(PYTEST).returncode
    report = Report(outcomes, {n for file in MARKS.glob("*.json") for n in json.loads(file.read_text())}, exceptions)

    Console().print(report.table())
    for line in report.lines():
        print(line)
    if tests:
        print("Tests failed on the instrumented contracts: see above; the counts are not kept.", file=sys.stderr)
        return 1
    RESULT.write_text(json.dumps(report.counts(), indent=2) + "\n")
    return 1 if report.lines() else 0


if __name__ == "__main__":
    sys.exit(main())
