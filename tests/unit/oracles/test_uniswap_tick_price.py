"""1.0001 ** tick: contract against twin to the unit, twin against decimals of 60 digits over the whole range."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkhead.build import artifacts
from bulkhead.chain import Contract, RevmChain
from bulkhead.model.libraries.tick_price import MAX_TICK, at

SCALES = [1, 10**18, 10**36, 2**96, 2**127]
ENDS = [0, 1, 2, 4_095, 4_096, 2**16, 2**19 - 1, 2**19, 2**19 + 1, MAX_TICK - 1, MAX_TICK]


@pytest.fixture(scope="module")
def harness() -> Contract:
    return RevmChain(keep_logs=False).deploy(artifacts()["UniswapHarness"])


@settings(max_examples=300, deadline=None)
@given(
    tick=st.integers(-MAX_TICK, MAX_TICK) | st.sampled_from([sign * end for end in ENDS for sign in (1, -1)]),
    scale=st.sampled_from(SCALES) | st.integers(0, 2**127),
)
def test_the_contract_equals_its_twin(harness: Contract, tick: int, scale: int) -> None:
    assert harness.call.priceAt(tick, scale) == at(tick, scale)


def powers(step: int) -> Iterator[tuple[int, Decimal]]:
    """1.0001 ** tick for every tick that is a multiple of the step, up to the largest."""
    base = Decimal("1.0001")
    for tick in range(0, MAX_TICK + 1, step):
        yield tick, base**tick


def test_the_error_is_below_one_unit_and_2_to_the_minus_105_over_the_whole_range() -> None:
    """Rounded down, so that above the exact value lies at most the relative part."""
    with localcontext(prec=60):
        bound, checked = Decimal(2) ** -105, 0
        for n, exact in [*powers(997), *((end, Decimal("1.0001") ** end) for end in ENDS)]:
            for tick, price in ((n, exact), (-n, 1 / exact)):
                for scale in (10**18, 2**127):
                    error = at(tick, scale) - price * scale
                    assert -1 - price * scale * bound < error <= price * scale * bound, (tick, scale)
                checked += 1
        assert checked > 1_700


def test_rounded_down_to_nothing() -> None:
    assert at(-MAX_TICK, 10**18) == 0 and at(-MAX_TICK, 2**128 // 2) == 0
    assert at(0, 1) == 1 and at(-1, 1) == 0


def test_prices_rise_with_every_tick() -> None:
    """What a tick changes, 0.01 %, is far above the error."""
    for start in (-MAX_TICK, -200_312, -1_000, 0, 276_324, MAX_TICK - 2_000):
        prices = [at(tick, 2**127) for tick in range(start, start + 2_000)]
        assert all(low <= high for low, high in pairwise(prices))
        assert start < -MAX_TICK // 2 or all(low < high for low, high in pairwise(prices))
