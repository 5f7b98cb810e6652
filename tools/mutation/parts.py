"""The parts of the core that are hunted one by one: their contracts, and the tests that stand for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.mutation.mutants import Mutant

#: What adds up over the parts.
SUMS = ("mutants", "killed", "equivalent")


@dataclass(frozen=True)
class Part:
    """contracts by their names (none: those of no other part), tests (none: all, and the fuzzer), mutants to hunt"""

    mutants: int
    contracts: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


_OPTIONS = ("EuropeanOptions", "ExpiryFixing", "OptionMargin", "VolatilityPath", "OptionFill", "OptionSeries")
_OPTIONS += ("BlackScholes", "Elementary")
_ORACLES = ("Oracle", "OracleSettings", "AnySource", "Source", "ChainlinkSource", "PythSource", "UniswapSource")

_OPTION_TESTS = ("european_options", "expiry_fixing", "option_margin", "volatility_path", "lives", "black_scholes")
_OPTION_TESTS += ("functions",)
_ORACLE_TESTS = ("oracle_settings", "oracle_first_after", "oracle_validators", "oracle_phases", "oracle_latest")
_ORACLE_TESTS += ("oracle_outage", "pyth", "composed", "mixed", "uniswap_source", "outage_gas", "oracle_differential")

PARTS = {
    "core": Part(800),
    "options": Part(
        400,
        _OPTIONS,
        (
            *(f"tests/unit/options/test_{name}.py" for name in _OPTION_TESTS),
            "tests/differential/test_options.py",
            "tests/differential/test_black_scholes.py",
        ),
    ),
    "oracles": Part(400, _ORACLES, tuple(f"tests/unit/oracles/test_{name}.py" for name in _ORACLE_TESTS)),
}


def of_part(name: str, mutants: Sequence[Mutant]) -> list[Mutant]:
    """Those in its contracts."""
    own = PARTS[name].contracts
    others = {contract for part in PARTS.values() for contract in part.contracts}
    stems = {mutant: Path(mutant.file).stem for mutant in mutants}
    return [mutant for mutant in mutants if (stems[mutant] in own if own else stems[mutant] not in others)]


def record(file: Path, part: str, counts: Mapping[str, Any]) -> None:
    """Keeps a part's counts in a file beside those of the others, with the sums of all parts at the top."""
    parts = json.loads(file.read_text())["parts"] if file.exists() else {}
    parts = {name: parts[name] for name in PARTS if name in parts} | {part: dict(counts)}
    whole: dict[str, Any] = {name: sum(one[name] for one in parts.values()) for name in SUMS}
    whole["score"] = round(whole["killed"] / (whole["mutants"] - whole["equivalent"]), 4)
    whole["survivors"] = [one for counts in parts.values() for one in counts["survivors"]]
    file.write_text(json.dumps({**whole, "parts": parts}, indent=2) + "\n")
