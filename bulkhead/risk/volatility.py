"""Volatility of a price history, in floats: VolatilityFeed's estimator, vectorised, and the textbook's.

Volatilities are annualised fractions (0.8 = 80 % a year of 365 days), variances their squares; times are seconds.
Sources: J.P. Morgan, RiskMetrics Technical Document (1996), chapter 5; J. C. Hull, Options, Futures and Other
Derivatives, chapters on volatility: historical volatility and the exponentially weighted moving average.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HOUR = 3600
YEAR = 365 * 24 * HOUR

# Within a block of ewma the oldest weight is exp(-_BLOCK) of the newest: far from underflow.
_BLOCK = 200.0


@dataclass(frozen=True, slots=True)
class Estimator:
    """Memories of the two averages in seconds; the largest return counted for an interval; the ramp as a part an hour,
    and the least volatility that it goes down to, so that it never sticks at zero.
    """

    fast: float = 12 * HOUR
    slow: float = 120 * HOUR
    largest: float = math.log(10)
    ramp: float = 0.2
    floor: float = 0.01


@dataclass(frozen=True, slots=True)
class Volatility:
    """One value for each price: what is known once that price is."""

    fast: Floats
    slow: Floats
    ramped: Floats

    @property
    def highest(self) -> Floats:
        """What initial margin follows: the largest of the three."""
        return np.maximum(np.maximum(self.fast, self.slow), self.ramped)


def log_returns(prices: Floats) -> Floats:
    """ln(P[i + 1] / P[i])."""
    return np.log(prices[1:] / prices[:-1])


def historical(prices: Floats, interval: float = HOUR, year: float = YEAR) -> float:
    """Close-to-close volatility: the sample deviation (n - 1) of log returns, annualised.

    `prices` are `interval` apart, at least three of them. Raises ValueError for fewer.
    """
    if len(prices) < 3:
        raise ValueError(f"a deviation of returns must have at least 3 prices, not {len(prices)}")
    return float(np.std(log_returns(prices), ddof=1)) * math.sqrt(year / interval)


def ewma(values: Floats, elapsed: Floats, tau: float, start: float) -> Floats:
    """v[i] = d v[i-1] + (1 - d) values[i], d = exp(-elapsed[i] / tau), from v[-1] = start; one v for each value.

    Unrolled, v[i] = D[i] (start + sum over j <= i of (1 - d[j]) values[j] / D[j]) with D the product of the d so far:
    one cumulative sum, in blocks so that no D underflows.
    """
    steps = elapsed / tau
    blocks = np.floor(np.cumsum(steps) / _BLOCK)
    bounds = [0, *(np.flatnonzero(np.diff(blocks)) + 1).tolist(), len(values)]
    out = np.empty(len(values))
    last = start
    for begin, end in pairwise(bounds):
        if begin == end:
            continue
        first = steps[begin]  # alone: after a long gap it may be larger than a whole block
        last = math.exp(-first) * last - math.expm1(-first) * float(values[begin])
        out[begin] = last
        rest = steps[begin + 1 : end]
        decayed = np.exp(-np.cumsum(rest))
        added = np.cumsum(-np.expm1(-rest) * values[begin + 1 : end] / decayed)
        out[begin + 1 : end] = decayed * (last + added)
        last = float(out[end - 1])
    return out


def ramp(targets: Floats, elapsed: Floats, part: float, start: float) -> Floats:
    """Follows `targets`, up by at most `part` of itself an hour and down by the inverse: (1 + part)^hours either way.

    elapsed[i] seconds lie between targets[i-1] and targets[i] (the first: since `start`, with which it begins). Each
    answer is the value at the moment of its target, which moves it only from then on: an update makes no jump.
    """
    out = np.empty(len(targets))
    value = aim = start
    for index, (target, seconds) in enumerate(zip(targets.tolist(), elapsed.tolist(), strict=True)):
        room = math.exp(min(math.log1p(part) * seconds / HOUR, _BLOCK))
        value = min(max(aim, value / room), value * room)
        out[index] = value
        aim = target
    return out


def follow(times: Floats, prices: Floats, estimator: Estimator, start: float, interval: float = HOUR) -> Volatility:
    """What the feed knows at each of `times` (seconds, on a grid of `interval`), from volatility `start` at the first.

    A return over k intervals counts as its square / k an interval, with the weight of k intervals.
    """
    elapsed = np.diff(times)
    squares = np.minimum(log_returns(prices) ** 2 * (interval / elapsed), estimator.largest**2)
    variances = squares * (YEAR / interval)
    fast = np.sqrt(np.concatenate(([start**2], ewma(variances, elapsed, estimator.fast, start**2))))
    slow = np.sqrt(np.concatenate(([start**2], ewma(variances, elapsed, estimator.slow, start**2))))
    targets = np.maximum(np.maximum(fast, slow), estimator.floor)
    return Volatility(fast, slow, ramp(targets, np.concatenate(([0.0], elapsed)), estimator.ramp, start))
