"""Copies of the contracts with a fault in them: one text that becomes another."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
COPIES = ROOT / ".build" / "faults"
#: The copy without a fault; the others take from it what they need not compile.
SOUND = "none"


class FaultInvalid(Exception):
    """A list cannot be used; the message says which entry and why."""


@dataclass(frozen=True)
class Change:
    """One change for the worse: in `file` the text `find`, which stands there once, becomes `replace`."""

    name: str
    file: str
    find: str
    replace: str

    def planted(self) -> str:
        """The file with the fault in it. Raises FaultInvalid."""
        text = (ROOT / self.file).read_text()
        if text.count(self.find) != 1:
            raise FaultInvalid(f"{self.name}: its text stands {text.count(self.find)} times in {self.file}, not once")
        return text.replace(self.find, self.replace)


C = TypeVar("C", bound=Change)


def read_list(path: Path, kind: type[C]) -> list[C]:
    """Every entry of a list. Raises FaultInvalid for one that no longer fits the contracts."""
    found = [kind(**entry) for entry in tomllib.loads(path.read_text())["fault"]]
    names = [one.name for one in found]
    for one in found:
        if names.count(one.name) > 1:
            raise FaultInvalid(f"{one.name}: two faults have this name")
        one.planted()
    return found


def named(found: list[C], names: list[str]) -> list[C]:
    """Those of these names, all if there are none. Raises FaultInvalid for a name that is not there."""
    if unknown := set(names) - {one.name for one in found}:
        raise FaultInvalid(f"no fault is named {', '.join(sorted(unknown))}")
    return [one for one in found if not names or one.name in names]


def write_copy(name: str, change: Change | None = None) -> Path:
    """A folder with the contracts, one of them changed, and what has been compiled of them already."""
    folder = COPIES / name
    shutil.rmtree(folder / "contracts" if change is None else folder, ignore_errors=True)
    shutil.copytree(ROOT / "contracts", folder / "contracts", ignore=shutil.ignore_patterns(".cache"))
    if not (folder / "node_modules").is_symlink():
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
    if change is not None:
        shutil.copytree(COPIES / SOUND / ".build", folder / ".build")
        (folder / change.file).write_text(change.planted())
    return folder
