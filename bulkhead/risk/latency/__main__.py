"""`python -m bulkhead.risk.latency`: how long orders wait, and what an informed trader earns."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from rich.console import Console

from bulkhead.arguments import refuse, whole
from bulkhead.risk.latency import report
from bulkhead.risk.latency.measure import Result, measure
from bulkhead.risk.latency.report import Record
from bulkhead.risk.latency.seconds import CALM, CRASH, Candles, World
from bulkhead.risk.latency.sources import PYTH, Venue, primaries, push, venue
from bulkhead.risk.study_parser import study_parser
from bulkhead.scenario import EVENTS, built_in, read_csv

DESCRIPTION = """\
Simulates primaries second by second, and a trader who knows the true price before they do. Prints how long an order
waits for its price, what the trader's best strategy earns an order against the fees, and how that depends on the
delay, on the seconds that he is ahead, and on the error of the source. Ends with 0 if no shipped configuration pays
him, with 1 if one does, with 2 for wrong arguments.
"""

EXAMPLES = """\
examples:
  python -m bulkhead.risk.latency                     about a minute
  python -m bulkhead.risk.latency --days 400          ten minutes, a third of the error
  python -m bulkhead.risk.latency candles/*.csv       days drawn from hourly candles of your own
"""

#: The lead that shipped configurations are held to: 4 s in which a proposer may still fill a stamped block, 6 s in
#: which nodes fetch what exchanges have traded.
LEAD = 10
DELAYS = (1, 2, 4, 12, 30)
LEADS = (0, 1, 3, 10, 20)
ERRORS = (1.0, 2.0, 3.0, 5.0)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; gives the exit code."""
    parser = study_parser("bulkhead.risk.latency", DESCRIPTION, EXAMPLES)
    add = parser.add_argument
    add("--days", type=whole(20), default=40, metavar="N", help="of each world, of candles half as many (default: 40)")
    add("--lead", type=whole(0), default=LEAD, metavar="S", help=f"seconds ahead, first tables (default: {LEAD})")
    options = parser.parse_args(arguments)
    try:
        histories = [Candles(file.stem, read_csv(file)) for file in options.candles]
    except ValueError as error:  # CandleFileError is one
        return refuse(error)
    histories = histories or [Candles(event, built_in(event, "ETH")) for event in EVENTS]
    begun = time.monotonic()
    shelf = primaries()
    own = [(one, options.lead) for one in shelf]
    examples = (push(3_600, 0.005, False), push(1_200, 0.0015, True), PYTH)
    cells = [(venue(source, delay), lead) for source in examples for delay in DELAYS for lead in LEADS]
    wrong = [
        (venue(replace(source, error=off), delay), options.lead)
        for source in examples
        for delay in DELAYS[-2:]
        for off in ERRORS
    ]
    found: list[list[Record]] = [[], [], []]
    for world in (CALM, CRASH):
        results = _measure(world, [*own, *cells, *wrong], options.days, options.seed)
        for records, number in zip(found, (len(own), len(cells), len(wrong)), strict=True):
            records += [_record(result, world) for result in results[:number]]
            results = results[number:]
    for history in histories:
        found[0] += [_record(result, history) for result in _measure(history, own, options.days // 2, options.seed)]
    table, by_delay, by_error = found
    table.sort(key=lambda record: [one.source.name for one in shelf].index(record["source"]))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 190)
    console.print(report.waiting(table), "")
    console.print(report.earning(table), "")
    for source in examples:
        for world in (CALM, CRASH):
            console.print(report.grid(by_delay, source.name, world.name), "")
    console.print(report.errors(by_error))
    settings = {"seed": options.seed, "days": options.days, "lead": options.lead}
    options.out.mkdir(parents=True, exist_ok=True)
    report.write(options.out / "latency.json", settings, primaries=table, delay_and_lead=by_delay, errors=by_error)
    report.picture(by_delay, options.out / "latency.png")
    print(f"{time.monotonic() - begun:.0f} s; {options.out}/latency.json and latency.png written")
    return _verdict(table, options.lead)


def _verdict(table: list[Record], lead: int) -> int:
    paying = [record for record in table if record["shipped"] and record["positive"]]
    for record in paying:
        print(
            f"FAILED: {record['source']} in {record['world']} pays a trader who is {lead} s ahead: "
            f"{record['positive']} strategies earn more than their fees, {record['net']:.2f} basis points net.",
            file=sys.stderr,
        )
    if not paying:
        print(f"No shipped configuration pays a trader who is {lead} s ahead.")
    return 1 if paying else 0


def _measure(world: World, cases: list[tuple[Venue, int]], days: int, seed: int) -> list[Result]:
    shown = sys.stderr.isatty()

    def told(done: int) -> None:
        if shown or done == days:
            start, end = "\r" if shown else "", "" if done < days else "\n"
            print(f"{start}{world.name}: {done} of {days} days", end=end, file=sys.stderr, flush=True)

    return measure(world, cases, days, seed, told)


def _record(result: Result, world: World) -> Record:
    own = result.venue
    place = {"source": own.source.name, "shipped": list(own.shipped), "delay": own.delay, "lead": result.lead}
    place |= {"fees": own.open_fee + own.close_fee, "error": own.source.error, "world": world.name}
    return {**place, **result.summary()}


if __name__ == "__main__":
    sys.exit(main())
