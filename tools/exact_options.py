"""Option prices to more than 40 digits, in decimal arithmetic: what the contracts are measured against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal, localcontext
from itertools import product
from typing import NamedTuple

from bulkhead.model.libraries.position_math import ONE

#: Mills' ratio loses 16 of them at most.
DIGITS = 60
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")
ROOT_2_PI = Decimal(
    "2.50662827463100050241576528481104525300698674060993831662992357634229365460784197494659583837805726612"
)
YEAR = 365 * 86_400

#: Of the options on the grid.
SPOT = 1_000 * ONE


class Exact(NamedTuple):
    """Of one option: units of the underlying's price; delta of the call; vega per 100 % of volatility, theta a year."""

    call: Decimal
    put: Decimal
    delta: Decimal
    gamma: Decimal
    vega: Decimal
    theta: Decimal


@contextmanager
def digits(count: int = DIGITS) -> Iterator[None]:
    """Decimal arithmetic to so many digits."""
    with localcontext() as context:
        context.prec = count
        yield


def mills(x: Decimal) -> Decimal:
    """N(-x) e^(x^2 / 2) for x >= 0, N the normal distribution.

    Below 6 by e^(x^2 / 2) / 2 - (x + x^3 / 3 + x^5 / 15 + ...) / sqrt(2 pi), in which up to 16 digits cancel; else by
    Laplace's fraction 1 / (x + 1 / (x + 2 / (x + 3 / ...))), which has 50 digits there after 150 steps.
    """
    if x >= 6:
        rest = x
        for k in range(150, 0, -1):
            rest = x + k / rest
        return 1 / rest / ROOT_2_PI
    square, term, total, k = x * x, x, x, 1
    while term > Decimal(f"1e-{DIGITS}"):
        k += 2
        term *= square / k
        total += term
    return (square / 2).exp() / 2 - total / ROOT_2_PI


def cumulative(x: Decimal) -> Decimal:
    """N(x)"""
    tail = mills(abs(x)) * (-x * x / 2).exp()
    return 1 - tail if x > 0 else tail


def option(spot: Decimal, strike: Decimal, sigma: Decimal, time: int) -> Exact:
    """Black and Scholes at rate 0. All positive; time in seconds, sigma a year."""
    root = (Decimal(time) / YEAR).sqrt()
    v = sigma * root
    d1 = (spot / strike).ln() / v + v / 2
    delta, density = cumulative(d1), (-d1 * d1 / 2).exp() / ROOT_2_PI
    call = spot * delta - strike * cumulative(d1 - v)
    vega = spot * density * root
    return Exact(call, call + strike - spot, delta, density / (spot * v), vega, -vega * sigma / (2 * root * root))


class Option(NamedTuple):
    """What the contracts are asked: 18 decimals, seconds."""

    spot: int
    strike: int
    sigma: int
    time: int


def wide(quotients: int = 31, times: int = 19, sigmas: int = 19) -> list[Option]:
    """Geometric steps: spot / strike from 1/20 to 20, a minute to two years, 1 % to 1,000 %."""

    def steps(low: float, high: float, count: int) -> Iterator[float]:
        return (low * (high / low) ** (i / (count - 1)) for i in range(count))

    strikes = [round(q * 10**6) * SPOT // 10**6 for q in steps(1 / 20, 20, quotients)]
    volatilities = [round(s * 10**6) * ONE // 10**6 for s in steps(0.01, 10, sigmas)]
    return [
        Option(SPOT, strike, sigma, round(time))
        for strike, sigma, time in product(strikes, volatilities, steps(60, 2 * YEAR, times))
    ]


def errors(told: Sequence[int], asked: Option) -> dict[str, Decimal]:
    """What the six answers are off by; to be called within `digits()`.

    Price as part of the spot, delta absolute, gamma as part of 1 / (S v), vega of S sqrt(T), theta of
    S sigma / (2 sqrt(T)), with v = sigma sqrt(T).
    """
    spot, strike, sigma = (Decimal(value) / ONE for value in asked[:3])
    root = (Decimal(asked.time) / YEAR).sqrt()
    off = [
        abs(Decimal(value) / ONE - true)
        for value, true in zip(told, option(spot, strike, sigma, asked.time), strict=True)
    ]
    return {
        "price_error": max(off[:2]) / spot,
        "delta_error": off[2],
        "gamma_error": off[3] * spot * sigma * root,
        "vega_error": off[4] / (spot * root),
        "theta_error": off[5] * 2 * root / (spot * sigma),
    }
