"""Walking a Solidity file's syntax tree, and inserting text into the file where the tree says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]


class Edits:
    """Insertions around ranges of a text; ranges nest."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._ranges: list[tuple[int, int, str, str]] = []

    def around(self, start: int, end: int, before: str, after: str) -> None:
        """Of two equal ranges the first one given is the outer."""
        self._ranges.append((start, end, before, after))

    def at(self, position: int, inserted: str) -> None:
        """Goes before everything else that is put there."""
        self._ranges.append((position, position, inserted, ""))

    def result(self) -> bytes:
        # At one place: what closes, the inner first; insertions; what opens, the outer first.
        pieces: list[tuple[tuple[int, ...], str]] = []
        for number, (start, end, before, after) in enumerate(self._ranges):
            pieces.append(((start, 1, 0) if start == end else (start, 2, -end, number), before))
            if after:
                pieces.append(((end, 0, -start, -number), after))
        done, last = bytearray(), 0
        for key, inserted in sorted(pieces, key=lambda piece: piece[0]):
            done += self.text[last : key[0]] + inserted.encode()
            last = key[0]
        return bytes(done + self.text[last:])


def viewed(text: bytes, tree: Node) -> bytes:
    """The file with `view` for `pure`: what is inserted reads state. In every file: a pure function calls no view."""
    kinds = ("FunctionDefinition", "FunctionTypeName")
    heads = [node for node in nodes(tree) if node["nodeType"] in kinds and node["stateMutability"] == "pure"]
    for node in heads:
        first, last = start(node), start(node["body"]) if node.get("body") else end(node)
        text = text[:first] + re.sub(rb"\bpure\b", b"view", text[first:last]) + text[last:]
    return text


def nodes(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in children(node):
        yield from nodes(child)


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below it."""
    for value in node.values():
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, dict) and "nodeType" in child:
                yield child


def start(node: Node) -> int:
    """Its first byte in the file."""
    return int(node["src"].split(":")[0])


def end(node: Node) -> int:
    """The byte after its last one."""
    first, length, _ = node["src"].split(":")
    return int(first) + int(length)


def statement_end(text: bytes, node: Node) -> int:
    """The compiler leaves a simple statement's semicolon out of its range."""
    last = end(node)
    return last if text[last - 1 : last] in (b"}", b";") else text.index(b";", last) + 1


def line(text: bytes, node: Node) -> int:
    """The line on which it begins, from 1."""
    return text.count(b"\n", 0, start(node)) + 1


def one_line(text: bytes, first: int, last: int) -> str:
    """A range of a file with its line breaks and indents made single spaces."""
    return " ".join(text[first:last].decode().split())
