"""Black and Scholes in integers: errors against more than 40 digits, limits, and what holds between prices.

All on the twin; tests/differential/test_black_scholes.py ties it to the contract.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

import pytest

from bulkhead.model.libraries.black_scholes import Greeks, greeks, price
from tools.exact_options import ONE, SPOT, YEAR, Option, digits, errors, wide

MAX = 2**256 - 1
E6 = 10**6
STEPS = 100_000


def bound(spot: int, strike: int) -> int:
    """The error of a price that docs/options.md states, for quotients of 1/20 to 20."""
    return min(spot, strike) // 10**15 + 1


def drawn(count: int, seed: int, quotient: float = 20) -> Iterator[Option]:
    """Spots of any size, the domain's quotients, volatilities and times, all as likely on every scale."""
    rng = random.Random(seed)
    for _ in range(count):
        spot = int(10 ** rng.uniform(15, 26))
        sigma, time = int(ONE * 10 ** rng.uniform(-2, 1)), int(60 * (2 * YEAR / 60) ** rng.random())
        yield Option(spot, int(spot * quotient ** rng.uniform(-1, 1)), sigma, time)


def test_errors_on_a_grid() -> None:
    limits = {"price": 1e-15, "delta": 1e-15, "gamma": 2e-14, "vega": 2e-15, "theta": 2e-15}
    with digits():
        for asked in wide():
            for name, error in errors(greeks(*asked), asked).items():
                assert error < limits[name.removesuffix("_error")], (asked, name)


def test_errors_beyond_the_grid() -> None:
    """Any time and volatility, near the strike and up to 20 times it; then any quotient."""
    rng = random.Random(9)
    with digits():
        for _ in range(1_500):
            spot, sigma, time = 10**30, int(ONE * 10 ** rng.uniform(-9, 5)), int(2 ** rng.uniform(0, 30))
            v = Decimal(sigma) / ONE * (Decimal(time) / YEAR).sqrt()
            if v > Decimal("1e-13"):
                near = 1 + v * Decimal(rng.uniform(-6, 6))
                strike = int(spot * near) if Decimal("0.05") < near < 20 else int(spot * 20 ** rng.uniform(-1, 1))
                found = errors(greeks(spot, strike, sigma, time), Option(spot, strike, sigma, time))
                assert found["price_error"] <= Decimal("1e-15") * min(spot, strike) / spot
                assert max(found[f"{name}_error"] for name in ("delta", "vega", "theta")) < 2e-15
        for _ in range(500):
            spot, strike = 10**18, int(10 ** rng.uniform(18, 38))
            sigma, time = int(ONE * 10 ** rng.uniform(0, 2)), int(10 ** rng.uniform(5, 9))
            found = errors(greeks(spot, strike, sigma, time), Option(spot, strike, sigma, time))
            assert found["price_error"] < 4e-8


