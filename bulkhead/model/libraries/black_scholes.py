"""Twin of BlackScholes.sol: value and Greeks of European options on an underlying without carry.

Prices, volatility and results have 18 decimals, sigma is that of a year, time is in seconds of a year of 365 days.
Every function answers for every input: a price above 2**128 - 1, a sigma above 2**80 - 1 and a time above 2**30 - 1 are
taken as that.
"""

from __future__ import annotations

from typing import NamedTuple

from bulkhead.model.integers import saturating_sub
from bulkhead.model.libraries.elementary import exp_negative, ln_quotient, sqrt_years
from bulkhead.model.libraries.normal_distribution import mills
from bulkhead.model.libraries.position_math import ONE

ONE_SQUARED = 10**36
HALF_YEAR = 365 * 86_400 // 2
#: Binary fractions have 96 digits.
ONE_X96 = 1 << 96
#: 1 / sqrt(2 pi): the density at x is this times e**(-x**2 / 2).
DENSITY_AT_0 = 31607463825455920808620519744


class Greeks(NamedTuple):
    """Those of call and put are equal, but for delta.

    call, put  their values
    delta      of the call, within 0 and 10**18; the put's is less by 10**18. Without time or sigma 0 at the strike
    gamma      change of delta, 10**18 = 1, for a change of the spot by 10**18
    vega       change of the value for a change of sigma by 10**18
    theta      change of the value in a year at today's pace, never above 0
    """

    call: int
    put: int
    delta: int
    gamma: int
    vega: int
    theta: int


class Tails(NamedTuple):
    """Binary fractions.

    near   N(-a)
    far    larger / smaller x N(-b)
    scale  e**(-a**2 / 2)
    v      sigma x root
    root   of the time in years
    """

    near: int
    far: int
    scale: int
    v: int
    root: int


def price(spot: int, strike: int, sigma: int, time: int) -> tuple[int, int]:
    """The value of a call and of a put: what is out of the money rounded down, call + strike = put + spot exactly.

    Both are at least what the option would pay at once, the call at most the spot, the put at most the strike.
    """
    spot, strike, sigma, time = _saturated(spot, strike, sigma, time)
    near, far, _, _, _ = _tails(spot, strike, sigma, time)
    return _prices(spot, strike, near, far)


def greeks(spot: int, strike: int, sigma: int, time: int) -> Greeks:
    """The same with the Greeks."""
    spot, strike, sigma, time = _saturated(spot, strike, sigma, time)
    near, far, scale, v, root = _tails(spot, strike, sigma, time)
    call, put = _prices(spot, strike, near, far)
    density, delta = scale * DENSITY_AT_0 >> 96, near
    if spot > strike:
        delta = ONE_X96 - far * strike // spot
        density = density * strike // spot
    delta = delta * ONE >> 96
    gamma = _div(_div(density * ONE_SQUARED, v), spot)
    density = density * spot >> 96
    vega = density * root >> 96
    theta = -_div((density * v >> 96) * HALF_YEAR, time)
    return Greeks(call, put, delta, gamma, vega, theta)


def _prices(spot: int, strike: int, near: int, far: int) -> tuple[int, int]:
    """smaller x (near - far), and what the other option would pay at once on top."""
    gain = saturating_sub(spot, strike)
    call = ((spot - gain) * (near - far) >> 96) + gain
    return call, call + strike - spot


def _tails(spot: int, strike: int, sigma: int, time: int) -> Tails:
    root = sqrt_years(time)
    v = sigma * root // ONE
    x = ln_quotient(max(spot, strike), min(spot, strike))
    if x >= v << 6:
        return Tails(0, 0, 0, v, root)
    m, half = (x << 96) // v, v >> 1
    a, b = m - half, m + half
    scale = exp_negative(a * a >> 97)
    near, far = scale * mills(abs(a)) >> 96, scale * mills(b) >> 96
    return Tails(near if a >= 0 else ONE_X96 - near, far, scale, v, root)


def _saturated(spot: int, strike: int, sigma: int, time: int) -> tuple[int, int, int, int]:
    return min(spot, (1 << 128) - 1), min(strike, (1 << 128) - 1), min(sigma, (1 << 80) - 1), min(time, (1 << 30) - 1)


def _div(x: int, y: int) -> int:
    """Division as the EVM has it: by 0 it is 0."""
    return x // y if y else 0
