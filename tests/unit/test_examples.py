"""docs/ is true: the Python blocks of each page run one after the other, and print what stands below each print.

README's are run by test_readme.py, which gives them a node.
"""

import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
PAGES = {page.stem: BLOCK.findall(page.read_text()) for page in sorted(DOCS.glob("*.md"))}


@pytest.mark.parametrize("page", [page for page, blocks in PAGES.items() if blocks])
def test_the_blocks_of_a_page_run(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, Any] = {"__name__": page}
    try:
        for block in PAGES[page]:
            exec(compile(block, f"docs/{page}.md", "exec"), scope)
            printed = capsys.readouterr().out.splitlines()
            promised = re.findall(r"^# (.*)$", block, flags=re.MULTILINE)
            assert len(promised) in (0, len(printed))
            for line, promise in zip(printed, promised, strict=False):
                assert line.startswith(promise.removesuffix("...")), line
    finally:
        if hasattr(chain := getattr(scope.get("protocol"), "chain", None), "close"):
            chain.close()


def test_every_block_is_found() -> None:
    """A block that is written in another way would not be run."""
    for page, blocks in PAGES.items():
        assert len(blocks) == len(re.findall(r"```\s*py", (DOCS / f"{page}.md").read_text(), flags=re.IGNORECASE)), page
    assert len(PAGES["python"]) == 6
