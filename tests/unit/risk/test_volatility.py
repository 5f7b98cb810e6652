"""Volatility in floats: against a plain loop, and against worked examples of the textbook."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkhead.risk.volatility import HOUR, YEAR, Estimator, ewma, follow, historical, log_returns, ramp

# Hull, Options, Futures and Other Derivatives, "Estimating volatility from historical data": 21 daily closes.
HULL = (
    "20.00 20.10 19.90 20.00 20.50 20.25 20.90 20.90 20.90 20.75 20.75 21.00 21.10 20.90 20.90 21.25 21.40 21.40"
    " 21.25 21.75 22.00"
)


def loop(times: list[float], prices: list[float], estimator: Estimator, start: float) -> list[tuple[float, ...]]:
    """The estimator as its definition says it, a step at a time."""
    fast = slow = start**2
    ramped = start
    found = [(start, start, start)]
    for i in range(1, len(prices)):
        seconds = times[i] - times[i - 1]
        room = (1 + estimator.ramp) ** (seconds / HOUR)
        target = max(math.sqrt(max(fast, slow)), estimator.floor)
        ramped = min(max(target, ramped / room), ramped * room)
        square = min(math.log(prices[i] / prices[i - 1]) ** 2 / (seconds / HOUR), estimator.largest**2)
        variance = square * YEAR / HOUR
        kept = math.exp(-seconds / estimator.fast)
        fast = kept * fast + (1 - kept) * variance
        kept = math.exp(-seconds / estimator.slow)
        slow = kept * slow + (1 - kept) * variance
        found.append((math.sqrt(fast), math.sqrt(slow), ramped))
    return found


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 1_500),
    st.floats(0.5, 200),
    st.floats(1, 20),
    st.sampled_from([0.0, 0.01, 0.2]),
)
def test_vectorised_is_the_plain_loop(seed: int, count: int, fast: float, longer: float, gaps: float) -> None:
    draw = np.random.default_rng(seed)
    prices = 2_000 * np.exp(np.cumsum(draw.standard_t(3, count) * 0.01))
    steps = np.where(draw.random(count) < gaps, draw.integers(2, 2_000, count), 1)
    times = np.cumsum(steps).astype(np.float64) * HOUR
    estimator = Estimator(fast * HOUR, fast * longer * HOUR, largest=0.05)
    known = follow(times, prices, estimator, 0.6)
    wanted = np.array(loop(times.tolist(), prices.tolist(), estimator, 0.6))
    for column, found in enumerate((known.fast, known.slow, known.ramped)):
        np.testing.assert_allclose(found, wanted[:, column], rtol=1e-12)
    np.testing.assert_array_equal(known.highest, np.max([known.fast, known.slow, known.ramped], axis=0))


def test_years_of_hours_do_not_underflow() -> None:
    values = np.full(50_000, 4.0)
    found = ewma(values, np.ones(50_000), 3.0, 1.0)
    assert found[0] == pytest.approx(1 + 3 * (1 - math.exp(-1 / 3)), rel=1e-14)
    assert found[-1] == pytest.approx(4, rel=1e-12)
    assert np.all(np.diff(found) >= -1e-12)


def test_hulls_moving_average() -> None:
    """sigma 1 % a day, lambda 0.90, a return of 2 %: the variance becomes 0.00013, the volatility 1.14 % a day."""
    tau = -1 / math.log(0.90)
    (variance,) = ewma(np.array([0.02**2]), np.ones(1), tau, 0.01**2)
    assert variance == pytest.approx(0.00013, rel=1e-12)
    assert f"{math.sqrt(variance):.2%}" == "1.14%"


def test_hulls_historical_volatility() -> None:
    """Sum of the returns 0.09531, of their squares 0.00326; 1.216 % a day, 19.3 % a year of 252 days."""
    prices = np.array([float(word) for word in HULL.split()])
    returns = log_returns(prices)
    assert (round(returns.sum(), 5), round((returns**2).sum(), 5)) == (0.09531, 0.00326)
    assert round(historical(prices, 1, 1), 5) == 0.01216
    assert round(historical(prices, 1, 252), 3) == 0.193


def test_two_prices_have_no_deviation() -> None:
    with pytest.raises(ValueError, match="must have at least 3 prices, not 2"):
        historical(np.array([1.0, 2.0]))


def test_the_ramp_moves_a_fifth_an_hour_and_not_at_the_update() -> None:
    targets = np.array([5.0, 5.0, 5.0, 0.1, 0.1])
    hours = np.array([0.0, 1.0, 1.0, 0.5, 1.0]) * HOUR
    found = ramp(targets, hours, 0.2, 1.0)
    np.testing.assert_allclose(found, [1.0, 1.2, 1.44, 1.44 * 1.2**0.5, 1.2**1.5], rtol=1e-12)


def test_the_ramp_ends_at_its_target_over_any_gap() -> None:
    found = ramp(np.array([3.0, 0.2, 0.2]), np.array([0.0, 1e9, 1e9]), 0.2, 1.0)
    np.testing.assert_array_equal(found, [1.0, 3.0, 0.2])


def test_a_standing_price_leaves_the_floor() -> None:
    known = follow(np.arange(5_000) * float(HOUR), np.full(5_000, 100.0), Estimator(), 0.5)
    assert known.slow[-1] < 0.01 == known.ramped[-1] == known.highest[-1]
