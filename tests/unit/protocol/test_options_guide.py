"""The session of docs/options.md runs, and prints what stands below each print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).parents[3] / "docs" / "options.md"


def test_the_blocks_of_the_guide_run(capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), scope)
        printed = capsys.readouterr().out.splitlines()
        promised = re.findall(r"^# (.*)$", block, flags=re.MULTILINE)
        assert len(promised) == len(printed), (promised, printed)
        for line, promise in zip(printed, promised, strict=True):
            assert line.startswith(promise.removesuffix("...")), (promise, line)
    assert len(blocks) == 4
    assert scope["put"].is_over and scope["call"].is_over
