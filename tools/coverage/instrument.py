"""Puts a probe at every branch outcome of a Solidity file, guided by the compiler's syntax tree.

What counts as an outcome:
- a function or modifier: entered
- a condition of `if`, `?:`, a loop, `require` or `assert`, and each operand of `&&` and `||`: false, true. Compound
  conditions are taken apart (`a && !b` gives a and b), so each operand must have decided either way
- a loop: also skipped, without one round
- `try`: each clause
- `if` and `for` in assembly: false, true
Literals decide nothing. Checks made by the compiler (overflow, decoding, dispatch) are no branches of the source.

Inserted text holds no line breaks: line numbers stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tools.solidity import Edits, Node, children, end, line, one_line, start, statement_end, viewed

PROBE = Path(__file__).with_name("CoverageProbe.sol")
PROBE_SOURCE = f"contracts/{PROBE.name}"
#: The address that stands for outcome 0, as in the probe.
BASE = int(re.search(r"BASE = (0x\w+)", PROBE.read_text())[1], 16)

_YUL_PROBE = (
    f" function coverageDecided(outcome, condition) -> same {{ same := or(condition, "
    f"balance(add({BASE:#x}, add(outcome, iszero(iszero(condition)))))) }}"
)


class NotUnderstood(Exception):
    """The source holds a branch that no probe exists for; the message says which and where."""


@dataclass(frozen=True)
class Outcome:
    """One way a branch may go. `source` is the text that decides, `result` what it came to: "true", "skipped" ..."""

    file: str
    line: int
    function: str
    source: str
    result: str


class Instrumenter:
    """Numbers the outcomes of many files: `outcomes[n]` is what probe n stands for."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def with_probes(self, file: str, text: bytes, tree: Node) -> bytes:
        """The file with its probes. Raises NotUnderstood."""
        self._file, self._text, self._edits = file, text, Edits(viewed(text, tree))
        self._seen: set[int] = set()  # conditions that have their probes
        before = len(self.outcomes)
        self._walk(tree, "")
        if len(self.outcomes) == before:
            return self._edits.text
        return self._edits.result() + f'\nimport {{CoverageProbe}} from "{PROBE_SOURCE}";\n'.encode()

    def _walk(self, node: Node, function: str) -> None:
        kind = node["nodeType"]
        if kind == "ContractDefinition":
            function = f"{node['name']}."
        elif kind in ("FunctionDefinition", "ModifierDefinition"):
            function += node["name"] or node["kind"]  # a constructor has no name
            if node.get("body"):
                self._reached(node["body"], node, function, "entered")
        elif kind == "VariableDeclaration" and node["mutability"] == "constant":
            return  # must stay known to the compiler
        elif kind in ("IfStatement", "Conditional", "DoWhileStatement"):
            self._decide(node["condition"], function)
        elif kind in ("WhileStatement", "ForStatement"):
            self._loop(node, function)
        elif kind == "FunctionCall" and node["expression"].get("name") in ("require", "assert"):
            self._decide(node["arguments"][0], function)
        elif kind == "BinaryOperation" and node["operator"] in ("&&", "||"):
            self._decide(node, function)
        elif kind == "TryStatement":
            for number, clause in enumerate(node["clauses"]):
                self._reached(
                    clause["block"], node["externalCall"], function, f"catch {number}" if number else "success"
                )
        elif kind == "InlineAssembly":
            self._edits.at(start(node["AST"]) + 1, _YUL_PROBE)
        elif kind in ("YulIf", "YulForLoop"):
            self._wrap(node["condition"], "coverageDecided", function)
        elif kind == "YulSwitch":
            raise NotUnderstood(
                f"{self._file}:{line(self._text, node)}: no probe exists for a switch in assembly; use if"
            )
        for child in children(node):
            self._walk(child, function)

    def _decide(self, condition: Node, function: str) -> None:
        """Probes for the operands of a condition."""
        if condition["id"] in self._seen:
            return
        self._seen.add(condition["id"])
        kind, operator = condition["nodeType"], condition.get("operator")
        if kind == "TupleExpression":
            self._decide(condition["components"][0], function)
        elif kind == "UnaryOperation" and operator == "!":
            self._decide(condition["subExpression"], function)
        elif kind == "BinaryOperation" and operator in ("&&", "||"):
            self._decide(condition["leftExpression"], function)
            self._decide(condition["rightExpression"], function)
        elif kind != "Literal":
            self._wrap(condition, "CoverageProbe.decided", function)

    def _wrap(self, condition: Node, probe: str, function: str) -> None:
        number = self._number(condition, function, "false", "true")
        self._edits.around(start(condition), end(condition), f"{probe}({number}, ", ")")

    def _loop(self, loop: Node, function: str) -> None:
        condition = loop.get("condition")
        if condition is None or condition["nodeType"] == "Literal":
            return
        number = self._number(condition, function, "skipped")
        flag = f"coverageLooped{number}"
        after = f" if (!{flag}) CoverageProbe.reached({number}); }}"
        self._edits.around(start(loop), statement_end(self._text, loop), f"{{ bool {flag}; ", after)
        body = loop["body"]
        self._edits.around(start(body), statement_end(self._text, body), f"{{ {flag} = true; ", " }")
        self._decide(condition, function)

    def _reached(self, block: Node, named: Node, function: str, result: str) -> None:
        self._edits.at(start(block) + 1, f" CoverageProbe.reached({self._number(named, function, result)});")

    def _number(self, node: Node, function: str, *results: str) -> int:
        number = len(self.outcomes)
        source = self._source(node)
        self.outcomes += [Outcome(self._file, line(self._text, node), function, source, result) for result in results]
        return number

    def _source(self, node: Node) -> str:
        """Its text on one line; of a function the head."""
        return one_line(self._text, start(node), start(node["body"]) if node.get("body") else end(node))