def test_a_known_price() -> None:
    """A year at the money at 20 %: N(0.1) and what follows from it, as tables have it."""
    told = [value / ONE for value in greeks(100 * ONE, 100 * ONE, ONE // 5, YEAR)]
    assert told[:3] == pytest.approx([7.96556746, 7.96556746, 0.53982784], abs=1e-8)
    assert told[3:] == pytest.approx([0.3969525475 / 20, 39.69525475, -3.969525475], rel=1e-9)


# ---------------------------------------------------------------- between prices


def test_parity_and_bounds() -> None:
    for asked in drawn(STEPS, 1):
        spot, strike, *_ = asked
        call, put = price(*asked)
        assert call + strike == put + spot
        assert max(spot - strike, 0) <= call <= spot
        assert max(strike - spot, 0) <= put <= strike


def test_monotone_in_everything() -> None:
    """But for the stated error, a call never falls when spot, sigma or time rises, and never rises with the strike."""
    rng = random.Random(2)
    for asked in drawn(STEPS, 2):
        spot, strike, sigma, time = asked
        step = rng.choice((1, rng.randrange(1, 10**6), spot // rng.randrange(2, 10**6)))
        call, put = price(*asked)
        slack = 2 * bound(spot + step, strike + step)
        if rng.random() < 0.5:
            higher_call, higher_put = price(spot + step, strike, sigma, time)
            assert -slack <= higher_call - call <= step + slack and -slack <= put - higher_put <= step + slack
            lower_call, higher_put = price(spot, strike + step, sigma, time)
            assert -slack <= call - lower_call <= step + slack and -slack <= higher_put - put <= step + slack
        else:
            assert price(spot, strike, sigma + 1 + step % ONE, time)[0] >= call - slack
            assert price(spot, strike, sigma, time + 1 + step % 10**7)[0] >= call - slack


def test_one_unit_of_the_index_moves_a_mark_down_by_two_units_at_most() -> None:
    """Within one branch of the arithmetic nothing jumps: for prices to 1e6 the error is the same on both sides."""
    for asked in drawn(20_000, 3):
        spot = min(asked.spot, 10**24)
        call = price(spot, asked.strike, asked.sigma, asked.time)[0]
        assert price(spot + 1, asked.strike, asked.sigma, asked.time)[0] >= call - 2


def test_where_the_arithmetic_changes_nothing_jumps_by_more_than_the_error() -> None:
    """Spot at the strike, at twice the strike, where N's argument is 0, and where a power of two is taken out."""
    for sigma in (ONE // 100, ONE // 2, 3 * ONE):
        for time in (60, 1_023, 1_024, 86_400, 2**20 - 1, 2**20, YEAR):
            for spot in (SPOT, SPOT // 2, 2 * SPOT, 4 * SPOT, 8 * SPOT):
                values = [price(spot + step, SPOT, sigma, time)[0] for step in (-2, -1, 0, 1, 2)]
                assert all(b >= a - 2 * bound(spot, SPOT) for a, b in pairwise(values))


def test_a_capped_call_is_worth_between_nothing_and_its_cap() -> None:
    for asked in drawn(20_000, 4):
        spot, strike, sigma, time = asked
        cap = max(1, strike // 7)
        spread = price(*asked)[0] - price(spot, strike + cap, sigma, time)[0]
        slack = 2 * bound(spot, strike + cap)
        assert -slack <= spread <= cap + slack


def test_prices_scale() -> None:
    for asked in drawn(2_000, 5):
        spot, strike, sigma, time = asked
        assert abs(price(10 * spot, 10 * strike, sigma, time)[0] - 10 * price(*asked)[0]) <= 20 * bound(spot, strike)


def test_greeks_are_those_of_the_price() -> None:
    """Differences of prices, between options that have time value."""
    for asked in drawn(2_000, 6, quotient=1.2):
        spot, strike, sigma, time = asked._replace(spot=SPOT, strike=SPOT * asked.strike // asked.spot)
        sigma, time = max(sigma, ONE // 10), max(time, 86_400)
        told = greeks(spot, strike, sigma, time)
        h = SPOT // E6
        up, down = greeks(spot + h, strike, sigma, time), greeks(spot - h, strike, sigma, time)
        assert told.delta / ONE == pytest.approx((up.call - down.call) / (2 * h), abs=2e-6)
        assert told.gamma / ONE == pytest.approx((up.delta - down.delta) / (2 * h), abs=1e-6)
        more, less = (
            price(spot, strike, sigma + sigma // 1_000, time),
            price(spot, strike, sigma - sigma // 1_000, time),
        )
        assert told.vega / ONE == pytest.approx((more[0] - less[0]) / (sigma // 500), rel=1e-3, abs=1e-3)
        later, sooner = price(spot, strike, sigma, time - 60), price(spot, strike, sigma, time + 60)
        assert told.theta / ONE == pytest.approx((later[0] - sooner[0]) / ONE * YEAR / 120, rel=1e-2, abs=1)


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("sigma, time", [(0, YEAR), (ONE, 0), (0, 0), (0, MAX), (MAX, 0)])
def test_without_time_or_volatility_an_option_is_what_it_pays(sigma: int, time: int) -> None:
    assert greeks(SPOT + 1, SPOT, sigma, time) == Greeks(1, 0, ONE, 0, 0, 0)
    assert greeks(SPOT, SPOT, sigma, time) == Greeks(0, 0, 0, 0, 0, 0)
    assert greeks(SPOT - 1, SPOT, sigma, time) == Greeks(0, 1, 0, 0, 0, 0)
    assert greeks(0, SPOT, sigma, time) == Greeks(0, SPOT, 0, 0, 0, 0)
    assert greeks(SPOT, 0, sigma, time) == Greeks(SPOT, 0, ONE, 0, 0, 0)


def test_without_a_price_an_option_is_what_it_pays() -> None:
    for sigma, time in ((ONE, YEAR), (MAX, MAX), (1, 1)):
        assert greeks(0, 0, sigma, time) == Greeks(0, 0, 0, 0, 0, 0)
        assert greeks(0, SPOT, sigma, time) == Greeks(0, SPOT, 0, 0, 0, 0)
        assert greeks(SPOT, 0, sigma, time) == Greeks(SPOT, 0, ONE, 0, 0, 0)


def test_far_from_the_strike() -> None:
    assert greeks(10**30, 1, ONE, YEAR) == Greeks(10**30 - 1, 0, ONE, 0, 0, 0)
    assert greeks(1, 10**30, ONE, YEAR) == Greeks(0, 10**30 - 1, 0, 0, 0, 0)


def test_with_endless_volatility_a_call_is_the_spot_and_a_put_the_strike() -> None:
    for spot, strike in ((SPOT, SPOT), (SPOT, 19 * SPOT), (19 * SPOT, SPOT), (1, 2**128 - 1), (2**128 - 1, 1)):
        assert greeks(spot, strike, MAX, MAX) == Greeks(spot, strike, ONE, 0, 0, 0)


def test_what_is_beyond_the_limits_counts_as_the_limit() -> None:
    prices, sigma, time = 2**128 - 1, 2**80 - 1, 2**30 - 1
    assert greeks(prices + 1, SPOT, ONE, YEAR) == greeks(MAX, SPOT, ONE, YEAR) == greeks(prices, SPOT, ONE, YEAR)
    assert greeks(SPOT, prices + 1, ONE, YEAR) == greeks(SPOT, MAX, ONE, YEAR) == greeks(SPOT, prices, ONE, YEAR)
    assert greeks(SPOT, SPOT, sigma + 1, 60) == greeks(SPOT, SPOT, MAX, 60) == greeks(SPOT, SPOT, sigma, 60)
    assert greeks(SPOT, SPOT, ONE, time + 1) == greeks(SPOT, SPOT, ONE, MAX) == greeks(SPOT, SPOT, ONE, time)


def test_the_least_time_value_is_not_below_nothing() -> None:
    rng = random.Random(8)
    for _ in range(STEPS // 4):
        spot = rng.getrandbits(127) | 1 << 126
        strike = spot + rng.choice((0, int(spot * 10 ** rng.uniform(-38, -18)) * rng.choice((1, -1))))
        sigma, time = int(10 ** rng.uniform(0, 3)), int(10 ** rng.uniform(0, 3))
        assert max(spot - strike, 0) <= price(spot, strike, sigma, time)[0] <= spot


def test_any_words_stay_within_the_bounds() -> None:
    rng = random.Random(7)
    for _ in range(STEPS // 2):
        words = [rng.getrandbits(rng.randrange(1, 257)) for _ in range(4)]
        spot, strike = (min(word, 2**128 - 1) for word in words[:2])
        call, put, delta, gamma, vega, theta = greeks(*words)
        assert call + strike == put + spot
        assert max(spot - strike, 0) <= call <= spot
        assert 0 <= delta <= ONE and gamma >= 0 and vega >= 0 >= theta
        assert max(gamma, vega, -theta) < 2**255
