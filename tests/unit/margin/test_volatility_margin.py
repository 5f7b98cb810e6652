"""The margin model: its formula by hand, its shape, what it may depend on, and how it is created."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import sqrt
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkhead.build import artifacts
from bulkhead.chain import ZERO, Contract, Revert, RevmChain
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.margin.volatility_margin import VolatilityMargin, VolatilityMarginTerms, VolatilityRate
from bulkhead.protocol import VolatilityMarginRates
from tests.differential.answers import answer_of, plain
from tests.unit.margin.volatility_world import STEEP

YEAR = 365 * 86_400
PRICE = 2_000 * ONE
SIZE = st.integers(0, 10**24)
VOLATILITY = st.integers(0, 12 * ONE)
DEPTH = st.integers(0, 10**27) | st.integers(0, 100)
every = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


class World:
    """The model on feeds that say what the test says."""

    def __init__(self, rates: VolatilityMarginRates = STEEP, has_depth: bool = True) -> None:
        self.chain = RevmChain(keep_logs=False)
        self.feed = self.chain.deploy(artifacts()["MarginFeedMock"])
        depth = self.feed.address if has_depth else ZERO
        self.model: Contract = self.chain.deploy(
            artifacts()["VolatilityMargin"], rates.encoded(self.feed.address, depth, 6)
        )

    def says(self, volatility: int, ramped: int | None = None, depth: int = 10**25) -> World:
        self.feed.send.set(volatility, volatility if ramped is None else ramped, depth)
        return self

    def initial(self, size: int, long: int = 0, short: int = 0, capital: int = 0) -> int:
        state = Snapshot(0, PRICE, 0, long, short, capital // 2, capital - capital // 2)
        return int(self.model.call.initial(plain(state), PRICE, size))

    def kept(self, size: int) -> tuple[int, int]:
        maintenance, target = self.model.call.maintenance(0, PRICE, PRICE, size)
        return int(maintenance), int(target)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.mark.parametrize("size", [10 * ONE, -10 * ONE])
@pytest.mark.parametrize(("volatility", "factor"), [(0.2, None), (1.0, 1.0), (3.0, 3.0), (50.0, None)])
def test_the_formula(world: World, size: int, volatility: float, factor: float | None) -> None:
    """10 ETH at 2,000: z standard deviations of an hour, between floors and caps, a thousandth of the depth."""
    world.says(min(round(volatility * ONE), 11 * ONE), depth=20_000_000 * ONE)
    hour = sqrt(3_600 / YEAR)
    shares = {0.2: (0.02, 0.03, 0.04), 50.0: (0.2, 0.3, 0.5)}.get(volatility)
    m, t, i = shares or (factor * hour * z for z in (3, 4.5, 6))  # type: ignore[operator]
    maintenance, target = world.kept(size)
    assert maintenance / ONE == pytest.approx(20_000 * min(m, 0.2), rel=1e-12)
    assert target / ONE == pytest.approx(20_000 * min(t, 0.3), rel=1e-12)
    own = (0.5 + 2 * 0.1) / 2 * 20_000**2 / 20_000_000
    calm, cap = volatility == 0.2, volatility == 50.0
    expected = 20_000 * i + (0 if calm or cap else own)
    assert world.initial(size) / ONE == pytest.approx(expected, rel=1e-12)
    if factor == 1.0:  # an open interest of a hundredth of the depth, and what of it lies on the trade's side
        side = 120_000 if size > 0 else 80_000
        crowded = 20_000 * (0.5 * 200_000 + 2 * 0.1 * side) / 20_000_000
        assert world.initial(size, 60 * ONE, 40 * ONE) / ONE == pytest.approx(expected + crowded, rel=1e-12)


@every
@given(VOLATILITY, VOLATILITY, DEPTH, SIZE, SIZE, st.integers(0, 10**23))
def test_maintenance_below_target_below_initial(
    one: int, other: int, depth: int, size: int, less: int, open_: int
) -> None:
    """Always; convex in size, zero at zero, between floor and cap."""
    world = SHARED.says(max(one, other), other, depth)
    (maintenance, target), initial = world.kept(size), world.initial(size, open_)
    assert maintenance <= target <= initial
    assert size < 100 or maintenance < target
    notional = Fraction(size * PRICE, ONE)
    assert notional * Fraction(4, 100) <= initial <= notional / 2 + 3
    assert world.initial(0, open_) == 0 and world.kept(0) == (0, 0)
    # Convex: between two sizes never above the line; two units of rounding.
    low, high = sorted((size, less))
    middle = (low + high) // 2 // 2 * 2
    ends = world.initial(low, open_), world.initial(high, open_)
    share = Fraction(middle - low, high - low) if high != low else Fraction(0)
    assert world.initial(middle, open_) <= ends[0] + (ends[1] - ends[0]) * share + 4


SHARED = World()


@every
@given(VOLATILITY, VOLATILITY, DEPTH, DEPTH, st.integers(1, 10**24), st.integers(0, 10**23), st.integers(0, 10**23))
def test_what_raises_initial_and_never_touches_maintenance(
    one: int, other: int, depth: int, more: int, size: int, open_: int, opened: int
) -> None:
    """Monotone in volatility, depth and open interest; maintenance hears of the ramped volatility only."""
    low, high = sorted((one, other))
    initial = SHARED.says(low, low, depth + more).initial(size, open_)
    kept = SHARED.kept(size)
    assert SHARED.says(low, low, depth).initial(size, open_ + opened) + 2 >= initial
    assert SHARED.says(high, low, depth).initial(size, open_, opened) + 2 >= initial
    assert SHARED.kept(size) == kept


@every
@given(
    VOLATILITY, DEPTH, st.sampled_from((1, -1)), st.lists(st.integers(1, 10**23), min_size=2, max_size=5), SIZE, SIZE
)
def test_slices_are_asked_no_less_than_the_whole(
    volatility: int, depth: int, sign: int, slices: list[int], long: int, short: int
) -> None:
    """Rows 13 and 43: each executed before the next is committed; less by a unit of the rate at most."""
    SHARED.says(volatility, depth=depth)
    whole, asked = SHARED.initial(sign * sum(slices), long, short), 0
    for size in slices:
        asked += SHARED.initial(sign * size, long, short)
        long, short = (long + size, short) if sign > 0 else (long, short + size)
    assert asked >= whole - sum(slices) * PRICE // ONE**2 - 4


def test_slices_are_asked_what_the_whole_is(world: World) -> None:
    """Below the cap it is the same: ten slices of 100 ETH, a tenth of the depth together."""
    world.says(ONE, depth=20_000_000 * ONE)
    whole = world.initial(1_000 * ONE, 500 * ONE, 700 * ONE)
    slices = [world.initial(100 * ONE, (500 + 100 * i) * ONE, 700 * ONE) for i in range(10)]
    assert sum(slices) / whole == pytest.approx(1, rel=1e-12)
    assert slices == sorted(slices) and slices[-1] > slices[0] * 101 // 100


def test_without_a_feed_of_depth(world: World) -> None:
    """No impact; open interest, the trade's own with it, against the pool's capital; an empty pool is the cap."""
    bare = World(replace(STEEP, impact=Decimal(0)), has_depth=False).says(ONE)
    rate = 6 * sqrt(3_600 / YEAR)
    million = 10**6 * 10**6
    own = 0.5 / 2 * 20_000**2 / 10**6
    assert bare.initial(10 * ONE, capital=million) / ONE == pytest.approx(20_000 * rate + own, rel=1e-12)
    told = bare.initial(10 * ONE, 10 * ONE, 40 * ONE, capital=million) / ONE
    assert told == pytest.approx(20_000 * (rate + 0.05) + own, rel=1e-12)
    room = 0.5 - rate  # reached by a notional of room / 0.5 of the capital
    huge = 2 * 10**8 * rate + room * (2 * 10**8 - room / 0.5 * 10**6 / 2)
    assert bare.initial(10**5 * ONE, capital=million) / ONE == pytest.approx(huge, rel=1e-12)
    quiet = World(replace(STEEP, impact=Decimal(0), open_interest=Decimal(0)), has_depth=False).says(ONE)
    assert quiet.initial(10**5 * ONE) / ONE == pytest.approx(2 * 10**8 * rate, rel=1e-12)
    assert bare.initial(10 * ONE) == 10_000 * ONE


def test_unknown_depth_is_the_cap(world: World) -> None:
    assert world.says(ONE, depth=0).initial(10 * ONE) == 10_000 * ONE
    endless = world.says(ONE, depth=2**256 - 1).initial(10 * ONE)
    assert endless / ONE == pytest.approx(20_000 * 6 * sqrt(3_600 / YEAR), rel=1e-12)
    quiet = World(replace(STEEP, open_interest=Decimal(0))).says(ONE, depth=0)
    assert quiet.initial(10 * ONE) == 10_000 * ONE


def test_from_where_each_unit_more_pays_the_cap(world: World) -> None:
    """At that very notional it does: 2,000 units against 3,219, up to the unit."""
    terms = STEEP.encoded(world.feed.address, world.feed.address, 6)
    rates = [VolatilityRate(**terms[name]) for name in ("initial", "target", "maintenance")]
    told: Any = SimpleNamespace(highest=lambda: 1_011_900_000_000_000_000, depth=lambda: 3_219)
    twin = VolatilityMargin(VolatilityMarginTerms(told, told, 3_600, *rates, ONE // 10, ONE // 2, 6))
    for size in (0, 1, 2):
        state = Snapshot(0, PRICE, 0, 0, 0, 0, 0)
        required = world.says(told.highest(), depth=3_219).initial(size)
        assert required == twin.initial(state, PRICE, size)
        assert size != 1 or required == 130 + 436


def test_a_rate_is_rounded_up(world: World) -> None:
    """Four and a half deviations, an odd number of units each: the half becomes a whole one, as the least bit does."""
    root = world.model.call.ROOT_HORIZON()
    volatility = next(v for v in range(ONE, 2 * ONE) if v * root // ONE % 2 == 0 < v * root % ONE <= v * root // ONE)
    rate = (9 * (volatility * root // ONE + 1) + 1) // 2
    assert world.says(volatility).kept(10**6 * ONE)[1] == 2_000 * 10**6 * rate


def test_the_smallest_long_meets_the_longs(world: World) -> None:
    world.says(ONE, depth=10**28)
    assert world.initial(1, 10**24) == world.initial(-1, 0, 10**24) > world.initial(-1, 10**24)


def test_over_a_year_one_deviation_is_the_volatility() -> None:
    terms = STEEP.encoded(SHARED.feed.address, SHARED.feed.address, 6) | {"horizon": YEAR}
    assert SHARED.chain.deploy(artifacts()["VolatilityMargin"], terms).call.ROOT_HORIZON() == ONE


GOOD = (VolatilityRate(3 * ONE, ONE // 25, ONE // 2), VolatilityRate(2 * ONE, ONE * 3 // 100, ONE // 3))
GOOD = (*GOOD, VolatilityRate(ONE, ONE // 50, ONE // 5))
STEP = 10**14
FORTY = ONE * 2 // 5
NEAR, FIFTH = 2 * ONE - STEP + 1, ONE // 5 + STEP - 1  # nearer than a step


def made(**changed: Any) -> Any:
    """What a creation comes to, the same in both."""
    parts = {"initial": GOOD[0], "target": GOOD[1], "maintenance": GOOD[2]}
    values = {"horizon": 3_600, "impact": 0, "open_interest": 0, "decimals": 6}
    has_depth = changed.pop("has_depth", False)
    for name, value in changed.items():
        part, _, field = name.partition("_")
        if part in parts:
            parts[part] = VolatilityRate(**{**vars(parts[part]), field: value})
        else:
            values[name] = value
    feed = SHARED.feed.address
    fields = {name: vars(rate) for name, rate in parts.items()}
    fields |= {("openInterest" if name == "open_interest" else name): value for name, value in values.items()}
    deployed = {"volatility": feed, "depth": feed if has_depth else ZERO, **fields}
    chain = answer_of(lambda: SHARED.chain.deploy(artifacts()["VolatilityMargin"], deployed) and ())
    told: Any = object() if has_depth else None  # never asked here
    terms = VolatilityMarginTerms(told, told, **parts, **values)
    assert chain == answer_of(lambda: VolatilityMargin(terms) and ())
    return chain


@pytest.mark.parametrize(
    ("field", "beyond", "last", "error"),
    [
        ("maintenance_z", STEP - 1, STEP, ("MultiplesInvalid", (3 * ONE, 2 * ONE, STEP - 1))),
        ("maintenance_z", NEAR, NEAR - 1, ("MultiplesInvalid", (3 * ONE, 2 * ONE, NEAR))),
        ("target_z", 3 * ONE + 1, 3 * ONE, ("MultiplesInvalid", (3 * ONE, 3 * ONE + 1, ONE))),
        ("initial_z", 100 * ONE + 1, 100 * ONE, ("MultiplesInvalid", (100 * ONE + 1, 2 * ONE, ONE))),
        ("maintenance_floor", STEP - 1, STEP, ("RatesInvalid", (ONE // 25, ONE * 3 // 100, STEP - 1))),
        ("target_floor", ONE // 25 + 1, ONE // 25, ("RatesInvalid", (ONE // 25, ONE // 25 + 1, ONE // 50))),
        ("initial_floor", ONE + 1, ONE // 2, ("RatesInvalid", (ONE + 1, ONE * 3 // 100, ONE // 50))),
        ("initial_cap", ONE + 1, ONE, ("RatesInvalid", (ONE + 1, ONE // 3, ONE // 5))),
        ("target_cap", FIFTH, FIFTH + 1, ("RatesInvalid", (ONE // 2, FIFTH, ONE // 5))),
        ("initial_floor", ONE // 2 + 1, ONE // 2, ("ParameterInvalid", ("initial.floor", ONE // 2 + 1))),
        ("horizon", 0, 1, ("ParameterInvalid", ("horizon", 0))),
        ("horizon", YEAR + 1, YEAR, ("ParameterInvalid", ("horizon", YEAR + 1))),
        ("impact", 1, 0, ("ParameterInvalid", ("impact", 1))),
        ("open_interest", 100 * ONE + 1, 100 * ONE, ("ParameterInvalid", ("openInterest", 100 * ONE + 1))),
        ("decimals", 19, 18, ("ParameterInvalid", ("decimals", 19))),
    ],
)  # fmt: skip
def test_terms_that_do_not_fit(field: str, beyond: int, last: int, error: tuple[str, tuple[Any, ...]]) -> None:
    assert made(**{field: beyond}) == ("error", *error)
    assert made(**{field: last}) == ()


def test_impact_needs_a_depth_and_is_bounded() -> None:
    assert made(impact=100 * ONE, has_depth=True) == ()
    assert made(impact=100 * ONE + 1, has_depth=True)[1:] == ("ParameterInvalid", ("impact", 100 * ONE + 1))
    assert made(impact=0, has_depth=True) == ()


def test_floors_of_target_and_maintenance_below_their_caps() -> None:
    assert made(target_floor=FORTY, initial_floor=FORTY)[1:] == ("ParameterInvalid", ("target.floor", FORTY))
    told = made(maintenance_floor=ONE // 4, target_floor=ONE * 3 // 10, initial_floor=ONE * 3 // 10)
    assert told[1:] == ("ParameterInvalid", ("maintenance.floor", ONE // 4))


def test_a_feed_that_is_none_is_refused() -> None:
    terms = STEEP.encoded(ZERO, ZERO, 6) | {"impact": 0}
    with pytest.raises(Revert):
        SHARED.chain.deploy(artifacts()["VolatilityMargin"], terms)
