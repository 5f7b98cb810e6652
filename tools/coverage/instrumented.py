"""The instrumented copy of the project, and the marks that its contracts leave in an EVM."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bulkhead import build
from tools.coverage.instrument import BASE, PROBE, PROBE_SOURCE, Instrumenter, Outcome
from tools.solidity import Node, viewed

COPY = build.BUILD / "coverage"
MARKS = COPY / "marks"

#: Folders whose branches are not the core's.
NOT_CORE = ("contracts/mocks/", "contracts/interfaces/")

# No more than keeps all functions within the stack (T: literals stand where they are used, u: what is unused goes):
# code that nobody moves leaves the marks where they stand.
_OPTIMIZER = {
    "enabled": False,
    "details": {"yul": True, "yulDetails": {"stackAllocation": True, "optimizerSteps": "Tu:"}},
}

# What a search may burn of one source, 400,000 as shipped: an honest one burns more in a copy.
_WALK_GAS = 1_600_000


def write_copy(folder: Path) -> list[Outcome]:
    """Copies `contracts/` with probes; gives what each probe stands for. Raises BuildError, NotUnderstood."""
    instrumenter = Instrumenter()

    def probed(name: str, text: bytes, tree: Node) -> bytes:
        return viewed(text, tree) if name.startswith(NOT_CORE) else instrumenter.with_probes(name, text, tree)

    copy_contracts(folder, build.ast(), probed)
    shutil.copy(PROBE, folder / PROBE_SOURCE)
    return instrumenter.outcomes


def copy_contracts(folder: Path, trees: dict[str, Node], rewritten: Callable[[str, bytes, Node], bytes]) -> None:
    """Puts a project of rewritten contracts into a folder, in place of the last one, with more gas for searches."""
    shutil.rmtree(folder / "contracts", ignore_errors=True)
    for name, tree in trees.items():
        if name.startswith("contracts/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            text = rewritten(name, (build.ROOT / name).read_bytes(), tree)
            text = re.sub(rb"(?<=\bconstant WALK_GAS = )[0-9_]+(?=;)", b"%d" % _WALK_GAS, text)
            (folder / name).write_bytes(text)
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(build.ROOT / "node_modules")


def use_copy(folder: Path) -> None:
    """From here on this process compiles and deploys the copy."""
    build.ROOT, build.BUILD = folder, folder / ".build"
    build.SETTINGS = build.SETTINGS | {"optimizer": _OPTIMIZER}


def marks(engine: Any) -> set[int]:
    """Numbers of the outcomes taken in a pyrevm.EVM, in reverted calls too."""
    numbers = {int(address, 16) - BASE for address in engine.db_accounts}
    return {number for number in numbers if 0 <= number < 1 << 32}
