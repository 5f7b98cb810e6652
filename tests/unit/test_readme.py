"""README is true: its session runs, its gas is what was measured, its links and targets exist."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from bulkhead.model.interfaces.market import ExitKind

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_session_runs_and_ends_in_a_liquidation() -> None:
    (session,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    scope: dict[str, Any] = {}
    exec(compile(session, "README.md", "exec"), scope)
    assert scope["exited"].kind is ExitKind.LIQUIDATION
    assert scope["position"].size == 10 - scope["exited"].size


def test_gas_is_what_was_measured() -> None:
    """Every row has its figures and targets; what is above its target is in bold, and counted."""
    measured = json.loads((ROOT / "benchmarks" / "gas.json").read_text())
    table = []
    for title, path, targets, _ in runpy.run_path(str(ROOT / "benchmarks" / "gas.py"))["ROWS"]:
        if targets is None:
            continue
        cells = [title.strip()]
        for oracle, target in zip(("one", "three"), targets, strict=True):
            gas = measured[oracle]
            for key in path.split("."):
                gas = gas[key]
            cells += [f"**{gas:,}**" if gas > target else f"{gas:,}", f"{target:,}"]
        table.append(f"| {' | '.join(cells)} |")
    assert re.findall(r"^\| .*\d,\d{3}.*\|$", README, flags=re.MULTILINE) == table, "\n" + "\n".join(table)
    assert f"{sum(row.count('**') // 2 for row in table)} of {2 * len(table)} figures" in README


def test_targets_of_make_exist() -> None:
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", README)) <= there


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))])
def test_links_lead_somewhere(page: str) -> None:
    file = ROOT / page
    for link in re.findall(r"\]\(([^)#]+)", file.read_text()):
        assert link.startswith("https://") or (file.parent / link).exists(), link
