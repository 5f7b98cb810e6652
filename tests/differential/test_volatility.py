"""Logarithm, Exponential, VolatilityFeed and VolatilityMargin against their twins; the functions against 50 digits."""

from __future__ import annotations

import math
import random
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bulkhead.build import artifacts
from bulkhead.chain import ZERO, Contract, RevmChain
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.libraries import exponential, logarithm
from bulkhead.model.margin.volatility_margin import VolatilityMargin, VolatilityMarginTerms, VolatilityRate
from bulkhead.model.oracles.oracle import encode_proof
from tests.differential.answers import plain
from tests.differential.test_math import ONE, PRICES, SIGNED_SIZES, SIZES, TOKENS, uint
from tests.unit.margin.volatility_world import DAY, HOUR, YEAR, VolatilityWorld

every = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
RAY = 10**27


@pytest.fixture(scope="module")
def harness() -> Contract:
    return RevmChain(keep_logs=False).deploy(artifacts()["VolatilityHarness"])


def exact(value: Decimal) -> Decimal:
    return value * RAY


def test_the_logarithm(harness: Contract) -> None:
    @every
    @given(uint(128).filter(bool), uint(128).filter(bool))
    @example(2**128 - 1, 1)
    @example(1, 2**128 - 1)
    @example(2, 1)
    @example(7, 7)
    @example(2**127 + 1, 2**127)
    @example(15_360, 7_686)  # here and in the next a divisor of 1e27 that is off by one shows
    @example(9_083, 5_567)
    def agrees(a: int, b: int) -> None:
        told = harness.call.ln(a, b)
        assert told == logarithm.ln(a, b) == -logarithm.ln(b, a)
        with localcontext(prec=50):
            assert abs(exact(Decimal(a).ln() - Decimal(b).ln()) - told) < 200

    @every
    @given(st.integers(10**18, 10**24), st.integers(-(10**5), 10**5))
    def of_small_moves(price: int, parts: int) -> None:
        """Up to ten percent: not one unit in ten thousand of a return is lost."""
        moved = price * (10**6 + parts) // 10**6
        told = harness.call.ln(moved, price)
        assert told == logarithm.ln(moved, price)
        with localcontext(prec=50):
            assert abs(exact((Decimal(moved) / price).ln()) - told) < 30

    agrees()
    of_small_moves()


def test_the_exponential(harness: Contract) -> None:
    @every
    @given(st.integers(0, 100 * RAY) | uint(128))
    @example(0)
    @example(63 * RAY)
    @example(2**256 - 1)
    @example(logarithm.LN_2)
    @example(logarithm.LN_2 - 1)
    def decays(x: int) -> None:
        told = harness.call.decay(x)
        assert told == exponential.decay(x)
        with localcontext(prec=50):
            assert abs(exact((-Decimal(x) / RAY).exp()) - told) < 100
        assert told == 0 or x < 63 * RAY

    @every
    @given(st.integers(0, RAY), st.integers(0, 100))
    @example(RAY, 2**32 - 1)
    @example(RAY - 1, 2**32 - 1)
    @example(0, 0)
    def powers(base: int, exponent: int) -> None:
        told = harness.call.power(base, exponent)
        assert told == exponential.power(base, exponent)
        with localcontext(prec=60):
            loss = exact((Decimal(base) / RAY) ** exponent if exponent else Decimal(1)) - told
            assert 0 <= loss <= 2 * exponent or abs(loss) < Decimal("1e-20")

    decays()
    powers()


#: What happens: seconds pass, prices move by so many permille, phases change, somebody calls.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(1, 5_000), st.integers(-90, 90)),
        st.tuples(st.just("push"), st.integers(1, 400), st.sampled_from([-900, -300, 300, 9_000])),
        st.tuples(st.just("wait"), st.integers(0, 40_000), st.just(0)),
        st.tuples(st.just("update"), st.just(0), st.just(0)),
        st.tuples(st.just("update"), st.just(0), st.just(0)),
        st.tuples(st.just("wrong"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("skip"), st.just(0), st.just(0)),
        st.tuples(st.just("phase"), st.integers(1, 3_000), st.just(0)),
        st.tuples(st.just("invalid"), st.integers(1, 3_000), st.just(0)),
        st.tuples(st.just("hours"), st.integers(1, 9), st.integers(-90, 90)),
    ),
    min_size=8,
    max_size=40,
)


#: Each answer at least once: too early, taken, too early to skip, a wrong round, too late, skipped.
EVERY_ANSWER = [("hours", 2, 5), ("update", 0, 0), ("skip", 0, 0), ("push", 4_000, 5), ("wrong", 3, 0)]
EVERY_ANSWER += [("wait", 30_000, 0), ("update", 0, 0), ("skip", 0, 0), ("hours", 3, -20)]


