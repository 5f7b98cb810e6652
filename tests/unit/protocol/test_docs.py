"""docs/python.md is true: its blocks run one after the other, and print what stands below each print."""

import re
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).parents[3] / "docs" / "python.md"


def test_the_blocks_of_the_guide_run(capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), scope)
        printed = capsys.readouterr().out.splitlines()
        promised = re.findall(r"^# (.*)$", block, flags=re.MULTILINE)
        assert len(promised) in (0, len(printed))
        for line, promise in zip(printed, promised, strict=False):
            assert line.startswith(promise.removesuffix("..."))
    assert len(blocks) == 5
    assert scope["exited"].to_keeper > 0
