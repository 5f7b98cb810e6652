"""Which mutants there are, which of them are hunted, and their copy."""

from __future__ import annotations

import contextlib
import io
import random
import re
from collections.abc import Sequence
from pathlib import Path

from bulkhead import build
from tools.coverage.instrumented import NOT_CORE, use_copy
from tools.mutation.mutants import Mutant, Mutator
from tools.mutation.schemata import write_schemata
from tools.solidity import Node

COPY = build.BUILD / "mutation"
LEFT_OUT = (*NOT_CORE, "contracts/periphery/")


class Mistake(Exception):
    """The mutants asked for cannot be made; the message says why."""


def find(names: Sequence[str], trees: dict[str, Node]) -> list[Mutant]:
    """Every mutant of these contracts (none: of the core). Raises Mistake."""
    core = [file for file in trees if file.startswith("contracts/") and not file.startswith(LEFT_OUT)]
    if unknown := set(names) - {Path(file).stem for file in core}:
        known = ", ".join(sorted(Path(file).stem for file in core))
        raise Mistake(f"No contract of the core is named {', '.join(sorted(unknown))}; there are {known}.")
    mutator = Mutator(trees)
    files = [file for file in core if not names or Path(file).stem in names]
    return [mutant for file in files for mutant in mutator.mutants(file, (build.ROOT / file).read_bytes())]


def sample(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """As many of each file and operator as its share of all comes to, and at least one."""
    rng = random.Random(seed)
    strata: dict[tuple[str, str], list[Mutant]] = {}
    for mutant in mutants:
        strata.setdefault((mutant.file, mutant.operator), []).append(mutant)
    chosen: list[Mutant] = []
    for _, those in sorted(strata.items()):
        chosen += rng.sample(those, min(len(those), max(1, round(count * len(those) / len(mutants)))))
    return [mutant for mutant in mutants if mutant in set(chosen)]


def compiled(mutants: list[Mutant], trees: dict[str, Node]) -> list[Mutant]:
    """Writes the copy and compiles it; gives the mutants that are in it. Raises BuildError."""
    root = build.ROOT
    while True:
        build.ROOT = root
        write_schemata(COPY, trees, mutants)
        use_copy(COPY)
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # warnings of sizes, and of `view` that could be `pure`
                build.ast()
                build.build()
            return mutants
        except build.BuildError as error:
            wrong = {(file, int(line)) for file, line in re.findall(r"--> ([^\s:]+):(\d+):", str(error))}
            left = [mutant for mutant in mutants if (mutant.file, mutant.line) not in wrong]
            if len(left) == len(mutants):
                raise
            print(f"{len(mutants) - len(left)} mutants left out: on their lines something does not compile")
            mutants = left
