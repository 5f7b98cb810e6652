"""The mutator on a contract that has every kind of change, and the copy that holds them all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bulkhead import build
from bulkhead.chain import Contract, Revert, RevmChain
from tests.unit.small_project import project
from tools.coverage.instrumented import use_copy
from tools.mutation import switch
from tools.mutation.mutants import Mutant, Mutator
from tools.mutation.schemata import RUN, write_schemata

TINY = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;
// Größe: a line whose bytes are more than its letters
library Math {
    function min(uint256 a, uint256 b) internal pure returns (uint256) { if (a < b) return a; return b; }
    function max(uint256 a, uint256 b) internal pure returns (uint256) { if (a > b) return a; return b; }
    function mulUp(uint256 a, uint256 b) internal pure returns (uint256 c) { c = (a * b + 9) / 10; }
    function mulDown(uint256 a, uint256 b) internal pure returns (uint256 c) { c = a * b / 10; }
    function saturatingSub(uint256 a, uint256 b) internal pure returns (uint256) { return a > b ? a - b : 0; }
}
contract Tiny {
    using Math for uint256;
    enum Kind { Open, Shut }
    uint256 private constant TEN = 10;
    uint256 private immutable BORN;
    uint256 public kept;
    error Refused(uint256 wanted, uint256 had);
    event Told(Kind kind);
    modifier small(uint256 x) { if (x > 99) revert Refused(99, x); _; }
    modifier once() { if (kept != 0) revert Refused(0, kept); _; }
    constructor() { BORN = 3; }
    function plus(uint256 a, uint256 b) external pure returns (uint256) { return a + b; }
    function limited(uint256 x) external pure small(x) returns (uint256) { return TEN - x % 3; }
    function shared(uint256 a, uint256 b) external pure returns (uint256) { return Math.min(a, b); }
    function up(uint256 a) external pure returns (uint256) { return a.mulUp(7); }
    function above(uint256 a, uint256 b) external pure returns (uint256) { return a.saturatingSub(b); }
    function either(bool a, bool b, bool c) external pure returns (bool) { return a || b || !c; }
    function minus(int256 a) external pure returns (int256) { if (a > 0) return -a; else return a; }
    function power(uint256 n) external pure returns (uint256) { return 10 ** n; }
    function born() external view returns (uint256) { return BORN; }
    function keep(uint256 a) external once returns (bool) { kept = a; emit Told(Kind.Shut); return true; }
    function divided(uint256 a, uint256 b) external pure returns (uint256, uint256) { return (a / b, a % b); }
}
"""
FILE = "contracts/Tiny.sol"


@dataclass
class Tiny:
    """Mutants by their numbers, and the code of the copy that holds them."""

    mutants: list[Mutant]
    code: build.Artifact

    def number(self, operator: str, source: str, becomes: str) -> int:
        found = [
            number
            for number, mutant in enumerate(self.mutants, 1)
            if (mutant.operator, mutant.source, mutant.becomes) == (operator, source, becomes)
            and mutant.function.startswith("Tiny.")
        ]
        assert len(found) == 1, (operator, source, becomes, found)
        return found[0]

    def deployed(self, asked: int = 0) -> Contract:
        switch.turn(asked)
        return RevmChain().deploy(self.code)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    folder = tmp_path_factory.mktemp("project")
    with project(folder, Tiny=TINY), pytest.MonkeyPatch.context() as patch:
        switch.install(patch.setattr)
        trees = build.ast()
        mutants = Mutator(trees).mutants(FILE, TINY.encode())
        write_schemata(folder / "copy", trees, mutants)
        use_copy(folder / "copy")
        build.build()
        yield Tiny(mutants, build.load()["Tiny"])
        switch.turn(0)


