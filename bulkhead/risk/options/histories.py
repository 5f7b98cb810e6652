"""Hourly histories of our own making: stochastic volatility with two memories, crashes that lift it, everyday jumps.

The logarithm of volatility is the sum of two autoregressions, one of weeks and one of hours. Crashes come at random,
move the price and lift the fast one. The price is a fair game: who knows the past, and the volatility of now, has no
reason to expect a rise or a fall. What is earned on options in the mean is therefore earned from their prices.
Sources: S. Heston, A Closed-Form Solution for Options with Stochastic Volatility (1993); D. Bates, Jumps and Stochastic
Volatility (1996); two memories: M. Chernov, E. Ghysels and others, Alternative Models for Stock Price Dynamics (2003).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bulkhead.model.libraries.position_math import ONE
from bulkhead.risk.options.pricing import Floats
from bulkhead.risk.volatility import HOUR, YEAR
from bulkhead.scenario.candles import Candle, interval

Ints: TypeAlias = NDArray[np.int64]

DAY = 24
"""Hours."""


class Part(NamedTuple):
    """An autoregression of order one, hour by hour: half-life in hours, and its deviation in the long run."""

    half_life: float
    deviation: float

    @property
    def keep(self) -> float:
        """What an hour leaves of it."""
        return float(0.5 ** (1 / self.half_life))

    def follow(self, rng: np.random.Generator, lifts: Floats) -> Floats:
        """Drawn along the first axis of `lifts`, which are added on the way."""
        out: Floats = lifts + self.deviation * math.sqrt(1 - self.keep**2) * rng.standard_normal(lifts.shape)
        out[0] += self.deviation * rng.standard_normal(lifts.shape[1])
        for hour in range(1, len(out)):
            out[hour] += self.keep * out[hour - 1]
        return out


_WEEKS, _HOURS = Part(45 * DAY, 0.32), Part(14, 0.33)


@dataclass(frozen=True, slots=True)
class Climate:
    """What a history is drawn from. Hours, annual volatilities, deviations of logarithms.

    volatility            that of the price without jumps, median
    slow, fast            both parts of its logarithm
    crashes               a year; each moves the log price by a normal (mean, deviation)
    lift                  mean of what a crash adds to the logarithm of volatility, uniform from 0
    jumps, jump           everyday ones: how many a day, and their deviation as a multiple of an hour's
    """

    volatility: float = 0.53
    slow: Part = _WEEKS
    fast: Part = _HOURS
    crashes: float = 10.0
    crash: tuple[float, float] = (-0.04, 0.07)
    lift: float = 1.1
    jumps: float = 1.0
    jump: float = 2.5

    @property
    def variance_of_crashes(self) -> float:
        """A year's, from the moves of crashes alone."""
        return self.crashes * (self.crash[0] ** 2 + self.crash[1] ** 2)

    @property
    def jumpiness(self) -> float:
        """Variance of an hour with everyday jumps, as a multiple of the one without."""
        return 1 + self.jumps / DAY * self.jump**2


CLIMATE = Climate()


@dataclass(frozen=True)
class Histories:
    """Prices at each hour; the first axis is time, the second the histories."""

    prices: Floats

    @property
    def count(self) -> int:
        """How many there are."""
        return self.prices.shape[1]

    @cached_property
    def variance(self) -> Floats:
        """Squared log return of the hour before each price but the first, a year."""
        squares: Floats = np.diff(np.log(self.prices), axis=0) ** 2 * (YEAR / HOUR)
        return squares

    def expected(self, at: Ints, which: Ints, hours: int) -> Floats:
        """The volatility expected over so many hours, from the hours `at` of the histories `which`.

        Of what happened nobody knows what was to be expected: the volatility of the last week, for who hedges.
        """
        sums = np.concatenate((np.zeros((1, self.count)), np.cumsum(self.variance, axis=0)))
        begin = np.maximum(at - 7 * DAY, 0)
        root: Floats = np.sqrt((sums[at, which] - sums[begin, which]) / np.maximum(at - begin, 1))
        return np.maximum(root, 0.05)


@dataclass(frozen=True)
class Drawn(Histories):
    """Of our own making, so that the truth is known: both parts of the logarithm of volatility at each hour."""

    climate: Climate
    slow: Floats
    fast: Floats

    def expected(self, at: Ints, which: Ints, hours: int) -> Floats:
        """Root of the mean variance that the model expects.

        Each part Z is an autoregression: Z(u) is Z(0) d(u) and independent noise, so that E[e^(2 Z(u))] given Z(0) is
        e^(2 Z(0) d(u)) C(u). C is the same for all, and is read off the average over the whole sample.
        """
        climate = self.climate
        steps = min(hours, 12)
        total = np.zeros(len(at))
        for u in (np.arange(steps) + 0.5) * hours / steps:
            power = np.zeros(len(at))
            for part, values in ((climate.slow, self.slow), (climate.fast, self.fast)):
                decay = part.keep**u
                sample = values[::DAY]
                power += 2 * decay * values[at, which]
                power += math.log(np.exp(2 * sample).mean() / np.exp(2 * decay * sample).mean())
            total += np.exp(power)
        mean = climate.volatility**2 * climate.jumpiness * total / steps + climate.variance_of_crashes
        root: Floats = np.sqrt(mean)
        return root


def played(candles: Sequence[Candle]) -> Histories:
    """One history of closing prices, hour by hour. Raises ValueError for candles of another length."""
    if interval(candles) != HOUR:
        raise ValueError(f"candles must be an hour long, not {interval(candles):,} s")
    return Histories(np.array([[candle.close / ONE] for candle in candles]))


def draw(count: int, hours: int, seed: int, climate: Climate = CLIMATE, warmup: int = 90 * DAY) -> Drawn:
    """`count` histories of so many hours; the same for the same seed."""
    rng = np.random.default_rng(seed)
    length = hours + warmup
    crashed = rng.random((length, count)) < climate.crashes * HOUR / YEAR
    lifts = np.where(crashed, rng.uniform(0, 2 * climate.lift, (length, count)), 0.0)
    slow = climate.slow.follow(rng, np.zeros((length, count)))
    fast = climate.fast.follow(rng, lifts)
    sigma = climate.volatility * np.exp(slow + fast) * math.sqrt(HOUR / YEAR)
    jumped = rng.random((length, count)) < climate.jumps / DAY
    moves = sigma * rng.standard_normal((length, count))
    moves += np.where(jumped, climate.jump * sigma * rng.standard_normal((length, count)), 0.0)
    # a fair game in the price: E[e^move] = 1, of each source alone
    moves -= sigma**2 / 2 + np.log1p(climate.jumps / DAY * np.expm1((climate.jump * sigma) ** 2 / 2))
    mean, deviation = climate.crash
    moves += np.where(crashed, mean + deviation * rng.standard_normal((length, count)), 0.0)
    moves -= math.log1p(climate.crashes * HOUR / YEAR * math.expm1(mean + deviation**2 / 2))
    logs = np.concatenate((np.zeros((1, count)), np.cumsum(moves[warmup:], axis=0)[:-1]))
    return Drawn(1000 * np.exp(logs), climate, slow[warmup:], fast[warmup:])
