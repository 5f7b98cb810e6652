"""Plants one fault after another in a copy of the contracts, and demands that the tests named for it see it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from tools.faults.plugin import COPY, RESULT

LIST = Path(__file__).with_name("faults.toml")
ROOT = Path(__file__).resolve().parents[2]
COPIES = ROOT / ".build" / "faults"
SOUND = COPIES / "none"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "tools.faults.plugin", "-p", "no:cacheprovider"]
PYTEST += ["--hypothesis-seed=0"]
AT_ONCE = 2


class FaultInvalid(Exception):
    """The list cannot be used; the message says which entry and why."""


@dataclass(frozen=True)
class Fault:
    """One change for the worse: in `file` the text `find`, which stands there once, becomes `replace`."""

    name: str
    guards: list[str]  # ids of docs/spec.md, rows of docs/attacks.md
    file: str
    find: str
    replace: str
    tests: list[str]

    def planted(self) -> str:
        """The file with the fault in it."""
        text = (ROOT / self.file).read_text()
        if text.count(self.find) != 1:
            raise FaultInvalid(f"{self.name}: its text stands {text.count(self.find)} times in {self.file}, not once")
        return text.replace(self.find, self.replace)


@dataclass(frozen=True)
class Outcome:
    """How many tests saw something wrong in a copy, and what is to be said if none did."""

    caught: int
    seconds: float
    problem: str = ""


def read_faults(path: Path) -> list[Fault]:
    """Every fault of the list. Raises FaultInvalid for one that no longer fits the contracts."""
    faults = [Fault(**entry) for entry in tomllib.loads(path.read_text())["fault"]]
    names = [fault.name for fault in faults]
    for fault in faults:
        if names.count(fault.name) > 1:
            raise FaultInvalid(f"{fault.name}: two faults have this name")
        fault.planted()
    return faults


def run_on_copy(name: str, changed: dict[str, str], tests: list[str]) -> Outcome:
    """Runs tests on a copy of the contracts with changed files. Only what differs from the sound copy is compiled."""
    folder, began = COPIES / name, time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "contracts", folder / "contracts", ignore=shutil.ignore_patterns(".cache"))
    if changed:
        shutil.copytree(SOUND / ".build", folder / ".build")
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    for file, text in changed.items():
        (folder / file).write_text(text)

    run = subprocess.run([*PYTEST, *tests], env={**os.environ, COPY: str(folder)}, capture_output=True, text=True)
    (folder / "output.txt").write_text(run.stdout + run.stderr)
    seconds = time.monotonic() - began
    if run.returncode not in (0, 1):
        return Outcome(0, seconds, f"no result, see {folder / 'output.txt'}")
    seen = json.loads((folder / RESULT).read_text())
    broken = f"{len(seen['broken'])} tests broke" if seen["broken"] else ""
    return Outcome(len(seen["caught"]), seconds, broken)


def run(faults: list[Fault]) -> dict[str, Outcome]:
    """Every fault, two at a time, with a line for each as it is done."""

    def plant(fault: Fault) -> Outcome:
        outcome = run_on_copy(fault.name, {fault.file: fault.planted()}, fault.tests)
        print(f"{outcome.seconds:5.0f} s  {fault.name}: {_verdict(outcome)}", flush=True)
        return outcome

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip((fault.name for fault in faults), pool.map(plant, faults), strict=True))


def _verdict(outcome: Outcome) -> str:
    if outcome.caught:
        return f"caught by {outcome.caught}"
    return f"SURVIVES, {outcome.problem}" if outcome.problem else "SURVIVES"


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
        faults = read_faults(LIST)
        if unknown := set(names) - {fault.name for fault in faults}:
            raise FaultInvalid(f"no fault is named {', '.join(sorted(unknown))}")
    except FaultInvalid as error:
        print(error, file=sys.stderr)
        return 1

    chosen = [fault for fault in faults if not names or fault.name in names]
    sound = run_on_copy(SOUND.name, {}, sorted({test for fault in chosen for test in fault.tests}))
    if sound.problem or sound.caught:
        print(f"The tests fail without any fault: see {SOUND / 'output.txt'}", file=sys.stderr)
        return 1
    outcomes = run(chosen)
    Console().print(_table(chosen, outcomes))
    survivors = [name for name, outcome in outcomes.items() if not outcome.caught]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} faults caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
