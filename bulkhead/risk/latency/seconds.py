"""The true price of every second of a day, as logarithms: random days of our own, and days along candles.

All are fair games in logarithms: nobody who knows the past has a reason to expect a rise or a fall. What a trader earns
on them in the mean, he therefore earns from the venue. A log return of 0.0001 is taken for one basis point; the square
that this leaves out is 0.1 basis points of a move of half a per cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from bulkhead.model.libraries.position_math import ONE
from bulkhead.scenario.candles import Candle, interval

Floats = NDArray[np.float64]

BP = 1e-4
DAY = 86_400
YEAR = 365 * DAY


@dataclass(frozen=True)
class Weather:
    """Stochastic volatility with jumps, second by second.

    The logarithm of volatility follows an autoregression of order one from quarter of an hour to quarter of an hour.
    Within each, log prices are a Brownian motion; jumps are a compound Poisson process.
    """

    name: str
    volatility: float  # annualised, median
    unrest: float  # standard deviation of the logarithm of volatility
    jumps: float  # a day
    jump: float  # standard deviation of one, as a fraction

    def day(self, rng: np.random.Generator) -> Floats:
        """Log price of each second of a day, from 0."""
        shocks = rng.standard_normal(DAY // 900)
        level = np.empty_like(shocks)
        level[0] = shocks[0]
        for quarter in range(1, len(shocks)):
            level[quarter] = 0.9 * level[quarter - 1] + np.sqrt(1 - 0.9**2) * shocks[quarter]
        step = self.volatility * np.exp(self.unrest * level) / np.sqrt(YEAR)
        moves = np.repeat(step, 900) * rng.standard_normal(DAY)
        at = rng.integers(0, DAY, rng.poisson(self.jumps))
        np.add.at(moves, at, self.jump * rng.standard_normal(len(at)))
        path: Floats = np.cumsum(moves)
        return path


# Realised volatility of ETH over 24 hours, 2019-2025: median 61 %, 99 % quantile 234 %, maximum 810 %. With its jumps,
# a median day of `CALM` realises 69 %, one of `CRASH` 390 %; the worst in twenty 95 % and 580 %.
CALM = Weather("calm", 0.60, 0.4, 3, 0.003)
CRASH = Weather("crash", 3.0, 0.5, 48, 0.01)


@dataclass(frozen=True)
class Candles:
    """Days drawn from candles: each candle is a Brownian motion of its length, stretched to its high and low.

    Of 2,000 free motions, one of those eight is taken whose start and end come nearest to where open and close lie
    between low and high: a bridge pinned to the four prices at set times moves steadily between them, and could be
    followed. Which way the market went is not known beforehand, and history shows it once: each candle is turned upside
    down with probability one half.
    """

    name: str
    candles: Sequence[Candle]

    def __post_init__(self) -> None:
        if not 1 < interval(self.candles) <= 3_600:
            raise ValueError(f"{self.name}: candles must be at most an hour long, not {interval(self.candles):,} s")

    @cached_property
    def _length(self) -> int:
        return interval(self.candles)

    def day(self, rng: np.random.Generator) -> Floats:
        """Log price of each second of a day (of all candles, if they are fewer) from a random candle on, from 0."""
        count = min(DAY // self._length, len(self.candles))
        first = int(rng.integers(0, len(self.candles) - count + 1))
        moves = [self._moves(candle, rng) for candle in self.candles[first : first + count]]
        path: Floats = np.cumsum(np.concatenate(moves))
        return path

    def _moves(self, candle: Candle, rng: np.random.Generator) -> Floats:
        prices = np.log([price / ONE for price in (candle.open, candle.high, candle.low, candle.close)])
        begin, high, low, end = prices
        if high == low:
            return np.zeros(self._length)
        motions = _motions(self._length)
        far = np.hypot(motions[:, 0] - (begin - low) / (high - low), motions[:, -1] - (end - low) / (high - low))
        chosen = motions[rng.choice(np.argpartition(far, 8)[:8])]
        moves: Floats = np.diff(chosen) * (high - low) * rng.choice((-1.0, 1.0))
        return moves


@cache
def _motions(length: int) -> Floats:
    """2,000 Brownian motions of so many seconds, each from low 0 to high 1."""
    rng = np.random.default_rng(length)
    motions = np.zeros((2_000, length + 1))
    np.cumsum(rng.standard_normal((2_000, length)), axis=1, out=motions[:, 1:])
    motions -= motions.min(axis=1, keepdims=True)
    motions /= motions.max(axis=1, keepdims=True)
    return motions


World = Weather | Candles


def error(length: int, rng: np.random.Generator) -> Floats:
    """How far a source is off, second by second, in its standard deviations: it forgets within half a minute."""
    keep = np.exp(-1 / 30)
    off: Floats = rng.standard_normal(length) * np.sqrt(1 - keep**2)
    decay = keep ** np.arange(1, 601)  # in blocks, so that it does not underflow
    last = float(rng.standard_normal())
    for begin in range(0, length, len(decay)):
        block = off[begin : begin + len(decay)]
        fade = decay[: len(block)]
        block[:] = fade * (np.cumsum(block / fade) + last)
        last = float(block[-1])
    return off
