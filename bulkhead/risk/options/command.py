"""`bulkhead options`: what legs of options are worth, what the pool asks for them, and their pictures."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkhead.risk.options.legs import Leg

DESCRIPTION = """\
Prices any set of options by the formula that an options market quotes by: mark, what the pool sells and buys at,
Greeks, largest loss and gain; and draws payoff.png and greeks.png. Nothing is sent anywhere. Ends with 0, or with 2 for
wrong arguments.
"""

EXAMPLES = """\
examples:
  bulkhead options sell:put:2000 sell:call:2000            a straddle, sold for a week
  bulkhead options buy:call:2200:3 sell:call:2500:3        three units of each leg
  bulkhead options buy:put:1800 --days 30 --fast 1.2 --slow 0.7

A leg is side:kind:strike or side:kind:strike:size.
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("legs", nargs="+", metavar="LEG", help="side:kind:strike[:size], as in sell:put:1800:2")
    command.add_argument("--spot", type=_positive, default=2000.0, metavar="S", help="the index (2000)")
    command.add_argument("--days", type=_positive, default=7.0, metavar="D", help="to expiry (7)")
    command.add_argument("--fast", type=_positive, default=0.6, metavar="V", help="fast volatility a year (0.6)")
    command.add_argument("--slow", type=_positive, default=0.6, metavar="V", help="slow volatility, the mark's (0.6)")
    command.add_argument("--spread", type=_part, metavar="X", help="of the pool's quotes (default: what ships)")
    command.add_argument("--cap", type=_positive, default=1.0, metavar="C", help="of calls, as part of the strike (1)")
    command.add_argument(
        "--out", type=Path, default=Path("out/options"), metavar="DIR", help="for the pictures (out/options)"
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command; gives the exit code."""
    # numpy, rich and matplotlib are slow to import: not for --help
    from rich.console import Console

    from bulkhead.risk.options.legs import quote
    from bulkhead.risk.options.quotes import Rule
    from bulkhead.risk.options.report import draw_greeks, draw_payoff, quote_table

    spread = Rule().spread if options.spread is None else options.spread
    try:
        legs = [_leg(text, options.days, options.cap) for text in options.legs]
        options.out.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        print(f"bulkhead: {error}", file=sys.stderr)
        return 2
    terms = (options.spot, options.fast, options.slow, spread)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(quote_table(legs, *terms))
    paid = sum(leg.size * quote(leg, *terms).fill(leg.size) for leg in legs)
    title = ", ".join(str(leg) for leg in legs)
    draw_payoff(legs, options.spot, options.slow, paid, options.out / "payoff.png", title)
    draw_greeks(legs, options.spot, options.slow, options.out / "greeks.png", title)
    print(f"payoff.png and greeks.png in {options.out}/")
    return 0


def _leg(text: str, days: float, cap: float) -> Leg:
    """Raises ValueError for what is no leg."""
    from bulkhead.risk.options.legs import Kind, Leg

    parts = text.split(":")
    if len(parts) not in (3, 4) or parts[0] not in ("buy", "sell") or parts[1] not in ("call", "put"):
        raise ValueError(f"{text!r} is no leg: side:kind:strike[:size], as in sell:put:1800:2")
    try:
        strike, size = (_positive(part) for part in (parts[2], parts[3] if len(parts) == 4 else "1"))
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise ValueError(f"{text!r} is no leg: strike and size are numbers above zero") from error
    kind: Kind = "call" if parts[1] == "call" else "put"
    return Leg(kind, strike, size if parts[0] == "buy" else -size, days * 86_400, cap * strike)


def _positive(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def _part(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a part from 0 to below 1")
    return value
