"""README is true: its session runs, and ends in a liquidation."""

import re
from pathlib import Path
from typing import Any

README = Path(__file__).parents[2] / "README.md"


def test_the_session_of_the_readme_runs() -> None:
    (session,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    scope: dict[str, Any] = {}
    exec(compile(session, str(README), "exec"), scope)
    assert scope["receipt"].event("Exited").args.kind == 1
    assert scope["equity"] >= scope["maintenance"]
