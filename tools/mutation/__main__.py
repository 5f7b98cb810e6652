"""Makes small changes in the core, one at a time, and shows which of them the fuzzer or a test notices."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
from collections.abc import Sequence, Set

import pytest
from rich.console import Console

from bulkhead import build
from tools.argued import ArgumentInvalid, read_argued
from tools.coverage.__main__ import ELSEWHERE, WORST
from tools.coverage.plugin import lift_limits
from tools.mutation import switch
from tools.mutation.choice import Mistake, compiled, find, sample
from tools.mutation.fuzz import no_histories, play_histories
from tools.mutation.hunt import Hunt, Verdict
from tools.mutation.mutants import Mutant
from tools.mutation.parts import PARTS, of_part, record
from tools.mutation.report import EQUIVALENT, Argued, Report

RESULT = build.ROOT / "benchmarks" / "mutation.json"
#: Tests of our own tools and of the model run no core, or the fuzzer, which is asked anyway.
TOOLS = ("tests/unit/mutation", "tests/unit/fuzz", "tests/unit/test_faults.py", "tests/invariants")
TOOLS += ("tests/differential/test_market.py",)
PYTEST = ["-s", "-n", "0", "-p", "no:cacheprovider", "--hypothesis-seed=0", f"--deselect={WORST}"]
PYTEST += [f"--ignore={folder}" for folder in (*ELSEWHERE, *TOOLS)]

AT_ONCE = 2


class Progress:
    """A line for each mutant that nobody has argued about and nothing notices, and one with counts now and then."""

    def __init__(self, mutants: Sequence[Mutant], argued: Set[int]) -> None:
        self._mutants, self._argued = mutants, argued
        self._began, self._told = time.monotonic(), 0.0
        self._done = self._missed = 0
        self._out = sys.stdout

    def tell(self, number: int, verdict: Verdict) -> None:
        """One more is done."""
        self._done += 1
        self._missed += verdict.by is None
        if verdict.by is None and number not in self._argued:
            broken = f" (broke: {', '.join(verdict.broken[:3])})" if verdict.broken else ""
            print(f"unnoticed: {self._mutants[number - 1]}{broken}", file=self._out)
        if time.monotonic() - self._told > 10 or self._done == len(self._mutants):
            self._told = time.monotonic()
            seconds = self._told - self._began
            counts = f"{self._done} of {len(self._mutants)} mutants, {self._done - self._missed} noticed"
            print(f"{seconds:5.0f} s  {counts}, {self._missed} not", file=self._out, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument("--part", choices=PARTS, default="core", help="with its own tests (default: core)")
    parser.add_argument("--files", nargs="+", default=[], metavar="NAME", help="only these contracts, as: Market Pool")
    parser.add_argument("--tests", nargs="+", default=[], metavar="PATH", help="only these tests, and no fuzzer")
    parser.add_argument("--mutants", type=int, metavar="N", help="about so many (default: as the part says)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the choice among all (default: 1)")
    parser.add_argument("--workers", type=int, default=AT_ONCE, metavar="N", help=f"at a time (default: {AT_ONCE})")
    options = parser.parse_args()
    part = PARTS[options.part]
    tests, count = options.tests or part.tests, part.mutants if options.mutants is None else options.mutants
    try:
        argued = read_argued(EQUIVALENT, "equivalent", Argued)
        trees = build.ast()
        every = find([], trees)
        possible = find(options.files, trees) if options.files else of_part(options.part, every)
        if count < 1 or options.workers < 1:
            raise Mistake("--mutants and --workers must be at least 1.")
        mutants = sample(possible, count, options.seed)
        print(f"{len(mutants)} of {len(possible)} possible mutants, chosen by seed {options.seed}", flush=True)
        mutants = compiled(mutants, trees)
    except (build.BuildError, ArgumentInvalid, Mistake) as error:
        print(error, file=sys.stderr)
        return 1

    lift_limits()
    switch.install()
    spared = {n for n, mutant in enumerate(mutants, 1) if any(entry.meets(mutant) for entry in argued)}
    fuzz = no_histories if tests else play_histories
    hunt = Hunt(len(mutants), spared, options.workers, fuzz, Progress(mutants, spared).tell)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        pytest.main([*PYTEST, *(tests or ["tests"])], plugins=[hunt])
    if hunt.problem or len(hunt.verdicts) < len(mutants):
        print(f"{output.getvalue()}\n{hunt.problem or 'The tests did not run.'}", file=sys.stderr)
        return 1

    report = Report(mutants, hunt.verdicts, argued, every)
    Console().print(report.table())
    for line in [*report.lines(), *report.short()]:
        print(line)
    if not options.files and not options.tests:
        record(RESULT, options.part, report.counts(options.seed))
    return 1 if report.refuted or report.stale or report.short() else 0


if __name__ == "__main__":
    sys.exit(main())
