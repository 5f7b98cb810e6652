"""Black and Scholes at rate 0, vectorised: prices, Greeks, implied volatility; calls that are capped.

Prices and strikes are in one unit, volatilities annual fractions (0.8 = 80 %), times seconds of a year of 365 days.
Arguments are numbers or arrays that broadcast together. The contract's exact twin is model/libraries/black_scholes.
Sources: F. Black, M. Scholes, The Pricing of Options and Corporate Liabilities (1973); C. Chiarella, A. Reichel, On the
Evaluation of Integrals Related to the Error Function (1968), for the normal distribution's tail.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bulkhead.risk.volatility import YEAR

Floats: TypeAlias = NDArray[np.float64]

_ROOT_2_PI = math.sqrt(2 * math.pi)
# A price of 5e-324, the smallest float, is less than 39 deviations from the money; 1 - 1e-16 less than 9.
_FAR, _NEAR = 39.0, 9.0
# Of the midpoint rule: its error is e^-(pi / step)^2, the first term left out e^-((terms + 1/2) step)^2: below 1e-17.
_STEP, _TERMS = 0.5, 13


@dataclass(frozen=True, slots=True)
class Greeks:
    """Value and derivatives. Those of call and put are equal, but for value and delta.

    delta   for a change of the spot by 1
    gamma   change of delta for a change of the spot by 1
    vega    for a change of volatility by 1 (100 %)
    theta   in a year at today's pace; a 365th of it is a day's
    """

    value: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats

    def __add__(self, other: Greeks) -> Greeks:
        return Greeks(*(getattr(self, name) + getattr(other, name) for name in Greeks.__slots__))

    def __mul__(self, size: ArrayLike) -> Greeks:
        return Greeks(*(getattr(self, name) * np.asarray(size) for name in Greeks.__slots__))


def mills(x: Floats) -> Floats:
    """N(-x) e^(x^2 / 2) for x >= 0, N the normal distribution; to a few units of the last digit.

    2 N(-x) = erfc(t), t = x / sqrt(2). The midpoint rule for erfc(t) = (t e^(-t^2) / pi) times the integral of
    e^(-u^2) / (u^2 + t^2), and the residue of the pole that the step h passes by, 2 / (1 + e^(2 pi t / h)).
    """
    t = np.asarray(x, dtype=np.float64) / math.sqrt(2)
    total = np.zeros_like(t)
    for node in (np.arange(_TERMS) + 0.5) * _STEP:
        total += math.exp(-node * node) / (node * node + t * t)
    inside = np.minimum(t, math.pi / _STEP)  # beyond, the pole is not passed; there it is below 1e-17
    pole = np.exp(inside * inside) / (1 + np.exp(2 * math.pi / _STEP * inside))
    found: Floats = _STEP * t / math.pi * total + pole
    return found


def normal(x: ArrayLike) -> Floats:
    """N(x)."""
    x = np.asarray(x, dtype=np.float64)
    tail = mills(np.abs(x)) * np.exp(-x * x / 2)
    return np.where(x > 0, 1 - tail, tail)


def call(spot: ArrayLike, strike: ArrayLike, sigma: ArrayLike, time: ArrayLike) -> Floats:
    """Value of a European call; without time or volatility what it would pay at once."""
    return _call(*_arrays(spot, strike, sigma, time)).value


def put(spot: ArrayLike, strike: ArrayLike, sigma: ArrayLike, time: ArrayLike) -> Floats:
    """The same of a put."""
    return _put(*_arrays(spot, strike, sigma, time)).value


def call_greeks(
    spot: ArrayLike, strike: ArrayLike, sigma: ArrayLike, time: ArrayLike, cap: ArrayLike = np.inf
) -> Greeks:
    """A call that pays at most `cap`: the call at the strike less the one at strike + cap."""
    s, k, v, t = _arrays(spot, strike, sigma, time)
    whole = _call(s, k, v, t)
    cap = np.broadcast_to(np.asarray(cap, dtype=np.float64), s.shape)
    if np.isinf(cap).all():
        return whole
    return whole + _call(s, k + cap, v, t) * np.where(np.isinf(cap), 0.0, -1.0)


def put_greeks(spot: ArrayLike, strike: ArrayLike, sigma: ArrayLike, time: ArrayLike) -> Greeks:
    """A put."""
    return _put(*_arrays(spot, strike, sigma, time))


def implied(value: ArrayLike, spot: ArrayLike, strike: ArrayLike, time: ArrayLike, is_call: ArrayLike = True) -> Floats:
    """The volatility at which a call (a put) is worth `value`: 0 for what it would pay at once, NaN where none is.

    Newton's steps in the logarithm of what is above that, within a bracket that each step narrows. As exact as `value`
    tells: of what is far in the money most digits are intrinsic, and say nothing.
    """
    value, s, k, t = np.broadcast_arrays(*(np.asarray(part, dtype=np.float64) for part in (value, spot, strike, time)))
    gain = np.where(is_call, s - k, k - s)
    small = np.minimum(s, k)
    part = (value - np.maximum(gain, 0.0)) / small  # of the option out of the money
    x = np.abs(np.log(s / k))
    solvable = (part > 0) & (part < 1) & (t > 0)
    target = np.log(np.where(solvable, part, 0.5))
    low = np.maximum(x / (_FAR + 1), np.exp(target) * _ROOT_2_PI)  # c(x, v) <= c(0, v) <= v / sqrt(2 pi)
    high = np.maximum(2 * _NEAR + np.sqrt(4 * _NEAR**2 + 2 * x), low)
    low = np.minimum(low, high) * (1 - 1e-12)
    v = np.sqrt(low * high)
    for _ in range(100):
        found, slope = _log_part(x, v)
        off = found - target
        low, high = np.where(off <= 0, v, low), np.where(off >= 0, v, high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = v - off / slope
        inside = (step > low) & (step < high)
        following = np.where(inside, step, np.where(off == 0, v, np.sqrt(low * high)))
        if np.all(np.abs(following - v) <= 1e-15 * v):
            break
        v = following
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = v / np.sqrt(t / YEAR)
    return np.where(solvable, sigma, np.where(part == 0, 0.0, np.nan))


def _log_part(x: Floats, v: Floats) -> tuple[Floats, Floats]:
    """ln of the option out of the money by |ln(spot / strike)| = x, as part of the smaller; its derivative by v."""
    a, b = x / v - v / 2, x / v + v / 2
    first, second = mills(np.abs(a)), mills(b)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        far = np.log(first - second) - a * a / 2
        near = np.log1p(-np.exp(-a * a / 2) * (first + second))
        found = np.where(a >= 0, far, near)
        slope = np.exp(-a * a / 2 - found) / _ROOT_2_PI
    return found, slope


def _arrays(*parts: ArrayLike) -> tuple[Floats, ...]:
    return tuple(np.broadcast_arrays(*(np.asarray(part, dtype=np.float64) for part in parts)))


def _tails(s: Floats, k: Floats, sigma: Floats, t: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """N(-a), larger / smaller x N(-b), e^(-a^2 / 2), v: of BlackScholes.sol, without limits."""
    v = sigma * np.sqrt(t / YEAR)
    x = np.abs(np.log(s / k))
    alive = x < 64 * v
    v_ = np.where(alive, v, 1.0)
    a, b = np.where(alive, x / v_ - v_ / 2, 64.0), np.where(alive, x / v_ + v_ / 2, 64.0)
    scale = np.where(alive, np.exp(-a * a / 2), 0.0)
    near = scale * mills(np.abs(a))
    return np.where(a >= 0, near, 1 - near), scale * mills(b), scale, v


def _call(s: Floats, k: Floats, sigma: Floats, t: Floats) -> Greeks:
    near, far, scale, v = _tails(s, k, sigma, t)
    small = np.minimum(s, k)
    value = np.maximum(s - k, 0.0) + small * (near - far)
    delta = np.where(s > k, 1 - far * k / s, near)
    density = scale / _ROOT_2_PI * small / s  # n(d1)
    root = np.sqrt(t / YEAR)
    with np.errstate(divide="ignore", invalid="ignore"):
        gamma = np.where(density > 0, density / (s * v), 0.0)
        theta = np.where(density > 0, -s * density * sigma / (2 * root), 0.0)
    return Greeks(value, delta, gamma, s * density * root, theta)


def _put(s: Floats, k: Floats, sigma: Floats, t: Floats) -> Greeks:
    whole = _call(s, k, sigma, t)
    near, far, _, _ = _tails(s, k, sigma, t)
    value = np.maximum(k - s, 0.0) + np.minimum(s, k) * (near - far)
    return Greeks(value, whole.delta - 1, whole.gamma, whole.vega, whole.theta)
