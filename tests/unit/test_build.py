"""What a build says, and what it keeps to itself."""

from pathlib import Path
from typing import Any

import pytest

from bulkhead import build
from bulkhead.cli import main
from tests.unit.small_project import project

UNUSED = (
    "pragma solidity ^0.8.28; contract C { function f(uint256 unused) external pure returns (uint256) { return 1; } }"
)


def analysed(sources: dict[str, dict[str, str]]) -> dict[str, dict[str, Any]]:
    """What the compiler says of each file with its closure; code is not asked for."""
    return dict(
        build._compile({name: build._input(closure, {name: {"*": ["abi"]}}) for name, closure in sources.items()})
    )


def test_warnings_are_shown_where_somebody_can_mend_them() -> None:
    """Not those about files of others, nor that transient storage is used."""
    others = [build.EXTRA_SOURCES[1], "contracts/oracles/PythSource.sol"]
    told = analysed({name: build._closure(name) for name in others})
    for name in others:
        assert any(problem["severity"] == "warning" for problem in told[name]["errors"])
        assert build._diagnostics(name, told[name]) == ([], False)
    messages, is_error = build._diagnostics(
        "contracts/C.sol", analysed({"contracts/C.sol": {"contracts/C.sol": UNUSED}})["contracts/C.sol"]
    )
    assert any("Unused function parameter" in message for message in messages) and not is_error


def test_an_error_is_not_buried_in_the_warnings_of_other_files(tmp_path: Path) -> None:
    wrong = "pragma solidity ^0.8.28; contract D { uint8 x = 256; }"
    with project(tmp_path, Warned=UNUSED, Wrong=wrong), pytest.raises(build.BuildError) as failed:
        build.build()
    assert "TypeError" in str(failed.value) and "Unused function parameter" not in str(failed.value)


def test_a_command_without_a_compiler_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    build.artifacts.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["drive", "--engine", "revm", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "FAILED: node is missing: install Node 20 or later, then run `make setup`\n"
