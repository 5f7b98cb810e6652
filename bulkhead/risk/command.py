"""`bulkhead risk`: the study of margins, over the built-in crashes or any hourly candles."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bulkhead.arguments import number, positive, refuse

DESCRIPTION = """\
Compares fixed margins with margins that follow volatility. At every hour of every price history a position is opened,
long and short, and a keeper looks at it once an hour, at the worst price of that hour: how often it would have been
liquidated, how often the price outran its margin, what that costs a pool at the worst. Then it answers, fitted on all
events, and on all but one and judged on that one: at the same frequency of being outrun, how much less margin is asked
in calm times; at the same average margin, how many fewer vaults are exhausted. Writes pictures and risk.json. Ends with
0, or with 2 for wrong arguments and files.
"""

EXAMPLES = """\
examples:
  bulkhead risk                            the built-in crashes, ETH and BTC
  bulkhead risk eth.csv btc.csv            hourly candles of your own: timestamp, open, high, low, close
  bulkhead risk eth.csv --hold 24 --z 5    positions held for a day; another multiple of volatility

Files that overlap in time count as one event. Real histories should begin days before their crash: the first --warmup
hours only give the volatility to start from.
"""

# The built-in crashes begin hours before they fall.
_BUILT_IN_WARMUP = 6

_hours = number(int, lambda value: 1 <= value <= 8_760, "a whole number of 1 to 8,760 hours")
_part = number(float, lambda value: 0 < value <= 1, "a part of notional above 0 and up to 1")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    # Defaults of the rule and of the estimator: what docs/risk.md proposes, and why.
    command.add_argument(
        "files", nargs="*", type=Path, metavar="CSV", help="hourly candles (default: built-in crashes)"
    )
    command.add_argument(
        "--prices", nargs="+", type=Path, default=[], metavar="CSV", help="the same, as `drive` calls it"
    )
    command.add_argument("--hold", type=_hours, default=168, metavar="H", help="hours a position lasts (default: 168)")
    command.add_argument("--z", type=positive, default=4.0, help="deviations that initial margin covers (default: 4)")
    command.add_argument("--floor", type=_part, default=0.03, help="least initial margin, of notional (default: 0.03)")
    command.add_argument("--cap", type=_part, default=0.5, help="largest initial margin, of notional (default: 0.5)")
    command.add_argument(
        "--fast", type=positive, default=12.0, metavar="H", help="memory of fast volatility, hours (default: 12)"
    )
    command.add_argument(
        "--slow", type=positive, default=120.0, metavar="H", help="memory of slow volatility, hours (default: 120)"
    )
    command.add_argument(
        "--warmup",
        type=_hours,
        metavar="H",
        help=f"hours before any position (default: 24; built-in: {_BUILT_IN_WARMUP})",
    )
    command.add_argument(
        "--out",
        type=Path,
        default=Path("out/risk"),
        metavar="DIR",
        help="for pictures and risk.json (default: out/risk)",
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command; gives the exit code."""
    # numpy, rich and matplotlib are slow to import: not for --help
    from rich.console import Console
    from rich.progress import Progress

    from bulkhead.risk.calibration import GRID, Rule, Sample
    from bulkhead.risk.liquidations import History
    from bulkhead.risk.report import draw, print_study
    from bulkhead.risk.study import FLOORS, holds, study
    from bulkhead.risk.volatility import HOUR, Estimator
    from bulkhead.scenario import ASSETS, EVENTS, built_in, read_csv

    if options.floor > options.cap:
        return refuse(f"--floor must be at most --cap, {options.cap:g}, not {options.floor:g}")
    files = [*options.files, *options.prices]
    estimator = Estimator(options.fast * HOUR, options.slow * HOUR)
    warmup = options.warmup or (24 if files else _BUILT_IN_WARMUP)
    try:
        paths = (
            [(file.stem, read_csv(file)) for file in files]
            if files
            else [(f"{asset} {event}", built_in(event, asset)) for event in EVENTS for asset in ASSETS]
        )
        names = [name for name, _ in paths]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one file is called {doubled[0]}: results go by that name")
        sample = Sample([History.of(name, candles, estimator, warmup) for name, candles in paths])
        options.out.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:  # CandleFileError and HistoryError are ValueErrors
        return refuse(error)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    rule = Rule(options.z, options.floor, options.cap)
    margins = len(holds(options.hold)) * len(FLOORS) * len(GRID)
    print(f"{len(paths)} histories, {sample.openings.sum():,} openings, {margins} margins", flush=True)
    with Progress(console=console, transient=True, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task("margins", total=margins)
        found = study(sample, rule, options.hold, lambda: progress.advance(task))
    print_study(found, console)
    draw(found, sample, options.out)
    record = {
        "fast_h": options.fast,
        "slow_h": options.slow,
        "warmup_h": warmup,
        **found.as_json(),
    }
    (options.out / "risk.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"pictures and risk.json in {options.out}/")
    return 0
