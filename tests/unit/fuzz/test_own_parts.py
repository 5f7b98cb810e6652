"""The worked example of docs/fuzzing.md: a margin model of a user's, with a fault that is found and made short."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from bulkhead import build
from bulkhead.fuzz import World
from bulkhead.fuzz.campaign import Plan, play_batch, shortened
from bulkhead.fuzz.world import WorldInvalid

DOCS = build.ROOT / "docs" / "fuzzing.md"


@pytest.fixture(scope="module")
def tiered_margin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A copy of the project with the contract in it; only that is compiled."""
    block = re.search(r"```solidity\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert block is not None
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(build.ROOT / "contracts", folder / "contracts", ignore=shutil.ignore_patterns(".cache"))
    build.artifacts()
    shutil.copytree(build.BUILD, folder / ".build", ignore=shutil.ignore_patterns("faults", "coverage", "mutation*"))
    (folder / "node_modules").symlink_to(build.ROOT / "node_modules")
    (folder / "contracts" / "TieredMargin.sol").write_text(block[1])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(build, "ROOT", folder)
        patched.setattr(build, "BUILD", folder / ".build")
        build.artifacts.cache_clear()
        yield block[1]
    build.artifacts.cache_clear()


def test_the_fault_of_the_example_is_found_and_explained(tiered_margin: str) -> None:
    world = World(margin_model="TieredMargin")
    world.check()
    failures = play_batch(Plan(1, world=world), 0).failures
    assert failures and "breaks\n  MAR-4: What opens is healthy at its own price." in failures[0].story
    short = shortened(failures[0])
    shown = re.search(r"```text\n.*?\n\n(.*?)\n\nFOUND, (\d+) steps", DOCS.read_text(), re.DOTALL)
    assert shown is not None and shown[1] == f"{short.world}\n{short.story}" and int(shown[2]) == len(short.words) == 2


def test_without_its_fault_nothing_is_found(tiered_margin: str) -> None:
    """Both tiers at the same size, in a copy of the copy."""
    path = build.ROOT / "contracts" / "TieredMargin.sol"
    path.write_text(tiered_margin.replace("50_000e18", "100_000e18"))
    build.artifacts.cache_clear()
    plan = Plan(1, 100, world=World(margin_model="TieredMargin"))
    for batch in range(3):
        report = play_batch(plan, batch)
        assert not report.failures, report.failures[0].story
        assert report.succeeded["execute"] > 10


def test_a_part_without_its_interface_is_refused() -> None:
    for world, told in (
        (World(oracle="FixedMargin"), "is no IOracle: it lacks"),
        (World(instrument="Absent"), "There is no contract Absent"),
    ):
        with pytest.raises(WorldInvalid, match=told):
            world.check()


def test_shipped_parts_by_name_are_asked_and_all_is_well() -> None:
    """The same contracts as a user's: what they answer is taken from the chain, and nothing differs."""
    margin = "FixedMargin(40_000000000000000, 30_000000000000000, 20_000000000000000)"
    rates = "(10**22, 10**18, 2 * 10**16, 2 * 10**17, 10**18, 8 * 10**17, 2 * 10**17)"
    perpetual = f"Perpetual({eval(rates)})"
    report = play_batch(Plan(2, 60, world=World(margin_model=margin, instrument=perpetual)), 0)
    assert not report.failures and report.succeeded["execute"] > 5


def test_a_twin_of_ones_own_is_compared(tiered_margin: str) -> None:
    """The Python of the example: its twin has no fault, so that it differs from the contract."""
    (build.ROOT / "contracts" / "TieredMargin.sol").write_text(tiered_margin)
    build.artifacts.cache_clear()
    block = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert block is not None
    mine: dict[str, Any] = {"__name__": __name__}
    exec(block[1], mine)
    failures = play_batch(Plan(1, world=mine["MyWorld"]()), 0).failures
    assert failures and ":\n  contracts " in failures[0].story
