"""The functions below the price: errors, ends of their ranges, and where the coefficients come from."""

from __future__ import annotations

import random
from decimal import Decimal
from statistics import NormalDist

import pytest

from bulkhead.model.libraries import black_scholes, elementary, normal_distribution
from tools import exact_options, minimax
from tools.exact_options import ONE, YEAR, digits

UNIT = 2**96


def test_the_coefficients_are_those_derived() -> None:
    with digits():
        exponential, _ = minimax.exponential()
        logarithm, _ = minimax.logarithm()
        ratio, _ = minimax.mills_ratio()
    assert exponential == [getattr(elementary, f"E{k}") for k in range(5)]
    assert [abs(c) for c in logarithm] == [getattr(elementary, f"L{k}") for k in range(7)]
    assert [c < 0 for c in logarithm] == [k % 2 == 1 for k in range(7)]
    told = [(getattr(normal_distribution, f"A{k}"), getattr(normal_distribution, f"B{k}")) for k in range(7)]
    assert [(abs(a), abs(b)) for a, b in ratio] == told
    assert [(k, a < 0, b < 0) for k, (a, b) in enumerate(ratio) if a < 0 or b < 0] == [
        (1, False, True),
        (3, True, True),
    ]


def test_constants() -> None:
    with digits():
        ln2, year = Decimal(2).ln(), Decimal(YEAR)
        assert round(ln2 * UNIT) == elementary.LN2 and round(UNIT / ln2) == elementary.PER_LN2
        assert round(UNIT * UNIT / year) == elementary.SECOND
        assert round(UNIT / exact_options.ROOT_2_PI) == black_scholes.DENSITY_AT_0
        assert abs(exact_options.ROOT_2_PI**2 / 2 - exact_options.PI) < Decimal("1e-58")


def test_both_ways_to_the_exact_tail_agree() -> None:
    """The series below 6 and the fraction from there on, at the same place."""
    with digits(90):
        step = Decimal("1e-70")
        assert abs(exact_options.mills(6 - step) - exact_options.mills(Decimal(6))) < Decimal("1e-50")


def test_exponential() -> None:
    rng = random.Random(1)
    with digits():
        for _ in range(3_000):
            x = int(rng.uniform(0, 50) * UNIT)
            exact = (-Decimal(x) / UNIT).exp() * UNIT
            assert abs(elementary.exp_negative(x) - exact) <= exact / 10**18 + 1
    assert elementary.exp_negative(0) == UNIT
    assert elementary.exp_negative(2**151 - 1) == 0


def test_logarithm() -> None:
    rng = random.Random(2)
    with digits():
        for _ in range(3_000):
            smaller = rng.getrandbits(rng.randrange(1, 129)) or 1
            larger = min(2**128 - 1, max(smaller, int(smaller * (1 + 10 ** rng.uniform(-20, 20)))))
            exact = (Decimal(larger) / smaller).ln() * UNIT
            assert abs(elementary.ln_quotient(larger, smaller) - exact) <= exact * 4 / 10**15 + 3
    assert elementary.ln_quotient(2**128 - 1, 2**128 - 1) == 0
    assert elementary.ln_quotient(1, 0) >= 2**49 * UNIT and elementary.ln_quotient(0, 0) >= 2**49 * UNIT


def test_root() -> None:
    rng = random.Random(3)
    ends = [1, 2, 1_023, 1_024, 1_025, 2**20 - 1, 2**20, 2**20 + 1, 2**30 - 1]
    with digits():
        for time in ends + [rng.getrandbits(rng.randrange(1, 31)) or 1 for _ in range(3_000)]:
            exact = (Decimal(time) / YEAR).sqrt() * UNIT
            assert abs(elementary.sqrt_years(time) - exact) <= exact / 10**18 + 1
    assert elementary.sqrt_years(0) == 0


def test_normal_distribution() -> None:
    with digits():
        for x in range(-9 * ONE, 9 * ONE, 9 * ONE // 1_501):
            exact = exact_options.cumulative(Decimal(x) / ONE)
            assert abs(Decimal(normal_distribution.cumulative(x)) / ONE - exact) < Decimal("5.1e-17")
        assert float(exact_options.cumulative(Decimal("-1.25"))) == pytest.approx(NormalDist().cdf(-1.25), rel=1e-14)
    for x, p in ((0, ONE // 2), (16 * ONE, ONE), (-16 * ONE, 0), (2**255 - 1, ONE), (-(2**255), 0)):
        assert normal_distribution.cumulative(x) == p


def test_mills_ratio() -> None:
    """The error that is stated, the exact half at 0, and never less than nothing: no denominator changes its sign."""
    with digits():
        for step in range(2_000):
            x = step * UNIT // 100
            exact = exact_options.mills(Decimal(x) / UNIT) * UNIT
            off = abs(normal_distribution.mills(x) - exact) / UNIT
            growth = (minimax.GROWTH * (Decimal(x) / UNIT) ** 2).exp()
            assert off < min(growth * Decimal("4.95e-17"), Decimal("4e-8")) + Decimal("1e-25")
    assert normal_distribution.mills(0) == UNIT // 2
    assert normal_distribution.mills(2**249) == 0


def test_mills_ratio_falls_by_more_than_its_roundings() -> None:
    """Over the least distance that two of its arguments have where an option has time value: sigma 1 for a second."""
    least = elementary.sqrt_years(1) // ONE
    assert least >= 2**23
    rng = random.Random(5)
    for _ in range(100_000):
        x = int(rng.choice((rng.uniform(0, 12), 10 ** rng.uniform(-28, 1))) * UNIT)
        assert normal_distribution.mills(x) - normal_distribution.mills(x + 2**23) >= 2**14
    assert elementary.exp_negative(12 * 12 * UNIT // 2) == 0


def test_denominators_are_above_two_fifths() -> None:
    n = normal_distribution
    for step in range(100_000):
        x = step * UNIT // 1_000
        d = [x + n.B6]
        d.append(x + n.B5 + n.A6 // d[-1])
        d.append(x + n.B4 + n.A5 // d[-1])
        d.append(x - n.B3 + n.A4 // d[-1])
        d.append(x + n.B2 - n.A3 // d[-1])
        d.append(x - n.B1 + n.A2 // d[-1])
        d.append(x + n.B0 + n.A1 // d[-1])
        assert min(d) > UNIT * 2 // 5
