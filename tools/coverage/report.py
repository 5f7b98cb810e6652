"""What the tests left untaken, and which of it is argued to be out of reach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from tools.coverage.instrument import Outcome

EXCEPTIONS = Path(__file__).with_name("exceptions.toml")


@dataclass(frozen=True)
class Argued:
    """An outcome that nothing can bring about, and why. It is named by its text: line numbers move."""

    file: str
    function: str
    source: str
    result: str
    why: str

    def meets(self, outcome: Outcome) -> bool:
        names = (outcome.file, outcome.function, outcome.source, outcome.result)
        return names == (self.file, self.function, self.source, self.result)

    def __str__(self) -> str:
        return f"{self.file} {self.function}: {self.source}: {self.result}"


class Report:
    """`untaken`: outcomes not argued away; `refuted`: arguments whose outcome is taken, or is gone."""

    def __init__(self, outcomes: Sequence[Outcome], taken: Iterable[int], exceptions: Sequence[Argued] = ()) -> None:
        self._outcomes, self._taken = outcomes, set(taken)
        missed = [outcome for number, outcome in enumerate(outcomes) if number not in self._taken]
        self.untaken = [outcome for outcome in missed if not any(entry.meets(outcome) for entry in exceptions)]
        self.refuted = [entry for entry in exceptions if not any(entry.meets(outcome) for outcome in missed)]

    def counts(self) -> dict[str, dict[str, int]]:
        """File -> how many outcomes are taken, argued and there; and the same under "total"."""
        files = sorted({outcome.file for outcome in self._outcomes})
        found = {file: {"taken": 0, "argued": 0, "outcomes": 0} for file in [*files, "total"]}
        for number, outcome in enumerate(self._outcomes):
            for row in (found[outcome.file], found["total"]):
                row["taken"] += number in self._taken
                row["argued"] += number not in self._taken and outcome not in self.untaken
                row["outcomes"] += 1
        return found

    def table(self) -> Table:
        """The counts, to be printed."""
        table = Table("", "taken", "argued", "outcomes", "untaken")
        for column in table.columns[1:]:
            column.justify = "right"
        for file, row in self.counts().items():
            untaken = row["outcomes"] - row["taken"] - row["argued"]
            table.add_row(file, *(str(row[name]) for name in ("taken", "argued", "outcomes")), str(untaken))
        return table

    def lines(self) -> list[str]:
        """One line for each outcome that is untaken and each argument that is refuted."""
        untaken = [f"{o.file}:{o.line}: {o.function}: {o.source}: never {o.result}" for o in self.untaken]
        return untaken + [f"{EXCEPTIONS.name}: taken or gone, remove it: {entry}" for entry in self.refuted]
