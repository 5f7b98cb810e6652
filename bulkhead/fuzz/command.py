"""`bulkhead fuzz`: a campaign for a stated time, or a saved history once more."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkhead.fuzz.campaign import Report

DESCRIPTION = """\
Plays random histories on the contracts and on their exact Python model at once, in this machine's memory: traders,
providers of liquidity and a keeper call every function, prices jump, go stale and stop, tokens block payees, donations
fall. After every call answers, errors, all storage and every invariant are compared. A history that goes wrong is made
short, and written down as a test. Ends with 0 if nothing was found, with 1 if something was, or if a long
campaign never reached a state that it has to, with 2 for wrong arguments.
"""

EXAMPLES = """\
examples:
  bulkhead fuzz                       a minute on all cores, from a seed that is printed
  bulkhead fuzz --calls 1000000       a million calls, however long they take
  bulkhead fuzz --seed 7 --workers 1  the same histories again, on one core
  bulkhead fuzz --replay FILE         a saved history, step by step
"""

#: Below so many calls a campaign is not blamed for what it has not reached.
ENOUGH = 100_000


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--seconds", type=float, metavar="N", help="for how long (default: 60, or until --calls)")
    command.add_argument("--calls", type=int, metavar="N", help="until so many calls have been made")
    command.add_argument("--seed", type=int, metavar="N", help="of all histories (default: a new one, printed)")
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    command.add_argument("--length", type=int, default=300, metavar="N", help="longest history, steps (default: 300)")
    command.add_argument("--out", type=Path, default=Path("out/fuzz"), metavar="DIR", help="for what is found")
    command.add_argument("--replay", type=Path, metavar="FILE", help="play a saved history and tell how it goes")


def run(options: argparse.Namespace) -> int:
    """Runs the command; gives the exit code."""
    from bulkhead.fuzz import campaign

    if options.replay:
        return _replay(options.replay)
    for name in ("seconds", "calls", "workers", "length"):
        if (value := getattr(options, name)) is not None and value <= 0:
            print(f"bulkhead: --{name} must be positive, not {value}.", file=sys.stderr)
            return 2
    seed = secrets.randbelow(10**9) if options.seed is None else options.seed
    workers = options.workers or os.cpu_count() or 1
    calls = options.calls or 2**63
    seconds = options.seconds or (60.0 if options.calls is None else 86_400.0)
    print(f"seed {seed}, {workers} workers, histories of up to {options.length} steps")
    begun, total = time.monotonic(), campaign.Report()
    lost = None
    try:
        for total in campaign.run(seed, seconds, workers, options.length, calls):
            if sys.stdout.isatty():
                print(f"\r{_line(total, begun, workers)}", end="", flush=True)
    except campaign.WorkerLost as error:
        lost = error  # what the others found is told first
    print(("\r" if sys.stdout.isatty() else "") + _line(total, begun, workers))
    _table(total)
    for failure in total.failures:
        data, test = campaign.save(failure, options.out)
        print(failure.story)
        print(f"FOUND, {len(failure.words)} steps: replay it with `bulkhead fuzz --replay {data}`; as a test: {test}")
    if lost is not None:
        print(f"FAILED: {lost}", file=sys.stderr)
    if total.failures or lost is not None:
        return 1
    if total.calls >= ENOUGH and total.missed:
        print(f"FAILED: never reached: {', '.join(total.missed)}", file=sys.stderr)
        return 1
    return 0


def _line(total: Report, begun: float, workers: int) -> str:
    passed = max(time.monotonic() - begun, 1e-9)
    good = sum(total.succeeded.values()) / max(total.calls, 1)
    return (
        f"{total.calls:,} calls in {passed:.0f} s: {total.calls / passed / workers:,.0f} calls/s a core,"
        f" {total.histories:,} histories, {good:.0%} of calls went through,"
        f" {total.alive / max(total.steps, 1):.1f} positions alive"
    )


def _table(total: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table("function", "calls", "went through", box=None, padding=(0, 2))
    for name, times in total.names.most_common():
        table.add_row(name, f"{times:,}", f"{total.succeeded[name] / times:.0%}")
    console.print(table)
    table = Table("reached", "times", box=None, padding=(0, 2))
    for name, times in total.reached.most_common():
        table.add_row(name, f"{times:,}")
    console.print(table)


def _replay(path: Path) -> int:
    from bulkhead.fuzz import campaign
    from bulkhead.fuzz.machine import Machine
    from bulkhead.fuzz.pair import Pair

    try:
        failure = campaign.load(path)
    except ValueError as error:
        print(f"bulkhead: {error}", file=sys.stderr)
        return 2
    story = campaign.play(Machine(Pair(failure.decimals)), failure.words)
    print(story if story is not None else f"{len(failure.words)} steps, and nothing goes wrong any more.")
    return 1 if story is not None else 0
