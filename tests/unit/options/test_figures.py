"""The figures of options that are kept and printed are those of the contracts as they are."""

from __future__ import annotations

import json
import math
import re
import runpy
from pathlib import Path

import pytest

from bulkhead.chain import RevmChain
from tools.exact_options import ONE

ROOT = Path(__file__).resolve().parents[3]
KEPT = json.loads((ROOT / "benchmarks" / "options.json").read_text())
GAS = (("PairGas", "price", "pair_gas", 2_600), ("AllGas", "greeks", "all_gas", 2_900))


@pytest.mark.parametrize("contract, function, figure, target", GAS)
def test_gas(contract: str, function: str, figure: str, target: int) -> None:
    bench = runpy.run_path(str(ROOT / "benchmarks" / "options.py"))
    cost, options = bench["Cost"](RevmChain(), contract, function), bench["usual"]()
    assert len(options) == 75
    assert math.ceil(sum(cost.of(*asked) for asked in options) / len(options)) == KEPT[figure] <= target


def test_gas_of_the_normal_distribution() -> None:
    cost = runpy.run_path(str(ROOT / "benchmarks" / "options.py"))["Cost"](RevmChain(), "NormalGas", "cumulative")
    assert cost.of(ONE) == cost.of(-ONE) == KEPT["also"]["normal_gas"] <= 618


def test_the_guide_has_the_figures() -> None:
    guide, also = (ROOT / "docs" / "options.md").read_text(), KEPT["also"]
    rows = dict(
        re.findall(r"^\| (call and put|with delta.*?|normal distribution) \| ([\d, |]+) \|$", guide, re.MULTILINE)
    )
    told = [[figure.strip() for figure in row.split("|")] for row in rows.values()]
    assert told == [
        [f"{KEPT['pair_gas']:,}", f"{also['wide_pair_gas']:,}", f"{also['wide_pair_gas_most']:,}"],
        [f"{KEPT['all_gas']:,}", f"{also['wide_all_gas']:,}", f"{also['wide_all_gas_most']:,}"],
        [f"{also['normal_gas']:,}"] * 3,
    ]
    assert f"{KEPT['points']:,} options" in guide
