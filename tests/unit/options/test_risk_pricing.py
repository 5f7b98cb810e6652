"""Prices in floats: against decimals and the contracts' twin, their limits, and volatility read back from prices."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from bulkhead.model.libraries import black_scholes
from bulkhead.risk.options.pricing import call, call_greeks, implied, mills, normal, put, put_greeks
from bulkhead.risk.volatility import YEAR
from tools import exact_options
from tools.exact_options import ONE, digits, option, wide

GRID = wide(11, 7, 7)
SPOT, STRIKE, SIGMA = (np.array([entry[place] / ONE for entry in GRID]) for place in range(3))
TIME = np.array([float(entry.time) for entry in GRID])
ROOT = np.sqrt(TIME / YEAR)


def exact() -> np.ndarray:
    with digits():
        rows = [option(*(Decimal(value) / ONE for value in entry[:3]), entry.time) for entry in GRID]
        return np.array([[float(value) for value in row] for row in rows])


def test_prices_and_greeks_agree_with_sixty_digits() -> None:
    found, other, true = call_greeks(SPOT, STRIKE, SIGMA, TIME), put_greeks(SPOT, STRIKE, SIGMA, TIME), exact()
    assert np.abs(found.value - true[:, 0]).max() < 4e-12  # of a spot of 1,000: a few units of the last digit
    assert np.abs(other.value - true[:, 1]).max() < 4e-12
    assert np.abs(found.delta - true[:, 2]).max() < 1e-15
    assert np.abs(other.delta - (true[:, 2] - 1)).max() < 1e-15
    for greeks in (found, other):
        assert np.abs((greeks.gamma - true[:, 3]) * SPOT * SIGMA * ROOT).max() < 1e-15
        assert np.abs((greeks.vega - true[:, 4]) / (SPOT * ROOT)).max() < 1e-15
        assert np.abs((greeks.theta - true[:, 5]) * 2 * ROOT / (SPOT * SIGMA)).max() < 1e-15


def test_they_agree_with_the_twin_of_the_contract() -> None:
    twin = np.array([[value / ONE for value in black_scholes.greeks(*entry)] for entry in GRID])
    found = call_greeks(SPOT, STRIKE, SIGMA, TIME)
    for place, (value, scale) in enumerate(
        (
            (found.value, SPOT),
            (put(SPOT, STRIKE, SIGMA, TIME), SPOT),
            (found.delta, 1),
            (found.gamma, 1 / (SPOT * SIGMA * ROOT)),
            (found.vega, SPOT * ROOT),
            (found.theta, SPOT * SIGMA / (2 * ROOT)),
        )
    ):
        assert np.abs((value - twin[:, place]) / scale).max() < 1e-13


def test_the_tail_of_the_normal_distribution_is_exact_however_far() -> None:
    points = np.concatenate((np.linspace(0, 12, 100), np.linspace(12, 60, 40)))
    with digits():
        true = np.array([float(exact_options.mills(Decimal(float(x)))) for x in points])
    assert np.abs(mills(points) / true - 1).max() < 4e-15
    assert normal(0.0) == 0.5 and normal(-50.0) == 0.0 and normal(50.0) == 1.0


def test_without_time_or_volatility_it_is_what_would_be_paid_at_once() -> None:
    for sigma, time in ((0.0, 1e6), (0.8, 0.0)):
        assert call([90.0, 100.0, 110.0], 100.0, sigma, time).tolist() == [0.0, 0.0, 10.0]
        assert put([90.0, 100.0, 110.0], 100.0, sigma, time).tolist() == [10.0, 0.0, 0.0]
        greeks = call_greeks([90.0, 110.0], 100.0, sigma, time)
        assert greeks.delta.tolist() == [0.0, 1.0]
        assert not (greeks.gamma.any() or greeks.vega.any() or greeks.theta.any())


def test_a_far_option_keeps_its_digits() -> None:
    with digits(400):
        true = option(Decimal(1000), Decimal(3000), Decimal("0.4"), 7 * 86_400)
    assert call(1000.0, 3000.0, 0.4, 7 * 86_400.0) == pytest.approx(float(true.call), rel=1e-12, abs=0)
    assert 0 < true.call < Decimal("1e-80")


def test_a_capped_call_is_a_spread_and_never_above_its_cap() -> None:
    spots = np.linspace(10, 20_000, 500)
    capped = call_greeks(spots, 1000.0, 0.9, 30 * 86_400.0, 400.0)
    both = call_greeks(spots, 1000.0, 0.9, 30 * 86_400.0), call_greeks(spots, 1400.0, 0.9, 30 * 86_400.0)
    for name in ("value", "delta", "gamma", "vega", "theta"):
        assert np.allclose(getattr(capped, name), getattr(both[0], name) - getattr(both[1], name), atol=1e-12)
    assert capped.value.min() >= 0 and capped.value.max() <= 400 and np.diff(capped.value).min() >= -1e-11
    assert call_greeks(1000.0, 1000.0, 0.9, 1e6, np.inf).value == call(1000.0, 1000.0, 0.9, 1e6)


def test_the_volatility_of_a_price_is_read_back() -> None:
    """Of options out of the money, wherever a float holds their value; at the strike with the digits of N(v / 2)."""
    is_call = STRIKE >= SPOT
    values = np.where(is_call, call(SPOT, STRIKE, SIGMA, TIME), put(SPOT, STRIKE, SIGMA, TIME))
    tells = (values > 1e-300) & (values / np.minimum(SPOT, STRIKE) < 0.999)
    assert tells.sum() > 200
    found = implied(values, SPOT, STRIKE, TIME, is_call)
    assert (np.abs(found / SIGMA - 1)[tells] < 1e-14 + 1e-15 / (SIGMA * ROOT)[tells]).all()


def test_what_no_volatility_explains_is_nan_and_what_is_paid_at_once_zero() -> None:
    assert implied(100.0, 1100.0, 1000.0, 1e6) == 0
    assert implied(0.0, 1100.0, 1000.0, 1e6, False) == 0
    for value, spot, is_call in ((99.0, 1100.0, True), (1101.0, 1100.0, True), (1000.5, 900.0, False)):
        assert math.isnan(implied(value, spot, 1000.0, 1e6, is_call))
    assert math.isnan(implied(10.0, 1000.0, 1000.0, 0.0)), "without time no volatility matters"
