"""One copy of the contracts that holds many mutants, each behind a switch: nothing is compiled twice.

`a + b` becomes `(MutationSwitch.on(17) ? (a - b) : (a + b))`, a statement `{ if (!MutationSwitch.on(18)) ... }`, and a
modifier one that does nothing when its mutant is on. Mutants are numbered from 1; with 0 the copy does what the
original does. Inserted text holds no line breaks: line numbers stay.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.coverage.instrumented import copy_contracts
from tools.mutation.mutants import Kind, Mutant
from tools.solidity import Edits, Node, end, nodes, start, viewed

SWITCH = Path(__file__).with_name("MutationSwitch.sol")
SWITCH_SOURCE = f"contracts/{SWITCH.name}"
#: As in the switch.
BASE = int(re.search(r"BASE = (0x\w+)", SWITCH.read_text())[1], 16)
#: The number of a run stands above the number of a mutant.
RUN = 1 << 32


def write_schemata(folder: Path, trees: Mapping[str, Node], mutants: Sequence[Mutant]) -> None:
    """Copies `contracts/` with all these mutants in it; the first has number 1."""

    def switched(name: str, text: bytes, tree: Node) -> bytes:
        own = {number: mutant for number, mutant in enumerate(mutants, 1) if mutant.file == name}
        return with_switches(text, tree, own)

    copy_contracts(folder, dict(trees), switched)
    shutil.copy(SWITCH, folder / SWITCH_SOURCE)


def with_switches(text: bytes, tree: Node, mutants: Mapping[int, Mutant]) -> bytes:
    """A file with its mutants by their numbers."""
    edits = Edits(viewed(text, tree))
    for number, mutant in mutants.items():
        for edit in mutant.edits:
            on = f"MutationSwitch.on({number})"
            if edit.kind == Kind.EXPRESSION:
                edits.around(edit.start, edit.end, f"({on} ? {edit.cast}({edit.text}) : {edit.cast}(", "))")
            elif edit.kind == Kind.STATEMENT:
                edits.around(edit.start, edit.end, f"{{ if (!{on}) ", " }")
            else:
                edits.at(edit.end, f"Unless({number})")
    if not mutants:
        return edits.text
    for node in nodes(tree):
        if node["nodeType"] == "ModifierDefinition" and not node["parameters"]["parameters"]:
            edits.at(end(node), _switchable(text, node))
    return edits.result() + f'\nimport {{MutationSwitch}} from "{SWITCH_SOURCE}";\n'.encode()


def _switchable(text: bytes, modifier: Node) -> str:
    """The same modifier, which does nothing when a mutant is on: all but its last statement, the body, is skipped."""
    *guard, _body = modifier["body"]["statements"]
    code = " ".join(text[start(modifier["body"]) + 1 : end(guard[-1])].decode().split())
    head = f" modifier {modifier['name']}Unless(uint256 mutant)"
    return f"{head} {{ if (!MutationSwitch.on(mutant)) {{ {code}; }} _; }}"


def reached(engine: Any) -> dict[int, set[int]]:
    """What a pyrevm.EVM remembers of its recorded runs: run -> numbers of the mutants that it met."""
    found: dict[int, set[int]] = {}
    for address in engine.db_accounts:
        run, number = divmod(int(address, 16) - BASE, RUN)
        if 0 < run < RUN:
            found.setdefault(run, set()).add(number)
    return found
