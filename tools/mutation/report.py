"""What the hunt came to: counts by file and operator, the survivors, and which of them are argued to be equivalent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from tools.mutation.hunt import FUZZER, TIME, Verdict
from tools.mutation.mutants import Mutant

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
#: Where at least this share of the mutants that are not equivalent must be noticed, file by file.
LEAST = 0.95
DEMANDED = ("contracts/Market.sol", "contracts/Pool.sol", "contracts/PositionVault.sol")
DEMANDED_FOLDERS = ("contracts/instruments/", "contracts/libraries/", "contracts/margin/", "contracts/oracles/")


@dataclass(frozen=True)
class Argued:
    """A mutant that does what the original does, and why. It is named by its texts: line numbers move."""

    file: str
    function: str
    operator: str
    source: str
    becomes: str
    why: str

    def meets(self, mutant: Mutant) -> bool:
        own = (self.file, self.function, self.operator, self.source, self.becomes)
        return own == (mutant.file, mutant.function, mutant.operator, mutant.source, mutant.becomes)

    def __str__(self) -> str:
        return f"{self.file} {self.function}: {self.operator}: {self.source} -> {self.becomes or 'nothing'}"


class Report:
    """Of some mutants, with number 1 first, and their verdicts.

    survivors   nothing noticed them, and nobody has argued why
    equivalent  nothing noticed them, and nothing can
    refuted     arguments whose mutant was noticed after all
    stale       arguments that no mutant of `possible` meets any more
    """

    def __init__(
        self,
        mutants: Sequence[Mutant],
        verdicts: Mapping[int, Verdict],
        argued: Sequence[Argued] = (),
        possible: Sequence[Mutant] = (),
    ) -> None:
        self._mutants = mutants
        self._by = {mutant: verdicts[number].by for number, mutant in enumerate(mutants, 1)}  # no two are the same
        missed = [mutant for mutant in mutants if self._by[mutant] is None]
        self.killed = [mutant for mutant in mutants if self._by[mutant] is not None]
        self.survivors = [mutant for mutant in missed if not any(entry.meets(mutant) for entry in argued)]
        self.equivalent = [mutant for mutant in missed if mutant not in self.survivors]
        self.refuted = [entry for entry in argued if any(entry.meets(mutant) for mutant in self.killed)]
        self.stale = [entry for entry in argued if not any(entry.meets(mutant) for mutant in possible)]

    def counts(self, seed: int) -> dict[str, Any]:
        """All that benchmarks/mutation.json holds of a part."""
        return {
            **self._row(lambda mutant: True),
            "survivors": [str(mutant) for mutant in self.survivors],
            "seed": seed,
            "noticed_by": {
                "fuzzer": sum(by == FUZZER for by in self._by.values()),
                "tests": sum(by not in (None, FUZZER, TIME) for by in self._by.values()),
                "no end": sum(by == TIME for by in self._by.values()),
            },
            "files": {file: self._row(lambda mutant, file=file: mutant.file == file) for file in self._files()},
            "operators": {
                name: self._row(lambda mutant, name=name: mutant.operator == name)
                for name in sorted({mutant.operator for mutant in self._mutants})
            },
        }

    def table(self) -> Table:
        """The counts of each file, to be printed."""
        table = Table("", "mutants", "killed", "equivalent", "survive", "score")
        for column in table.columns[1:]:
            column.justify = "right"
        for file in [*self._files(), "total"]:
            row = self._row(lambda mutant, file=file: file in ("total", mutant.file))
            left = row["mutants"] - row["killed"] - row["equivalent"]
            table.add_row(
                file,
                *(str(row[name]) for name in ("mutants", "killed", "equivalent")),
                str(left),
                f"{row['score']:.1%}",
            )
        return table

    def lines(self) -> list[str]:
        """One line for each survivor and for each argument that does not hold."""
        survivors = [f"{mutant}: SURVIVES" for mutant in self.survivors]
        refuted = [f"{EQUIVALENT.name}: noticed, so not equivalent, remove it: {entry}" for entry in self.refuted]
        return survivors + refuted + [f"{EQUIVALENT.name}: no such mutant, remove it: {entry}" for entry in self.stale]

    def short(self) -> list[str]:
        """One line for each file that must do better."""
        rows = {file: self._row(lambda mutant, file=file: mutant.file == file) for file in self._files()}
        demanded = [file for file in rows if file in DEMANDED or file.startswith(DEMANDED_FOLDERS)]
        return [
            f"{file}: {rows[file]['score']:.1%} is below {LEAST:.0%}"
            for file in demanded
            if rows[file]["score"] < LEAST
        ]

    def _files(self) -> list[str]:
        return sorted({mutant.file for mutant in self._mutants})

    def _row(self, of: Callable[[Mutant], bool]) -> dict[str, Any]:
        mutants, killed, equivalent = (sum(map(of, those)) for those in (self._mutants, self.killed, self.equivalent))
        score = killed / (mutants - equivalent) if mutants > equivalent else 1.0
        return {"mutants": mutants, "killed": killed, "equivalent": equivalent, "score": round(score, 4)}
