"""Gas and errors of option prices on chain: `make bench-options`.

Gas of Black and Scholes as the code of a caller holds it: of a call of a contract that does nothing else, less that of
the same call of one that does nothing (contracts/mocks/OptionGas.sol), in revm under prague rules. The average over
spot 1,000, five strikes, five times and three volatilities; and over the wide grid. Errors of what the contract answers
on the wide grid, against arithmetic of more than 40 digits. Fails above a target.
"""

from __future__ import annotations

import json
import math
import sys
from decimal import Decimal
from itertools import product
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # tools/ is not installed

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from bulkhead.build import artifacts  # noqa: E402
from bulkhead.chain import RevmChain  # noqa: E402
from tools.exact_options import ONE, SPOT, Option, cumulative, digits, errors, wide  # noqa: E402

DAY = 86_400

TARGETS = {
    "pair_gas": 2_600,
    "all_gas": 2_900,
    "price_error": 1e-12,
    "delta_error": 1e-12,
    "gamma_error": 1e-9,
    "vega_error": 1e-9,
    "theta_error": 1e-9,
    "normal_gas": 618,
    "normal_error": 7e-17,
}


def usual() -> list[Option]:
    """What peers are measured on: 75 options around the money."""
    strikes = [800 * ONE, 900 * ONE, 100_001 * ONE // 100, 1_100 * ONE, 1_200 * ONE]
    times, sigmas = [days * DAY for days in (7, 30, 60, 90, 180)], [ONE * tenths // 10 for tenths in (4, 6, 8)]
    return [Option(SPOT, *rest) for rest in product(strikes, sigmas, times)]


class Cost:
    """Gas of a function in the code of its caller."""

    def __init__(self, chain: RevmChain, contract: str, function: str) -> None:
        self._with, self._without = (
            getattr(chain.deploy(artifacts()[name]).send, function) for name in (contract, f"No{contract}")
        )

    def of(self, *arguments: int) -> int:
        """Of one call."""
        return self._with(*arguments).gas_used - self._without(*arguments).gas_used


def main() -> int:
    chain = RevmChain()
    answers = chain.deploy(artifacts()["OptionMathHarness"])
    pair, every = Cost(chain, "PairGas", "price"), Cost(chain, "AllGas", "greeks")
    normal = Cost(chain, "NormalGas", "cumulative")
    measured: dict[str, float] = {}
    grids = {"": usual(), "wide_": wide()}
    for grid, options in grids.items():
        for name, call in (("pair_gas", pair), ("all_gas", every)):
            spent = [call.of(*asked) for asked in options]
            measured[grid + name] = math.ceil(sum(spent) / len(spent))
            measured[f"{grid}{name}_most"] = max(spent)
    with digits():
        worst: dict[str, Decimal] = {}
        for asked in grids["wide_"]:
            for name, error in errors(answers.call.greeks(*asked), asked).items():
                worst[name] = max(error, worst.get(name, error))
        points = range(-9 * ONE, 9 * ONE, 9 * ONE // 5_003)
        worst["normal_error"] = max(
            abs(Decimal(answers.call.cumulative(x)) / ONE - cumulative(Decimal(x) / ONE)) for x in points
        )
    measured |= {name: float(f"{error:.2e}") for name, error in worst.items()}
    measured["normal_gas"] = max(map(normal.of, points))

    table = Table("", "measured", "target")
    for name, figure in measured.items():
        table.add_row(name, f"{figure:,}", f"{TARGETS[name]:,}" if name in TARGETS else "")
    Console().print(table)
    first = ("pair_gas", "all_gas", "price_error", "delta_error")
    result = {name: measured.pop(name) for name in first} | {"points": len(grids["wide_"]), "also": measured}
    (HERE / "options.json").write_text(json.dumps(result, indent=2) + "\n")
    missed = [name for name, target in TARGETS.items() if (result | measured)[name] > target]
    if missed:
        print(f"above the target: {', '.join(missed)}")
    return len(missed) > 0


if __name__ == "__main__":
    sys.exit(main())
