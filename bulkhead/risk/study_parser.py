"""The command line of a study that is run as a module: `python -m bulkhead.risk.latency`, `... .options`."""

from __future__ import annotations

import argparse
from pathlib import Path

from bulkhead.arguments import Parser


def study_parser(module: str, description: str, examples: str | None = None) -> Parser:
    """With the arguments that every study has: candles of one's own, --seed, --out."""
    parser = Parser(
        prog=f"python -m {module}",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("candles", nargs="*", type=Path, metavar="CSV", help="hourly candles of your own")
    add("--seed", type=int, default=1, metavar="N", help="of all that is drawn (default: 1)")
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="for the files (default: out)")
    return parser
