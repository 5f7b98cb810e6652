"""No invariant is empty: for each there is a fault of the model that breaks it before any other."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path

import pytest

from bulkhead.fuzz import Difference, Machine, ModelAlone, World
from bulkhead.fuzz.campaign import history, play
from bulkhead.fuzz.options import OptionsWorld
from bulkhead.invariants import SENTENCES
from tests.invariants.planted import Fault, planted

ENTRIES = tomllib.loads(Path(__file__).with_name("faults.toml").read_text())["fault"]
FAULTS = {entry["id"]: Fault(**entry) for entry in ENTRIES}
SEED, LENGTH, HISTORIES = 1, 300, 100


class Watched(ModelAlone):
    """Remembers which invariants broke."""

    ids: frozenset[str] = frozenset()

    def broken(self, what: str, wrong: list[str]) -> Difference:
        self.ids = frozenset(one.partition(": ")[0] for one in wrong)
        return super().broken(what, wrong)


@lru_cache
def machine_of(world: int | None, options: bool) -> Machine:
    made = OptionsWorld(world) if options else World(world)
    return made.machine(Watched(made))


def first_failure(fault: Fault) -> tuple[int, frozenset[str]]:
    """The number of the first history that goes wrong with a fault, and what breaks in it."""
    machine = machine_of(fault.world, fault.options)
    assert isinstance(machine.pair, Watched)
    with planted(fault):
        for number in range(HISTORIES):
            if play(machine, history(SEED, number, LENGTH)) is not None:
                return number, machine.pair.ids
    raise AssertionError(f"{HISTORIES} histories do not break it")


def test_every_invariant_has_a_fault_and_every_fault_an_invariant() -> None:
    assert len(FAULTS) == len(ENTRIES) and FAULTS.keys() == SENTENCES.keys()
    assert all(set(fault.group) <= SENTENCES.keys() - {fault.id} for fault in FAULTS.values())


@pytest.mark.parametrize("id", SENTENCES)
def test_it_breaks_first_and_alone(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the same history goes well without the fault."""
    fault = FAULTS[id]
    monkeypatch.setattr("bulkhead.fuzz.pair.POOLED", fault.pooled)
    number, ids = first_failure(fault)
    assert id in ids and ids <= {id, *fault.group}
    story = play(machine_of(fault.world, fault.options), history(SEED, number, LENGTH))
    assert story is None, story