CHANGES: list[tuple[str, str, str, str, tuple[Any, ...], Any, Any]] = [
    ("arithmetic", "a + b", "a - b", "plus", (7, 3), 10, 4),
    ("clamp", "Math.min(a, b)", "Math.max(a, b)", "shared", (7, 3), 3, 7),
    ("clamp", "Math.min(a, b)", "a", "shared", (7, 3), 3, 7),
    ("clamp", "a.saturatingSub(b)", "(a) - (b)", "above", (3, 7), 0, Revert),
    ("arguments", "(a / b, a % b)", "(a % b, a / b)", "divided", (7, 4), (1, 3), (3, 1)),
    ("comparison", "x > 99", "x >= 99", "limited", (99,), 10, Revert),
    ("condition", "x > 99", "false", "limited", (100,), Revert, 9),
    ("condition", "a > 0", "true", "minus", (-4,), -4, 4),
    ("constant", "TEN - x % 3", "(TEN + 1) - x % 3", "limited", (3,), 10, 11),
    ("constant", "x % 3", "x % 4", "limited", (3,), 10, 7),
    ("constant", "10 ** n", "11 ** n", "power", (60,), 10**60, 11**60),
    ("constant", "a > 0", "a > 1", "minus", (1,), -1, 1),
    ("logic", "a || b || !c", "(a || b) && !c", "either", (True, False, True), True, False),
    ("logic", "a || b", "b", "either", (True, False, True), True, False),
    ("return", "a || b || !c", "!(a || b || !c)", "either", (True, True, True), True, False),
    ("return", "a", "0", "minus", (-4,), -4, 0),
    ("rounding", "a.mulUp(7)", "a.mulDown(7)", "up", (8,), 6, 5),
    ("sign", "!c", "c", "either", (False, False, True), False, True),
    ("sign", "-a", "a", "minus", (4,), -4, 4),
    ("constant", "BORN = 3", "BORN = 4", "born", (), 3, 4),
    ("deletion", "kept = a", "", "keep", (5,), True, True),
]


@pytest.mark.parametrize(
    ("operator", "source", "becomes", "function", "arguments", "sound", "changed"),
    CHANGES,
)
def test_a_mutant_does_something_else_where_it_is_on_and_nowhere_else(
    compiled: Tiny,
    operator: str,
    source: str,
    becomes: str,
    function: str,
    arguments: tuple[Any, ...],
    sound: Any,
    changed: Any,
) -> None:
    number = compiled.number(operator, source, becomes)
    for asked, wanted in ((0, sound), (number, changed), (RUN, sound), (len(compiled.mutants) + 1, sound)):
        call = getattr(compiled.deployed(asked).call, function)
        if wanted is Revert:
            with pytest.raises(Revert):
                call(*arguments)
        else:
            assert call(*arguments) == wanted


def test_what_is_deleted_is_not_done(compiled: Tiny) -> None:
    for asked, kept in ((0, 5), (compiled.number("deletion", "kept = a", ""), 0)):
        tiny = compiled.deployed(asked)
        assert tiny.send.keep(5).event("Told").args.kind == 1
        assert tiny.call.kept() == kept
    other = compiled.deployed(compiled.number("constant", "Told(Kind.Shut)", "Told(Kind.Open)"))
    assert other.send.keep(5).event("Told").args.kind == 0
    assert not compiled.deployed(compiled.number("deletion", "emit Told(Kind.Shut)", "")).send.keep(5).events


def test_a_modifier_of_our_own_is_left_out(compiled: Tiny) -> None:
    tiny = compiled.deployed(compiled.number("guard", "once", ""))
    tiny.send.keep(5)
    tiny.send.keep(6)
    assert tiny.call.kept() == 6
    tiny = compiled.deployed()
    tiny.send.keep(5)
    with pytest.raises(Revert):
        tiny.send.keep(6)


def test_a_mutant_is_turned_on_and_off_while_a_chain_runs(compiled: Tiny) -> None:
    tiny = compiled.deployed()
    for asked, wanted in ((compiled.number("arithmetic", "a + b", "a - b"), 4), (0, 10)):
        switch.turn(asked)
        assert tiny.call.plus(7, 3) == wanted


def test_a_recorded_run_knows_what_it_met_in_reverted_calls_too(compiled: Tiny) -> None:
    tiny = compiled.deployed()
    switch.turn(7 * RUN)
    with pytest.raises(Revert):
        tiny.call.limited(100)
    switch.turn(8 * RUN)
    tiny.call.plus(1, 2)
    met = switch.met()
    assert {compiled.mutants[number - 1].function for number in met[7]} == {"Tiny.small"}
    assert {compiled.mutants[number - 1].function for number in met[8]} == {"Tiny.plus"}


def test_where_nothing_is_changed(compiled: Tiny) -> None:
    assert not [mutant for mutant in compiled.mutants if mutant.source in ("TEN = 10", "x", "once()")]
    assert all(mutant.becomes != mutant.source for mutant in compiled.mutants)
    assert len(set(compiled.mutants)) == len(compiled.mutants)
    lines = TINY.splitlines()
    assert all(mutant.source.split()[0] in lines[mutant.line - 1] for mutant in compiled.mutants)
    swapped = [mutant.source for mutant in compiled.mutants if mutant.operator == "arguments"]
    assert "Math.min(a, b)" not in swapped, "it does not matter in which order these two stand"
