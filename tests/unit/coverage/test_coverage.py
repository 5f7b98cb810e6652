"""The coverage tool on a contract that has every kind of branch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from bulkhead import build
from bulkhead.chain import Contract, Revert, RevmChain
from tests.unit.small_project import project
from tools.coverage.instrument import NotUnderstood, Outcome
from tools.coverage.instrumented import marks, use_copy, write_copy
from tools.coverage.report import Argued, Report

TINY = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;
// Größe: a line whose bytes are more than its letters
function half(uint256 x) pure returns (uint256) { return x % 2 == 0 ? x / 2 : 0; }
contract Tiny {
    uint256 constant NONE = uint256(0) > 1 ? 1 : 0;
    modifier positive(uint256 x) { require(x > 0); _; }
    function both(bool a, bool b) external pure returns (uint256) { if (a && !(b)) return 1; else return 2; }
    function either(bool a, bool b) external pure returns (bool) { return a || b; }
    function checked(uint256 x) external pure positive(x) returns (uint256) { return half(x); }
    function sum(uint256 n) external pure returns (uint256 s) {
        for (uint256 i; i < n; ++i) s += i;
        while (true) return s;
    }
    function firstAbove(uint256 n) external pure returns (uint256 i) {
        do { ++i; if (i == 3) continue; } while (i * i <= n);
    }
    function caught(uint256 x) external view returns (uint256) {
        try this.checked(x) returns (uint256 y) { return y; } catch { return 7; }
    }
    function low(uint256 x) external pure returns (uint256 y) { assembly { if lt(x, 10) { y := 1 } } }
    function never() external {}
}
"""


@dataclass
class Tiny:
    """The contract with its probes, on a chain of its own."""

    contract: Contract
    chain: RevmChain
    outcomes: list[Outcome]

    def report(self, *exceptions: Argued) -> Report:
        return Report(self.outcomes, marks(self.chain._evm), exceptions)

    def untaken(self, function: str) -> set[str]:
        return {f"{o.source}: {o.result}" for o in self.report().untaken if o.function == function}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[build.Artifact, list[Outcome]]:
    folder = tmp_path_factory.mktemp("project")
    with project(folder, **{"Tiny": TINY, "mocks/Double": TINY.replace("Tiny", "Double")}):
        outcomes = write_copy(folder / "copy")
        use_copy(folder / "copy")
        build.build()
        return build.load()["Tiny"], outcomes


@pytest.fixture
def tiny(compiled: tuple[build.Artifact, list[Outcome]]) -> Tiny:
    chain = RevmChain()
    return Tiny(chain.deploy(compiled[0]), chain, compiled[1])


def test_what_is_taken_is_not_reported_and_what_is_not_is(tiny: Tiny) -> None:
    assert {o.file for o in tiny.outcomes} == {"contracts/Tiny.sol"}, "mocks have no probes"
    assert len(tiny.report().untaken) == len(tiny.outcomes), "nothing has run"
    call = tiny.contract.call

    assert call.both(True, False) == 1
    assert tiny.untaken("Tiny.both") == {"a: false", "b: true"}
    assert call.both(True, True) == 2
    assert tiny.untaken("Tiny.both") == {"a: false"}
    assert call.both(False, True) == 2
    assert tiny.untaken("Tiny.both") == set()

    assert call.either(True, False) is True
    assert tiny.untaken("Tiny.either") == {"a: false", "b: false", "b: true"}, "b was not asked"

    assert call.sum(3) == 3
    assert tiny.untaken("Tiny.sum") == {"i < n: skipped"}, "a literal decides nothing"
    assert call.sum(0) == 0
    assert tiny.untaken("Tiny.sum") == set()

    assert call.firstAbove(0) == 1
    assert tiny.untaken("Tiny.firstAbove") == {"i == 3: true", "i * i <= n: true"}
    assert call.firstAbove(16) == 5
    assert tiny.untaken("Tiny.firstAbove") == set()

    assert call.low(9) == 1
    assert tiny.untaken("Tiny.low") == {"lt(x, 10): false"}
    assert call.low(10) == 0
    assert tiny.untaken("Tiny.low") == set()


def test_a_revert_takes_no_mark_back(tiny: Tiny) -> None:
    with pytest.raises(Revert):
        tiny.contract.call.checked(0)
    assert tiny.untaken("Tiny.positive") == {"x > 0: true"}
    assert tiny.contract.call.caught(0) == 7
    assert tiny.untaken("Tiny.caught") == {"this.checked(x): success"}
    assert tiny.untaken("half") == {
        "function half(uint256 x) pure returns (uint256): entered",
        "x % 2 == 0: true",
        "x % 2 == 0: false",
    }
    with tiny.chain.isolated():
        assert tiny.contract.call.caught(4) == 2
    assert tiny.untaken("Tiny.positive") == tiny.untaken("Tiny.caught") == set()
    assert tiny.untaken("half") == {"x % 2 == 0: false"}


def test_an_argument_holds_until_the_outcome_is_taken_or_gone(tiny: Tiny) -> None:
    function = "function never() external"
    never = Argued("contracts/Tiny.sol", "Tiny.never", function, "entered", "Nobody calls it.")
    gone = Argued("contracts/Tiny.sol", "Tiny.never", "x > 2", "true", "It was removed.")
    everything = len(tiny.outcomes)

    report = tiny.report(never)
    assert (len(report.untaken), report.refuted) == (everything - 1, [])
    assert report.counts()["total"] == {"taken": 0, "argued": 1, "outcomes": everything}
    assert f"contracts/Tiny.sol:22: Tiny.never: {function}: never entered" in tiny.report().lines()

    tiny.contract.send.never()
    report = tiny.report(never, gone)
    assert report.refuted == [never, gone]
    assert report.counts()["contracts/Tiny.sol"] == {"taken": 1, "argued": 0, "outcomes": everything}
    assert report.lines()[-1] == "exceptions.toml: taken or gone, remove it: contracts/Tiny.sol Tiny.never: x > 2: true"


def test_a_branch_without_a_probe_is_refused(tmp_path: Path) -> None:
    switch = "contract Tiny { function f(uint256 x) external pure { assembly { switch x case 0 {} default {} } } }"
    with (
        project(tmp_path, Tiny=f"pragma solidity ^0.8.28;\n{switch}\n"),
        pytest.raises(NotUnderstood, match=r"^contracts/Tiny.sol:2: .* use if$"),
    ):
        write_copy(tmp_path / "copy")
