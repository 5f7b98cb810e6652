"""The perpetual and the margin model against their twins, over all that the market may ask them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bulkhead.build import artifacts
from bulkhead.chain import RevmChain
from bulkhead.model.instruments.perpetual import Parameters, Perpetual
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.margin.fixed_margin import FixedMargin
from tests.differential.answers import answer_of, plain
from tests.differential.test_math import ONE, PRICES, SIGNED_SIZES, SIZES, TOKENS, uint

STATES = st.builds(Snapshot, st.just(0), PRICES, uint(32), SIZES, SIZES, TOKENS, TOKENS)
HOURS, FEW = st.integers(0, 10_000), st.integers(0, 8)
TERMS = [
    Parameters(10_000 * ONE, ONE, ONE // 50, ONE // 5, ONE, ONE * 4 // 5, ONE // 5),
    Parameters(7 * ONE + 1, 10 * ONE, 0, ONE // 3, 10 * ONE, ONE // 7, 10 * ONE),
]
RATES = [(ONE // 25, ONE * 3 // 100, ONE // 50), (ONE, ONE - 1, ONE // 3)]
every = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("terms", TERMS)
def test_the_perpetual_equals_its_twin(terms: Parameters) -> None:
    perpetual, twin = RevmChain(keep_logs=False).deploy(artifacts()["Perpetual"], plain(terms)), Perpetual(terms)

    @every
    @given(STATES, SIGNED_SIZES)
    @example(Snapshot(0, ONE, 0, 5 * ONE, 0, 0, 0), -10 * ONE)
    @example(Snapshot(0, ONE, 0, 5 * ONE, 0, 0, 0), 0)
    def premium(state: Snapshot, size: int) -> None:
        foreseen = answer_of(twin.premium, state, size)
        assert answer_of(perpetual.call.premium, plain(state), size) == foreseen

    @every
    @given(FEW, FEW, st.integers(-10, 10))
    def premium_of_little(long: int, short: int, size: int) -> None:
        state = Snapshot(0, ONE, 0, long, short, 0, 0)
        assert answer_of(perpetual.call.premium, plain(state), size) == answer_of(twin.premium, state, size)

    @every
    @given(STATES, uint(40), uint(32) | HOURS)
    def carry(state: Snapshot, rate: int, elapsed: int) -> None:
        told: Any = answer_of(perpetual.call.carry, plain(state), rate, elapsed)
        assert told == answer_of(twin.carry, state, rate, elapsed)

    @every
    @given(st.integers(0, 10**6), uint(34), HOURS)
    def usual_carry(used: int, rate: int, elapsed: int) -> None:
        state = Snapshot(0, ONE, 0, ONE, 3 * ONE, used, 10**6 - used)
        told: Any = answer_of(perpetual.call.carry, plain(state), rate, elapsed)
        assert told == answer_of(twin.carry, state, rate, elapsed)

    premium()
    premium_of_little()
    carry()
    usual_carry()


@pytest.mark.parametrize("rates", RATES)
def test_the_margin_model_equals_its_twin(rates: tuple[int, int, int]) -> None:
    model, twin = RevmChain(keep_logs=False).deploy(artifacts()["FixedMargin"], *rates), FixedMargin(*rates)

    @every
    @given(STATES, PRICES, SIGNED_SIZES)
    def requirements(state: Snapshot, mark: int, size: int) -> None:
        assert model.call.initial(plain(state), mark, size) == twin.initial(state, mark, size)
        told = plain(model.call.maintenance(0, state.index, mark, size))
        assert told == twin.maintenance(0, state.index, mark, size)

    requirements()


@pytest.mark.parametrize("rates", RATES)
def test_two_requirements_are_no_less_than_one_of_their_sum(rates: tuple[int, int, int]) -> None:
    """No solver decided it (docs/proofs.md)."""
    model = RevmChain(keep_logs=False).deploy(artifacts()["FixedMargin"], *rates)

    @every
    @given(STATES, SIZES, SIZES)
    def slices(state: Snapshot, one: int, other: int) -> None:
        needed = [
            (model.call.initial(plain(state), 0, size), *model.call.maintenance(0, state.index, 0, size))
            for size in (one, other, one + other)
        ]
        assert all(first + second >= whole for first, second, whole in zip(*needed, strict=True))

    slices()
