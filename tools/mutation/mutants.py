"""Every mutant of a Solidity file: small changes, each of which some test ought to notice.

operator     what becomes of it
arithmetic   `+` and `-`, `*` and `/`, `<<` and `>>`, `|` and `&`, `++` and `--`, `+=` and `-=`: one for the other
comparison   `<` becomes `<=` and `>=`, `==` becomes `!=`; the others likewise
logic        `&&` and `||` one for the other, or one operand alone
condition    of `if`, `?:` and loops: always, never; where a revert follows only never, so that the guard is gone
sign         `-x` and `!x` become `x`
constant     one more, one less; `true` and `false` and the members of an enum one for another
rounding     up and down, floor and ceil, one for the other
clamp        min and max one for the other or gone; a saturating subtraction becomes a plain one
arguments    neighbours of one type, in a call, an event, an error or a tuple, change places
deletion     a statement is left out: an assignment, a call, an event
return       zero, or the opposite truth
guard        a modifier of our own is left out

Not mutated: assembly, values of constants (their uses are), steps of loops, what a library of others does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

from tools.solidity import Node, children, end, line, nodes, start, statement_end

ARITHMETIC = {"+": "-", "*": "/", "<<": ">>", "|": "&"}
ARITHMETIC |= {new: old for old, new in ARITHMETIC.items()} | {"%": "*"}
ARITHMETIC |= {f"{old}=": f"{new}=" for old, new in ARITHMETIC.items()} | {"++": "--", "--": "++"}
COMPARISON = {"<": ("<=", ">="), ">": (">=", "<="), "<=": ("<", ">"), ">=": (">", "<"), "==": ("!=",), "!=": ("==",)}
LOGIC = {"&&": "||", "||": "&&"}
ROUNDING = {"mulUp": "mulDown", "valueUp": "valueDown", "floor": "ceil"}
ROUNDING |= {new: old for old, new in ROUNDING.items()}
CLAMP = {"min": "max", "max": "min"}
#: Functions two of whose arguments are only multiplied, or compared, with each other: the place of the first of these.
SYMMETRIC = {"min": 0, "max": 0, "mulDiv": 0, "mulUp": 0, "mulDown": 0, "valueUp": 0, "valueDown": 0}
SYMMETRIC |= {"feeUp": 1, "fill": 1}

_INTEGER = re.compile(r"u?int\d*")


class Kind(Enum):
    """What a range holds: an expression, a whole statement, the name of a modifier at a function's head."""

    EXPRESSION, STATEMENT, MODIFIER = range(3)


@dataclass(frozen=True)
class Edit:
    """A range of a file and what stands there in the mutant; statements and modifiers are left out.

    cast  what both texts are turned into, where a bare literal would be of too small a type
    """

    kind: Kind
    start: int
    end: int
    text: str = ""
    cast: str = ""


@dataclass(frozen=True)
class Mutant:
    """One change: `source` becomes `becomes` ("": nothing), on one line each; of a constant with what it is part of."""

    file: str
    line: int
    function: str
    operator: str
    source: str
    becomes: str
    edits: tuple[Edit, ...] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}: {self.operator}: {self.source} -> {self.becomes or 'nothing'}"


