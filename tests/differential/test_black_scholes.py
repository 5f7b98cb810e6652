"""BlackScholes, NormalDistribution and Elementary against their twins, to the unit."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from bulkhead.build import artifacts
from bulkhead.chain import Contract, RevmChain
from bulkhead.model.libraries import black_scholes, elementary, normal_distribution
from tools.exact_options import ONE, YEAR, Option, wide

MAX = 2**256 - 1
ENDS = (0, 1, ONE, 2**80 - 1, 2**128 - 1, 2**128, MAX)
#: Without its limit this sigma makes v, in a year, a power of two whose square is nothing in 256 bits.
SQUARED = 2**34 * ONE - 7_566_165_232


@pytest.fixture(scope="module")
def harness() -> Contract:
    return RevmChain().deploy(artifacts()["OptionMathHarness"])


def words(count: int, seed: int) -> Iterator[Option]:
    """Any size of number is as likely, and so are both ends."""
    rng = random.Random(seed)
    for _ in range(count):
        yield Option(*(rng.getrandbits(256) >> rng.randrange(256) for _ in range(4)))


def near(count: int, seed: int) -> Iterator[Option]:
    """Options that have time value."""
    rng = random.Random(seed)
    for _ in range(count):
        spot = rng.getrandbits(rng.randrange(2, 129)) or 1
        strike = min(2**128 - 1, int(spot * 20 ** rng.uniform(-1, 1)))
        yield Option(spot, strike, int(ONE * 10 ** rng.uniform(-3, 2)), int(2 ** rng.uniform(0, 30)))


def ends() -> Iterator[Option]:
    """Every pair of prices with every sigma and time at an end."""
    for spot in ENDS:
        for strike in ENDS:
            for sigma in (0, 1, ONE, 2**80 - 1, 2**80, SQUARED, 2**200, MAX):
                for time in (0, 1, 1_023, 1_024, 2**20, YEAR, 2**30 - 1, 2**30, 2**250, MAX):
                    yield Option(spot, strike, sigma, time)


OPTIONS = {"words": words(3_000, 1), "near": near(3_000, 2), "ends": ends(), "grid": iter(wide(9, 7, 7))}


@pytest.mark.parametrize("kind", OPTIONS)
def test_price_and_greeks(harness: Contract, kind: str) -> None:
    for asked in OPTIONS[kind]:
        told = tuple(harness.call.greeks(*asked))
        assert told == black_scholes.greeks(*asked), asked
        assert tuple(harness.call.price(*asked)) == told[:2] == black_scholes.price(*asked), asked


def test_normal_distribution(harness: Contract) -> None:
    rng = random.Random(3)
    limits = [0, 1, 16 * ONE - 1, 16 * ONE, 16 * ONE + 1, 2**255 - 1]
    for size in limits + [rng.getrandbits(rng.randrange(40, 70)) for _ in range(1_000)]:
        for x in (size, -size, -size - 1):
            assert harness.call.cumulative(x) == normal_distribution.cumulative(x)
    for x in [2**96 * 16, 2**249] + [rng.getrandbits(rng.randrange(80, 250)) for _ in range(500)]:
        assert harness.call.mills(x) == normal_distribution.mills(x)


def test_elementary(harness: Contract) -> None:
    rng = random.Random(4)
    for _ in range(500):
        x, time = rng.getrandbits(rng.randrange(1, 152)), rng.getrandbits(rng.randrange(1, 31))
        smaller, larger = sorted((rng.getrandbits(rng.randrange(1, 129)), rng.getrandbits(rng.randrange(1, 129))))
        assert harness.call.expNegative(x) == elementary.exp_negative(x)
        assert harness.call.sqrtYears(time) == elementary.sqrt_years(time)
        assert harness.call.lnQuotient(larger, smaller) == elementary.ln_quotient(larger, smaller)
    for time in (0, 1, 1_023, 1_024, 2**20 - 1, 2**20, 2**30 - 1):
        assert harness.call.sqrtYears(time) == elementary.sqrt_years(time)
    roots = [*range(300), *(2**64 - 1 - i for i in range(3)), *(2**i for i in range(64))]
    for root in roots + [rng.getrandbits(rng.randrange(1, 65)) for _ in range(500)]:
        for x in {max(root * root + change, 0) for change in (-1, 0, 1)}:
            assert harness.call.sqrtUp(x) == elementary.sqrt_up(x)
    assert harness.call.sqrtUp(2**128 - 1) == 2**64
    for larger, smaller in ((0, 0), (1, 0), (2**128 - 1, 1), (2**128 - 1, 2**127), (2**128 - 1, 2**128 - 1), (2, 1)):
        assert harness.call.lnQuotient(larger, smaller) == elementary.ln_quotient(larger, smaller)
