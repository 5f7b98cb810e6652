"""Hunting the mutants of a small contract with small tests."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from bulkhead import build
from bulkhead.chain import RevmChain
from tests.unit.small_project import project
from tools.coverage.instrumented import use_copy
from tools.mutation import hunt, switch
from tools.mutation.hunt import FUZZER, TIME, Hunt, Verdict
from tools.mutation.mutants import Mutant, Mutator
from tools.mutation.schemata import write_schemata

TINY = """pragma solidity ^0.8.28;
contract Tiny {
    uint256 public immutable BORN;
    constructor() { BORN = 3; }
    function plus(uint256 a, uint256 b) external pure returns (uint256) { return a + b; }
    function odd(uint256 a) external pure returns (bool) { return a % 2 == 1; }
    function waits() external pure returns (bool) { return false; }
    function alone() external pure returns (uint256) { return 8; }
}
"""
TESTS = """
import pytest
from bulkhead import build
from bulkhead.chain import RevmChain

@pytest.fixture(scope="module")
def tiny():
    return RevmChain().deploy(build.load()["Tiny"])

def test_plus(tiny):
    assert tiny.call.plus(7, 3) == WANTED

def test_breaks(tiny):
    {1: True, 2: False}[1 + tiny.call.odd(4)]
    if tiny.call.odd(5) is not True:
        raise KeyError("this proves nothing")

def test_breaks_and_fails(tiny):
    if tiny.call.alone() == 9:
        raise ExceptionGroup("both", [KeyError("this proves nothing"), AssertionError("this does")])

def test_comes_to_an_end(tiny):
    while tiny.call.waits():
        pass
"""


def _fuzz(part: int) -> None:
    assert RevmChain().deploy(build.load()["Tiny"]).call.BORN() < 4 + part


def _hunted(tests: Path, mutants: int, argued: set[int], there: Connection) -> None:
    hunt.PATIENCE = 1
    switch.install()
    one = Hunt(mutants, argued, 2, _fuzz, lambda number, verdict: None)
    alone = ["-p", "no:cacheprovider", "-p", "no:ape_test", "-p", "no:xdist", "--rootdir", str(tests.parent)]
    pytest.main(["-s", *alone, str(tests)], plugins=[one])
    there.send((one.verdicts, one.problem))


@pytest.fixture(scope="module")
def mutants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Mutant]]:
    """Those of the contract; as long as this lasts they are what is built."""
    folder = tmp_path_factory.mktemp("project")
    with project(folder, Tiny=TINY):
        trees = build.ast()
        found = Mutator(trees).mutants("contracts/Tiny.sol", TINY.encode())
        write_schemata(folder / "copy", trees, found)
        use_copy(folder / "copy")
        build.build()
        yield found


@pytest.mark.parametrize(("wanted", "all_argued"), [(10, False), (10, True), (11, False)])
def test_the_hunt(mutants: list[Mutant], tmp_path: Path, wanted: int, all_argued: bool) -> None:
    tests = tmp_path / "test_tiny.py"
    tests.write_text(TESTS.replace("WANTED", str(wanted)))
    argued = set(range(1, len(mutants) + 1)) if all_argued else set()
    here, there = multiprocessing.Pipe(duplex=False)
    arguments = tests, len(mutants), argued, there
    process = multiprocessing.get_context("fork").Process(target=_hunted, args=arguments)
    process.start()
    there.close()
    verdicts, problem = here.recv()
    process.join()

    if wanted == 11:
        assert verdicts == {} and "test_plus" in str(problem)
        return
    assert problem is None
    noticed: dict[str, Verdict] = {mutant.becomes: verdicts[number] for number, mutant in enumerate(mutants, 1)}
    assert noticed["BORN = 4"].by == FUZZER
    if all_argued:
        assert {one.by for one in verdicts.values()} == {FUZZER, None}, "no test is asked"
        return
    assert noticed["a - b"].by == "test_tiny.py::test_plus"
    assert noticed["BORN = 2"].by is None, "it is told by nothing that a test asks"
    assert noticed["true"].by == TIME
    assert (noticed["a % 2 != 1"].by, noticed["a % 2 != 1"].broken) == (None, ("test_tiny.py::test_breaks",))
    assert noticed["9"].by == "test_tiny.py::test_breaks_and_fails"
    assert (noticed["7"].by, noticed["7"].broken) == (None, ())
