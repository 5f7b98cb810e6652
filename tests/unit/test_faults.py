"""The list of planted faults fits the contracts, the promises and the tests. That they are caught is `make faults`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.faults.__main__ import LIST, ROOT, Fault, FaultInvalid, read_faults

SPEC = (ROOT / "docs" / "spec.md").read_text()
#: The ids of the tables, and the section on rounding.
PROMISES = set(re.findall(r"^\| ([A-Z]+-\d+) \|", SPEC, re.MULTILINE)) | {"ROUND"}
ROWS = {f"row-{row}" for row in re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "attacks.md").read_text(), re.MULTILINE)}


def test_every_fault_fits_the_contracts_and_names_what_it_breaks() -> None:
    for fault in read_faults(LIST):
        assert fault.guards and set(fault.guards) <= PROMISES | ROWS, fault.name
        for test in fault.tests:
            file, _, name = test.partition("::")
            assert name == "" or f"def {name}(" in (ROOT / file).read_text(), test
            assert (ROOT / file).is_file(), test


def test_every_promise_is_broken_by_a_fault() -> None:
    broken = {guard for fault in read_faults(LIST) for guard in fault.guards}
    assert {promise for promise in PROMISES if not promise.startswith("REQ")} <= broken


@pytest.mark.parametrize("find", ["no contract says this", "function"])
def test_a_fault_whose_text_does_not_stand_once_is_refused(find: str) -> None:
    with pytest.raises(FaultInvalid, match="not once"):
        Fault("wrong", ["SAFE-1"], "contracts/Market.sol", find, "", []).planted()


def test_two_faults_of_one_name_are_refused(tmp_path: Path) -> None:
    one = {"name": "'a'", "file": "'contracts/Pool.sol'", "find": "'contract Pool'", "replace": "''"}
    entry = [f"{key} = {value}" for key, value in {**one, "guards": "[]", "tests": "[]"}.items()]
    (tmp_path / "faults.toml").write_text("\n".join(["[[fault]]", *entry, ""] * 2))
    with pytest.raises(FaultInvalid, match="two faults"):
        read_faults(tmp_path / "faults.toml")
