"""`bulkhead monitor`: a market in a terminal, as its keepers see it."""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bulkhead.arguments import fail, positive, refuse, whole
from bulkhead.keeper import command
from bulkhead.keeper.command import RPC, KeeperError

if TYPE_CHECKING:
    from bulkhead.keeper.market_snapshot import SnapshotReader

DESCRIPTION = f"""\
Shows a deployed market, refreshed with every block: the positions nearest to their liquidation, orders that wait, the
oracle's price, age and state, the pool, gas, what a keeper has earned and spent today; and whether the invariants of
docs/spec.md that can be told from outside hold. Reads only, needs no key. The node is --rpc or ${RPC}.
Ends with 0, with 1 if the chain cannot be used, or --once has found an invariant broken; with 2 for wrong arguments.
"""

EXAMPLES = """\
examples:
  bulkhead monitor deployments/sepolia.json --market ETH                        until Ctrl-C
  bulkhead monitor FILE --once                                                  one picture
  bulkhead monitor FILE --keeper 0x... --state out/keeper --coin-price 2000     with what that keeper earns
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("record", type=Path, metavar="FILE", help="what `bulkhead deploy` has written")
    parser.add_argument("--market", metavar="NAME", help="which (default: the only one)")
    parser.add_argument("--rpc", action="append", metavar="URL", help=f"the node; again for another (default: ${RPC})")
    parser.add_argument("--rows", type=whole(0), default=12, metavar="N", help="positions shown (default: 12)")
    parser.add_argument("--keeper", metavar="ADDRESS", help="whose fees of today are counted")
    parser.add_argument("--coin-price", metavar="N", help="tokens of the market that a native coin is worth")
    parser.add_argument(
        "--state",
        type=Path,
        default=Path("out/keeper"),
        metavar="DIR",
        help="where the keeper on this machine keeps its ledger (default: out/keeper)",
    )
    parser.add_argument("--every", type=positive, default=2, metavar="S", help="seconds between two looks (default: 2)")
    parser.add_argument("--once", action="store_true", help="one picture, then end")


def run(options: argparse.Namespace) -> int:
    """Runs the command; gives the exit code."""
    from rich.console import Console
    from rich.live import Live

    from bulkhead.chain import ChainError
    from bulkhead.keeper.frame import frame

    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        reader = _reader(options)
        coin = command.number(options, "coin_price") if options.coin_price else None
        snapshot = reader.read(options.rows)
        if options.once:
            console.print(frame(snapshot, coin))
            return 1 if snapshot.broken else 0
        with Live(frame(snapshot, coin), console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(options.every)
                live.update(frame(reader.read(options.rows), coin), refresh=True)
    except KeeperError as error:
        return refuse(error)
    except (ChainError, LookupError, sqlite3.Error, OSError) as error:
        return fail(error)


def _reader(options: argparse.Namespace) -> SnapshotReader:
    from bulkhead.chain import to_address
    from bulkhead.keeper.market_snapshot import SnapshotReader
    from bulkhead.keeper.terms import Terms

    market, start = command.market_of(options, command.record_of(options.record))
    try:
        keeper = None if options.keeper is None else to_address(options.keeper)
    except ValueError:
        raise KeeperError(f"--keeper must be an address, not {options.keeper}.") from None
    return SnapshotReader(market, Terms.of(market), start, keeper, options.state)
