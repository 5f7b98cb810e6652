"""The command `bulkhead`: a local market from deployment to liquidation in one go, and deployments to any network."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from bulkhead import deploy
from bulkhead.arguments import Parser, fail, refuse
from bulkhead.build import BuildError
from bulkhead.chain import AnvilChain, ChainError, RevmChain
from bulkhead.fuzz import command as fuzz
from bulkhead.fuzz import profit_command as profit
from bulkhead.keeper import command as keeper
from bulkhead.keeper import monitor
from bulkhead.risk import command as risk
from bulkhead.risk.options import command as options_
from bulkhead.scenario import ASSETS, EVENTS, Candle, built_in, read_csv

_DESCRIPTION = """\
Deploys everything on a chain of its own, opens positions from 2x to 25x on both sides, replays a market event candle
by candle with a keeper that liquidates, closes what is left, and checks that no liquidation touched a neighbour's vault
and that no token appeared or vanished. Ends with 0 if all checks hold, with 1 if one fails, with 2 for wrong arguments.
"""

_EXAMPLES = """\
examples:
  bulkhead demo                                  March 2020 in both markets; pictures in out/demo
  bulkhead drive --event may_2021 --order ohlc   another event, up before down in each candle
  bulkhead drive --prices eth.csv --market eth   your own candles, in one market
  bulkhead drive --scenario straddle             options: straddles sold into the crash of March 2020
"""


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    top = Parser(prog="bulkhead", description="Isolated-margin derivatives.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in (
        ("demo", "a local market from deployment to liquidation (March 2020)"),
        ("drive", "the same through any event or price file"),
    ):
        command = commands.add_parser(
            name,
            help=summary,
            description=_DESCRIPTION,
            epilog=_EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        source = command.add_mutually_exclusive_group()
        source.add_argument(
            "--event", choices=EVENTS, default=EVENTS[0], help=f"built-in path for ETH and BTC (default: {EVENTS[0]})"
        )
        source.add_argument(
            "--prices",
            type=Path,
            metavar="FILE",
            help="CSV with a header: a time (unix, timestamp or date) and open, high, low, close; drives one market",
        )
        command.add_argument("--market", choices=[a.lower() for a in ASSETS], help="whose prices FILE holds (eth)")
        command.add_argument(
            "--order",
            choices=("ohlc", "olhc"),
            default="olhc",
            help="which end of a candle comes first (default: olhc)",
        )
        out = Path("out") / name
        command.add_argument("--out", type=Path, default=out, metavar="DIR", help=f"for the pictures (default: {out})")
        command.add_argument(
            "--engine",
            choices=("anvil", "revm"),
            default="anvil",
            help="a node of its own, or the EVM in this process, faster (default: anvil)",
        )
        command.add_argument(
            "--scenario",
            choices=("leverage", "straddle"),
            default="leverage",
            help="perpetuals from 2x to 25x (default), or straddles sold into the crash, held to their expiry",
        )
        command.set_defaults(run=_drive)
    for name, module, summary in (
        ("deploy", deploy, "factory and markets to a network, step by step"),
        ("fuzz", fuzz, "random histories against the model and every invariant"),
        ("profit", profit, "a search for histories that take money out of a market"),
        ("risk", risk, "fixed margins beside margins that follow volatility, over price histories"),
        ("options", options_, "what options are worth and what a pool asks for them, with pictures"),
        ("keeper", keeper, "the upkeep of a deployed market, for its fees"),
        ("monitor", monitor, "a deployed market in the terminal, as its keepers see it"),
    ):
        command = commands.add_parser(
            name,
            help=summary,
            description=module.DESCRIPTION,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; gives the exit code."""
    arguments = parser()
    options = arguments.parse_args(argv)
    if options.run is _drive and options.market and not options.prices:
        arguments.error("--market says whose prices are in a file: it needs --prices FILE")
    try:
        code: int = options.run(options)
        return code
    except KeyboardInterrupt:
        print("bulkhead: interrupted", file=sys.stderr)
        return 130
    except BuildError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1


def _drive(options: argparse.Namespace) -> int:
    # rich and matplotlib are slow to import: not for --help
    from rich.console import Console

    from bulkhead.scenario import straddle
    from bulkhead.scenario.drive import LEAD, DriveError, drive, schedule

    begun = time.monotonic()
    straddles = options.scenario == "straddle"
    paths: Mapping[str, Sequence[Candle]]
    try:
        if options.prices:
            paths = {(options.market or "eth").upper(): read_csv(options.prices)}
            title = options.prices.stem
        else:
            assets = [straddle.NAME] if straddles else ASSETS
            paths = {asset: built_in(options.event, asset) for asset in assets}
            title = options.event
        schedule(paths, options.order)  # refuses a path that no feed can follow, before anything is started
    except ValueError as error:  # CandleFileError is one
        return refuse(error)
    start = min(path[0].time for path in paths.values()) - (straddle.LEAD if straddles else LEAD)
    chain: AbstractContextManager[Any]
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        chain = AnvilChain(timestamp=start) if options.engine == "anvil" else nullcontext(RevmChain(timestamp=start))
        with chain as local:
            console = Console(width=None if sys.stdout.isatty() else 120)
            if straddles:
                (path,) = paths.values()
                outcome = straddle.straddle(
                    local, path, order=options.order, title=title, out=options.out, console=console
                )
            else:
                outcome = drive(local, paths, order=options.order, title=title, out=options.out, console=console)
    except (DriveError, ChainError, OSError) as error:
        return fail(error)
    if outcome.failures:
        more = f" (and {len(outcome.failures) - 1} more)" if len(outcome.failures) > 1 else ""
        return fail(f"{outcome.failures[0]}{more}")
    took = time.monotonic() - begun
    print(
        f"{len(outcome.rows)} positions, {outcome.rounds} rounds; {outcome.liquidations} liquidations"
        f" ({outcome.partial} partial), {outcome.at_reserve} closed at their reserve."
    )
    print(f"{outcome.compared} comparisons of other vaults around them: all untouched.")
    print(f"{outcome.minted / 10**6:,.6f} tokens minted, {outcome.accounted / 10**6:,.6f} accounted for: conserved.")
    print(f"{took:.1f} s on {options.engine}; pictures in {options.out}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
