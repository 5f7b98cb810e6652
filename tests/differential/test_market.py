"""Random histories on contracts and model, as Hypothesis draws them: answers, errors and all storage agree."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from bulkhead.fuzz import World
from bulkhead.fuzz.stateful import state_machine

WORLDS = {
    "shipped": World(),
    "dated series": World(draw=1),
    "two markets, two validators": World(draw=0),
    "18 decimals": World(draw=3),
}


@pytest.mark.parametrize("world", WORLDS)
def test_contracts_equal_model(world: str) -> None:
    machine = state_machine(WORLDS[world])
    checks = list(HealthCheck)
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=25, stateful_step_count=60, deadline=None, suppress_health_check=checks),
    )
    assert machine.machine.calls > 500 and machine.machine.succeeded["execute"] > 10


def test_the_worlds_are_what_they_are_called() -> None:
    assert WORLDS["dated series"].terms.dated
    assert (
        WORLDS["two markets, two validators"].terms.markets,
        WORLDS["two markets, two validators"].terms.validators,
    ) == (2, 2)
    assert WORLDS["18 decimals"].terms.decimals == 18
