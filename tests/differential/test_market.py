"""Random histories on the contracts and on the model: answers, positions, pool and balances agree to the unit."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.differential.market_twins import Twins
from tests.world import World

STEPS = 40


@pytest.mark.parametrize("dated", [False, True], ids=["perpetual", "dated"])
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**64 - 1))
def test_contracts_equal_model(deployed_world: World, dated: bool, seed: int) -> None:
    rng = random.Random(seed)
    with deployed_world.chain.isolated():
        twins = Twins(deployed_world, dated)
        for name in ("request_open", "request_open", "execute", "execute"):
            getattr(twins, f"_{name}")(rng)
        for _ in range(STEPS):
            twins.act(rng)
        ending = rng.choice([None, None, twins.end, twins.expire])
        if ending is not None:
            ending()
            for name in ("settle", "execute_exit", "execute", "settle", "claim", "leave"):
                getattr(twins, f"_{name}")(rng)
