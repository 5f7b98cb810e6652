"""docs/keepers.md is true: its script has at most 15 lines, runs, and earns."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "keepers.md").read_text()


def test_the_script_runs_executes_and_liquidates(capsys: pytest.CaptureFixture[str]) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
    assert len([line for line in script.splitlines() if line]) <= 15
    scope: dict[str, Any] = {}
    try:
        exec(compile(script, "docs/keepers.md", "exec"), scope)
    finally:
        scope["protocol"].chain.close()
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{")]
    assert [re.sub(r"\d+", "N", line) for line in lines] == [
        f"{job} paid N units of the token and cost N wei" for job in ("execute", "liquidate")
    ]


def test_figures_are_what_was_measured() -> None:
    for name, value in json.loads((ROOT / "benchmarks" / "keeper.json").read_text()).items():
        assert f"| `{name}` | {value:,} |" in GUIDE, name