class Mutator:
    """Finds the mutants of files whose syntax trees are given: source name -> tree."""

    def __init__(self, trees: Mapping[str, Node]) -> None:
        self._declared = {node["id"]: node for tree in trees.values() for node in nodes(tree) if "id" in node}
        self._trees = trees

    def mutants(self, file: str, text: bytes) -> list[Mutant]:
        """All of a file, in the order of their places."""
        self._file, self._text, self._found = file, text, list[Mutant]()
        self._modifiers = {node["id"] for node in nodes(self._trees[file]) if node["nodeType"] == "ModifierDefinition"}
        for node in self._trees[file]["nodes"]:
            self._walk(node, node, "")
        return sorted(self._found, key=lambda mutant: (mutant.line, mutant.edits[0].start))

    # --- where

    def _walk(self, node: Node, parent: Node, function: str) -> None:
        kind = node["nodeType"]
        if kind in ("InlineAssembly", "InheritanceSpecifier", "ModifierInvocation") or kind.endswith("TypeName"):
            return
        if kind == "VariableDeclaration" and node["mutability"] == "constant":
            return  # must stay known to the compiler
        if kind == "ContractDefinition":
            function = f"{node['name']}."
        elif kind in ("FunctionDefinition", "ModifierDefinition"):
            function += node["name"] or node["kind"]
            for invocation in node.get("modifiers", ()):
                self._guard(invocation, function)
        self._function = function
        if self._is_constant(node):
            self._constant(node, parent)
            return
        self._statement(node)
        if "typeDescriptions" in node:
            self._expression(node, parent)
        for child in children(node):
            if not (kind == "ForStatement" and child in (node["initializationExpression"], node["loopExpression"])):
                self._walk(child, node, function)

    def _statement(self, node: Node) -> None:
        kind = node["nodeType"]
        if kind in ("ExpressionStatement", "EmitStatement"):
            self._add("deletion", node, "", Edit(Kind.STATEMENT, start(node), statement_end(self._text, node)))
        elif kind == "Return" and node.get("expression"):
            self._return(node["expression"])
        elif kind in ("IfStatement", "WhileStatement", "ForStatement", "Conditional", "DoWhileStatement"):
            condition = node.get("condition")
            if condition is None or condition["nodeType"] == "Literal":
                return
            guards = kind == "IfStatement" and _reverts(node["trueBody"])
            self._become("condition", condition, "false")
            if not guards and kind in ("IfStatement", "Conditional"):
                self._become("condition", condition, "true")

    def _guard(self, invocation: Node, function: str) -> None:
        if invocation["modifierName"]["referencedDeclaration"] in self._modifiers and not invocation.get("arguments"):
            self._function = function
            self._add("guard", invocation, "", Edit(Kind.MODIFIER, start(invocation), end(invocation)))

    def _return(self, value: Node) -> None:
        if _name(value) == "bool" and value["nodeType"] not in ("Literal", "UnaryOperation"):
            self._become("return", value, f"!({self._source(value)})")
        elif _integer(value):
            self._become("return", value, "0", _name(value))
        elif value["nodeType"] == "TupleExpression":
            self._swap(value, value["components"])

    # --- expressions

    def _expression(self, node: Node, parent: Node) -> None:
        kind = node["nodeType"]
        if kind == "BinaryOperation":
            self._binary(node)
        elif kind == "Assignment":
            left, right = node["leftHandSide"], node["rightHandSide"]
            if node["operator"] in ARITHMETIC:
                self._operator("arithmetic", node, left, right, ARITHMETIC[node["operator"]])
            if right["nodeType"] == "TupleExpression":
                self._swap(right, right["components"])
        elif kind == "UnaryOperation":
            operand = self._source(node["subExpression"])
            if node["operator"] in ("-", "!"):
                self._become("sign", node, operand)
            elif node["operator"] in ARITHMETIC:
                other = ARITHMETIC[node["operator"]]
                self._become("arithmetic", node, f"{other}{operand}" if node["prefix"] else f"{operand}{other}")
        elif kind == "FunctionCall" and node["kind"] != "typeConversion":
            self._call(node)
        elif kind == "MemberAccess" and _name(node).startswith("enum "):
            self._member(node, parent)

    def _binary(self, node: Node) -> None:
        left, right, operator = node["leftExpression"], node["rightExpression"], node["operator"]
        if operator in ARITHMETIC:
            self._operator("arithmetic", node, left, right, ARITHMETIC[operator])
        for other in COMPARISON.get(operator, ()):
            self._operator("comparison", node, left, right, other)
        if operator in LOGIC:
            self._operator("logic", node, left, right, LOGIC[operator])
            for one in (left, right):
                self._become("logic", node, self._source(one))

    def _operator(self, name: str, node: Node, left: Node, right: Node, other: str) -> None:
        operands = [self._source(left), self._source(right)]
        if other in LOGIC or other in ("|", "&"):  # each of them binds differently
            pairs = zip(operands, (left, right), strict=True)
            operands = [f"({text})" if one["nodeType"] == "BinaryOperation" else text for text, one in pairs]
        self._become(name, node, f"{operands[0]} {other} {operands[1]}")

    def _call(self, call: Node) -> None:
        callee, arguments = call["expression"], call["arguments"]
        name = callee.get("memberName") or callee.get("name") or ""
        if name in CLAMP and len(arguments) == 2:
            self._rename("clamp", call, CLAMP[name])
            for argument in arguments:
                self._become("clamp", call, self._source(argument))
        elif name == "saturatingSub":
            operands = arguments if len(arguments) == 2 else [callee["expression"], *arguments]
            self._become("clamp", call, " - ".join(f"({self._source(operand)})" for operand in operands))
        elif name in ROUNDING and self._function.rpartition(".")[2] != ROUNDING[name]:  # or it would call itself
            self._rename("rounding", call, ROUNDING[name])
        elif name == "ceilDiv":
            self._become("rounding", call, " / ".join(f"({self._source(argument)})" for argument in arguments))
        elif name == "mulDiv" and not any("Rounding" in self._source(argument) for argument in arguments):
            self._become("rounding", call, f"{self._source(call)[:-1]}, Math.Rounding.Ceil)")
        # Of `a.mulDiv(b, c)` the first is no argument.
        attached = callee["nodeType"] == "MemberAccess" and not _name(callee["expression"]).startswith("type(")
        self._swap(call, arguments, spared=SYMMETRIC[name] - attached if name in SYMMETRIC else -1)

    def _rename(self, operator: str, call: Node, name: str) -> None:
        callee = call["expression"]
        old = callee.get("memberName") or callee["name"]
        before, after = self._text[start(call) : end(callee) - len(old)], self._text[end(callee) : end(call)]
        self._become(operator, call, _flat(before + name.encode() + after))

    def _swap(self, whole: Node, parts: list[Node], spared: int = -1) -> None:
        for place, (one, two) in enumerate(pairwise(parts)):
            if place == spared or one is None or two is None or _type(one) != _type(two):
                continue
            first, second = self._source(one), self._source(two)
            if first != second and not _type(one).startswith("t_rational"):
                text = self._text
                between = text[end(one) : start(two)]
                parts_swapped = text[start(two) : end(two)] + between + text[start(one) : end(one)]
                becomes = _flat(text[start(whole) : start(one)] + parts_swapped + text[end(two) : end(whole)])
                edits = (start(one), end(one), second), (start(two), end(two), first)
                self._add("arguments", whole, becomes, *(Edit(Kind.EXPRESSION, *edit) for edit in edits))

    def _member(self, node: Node, parent: Node) -> None:
        enum = self._declared.get(node["expression"].get("referencedDeclaration"))
        if enum is None or enum["nodeType"] != "EnumDefinition":
            return
        names = [member["name"] for member in enum["members"]]
        if node["memberName"] == "Ceil":
            self._become("rounding", node, self._source(node)[: -len("Ceil")] + "Floor")
        elif node["memberName"] in names:
            other = names[(names.index(node["memberName"]) + 1) % len(names)]
            self._part(node, parent, f"{self._source(node['expression'])}.{other}")

    def _constant(self, node: Node, parent: Node) -> None:
        source, of_type = self._source(node), _name(node)
        if of_type == "bool":
            self._part(node, parent, "false" if source == "true" else "true")
            return
        if parent["nodeType"] == "FunctionCall" and parent["kind"] == "typeConversion" and not _integer(parent):
            return
        if node["nodeType"] == "BinaryOperation":
            source = f"({source})"
        if source.isdecimal():
            changes = [str(int(source) + change) for change in (1, -1) if int(source) + change >= 0]
        else:
            changes = [f"({source} + 1)", f"({source} - 1)"]
        cast = "" if _integer(node) else self._cast(node, parent)
        for becomes in changes[1:] if source.endswith(".max") else changes:
            self._part(node, parent, becomes, cast)

    def _cast(self, literal: Node, parent: Node) -> str:
        """The type that a literal takes where it stands, if that is none which a small literal turns into by itself."""
        of_type = ""
        if parent["nodeType"] == "BinaryOperation":
            if parent["operator"] in ("**", "<<", ">>"):
                return _name(parent) if parent["leftExpression"] is literal else ""
            of_type = parent["commonType"]["typeString"]
        elif parent["nodeType"] == "FunctionCall" and parent["kind"] != "typeConversion":
            called = self._declared.get(parent["expression"].get("referencedDeclaration"), {})
            into = called.get("members") or called.get("parameters", {}).get("parameters") or []
            into = into[len(into) - len(parent["arguments"]) :]  # an attached function's first is no argument
            place = parent["arguments"].index(literal)
            wanted = [one for one in into if one["name"] == parent["names"][place]] if parent["names"] else into[place:]
            of_type = _name(wanted[0]) if wanted else ""
        return of_type if of_type.startswith("int") else ""

    def _is_constant(self, node: Node) -> bool:
        """A literal or what is made of literals only, a use of a constant, the largest of a type."""
        described = node.get("typeDescriptions", {})
        if (described.get("typeIdentifier") or "").startswith("t_rational"):
            return True
        if node["nodeType"] == "Literal":
            return bool(node["kind"] == "bool")
        if node["nodeType"] not in ("Identifier", "MemberAccess") or not _integer(node):
            return False
        if node.get("memberName") == "max" and _name(node["expression"]).startswith("type("):
            return True
        return self._declared.get(node.get("referencedDeclaration"), {}).get("mutability") == "constant"

    # --- what is found

    def _source(self, node: Node) -> str:
        return _flat(self._text[start(node) : end(node)])

    def _become(self, operator: str, node: Node, becomes: str, cast: str = "") -> None:
        self._add(operator, node, becomes, Edit(Kind.EXPRESSION, start(node), end(node), becomes, cast))

    def _part(self, node: Node, parent: Node, becomes: str, cast: str = "") -> None:
        """A constant, shown with the expression that it is part of."""
        whole = parent if "typeDescriptions" in parent else node
        before, after = self._text[start(whole) : start(node)], self._text[end(node) : end(whole)]
        edit = Edit(Kind.EXPRESSION, start(node), end(node), becomes, cast)
        self._add("constant", whole, _flat(before + becomes.encode() + after), edit)

    def _add(self, operator: str, node: Node, becomes: str, *edits: Edit) -> None:
        place = line(self._text, node)
        self._found.append(Mutant(self._file, place, self._function, operator, self._source(node), becomes, edits))


def _flat(text: bytes) -> str:
    """On one line, without comments."""
    return " ".join(re.sub(r"//[^\n]*", "", text.decode()).split())


def _name(node: Node) -> str:
    """Of its type, as it is written."""
    return str(node["typeDescriptions"]["typeString"])


def _integer(node: Node) -> bool:
    return bool(_INTEGER.fullmatch(_name(node)))


def _type(node: Node) -> str:
    return str(node["typeDescriptions"]["typeIdentifier"])


def _reverts(body: Node) -> bool:
    statements = body["statements"] if body["nodeType"] == "Block" else [body]
    return len(statements) == 1 and statements[0]["nodeType"] == "RevertStatement"
