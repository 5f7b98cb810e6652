"""The list of planted faults fits the contracts, the promises and the tests. That they are caught is `make faults`."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.faults import __main__ as faults
from tools.faults import hunt, plugin
from tools.faults.__main__ import LIST, Fault
from tools.faults.planting import ROOT, FaultInvalid, named, read_list

SPEC = (ROOT / "docs" / "spec.md").read_text()
#: The ids of the tables, and the section on rounding.
PROMISES = set(re.findall(r"^\| ([A-Z]+-\d+) \|", SPEC, re.MULTILINE)) | {"ROUND"}
ROWS = {f"row-{row}" for row in re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "attacks.md").read_text(), re.MULTILINE)}


def test_every_fault_fits_the_contracts_and_names_what_it_breaks() -> None:
    for fault in read_list(LIST, Fault):
        assert fault.guards and set(fault.guards) <= PROMISES | ROWS, fault.name
        for test in fault.tests:
            file, _, name = test.partition("::")
            assert name == "" or f"def {name}(" in (ROOT / file).read_text(), test
            assert (ROOT / file).is_file(), test


def test_every_promise_is_broken_by_a_fault() -> None:
    broken = {guard for fault in read_list(LIST, Fault) for guard in fault.guards}
    assert {promise for promise in PROMISES if not promise.startswith("REQ")} <= broken


@pytest.mark.parametrize("find", ["no contract says this", "function"])
def test_a_fault_whose_text_does_not_stand_once_is_refused(find: str) -> None:
    with pytest.raises(FaultInvalid, match="not once"):
        Fault("wrong", "contracts/Market.sol", find, "", ["SAFE-1"], []).planted()


def test_two_faults_of_one_name_are_refused(tmp_path: Path) -> None:
    one = {"name": "'a'", "file": "'contracts/Pool.sol'", "find": "'contract Pool'", "replace": "''"}
    entry = [f"{key} = {value}" for key, value in {**one, "guards": "[]", "tests": "[]"}.items()]
    (tmp_path / "faults.toml").write_text("\n".join(["[[fault]]", *entry, ""] * 2))
    with pytest.raises(FaultInvalid, match="two faults"):
        read_list(tmp_path / "faults.toml", Fault)


def test_the_faults_for_the_fuzzer_fit_the_contracts() -> None:
    subtle = read_list(hunt.LIST, hunt.Subtle)
    assert len(subtle) >= 10 and len({fault.file for fault in subtle}) >= 6
    assert all(fault.why.endswith(".") for fault in subtle)


def test_a_fault_that_is_not_there_is_refused() -> None:
    subtle = read_list(hunt.LIST, hunt.Subtle)
    assert named(subtle, []) == subtle and named(subtle, [subtle[1].name]) == subtle[1:2]
    with pytest.raises(FaultInvalid, match="no fault is named absent"):
        named(subtle, ["absent"])


def test_a_sound_run_that_fails_names_the_test_and_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plugin keeps the first line of each message."""
    seen: dict[str, dict[str, str]] = {"caught": {}, "broken": {}}
    monkeypatch.setattr(plugin, "_seen", seen)
    for name, error in (("test_sum", AssertionError("2 is not 3\nbut nearly")), ("test_end", IndexError("no end"))):
        call = pytest.CallInfo.from_call(partial(fail_with, error), "call")
        hook = plugin.pytest_runtest_makereport(SimpleNamespace(nodeid=name), call)
        next(hook)
        with pytest.raises(StopIteration):
            hook.send(None)
    sound = faults.Outcome(**seen, seconds=0.0)
    monkeypatch.setattr(faults, "run_on_copy", lambda *_: sound)
    monkeypatch.setattr("sys.argv", ["faults"])
    assert faults.main() == 1
    first, *failures = capsys.readouterr().err.splitlines()
    assert first.startswith("The tests fail without any fault, see ")
    assert failures == ["  test_sum: AssertionError: 2 is not 3", "  test_end: IndexError: no end"]


def fail_with(error: Exception) -> None:
    raise error
