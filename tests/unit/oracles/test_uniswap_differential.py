"""Contract and real pool against twin and stand-in on random trades; one answer for a time, whenever asked for."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkhead.build import artifacts
from bulkhead.chain import RevmChain
from bulkhead.model.margin.depth_feed import DepthFeed
from tests.uniswap import Pool, Source, Uniswap

WINDOW, SLOTS = 600, 12
every = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


class Stage:
    """A pool with a short ring, its price read both ways, and its depth."""

    def __init__(self) -> None:
        self.chain = RevmChain(timestamp=1_800_000_000)
        uniswap = Uniswap(self.chain)
        self.chain.register(artifacts()["IOracle"])
        harness = self.chain.deploy(artifacts()["UniswapHarness"])
        self.pool: Pool = uniswap.pool(*uniswap.tokens(18, 6), 2_000)
        self.pool.provide(10**18)
        self.pool.age(SLOTS, 2 * WINDOW)
        self.sources = [
            Source(harness, self.pool, WINDOW, inverted=inverted, blockTime=60) for inverted in (False, True)
        ]
        self.depths = []
        for inverted in (False, True):
            terms = WINDOW, inverted, 60, 10**16
            contract = self.chain.deploy(artifacts()["DepthFeed"], self.pool.address, *terms)
            self.depths.append((contract, DepthFeed(self.pool.model, *terms, self.chain)))
        self.positions: list[int] = []

    def act(self, rng: random.Random) -> None:
        """Somebody trades, provides liquidity or takes it away; some of it in one block."""
        pool = self.pool
        kind = rng.choice(["trade", "trade", "trade", "provide", "withdraw", "wait", "grow"])
        if kind == "trade":
            pool.swap_to(pool.tick + rng.choice([-2_000, -60, -1, 1, 5, 300]))
        elif kind == "provide":
            near = pool.tick // 60 * 60 + rng.choice([-120, -60, 0, 60])
            self.positions.append(pool.provide(rng.choice([10**15, 10**20]), near, near + rng.choice([60, 600])))
        elif kind == "withdraw" and self.positions:
            pool.withdraw(self.positions.pop(rng.randrange(len(self.positions))))
        elif kind == "grow":
            pool.grow(SLOTS + rng.randrange(9))
        if rng.random() < 0.7:
            pool.wait(rng.choice([1, 12, 12, 60, 400, 5_000]))


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@every
@given(seed=st.integers(0, 2**64 - 1))
def test_contract_equals_model(stage: Stage, seed: int) -> None:
    rng = random.Random(seed)
    pool = stage.pool
    with pool.isolated():
        stage.positions = []
        shown = 0
        for _ in range(30):
            stage.act(rng)
            slot0, ring = pool.contract.call.slot0(), pool.model
            assert slot0.observationCardinality == ring.cardinality
            assert slot0.observationCardinalityNext == ring.cardinality_next
            for source in stage.sources:
                source.current()
                for ago in (0, 1, 12, rng.randrange(2_000), rng.randrange(20_000)):
                    shown += source.as_of(stage.chain.timestamp - ago)[0]
            for contract, twin in stage.depths:
                assert contract.call.depth() == twin.depth()
        assert shown > 60


def test_one_answer_for_a_time_whenever_it_is_asked_for(stage: Stage) -> None:
    """From the second itself, and before the rest of its block, until the ring has forgotten it."""
    seen = {"repeated": 0, "forgotten": 0}

    @every
    @given(seed=st.integers(0, 2**64 - 1))
    def history(seed: int) -> None:
        rng = random.Random(seed)
        with stage.pool.isolated():
            stage.positions = []
            told: dict[tuple[int, bool], tuple[bool, int]] = {}
            for _ in range(45):
                now = stage.chain.timestamp
                for source in stage.sources:
                    told[now, source.twin[0].inverted] = source.as_of(now)
                    assert told[now, source.twin[0].inverted][0]
                stage.act(rng)
                for (time, inverted), before in told.items():
                    again = stage.sources[inverted].as_of(time)
                    assert again in (before, (False, 0))
                    seen["repeated" if again == before else "forgotten"] += 1

    history()
    assert seen["repeated"] > 1_000 and seen["forgotten"] > 50, seen