def test_random_histories_equal_the_twin() -> None:
    """Gaps, disputed and invalid prices, new phases, retired aggregators, wrong proofs, calls in vain."""
    world = VolatilityWorld()
    seen: set[Any] = set()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    @example(EVERY_ANSWER)
    def plays(steps: list[tuple[str, int, int]]) -> None:
        again = VolatilityWorld() if seen else world
        price = 2_000.0
        for kind, number, moved in steps:
            if kind == "push":
                again.wait(number)
                price = min(max(price * (1 + moved / 1_000), 1e-3), 1e9)
                again.primary.push(price, observed=again.now - number // 3)
            elif kind == "hours":
                for _ in range(number):
                    price = min(max(price * (1 + moved / 1_000), 1e-3), 1e9)
                    again.wait(HOUR)
                    again.primary.push(price)
                    seen.add(("update", again.update()[:1]))
            elif kind == "wait":
                again.wait(number)
            elif kind == "update":
                seen.add((kind, again.update()[:1]))
            elif kind == "wrong":
                told = again.told("update", (number or 2**79).to_bytes(32, "big"))
                seen.add((kind, told[:1]))
            elif kind == "skip":
                seen.add((kind, again.told("skip")[:1]))
            elif kind == "invalid":
                again.wait(number)
                again.primary.push(0)
            else:
                again.primary.new_phase()
                for _ in range(2):
                    again.wait(number)
                    again.primary.push(price)
                again.primary.push(price / 2, phase=1)  # the retired aggregator goes on
            again.same()

    plays()
    # The histories came where they should.
    assert {("update", ()), ("skip", ()), ("skip", ("PointNotExpired",)), ("update", ("PointExpired",))} <= seen
    assert ("wrong", ("ProofInvalid",)) in seen and ("update", ("PriceNotThereYet",)) in seen


def reference(returns: list[float], memory: int, start: float) -> float:
    """The variance, in floats."""
    decay = math.exp(-HOUR / memory)
    variance = start**2
    for r in returns:
        variance = decay * variance + (1 - decay) * r * r * YEAR / HOUR
    return variance


@pytest.mark.parametrize("yearly", [0.1, 0.8, 3.0])
def test_a_year_of_hours_against_floats(yearly: float) -> None:
    """Within 1e-9 of a float reference all along, at three levels of volatility."""
    world = VolatilityWorld(jump_limit=ONE // 2)
    rng = random.Random(7)
    prices, returns = [2_000 * 10**8], list[float]()
    for hour in range(365 * 24):
        prices.append(round(prices[-1] * math.exp(rng.gauss(0, yearly * math.sqrt(HOUR / YEAR)))))
        world.wait(HOUR)
        proof = encode_proof(world.primary.push(Fraction(prices[-1], 10**8)))
        world.feed.send.update(proof)
        world.twin.update(proof)
        if hour:
            returns.append(math.log(prices[-1] / prices[-2]))
        if hour % 730 == 729:
            world.same()
            state = world.twin.state()
            for told, memory in ((state.fast, DAY), (state.slow, 30 * DAY)):
                foreseen = reference(returns, memory, 0.5)
                assert abs(told / 2**47 / foreseen - 1) < 1e-9
    assert abs(world.twin.slow() / 1e18 / yearly - 1) < 0.2


RATES = [
    (VolatilityRate(3 * ONE, ONE // 25, ONE // 2), VolatilityRate(2 * ONE, ONE * 3 // 100, ONE // 4),
     VolatilityRate(ONE, ONE // 50, ONE // 5)),
    (VolatilityRate(100 * ONE, ONE, ONE), VolatilityRate(10**14 * 2, 10**14 * 2, 10**14 * 2),
     VolatilityRate(10**14, 10**14, 10**14)),
]  # fmt: skip
VOLATILITIES = st.integers(0, 12 * ONE)
STATES = st.builds(Snapshot, st.just(0), PRICES, uint(32), SIZES, SIZES, TOKENS, TOKENS)


class Told:
    """A feed of volatility and of depth that says what it is told."""

    def __init__(self) -> None:
        self.values = (0, 0, 0)

    def highest(self) -> int:
        return self.values[0]

    def ramped(self) -> int:
        return self.values[1]

    def depth(self) -> int:
        return self.values[2]


def chained(rate: VolatilityRate) -> dict[str, int]:
    return {"z": rate.z, "floor": rate.floor, "cap": rate.cap}


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("has_depth", [True, False])
@pytest.mark.parametrize(("impact", "interest"), [(ONE // 10, ONE // 20), (100 * ONE, 100 * ONE), (0, 0)])
def test_the_margin_model_equals_its_twin(rates: Any, has_depth: bool, impact: int, interest: int) -> None:
    """To the unit, and maintenance < target <= initial for every volatility, depth and open interest."""
    chain = RevmChain(keep_logs=False)
    mock, told = chain.deploy(artifacts()["MarginFeedMock"]), Told()
    impact = impact if has_depth else 0
    terms = VolatilityMarginTerms(told, told if has_depth else None, DAY, *rates, impact, interest, 6)
    fields = {"volatility": mock.address, "depth": mock.address if has_depth else ZERO, "horizon": DAY}
    fields |= dict(zip(("initial", "target", "maintenance"), map(chained, rates), strict=True))
    fields |= {"impact": impact, "openInterest": interest, "decimals": 6}
    model, twin = chain.deploy(artifacts()["VolatilityMargin"], fields), VolatilityMargin(terms)

    @every
    @given(VOLATILITIES, VOLATILITIES, uint(256) | TOKENS.map(lambda n: n * 10**12), STATES, SIGNED_SIZES)
    def requirements(one: int, other: int, depth: int, state: Snapshot, size: int) -> None:
        told.values = (max(one, other), other, depth)
        mock.send.set(*told.values)
        initial = twin.initial(state, 0, size)
        assert model.call.initial(plain(state), 0, size) == initial
        maintenance, target = twin.maintenance(0, state.index, 0, size)
        assert plain(model.call.maintenance(0, state.index, 0, size)) == (maintenance, target)
        assert maintenance <= target <= initial
        # The rates differ by more than 1e-14, so that of any notional worth a name the amounts do.
        assert maintenance < target or abs(size) * state.index < 10**32

    requirements()
