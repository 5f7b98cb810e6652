"""`python -m bulkhead.risk.options`: what informed traders earn from a pool that quotes options by formula."""

from __future__ import annotations

import sys
import time

from rich.console import Console

from bulkhead.arguments import refuse, whole
from bulkhead.risk.options import study_report as report
from bulkhead.risk.options.histories import played
from bulkhead.risk.options.quotes import Rule
from bulkhead.risk.options.study import BAND, TENORS, Study, events, study
from bulkhead.risk.study_parser import study_parser
from bulkhead.scenario import read_csv

DESCRIPTION = """\
Draws histories of seven years with stochastic volatility and crashes, and lets traders who follow a calendar, a spike
or the model's own volatility buy from and sell to a pool that quotes by formula, hedged and not, to expiry or half-way.
Prints what they earn, and the least spread at which who does not know the truth earns nothing in the mean; then the
same over hourly candles. Ends with 0 if no calendar and no spike earns at the spread that ships, with 1 if one does,
with 2 for wrong arguments.
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; gives the exit code."""
    parser = study_parser("bulkhead.risk.options", DESCRIPTION)
    parser.add_argument("--histories", type=whole(4), default=48, metavar="N", help="of seven years (default: 48)")
    options = parser.parse_args(arguments)
    try:
        candles = [(file.stem, read_csv(file)) for file in options.candles]
        happened = [(rows[0].time, played(rows)) for _, rows in candles]
    except ValueError as error:  # CandleFileError is one
        return refuse(error)
    begun = time.monotonic()
    rule = Rule()
    found = study(options.histories, options.seed, rule)
    real = events(happened, rule)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 170)
    report.print_study(found, console)
    if real:
        report.print_events(real, rule.spread, len({begin for begin, _ in happened}), console)
    options.out.mkdir(parents=True, exist_ok=True)
    settings = {"seed": options.seed, "histories": options.histories, "candles": [name for name, _ in candles]}
    (options.out / "options_quotes.json").write_text(report.as_json(settings, found, real), encoding="utf-8")
    report.picture(found, options.out / "options_quotes.png")
    print(f"{time.monotonic() - begun:.0f} s; {options.out}/options_quotes.json and options_quotes.png written")
    return _verdict(found)


def _verdict(found: Study) -> int:
    """Does a calendar or a spike earn at the spread that ships, in the mean, whatever is listed?"""
    spread = found.rule.spread
    paying = [
        best
        for tenor in TENORS
        for side in ("buy", "sell")
        if (best := found.best(tenor, side, spread)) is not None and best.hedged > 0
    ]
    paying += [row for rows in found.late.values() for row in report.calendar(rows) if row.positive]
    for one in paying:
        print(
            f"FAILED: {one.strategy}, {one.tenor} days, earns {one.hedged:.1f} basis points an order at {spread:.0%}.",
            file=sys.stderr,
        )
    if not paying:
        print(f"At {spread:.0%} and deltas from {BAND} on no calendar and no spike earns anything in the mean.")
    return 1 if paying else 0


if __name__ == "__main__":
    sys.exit(main())
