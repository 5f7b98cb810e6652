"""What is chosen, what is counted, and what is argued."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from bulkhead import build
from tools.argued import read_argued
from tools.mutation.choice import Mistake, find, sample
from tools.mutation.hunt import FUZZER, TIME, Verdict
from tools.mutation.mutants import Edit, Kind, Mutant
from tools.mutation.parts import PARTS, of_part, record
from tools.mutation.report import EQUIVALENT, Argued, Report


def mutant(place: int, file: str = "contracts/Pool.sol", operator: str = "return") -> Mutant:
    edit = Edit(Kind.EXPRESSION, place, place + 1, "0")
    return Mutant(file, place, "Pool.f", operator, f"x{place}", "0", (edit,))


def argued(one: Mutant) -> Argued:
    return Argued(one.file, one.function, one.operator, one.source, one.becomes, "Because.")


def test_every_equivalent_names_a_mutant_that_exists_and_says_why() -> None:
    possible = find([], build.ast())
    entries = read_argued(EQUIVALENT, "equivalent", Argued)
    assert [entry for entry in entries if not any(entry.meets(mutant) for mutant in possible)] == []
    assert len(set(entries)) == len(entries)


def test_a_contract_that_there_is_not_is_refused() -> None:
    with pytest.raises(Mistake, match="named Lens, Markt; there are AnySource, Bands"):
        find(["Market", "Markt", "Lens"], build.ast())
    assert {one.file for one in find(["Pool", "Bands"], build.ast())} == {
        "contracts/Pool.sol",
        "contracts/libraries/Bands.sol",
    }


def test_the_sample_has_its_share_of_each_file_and_operator() -> None:
    several = {("Pool", "return"): 60, ("Pool", "sign"): 2, ("Book", "return"): 38}
    every = [mutant(place, *key) for key, count in several.items() for place in range(count)]
    chosen = sample(every, 50, 1)
    assert Counter((one.file, one.operator) for one in chosen) == {
        ("Pool", "return"): 30,
        ("Pool", "sign"): 1,
        ("Book", "return"): 19,
    }
    assert chosen == sample(every, 50, 1) != sample(every, 50, 2)
    assert sample(every, 1_000, 1) == every


def test_what_is_argued_counts_for_nothing_and_must_stay_true() -> None:
    mutants = [mutant(1), mutant(2, operator="sign"), mutant(3), mutant(4), mutant(5, "contracts/Factory.sol")]
    by = [FUZZER, "tests/a.py::b", TIME, None, None]
    verdicts = {number: Verdict(one, 0.1) for number, one in enumerate(by, 1)}
    gone = argued(mutant(9))

    report = Report(mutants, verdicts, [], mutants)
    counts = report.counts(7)
    assert (counts["mutants"], counts["killed"], counts["equivalent"], counts["score"]) == (5, 3, 0, 0.6)
    assert counts["seed"] == 7 and counts["noticed_by"] == {"fuzzer": 1, "tests": 1, "no end": 1}
    assert counts["files"]["contracts/Pool.sol"] == {"mutants": 4, "killed": 3, "equivalent": 0, "score": 0.75}
    assert counts["operators"]["sign"] == {"mutants": 1, "killed": 1, "equivalent": 0, "score": 1.0}
    assert counts["survivors"] == [
        "contracts/Pool.sol:4 Pool.f: return: x4 -> 0",
        "contracts/Factory.sol:5 Pool.f: return: x5 -> 0",
    ]
    assert report.short() == ["contracts/Pool.sol: 75.0% is below 95%"]

    report = Report(mutants, verdicts, [argued(mutants[3]), argued(mutants[0]), gone], mutants)
    assert (report.equivalent, report.survivors) == ([mutants[3]], [mutants[4]])
    assert report.counts(7)["score"] == 0.75 and report.short() == []
    assert (report.refuted, report.stale) == ([argued(mutants[0])], [gone])
    assert report.lines() == [
        "contracts/Factory.sol:5 Pool.f: return: x5 -> 0: SURVIVES",
        "equivalent.toml: noticed, so not equivalent, remove it: contracts/Pool.sol Pool.f: return: x1 -> 0",
        "equivalent.toml: no such mutant, remove it: contracts/Pool.sol Pool.f: return: x9 -> 0",
    ]


def test_every_mutant_is_of_one_part_and_the_tests_of_a_part_exist() -> None:
    every = find([], build.ast())
    parts = [of_part(name, every) for name in PARTS]
    assert sorted(map(str, every)) == sorted(str(one) for part in parts for one in part)
    assert all(parts) and {Path(one.file).stem for one in parts[1]} == set(PARTS["options"].contracts)
    assert all((build.ROOT / test).exists() for part in PARTS.values() for test in part.tests)


def test_parts_are_kept_beside_each_other_and_add_up(tmp_path: Path) -> None:
    file = tmp_path / "mutation.json"
    core = {"mutants": 10, "killed": 7, "equivalent": 2, "score": 0.875, "survivors": ["a"], "seed": 1}
    options = {"mutants": 4, "killed": 2, "equivalent": 0, "score": 0.5, "survivors": ["b", "c"], "seed": 1}
    for name, counts in (("options", options | {"killed": 3}), ("core", core), ("options", options)):
        record(file, name, counts)
    assert json.loads(file.read_text()) == {
        "mutants": 14,
        "killed": 9,
        "equivalent": 2,
        "score": 0.75,
        "survivors": ["a", "b", "c"],
        "parts": {"core": core, "options": options},
    }
