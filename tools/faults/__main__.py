"""Plants one fault after another in a copy of the contracts, and demands that the tests named for it see it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from tools.faults.planting import COPIES, SOUND, Change, FaultInvalid, named, read_list, write_copy
from tools.faults.plugin import COPY, RESULT

LIST = Path(__file__).with_name("faults.toml")
PYTEST = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "tools.faults.plugin", "-p", "no:cacheprovider"]
PYTEST += ["--hypothesis-seed=0"]
AT_ONCE = 2


@dataclass(frozen=True)
class Fault(Change):
    """A fault that tests must see. `guards`: ids of docs/spec.md, rows of docs/attacks.md."""

    guards: list[str]
    tests: list[str]


@dataclass(frozen=True)
class Outcome:
    """What tests saw in a copy: by their ids the messages of those that caught something, and of those that broke.

    `problem` says why there is no result at all.
    """

    caught: dict[str, str]
    broken: dict[str, str]
    seconds: float
    problem: str = ""

    @property
    def failures(self) -> list[str]:
        """What is wrong, a line each."""
        problem = [self.problem] if self.problem else []
        return problem + [f"{test}: {message}" for test, message in (self.caught | self.broken).items()]


def run_on_copy(name: str, change: Change | None, tests: list[str]) -> Outcome:
    """Runs tests on a copy of the contracts. Only what differs from the sound copy is compiled."""
    began = time.monotonic()
    folder = write_copy(name, change)
    run = subprocess.run([*PYTEST, *tests], env={**os.environ, COPY: str(folder)}, capture_output=True, text=True)
    (folder / "output.txt").write_text(run.stdout + run.stderr)
    seconds = time.monotonic() - began
    if run.returncode not in (0, 1):
        return Outcome({}, {}, seconds, f"no result, see {folder / 'output.txt'}")
    return Outcome(**json.loads((folder / RESULT).read_text()), seconds=seconds)


def run(faults: list[Fault]) -> dict[str, Outcome]:
    """Every fault, two at a time, with a line for each as it is done."""

    def plant(fault: Fault) -> Outcome:
        outcome = run_on_copy(fault.name, fault, fault.tests)
        print(f"{outcome.seconds:5.0f} s  {fault.name}: {_verdict(outcome)}", flush=True)
        return outcome

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip((fault.name for fault in faults), pool.map(plant, faults), strict=True))


def _verdict(outcome: Outcome) -> str:
    if outcome.caught:
        return f"caught by {len(outcome.caught)}"
    broke = f"{len(outcome.broken)} tests broke" if outcome.broken else ""
    return ", ".join(filter(None, ("SURVIVES", outcome.problem, broke)))


def _table(faults: list[Fault], outcomes: dict[str, Outcome]) -> Table:
    table = Table(Column("fault", no_wrap=True), "contract", "guards", "verdict")
    for fault in faults:
        table.add_row(fault.name, Path(fault.file).stem, ", ".join(fault.guards), _verdict(outcomes[fault.name]))
    return table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these faults")
    names = parser.parse_args().names
    try:
        chosen = named(read_list(LIST, Fault), names)
    except FaultInvalid as error:
        print(error, file=sys.stderr)
        return 1

    sound = run_on_copy(SOUND, None, sorted({test for fault in chosen for test in fault.tests}))
    if sound.failures:
        print(f"The tests fail without any fault, see {COPIES / SOUND / 'output.txt'}:", file=sys.stderr)
        print(*(f"  {failure}" for failure in sound.failures), sep="\n", file=sys.stderr)
        return 1
    outcomes = run(chosen)
    Console().print(_table(chosen, outcomes))
    survivors = [name for name, outcome in outcomes.items() if not outcome.caught]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} faults caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
