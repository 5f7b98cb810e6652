"""`bulkhead options`: what legs of options are worth, what the pool asks for them, and their pictures."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bulkhead.arguments import fail, number, positive, refuse
from bulkhead.keeper.command import RPC

if TYPE_CHECKING:
    from bulkhead.protocol import OptionMarket
    from bulkhead.risk.options.legs import Kind

DAY = 86_400

_part = number(float, lambda value: 0 <= value < 1, "a part from 0 to below 1")

DESCRIPTION = f"""\
Prices any set of options by the formula that an options market quotes by: mark, what the pool sells and buys at,
Greeks, largest loss and gain; and draws payoff.png and greeks.png. With --record the numbers are those of a deployed
market as it stands, its pool taken as idle; the node is --rpc or ${RPC}. Nothing is sent anywhere. Ends with 0,
with 1 if the chain cannot be used or the market has no such option, with 2 for wrong arguments.
"""

EXAMPLES = """\
examples:
  bulkhead options sell:put:2000 sell:call:2000            a straddle, sold for a week
  bulkhead options buy:call:2200:3 sell:call:2500:3        three units of each leg
  bulkhead options buy:put:1800 --days 30 --fast 1.2 --slow 0.7
  bulkhead options sell:put:2000 sell:call:2000 --record deployments/local.json --rpc http://127.0.0.1:8545

A leg is side:kind:strike or side:kind:strike:size.
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("legs", nargs="+", metavar="LEG", help="side:kind:strike[:size], as in sell:put:1800:2")
    command.add_argument("--spot", type=positive, metavar="S", help="the index (default: 2000)")
    command.add_argument("--days", type=positive, metavar="D", help="to expiry (default: 7); of a market: at least (0)")
    command.add_argument("--fast", type=positive, metavar="V", help="fast volatility a year (default: 0.6)")
    command.add_argument("--slow", type=positive, metavar="V", help="slow volatility, the mark's (default: 0.6)")
    command.add_argument("--spread", type=_part, metavar="X", help="of the pool's quotes (default: what ships)")
    command.add_argument("--cap", type=positive, metavar="C", help="of calls, as part of the strike (default: 1)")
    command.add_argument("--record", type=Path, metavar="FILE", help="what is not given is the market's of this record")
    command.add_argument("--market", metavar="NAME", help="which of the record (default: the only one of options)")
    command.add_argument("--rpc", metavar="URL", help=f"the node (default: ${RPC})")
    command.add_argument(
        "--out", type=Path, default=Path("out/options"), metavar="DIR", help="for the pictures (default: out/options)"
    )


class Part(NamedTuple):
    """A leg as it is typed; a negative size is sold."""

    kind: Kind
    strike: float
    size: float


class Terms(NamedTuple):
    """What legs are priced with. Volatilities are a year's, `spread` is the pool's, `cap` a part of a call's strike."""

    spot: float
    fast: float
    slow: float
    spread: float
    cap: float
    seconds: float


def run(options: argparse.Namespace) -> int:
    """Runs the command; gives the exit code."""
    # numpy, rich and matplotlib are slow to import: not for --help
    from rich.console import Console

    from bulkhead.chain import ChainError
    from bulkhead.risk.options.legs import Leg, quote
    from bulkhead.risk.options.report import draw_greeks, draw_payoff, quote_table

    try:
        parts = [_part_of(text) for text in options.legs]
        usual = _usual(options.days) if options.record is None else _as_it_stands(_market(options), options.days, parts)
        options.out.mkdir(parents=True, exist_ok=True)
    except ChainError as error:
        return fail(error)
    except (ValueError, LookupError, OSError) as error:
        return refuse(error)
    said = {name: getattr(options, name) for name in ("spot", "fast", "slow", "spread", "cap")}
    *terms, cap, seconds = usual._replace(**{name: value for name, value in said.items() if value is not None})
    legs = [Leg(part.kind, part.strike, part.size, seconds, cap * part.strike) for part in parts]
    spot, _, slow, _ = terms
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(quote_table(legs, *terms))
    paid = sum(leg.size * quote(leg, *terms).fill(leg.size) for leg in legs)
    title = ", ".join(str(leg) for leg in legs)
    draw_payoff(legs, spot, slow, paid, options.out / "payoff.png", title)
    draw_greeks(legs, spot, slow, options.out / "greeks.png", title)
    print(f"payoff.png and greeks.png in {options.out}/")
    return 0


def _usual(days: float | None) -> Terms:
    from bulkhead.risk.options.quotes import Rule

    return Terms(2_000.0, 0.6, 0.6, Rule().spread, 1.0, (days or 7.0) * DAY)


def _market(options: argparse.Namespace) -> OptionMarket:
    """Raises ValueError, LookupError, ChainError."""
    from bulkhead import Protocol

    node = options.rpc or os.environ.get(RPC)
    if not node:
        raise ValueError(f"no node: give --rpc URL, or put it into ${RPC}.")
    return Protocol.connect(node, options.record).options(options.market)


def _as_it_stands(market: OptionMarket, days: float | None, parts: Sequence[Part]) -> Terms:
    """The market's numbers now, to its first expiry after so many days.

    Raises LookupError where there is none, SeriesInvalid for a strike that it does not have, and the oracle's refusals.
    """
    now, call = market.chain.timestamp, market.instrument.call
    expiry = next((one for one in market.expiries() if one >= now + (days or 0) * DAY), None)
    if expiry is None:
        raise LookupError(f"{market.name} has no expiry after {days:g} days.")
    for part in parts:
        market.series(part.kind, Decimal(str(part.strike)), expiry)
    spot, fast = market.oracle.latest().price, market.volatility.fast
    terms = call.terms()
    slow, spread, cap = (float(value) / 10**18 for value in (call.volatilityAt(now), terms.spread, terms.callCap))
    return Terms(float(spot), float(fast), slow, spread, cap, expiry - now)


def _part_of(text: str) -> Part:
    """Raises ValueError for what is no leg."""
    parts = text.split(":")
    if len(parts) not in (3, 4) or parts[0] not in ("buy", "sell") or parts[1] not in ("call", "put"):
        raise ValueError(f"a leg must be side:kind:strike[:size], as sell:put:1800:2, not {text!r}")
    try:
        strike, size = (positive(part) for part in (parts[2], parts[3] if len(parts) == 4 else "1"))
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"strike and size of a leg must be numbers above 0, not as in {text!r}") from error
    return Part("call" if parts[1] == "call" else "put", strike, size if parts[0] == "buy" else -size)
