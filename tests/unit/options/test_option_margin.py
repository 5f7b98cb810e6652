"""Margins of options: the published rule to the unit, its improvements, health monotone in the index (REQ-35, 36)."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from bulkhead.chain import Revert
from bulkhead.model.errors import ModelError
from bulkhead.model.instruments.expiry_fixing import STEP
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.libraries import black_scholes
from bulkhead.model.margin.option_margin import OptionMargin, OptionMarginTerms
from bulkhead.protocol.options import OptionMarginRates
from tests.unit.options.options_world import DAY, E18, EXPIRY, HOUR, MINUTE, PRICE, WIDE, WINDOW, OptionsWorld, ready

ONE = E18
#: Derive's older parameters, whatever volatility is.
PLAIN = OptionMarginRates(
    least=Decimal(1), most=Decimal(1), initial=Decimal("0.15"), initial_floor=Decimal("0.10"),
    target=Decimal("0.08"), maintenance=Decimal("0.075"),
)  # fmt: skip
WRONG = [
    ("normal", ONE // 100 - 1), ("normal", 10 * ONE + 1), ("least", ONE // 10 - 1), ("least", 3 * ONE + 1),
    ("most", 10 * ONE + 1),
]  # fmt: skip
#: initial, its floor, target, maintenance, in percent, that do not fit at a largest factor of 3.
UNORDERED = [(15, 13, 11, 0), (15, 13, 9, 9), (15, 10, 11, 9), (12, 13, 11, 9), (34, 13, 11, 9)]


@pytest.fixture(scope="module")
def built() -> OptionsWorld:
    return ready()


def told(world: OptionsWorld, rates: dict[str, int]) -> tuple[Any, Any]:
    with pytest.raises(Revert) as caught:
        world.deployment.deploy("OptionMargin", {"options": world.options.address, **rates})
    with pytest.raises(ModelError) as foreseen:
        OptionMargin(world.twin, world.volatility_twin, OptionMarginTerms(*rates.values()), world.block)
    assert (caught.value.name, tuple(caught.value.values)) == (foreseen.value.name, foreseen.value.args)
    return foreseen.value.name, foreseen.value.args


def rates_of(world: OptionsWorld) -> dict[str, int]:
    rates = world.rates.encoded("")
    rates.pop("options")
    return rates


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_terms_out_of_their_range_are_refused(built: OptionsWorld, name: str, value: int) -> None:
    assert told(built, rates_of(built) | {name: value}) == ("ParameterInvalid", (name, value))


@pytest.mark.parametrize("percents", UNORDERED)
def test_rates_that_do_not_fit_together_are_refused(built: OptionsWorld, percents: tuple[int, ...]) -> None:
    rates = dict(
        zip(("initial", "initialFloor", "target", "maintenance"), (ONE * p // 100 for p in percents), strict=True)
    )
    assert told(built, rates_of(built) | rates) == ("OptionRatesInvalid", tuple(rates.values()))


APART = 10**14
#: The least and the most of each rate, and rates as near to each other as they may be.
ENDS = [
    {
        "normal": ONE // 100, "least": ONE // 10, "most": ONE // 10, "initial": 2 * APART, "initialFloor": 2 * APART,
        "target": 2 * APART, "maintenance": APART,
    },
    {
        "normal": 10 * ONE, "least": 10 * ONE, "most": 10 * ONE, "initial": ONE // 10, "initialFloor": ONE // 10,
        "target": ONE // 10, "maintenance": ONE // 10 - APART,
    },
]  # fmt: skip


@pytest.mark.parametrize("ends", ENDS)
def test_terms_at_the_ends_of_their_ranges_are_taken_and_told(built: OptionsWorld, ends: dict[str, int]) -> None:
    terms = {"options": built.options.address, **ends}
    assert built.deployment.deploy("OptionMargin", terms).call.terms()._asdict() == terms


@pytest.mark.parametrize(
    ("ends", "less"),
    [
        (ENDS[0], {"maintenance": APART - 1}), (ENDS[0], {"target": 2 * APART - 1}),
        (ENDS[0], {"initialFloor": 2 * APART - 1}), (ENDS[0], {"initial": 2 * APART - 1}),
        (ENDS[1], {"initial": ONE // 10 + 1}),
    ],
)  # fmt: skip
def test_rates_a_unit_beyond_are_refused(built: OptionsWorld, ends: dict[str, int], less: dict[str, int]) -> None:
    assert told(built, ends | less)[0] == "OptionRatesInvalid"


class Both:
    """A margin model and its twin, asked together."""

    def __init__(self, world: OptionsWorld, rates: OptionMarginRates) -> None:
        self.contract = world.deployment.deploy("OptionMargin", rates.encoded(world.options.address))
        encoded = rates.encoded("")
        encoded.pop("options")
        terms = OptionMarginTerms(*encoded.values())
        self.twin = OptionMargin(world.twin, world.volatility_twin, terms, world.block)

    def initial(self, series: int, index: int, mark: int, size: int = -ONE) -> int:
        state = (series, index, 0, 0, 0, 0, 0)
        asked = int(self.contract.call.initial(state, mark, size))
        assert asked == self.twin.initial(Snapshot(*state), mark, size)
        return asked

    def maintenance(self, series: int, index: int, mark: int, size: int = -ONE) -> tuple[int, int]:
        asked = tuple(self.contract.call.maintenance(series, index, mark, size))
        assert asked == self.twin.maintenance(series, index, mark, size)
        return asked  # type: ignore[return-value]


def test_the_published_values_come_out_to_the_unit(built: OptionsWorld) -> None:
    """Derive: spot 1500, short call strike 1400 with mark 100: 325 to open, 212.5 to stay open, the mark included."""
    plain = Both(built, PLAIN)
    series = built.series(False, 1_400, EXPIRY)
    mark = 100 * ONE
    assert plain.initial(series, 1_500 * ONE, mark) + mark == 325 * ONE
    assert plain.maintenance(series, 1_500 * ONE, mark)[0] + mark == 212 * ONE + ONE // 2
    # Twice the size is twice the requirement, and a long needs its mark and nothing to stay.
    assert plain.initial(series, 1_500 * ONE, mark, -2 * ONE) == 450 * ONE
    assert (plain.initial(series, 1_500 * ONE, mark, ONE), plain.maintenance(series, 1_500 * ONE, mark, ONE)) == (
        mark,
        (0, 0),
    )


def test_the_plain_rule_case_by_case(built: OptionsWorld) -> None:
    """Calls are Derive's to the unit. Puts differ where S or min(S, K) is above what can still be lost."""
    plain = Both(built, PLAIN)
    for strike in (1_000, 1_400, 1_500, 1_600, 2_500):
        for spot in (1_000, 1_500, 2_200):
            call, put = (built.series(kind, strike, EXPIRY) for kind in (False, True))
            sigma, left = 8 * ONE // 10, 30 * DAY
            dear, cheap = black_scholes.price(spot * ONE, strike * ONE, sigma, left)
            value = min(dear, strike * ONE), cheap
            free = strike * ONE - value[0]
            otm = max(Decimal(strike) / spot - 1, Decimal(0))
            foreseen = min(max(Decimal("0.15") - otm, Decimal("0.10")) * spot * ONE, Decimal(free))
            assert abs(plain.initial(call, spot * ONE, value[0]) - foreseen) <= spot
            assert plain.maintenance(call, spot * ONE, value[0])[0] == min(
                75 * spot * ONE // 1_000, strike * ONE - value[0]
            )
            derive = max(75 * min(spot, strike) * ONE // 1_000, 75 * value[1] // 1_000)
            ours = plain.maintenance(put, spot * ONE, value[1])[0]
            assert ours <= derive + 1 and ours <= strike * ONE - value[1]
            if spot > 14 * strike // 10:
                assert derive - ours < derive // 50, "far out of the money it is the same rate of the strike"


@pytest.mark.parametrize("put", [False, True])
def test_health_is_monotone_in_the_index_for_every_volatility_and_time(put: bool) -> None:
    """A short call's falls, a short put's rises; with S or min(S, K) in a put's rule it does not."""
    rng = random.Random(11)
    world = ready()
    shipped = Both(world, OptionMarginRates()).twin
    strike = 2_000 * ONE
    series = world.series(put, 2_000, EXPIRY)
    broken = 0
    for _ in range(250):
        sigma, left = int(10 ** rng.uniform(-1, 1) * ONE), int(10 ** rng.uniform(2, 7.3))
        indices = sorted(int(10 ** rng.uniform(1.5, 5) * ONE) for _ in range(40))
        health, naive, opening = [], [], []
        for index in indices:
            call, value = black_scholes.price(index, strike, sigma, left)
            beyond, _ = black_scholes.price(index, 2 * strike, sigma, left)
            mark = value if put else min(max(call - beyond, 0), strike)
            maintenance, target = shipped.maintenance(series, index, mark, -ONE)
            initial = shipped.initial(Snapshot(series, index, 0, 0, 0, 0, 0), mark, -ONE)
            assert 0 <= maintenance <= target <= initial <= strike - mark
            health.append(-mark - maintenance)
            opening.append(-mark - initial)
            rate = maintenance * ONE // max(strike - mark, mark) if put else 0
            naive.append(-mark - min(rate * min(index, strike) // ONE, strike - mark))
        for told in (health, opening):
            steps = [b - a if put else a - b for a, b in pairwise(told)]
            assert min(steps) >= -(10**6), (sigma, left)
        broken += min(b - a for a, b in pairwise(naive)) < -(10**15)
    assert not put or broken > 10, "the rule with min(S, K) fails in some"


def test_rates_are_in_proportion_to_volatility_between_their_bounds() -> None:
    world = ready()
    model, series = Both(world, OptionMarginRates()), world.series(False, 2_000, EXPIRY)
    sigma = world.told("volatilityAt", world.now)
    assert sigma == ONE
    mark = 10 * ONE
    assert model.maintenance(series, PRICE * ONE, mark) == tuple(
        -(-PRICE * ONE * (-(-ONE * p * factor // ONE // 100)) // ONE)
        for factor in [-(-ONE * ONE // (ONE * 3 // 4))]
        for p in (9, 11)
    )
    before = model.initial(series, PRICE * ONE, mark)
    for price in (1_500, 2_000, 1_500, 2_000):
        world.tick(price, after=HOUR)
        world.keep()
    # Fast volatility is up at once and initial with it; maintenance follows the ramp.
    assert model.initial(series, PRICE * ONE, mark) > before * 3 // 2
    low = Both(world, OptionMarginRates(normal=Decimal(10), least=Decimal("0.5")))
    assert low.maintenance(series, PRICE * ONE, mark)[0] == PRICE * ONE * 45 // 1_000
    high = Both(world, OptionMarginRates(normal=Decimal("0.01"), most=Decimal(3)))
    assert high.maintenance(series, PRICE * ONE, mark)[0] == PRICE * ONE * 27 // 100
    assert high.initial(series, 0, mark) == 0


def test_nothing_is_needed_once_the_settlement_price_is_known_even_before_the_expiry() -> None:
    world = ready()
    series = world.series(True, PRICE, EXPIRY)
    world.go(EXPIRY - WINDOW - MINUTE)
    assert world.same(world.fixing, world.fixing_twin, "bind", EXPIRY) == ()
    for i in range(6):
        world.tick(after=EXPIRY - WINDOW + i * STEP + 1 - world.now)
    model = Both(world, OptionMarginRates())
    assert model.maintenance(series, PRICE * ONE, 10 * ONE)[0] > 0
    assert world.fix(EXPIRY) == () and world.now < EXPIRY
    assert model.maintenance(series, PRICE * ONE, 10 * ONE) == (0, 0)


def test_margins_are_exact_to_the_last_unit_whatever_the_cap_and_the_step() -> None:
    rng = random.Random(3)
    odd = replace(WIDE, strike_step=Decimal("25.000000000000000001"), call_cap=Decimal("0.333333333333333333"))
    world = ready(terms=odd)
    model = Both(world, OptionMarginRates(normal=Decimal("0.7")))
    for _ in range(60):
        strike = rng.randrange(25, 9_000, 25)
        series = world.series(rng.random() < 0.5, strike, EXPIRY)
        near = int(strike * ONE * rng.uniform(0.985, 1.015))  # the initial rate lies above its floor
        index, cap = rng.choice([0, 1, near, near, rng.randrange(10_000 * ONE)]), world.told("cap", series)
        for mark in (0, rng.randrange(cap), cap, cap + 1):
            for size in (1, -1, ONE + 1, -ONE - 1):
                initial = model.initial(series, index, mark, size)
                maintenance, target = model.maintenance(series, index, mark, size)
                assert maintenance <= target <= initial
                assert initial == -(-size * mark // ONE) or size < 0


def test_rates_are_exact_to_the_last_unit_whatever_volatility_is_normal(built: OptionsWorld) -> None:
    """At factors of 5 to 10 a unit of 1e-18 lost anywhere shows in most of them."""
    rates = [Decimal(one) for one in ("0.0999", "0.0997", "0.0993", "0.0987")]
    for i in range(16):
        normal = Decimal(100_003 + 6_007 * i) / 10**6
        model = Both(built, OptionMarginRates(normal, Decimal("0.1"), Decimal(10), *rates))
        for put in (False, True):
            for strike in (PRICE, 5 * PRICE):  # a call in the money, and one so far out that its floor counts
                series = built.series(put, strike, EXPIRY)
                model.initial(series, PRICE * ONE + 1, 7, -100 * ONE)
                model.maintenance(series, PRICE * ONE + 1, 7, -100 * ONE)
