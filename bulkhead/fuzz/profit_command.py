"""`bulkhead profit`: a search for money machines."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from typing import TYPE_CHECKING

from bulkhead.arguments import whole

if TYPE_CHECKING:
    from bulkhead.fuzz.profit import Confirmed, Finding

DESCRIPTION = """\
Looks for histories by which one person with every role (traders, liquidity, keeper) takes money out of a market: at
an index that stays, at one whose moves are known, at a random one, where trading is free, around an honest trader.
Random histories are changed again and again for more profit, on the model; the best of each setting is played on the
contracts, too, and printed. Ends with 0 if none earns more than it may, with 1 if one does, with 2 for wrong arguments.
"""

EXAMPLES = """\
examples:
  bulkhead profit                      about a minute, from a seed that is printed
  bulkhead profit --seed 7             the same search, every time
  bulkhead profit --times 60           sixty times as long
"""


#: Token units of a whole token in all settings.
UNIT = 10**6


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--seed", type=int, metavar="N", help="of the search (default: a new one, printed)")
    command.add_argument(
        "--times", type=whole(1), default=1, metavar="N", help="so many times the usual search (default: 1)"
    )
    command.add_argument("--workers", type=whole(1), metavar="N", help="processes (default: one a core)")


def run(options: argparse.Namespace) -> int:
    """Runs the command; gives the exit code."""
    from bulkhead.fuzz.adversary import Locked
    from bulkhead.fuzz.campaign import local_workers, workers_here
    from bulkhead.fuzz.pair import Difference
    from bulkhead.fuzz.profit import Confirmed, search, settings

    seed = secrets.randbelow(10**9) if options.seed is None else options.seed
    workers = options.workers or workers_here()
    every_setting = settings(seed)
    climbs = sum(setting.climbs for setting in every_setting) * options.times
    print(f"seed {seed}, {climbs} searches, {workers} workers", flush=True)
    begun = time.monotonic()
    done: list[Finding] = []
    best: list[Confirmed] = []
    try:
        with local_workers(workers) as executor:
            for one in search(every_setting, seed, options.times, executor):
                if isinstance(one, Confirmed):
                    best.append(one)
                    continue
                done.append(one)
                if sys.stdout.isatty():
                    histories = sum(climbed.tried for climbed in done)
                    passed = time.monotonic() - begun
                    print(
                        f"\r{len(done)} of {climbs} searches, {histories:,} histories, {passed:.0f} s",
                        end="",
                        flush=True,
                    )
    except (Difference, Locked) as error:
        print(f"\n{error}\nFAILED: the history above goes wrong.", file=sys.stderr)
        return 1
    print("\r" if sys.stdout.isatty() else "", end="")
    return _tell(best, time.monotonic() - begun)


def _tell(best: list[Confirmed], passed: float) -> int:
    from rich.console import Console
    from rich.table import Table

    for one in best:
        print(f"{one.finding.setting.name}, the best of {one.finding.tried:,} histories:\n{one.story}\n")
    table = Table("setting", "histories", "best profit", "+-", "of capital", "may earn", box=None, padding=(0, 2))
    for found in (one.finding for one in best):
        allowed = "a known limit" if found.setting.limit else f"{found.paid / UNIT:,.6f}"
        table.add_row(
            found.setting.name,
            f"{found.tried:,}",
            f"{found.profit / UNIT:,.6f}",
            f"{found.error / UNIT:,.6f}" if found.setting.fresh else "exact",
            f"{found.profit / max(found.capital, 1):.2e}",
            allowed,
        )
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(table)
    print(f"{passed:.0f} s")
    machines = [one.finding for one in best if one.finding.is_machine and not one.finding.setting.limit]
    for found in machines:
        print(f"FAILED: {found.setting.name}: a money machine. Its words: {found.words}", file=sys.stderr)
    return 1 if machines else 0
