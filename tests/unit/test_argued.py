"""What tools are told not to report has its argument."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.argued import ArgumentInvalid, read_argued
from tools.coverage import report as coverage
from tools.mutation import report as mutation

PLACE = {"file": "contracts/Tiny.sol", "function": "f", "source": "-x", "why": "So."}
KINDS = [
    ("untaken", coverage.Argued, {"result": "true"}),
    ("equivalent", mutation.Argued, {"operator": "sign", "becomes": "x"}),
]


@pytest.mark.parametrize(("table", "kind", "own"), KINDS)
def test_every_entry_needs_its_argument(tmp_path: Path, table: str, kind: type, own: dict[str, str]) -> None:
    file, entry = tmp_path / "list.toml", PLACE | own

    def write(**change: str | None) -> None:
        lines = [f'{name} = "{value}"\n' for name, value in (entry | change).items() if value is not None]
        file.write_text(f"[[{table}]]\n{''.join(lines)}")

    write()
    assert read_argued(file, table, kind) == [kind(**entry)]
    for change, message in (({"why": " "}, "say why"), ({"why": None}, "missing"), ({"wy": "a"}, "unexpected")):
        write(**change)
        with pytest.raises(ArgumentInvalid, match=message):
            read_argued(file, table, kind)
