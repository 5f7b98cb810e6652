"""What margins would have done: a position opened at every hour of a price history, and what became of it.

An hour is one candle. A position opens at a candle's open, with a notional of 1; everything else is a fraction of that.
The keeper acts once in a candle, at its worst price for the position: the low for a long, the high for a short, as if
it had slept since the open. Liquidations are the market's: part first, restoring the target; the whole where little
would be left. Left out: carry, premium, the keeper's flat fee, and the least margin that a rest must have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bulkhead.model.libraries.position_math import ONE
from bulkhead.risk.volatility import HOUR, YEAR, Estimator, Floats, Volatility, follow, log_returns
from bulkhead.scenario.candles import Candle, interval

Flags = NDArray[np.bool_]

LONG, SHORT = 0, 1
"""Rows of every array of outcomes; its columns are the hours of opening."""

# The shipped terms of a liquidation (DESIGN.md, parameters of a market).
CLOSE_FEE = 0.0005
PHI = 0.1
SMALLEST, LARGEST = 0.25, 0.75

RESERVE = 1.0
"""Of notional: the largest reserve that is shipped, so the most that a pool can lose on a vault."""


class HistoryError(ValueError):
    """A price history that the study cannot use: its `name`, and `what` is wrong."""

    def __init__(self, name: str, what: str) -> None:
        self.name = name
        self.what = what
        super().__init__(f"{name}: {what}.")


@dataclass(frozen=True, slots=True)
class History:
    """Hourly candles as arrays, prices in collateral, and the volatility known at each open.

    Positions open from candle `first` on; those before it only set the volatility.
    """

    name: str
    times: Floats
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volatility: Volatility
    first: int

    @classmethod
    def of(cls, name: str, candles: Sequence[Candle], estimator: Estimator, warmup: int) -> History:
        """The first `warmup` returns give the variance to start from. Raises HistoryError: not hourly, or too short."""
        if warmup < 1:
            raise HistoryError(name, f"a volatility cannot start from {warmup} hours")
        if len(candles) < warmup + 2:
            raise HistoryError(name, f"{len(candles)} candles are too few for {warmup} hours of warm-up and a position")
        if interval(candles) != HOUR or any(candle.time % HOUR != candles[0].time % HOUR for candle in candles):
            raise HistoryError(name, f"candles are {interval(candles)} s long or off their hour: the study is hourly")
        times = np.array([candle.time for candle in candles], dtype=np.float64)
        opens, highs, lows, closes = (
            np.array([getattr(candle, part) / ONE for candle in candles], dtype=np.float64)
            for part in ("open", "high", "low", "close")
        )
        # The feed's grid price is the first after the hour: the candle's open.
        squares = log_returns(opens[: warmup + 1]) ** 2 * (YEAR / np.diff(times[: warmup + 1]))
        start = math.sqrt(float(np.mean(squares)))
        if start == 0:
            raise HistoryError(
                name, f"the price does not move in its first {warmup} hours: no volatility to start from"
            )
        known = follow(times, opens, estimator, start)
        return cls(name, times, opens, highs, lows, closes, known, warmup)

    @property
    def hours(self) -> int:
        """Hours at which positions open."""
        return len(self.times) - self.first


@dataclass(frozen=True, slots=True)
class Rates:
    """Margins at each candle's open, as fractions of notional."""

    initial: Floats
    target: Floats
    maintenance: Floats


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the positions: two rows, LONG and SHORT, a column for each hour of opening.

    allowed      the margin meets the initial requirement; nothing else counts where it does not
    liquidated   in part or whole, at least once
    by_rate      liquidated, the first time, where the maintenance rate of its opening would have let it be
    outrun       the price passed through zero equity before the keeper looked: the vault was exhausted
    shortfall    by how much, of the notional opened: what the pool is not paid
    when         candle in which the price outran it (0 where it did not)
    """

    allowed: Flags
    liquidated: Flags
    by_rate: Flags
    outrun: Flags
    shortfall: Floats
    when: NDArray[np.int64]


def replay(history: History, rates: Rates, hold: int, leverage: float | None = None) -> Outcome:
    """Opens a position at every hour from `first` on and holds it for `hold` hours, or to the end of the history.

    Its margin is 1 / `leverage`, or, with None, just the initial requirement. What is left after `hold` hours is
    closed, which is no liquidation. Hours that the file leaves out do not count.
    """
    shape = (2, history.hours)
    opens = history.open[history.first :]
    initial = rates.initial[history.first :]
    margin = initial if leverage is None else np.full(history.hours, 1 / leverage)
    allowed = np.broadcast_to(margin >= initial, shape).copy()
    side = np.array([[1.0], [-1.0]])
    size = np.where(allowed, side / opens, 0.0)  # signed units
    cash = margin - size * opens  # equity at a price is cash + size x price
    liquidated, by_rate, outrun = (np.zeros(shape, np.bool_) for _ in range(3))
    shortfall, when = np.zeros(shape), np.zeros(shape, np.int64)
    for held in range(min(hold, history.hours)):
        live = slice(0, history.hours - held)  # the openings that have a candle so many hours later
        candle = slice(history.first + held, None)
        worst = np.stack((history.low[candle], history.high[candle]))
        units, money = size[:, live], cash[:, live]
        equity, notional = money + units * worst, np.abs(units) * worst
        hit = equity < rates.maintenance[candle] * notional
        if not hit.any():
            continue
        through = hit & (equity < 0)
        opened_with = rates.maintenance[history.first :][live]
        by_rate[:, live] |= hit & ~liquidated[:, live] & (equity >= opened_with * notional)
        liquidated[:, live] |= hit
        outrun[:, live] |= through
        shortfall[:, live][through] = -equity[through]
        when[:, live][through] = np.broadcast_to(np.arange(*candle.indices(len(history.times))), hit.shape)[through]
        fraction = np.where(hit, _fraction(equity, notional, rates.target[candle]), 0.0)
        left = np.where(through, 0.0, equity - fraction * _cost(equity, notional))
        size[:, live] = units * (1 - fraction)
        cash[:, live] = np.where(hit, left - size[:, live] * worst, money)
        cash[:, live][size[:, live] == 0] = 0.0
    return Outcome(allowed, liquidated, by_rate, outrun, shortfall, when)


@dataclass(frozen=True, slots=True)
class Tally:
    """Openings counted: those the margin allowed, and of these the liquidated and the outrun (see Outcome).

    outrun_hours  different hours in which a price outran any: what there is of independent evidence
    worst, total  of what vaults could not pay, the largest and the sum, in notionals; each at most RESERVE. The pool
                  owes it to a winner of equal size and opening on the other side, up to that one's reserve
    """

    opened: int
    liquidated: int
    by_rate: int
    outrun: int
    outrun_hours: int
    worst: float
    total: float


def tally(outcomes: Sequence[Outcome]) -> Tally:
    """Adds up what became of the positions of several histories."""
    losses = [np.minimum(outcome.shortfall, RESERVE) for outcome in outcomes]
    return Tally(
        sum(int(outcome.allowed.sum()) for outcome in outcomes),
        sum(int(outcome.liquidated.sum()) for outcome in outcomes),
        sum(int(outcome.by_rate.sum()) for outcome in outcomes),
        sum(int(outcome.outrun.sum()) for outcome in outcomes),
        sum(len(np.unique(outcome.when[outcome.outrun])) for outcome in outcomes),
        max((float(loss.max()) for loss in losses), default=0.0),
        sum(float(loss.sum()) for loss in losses),
    )


def edge(history: History, rates: Rates) -> Flags:
    """Whether the price of each hour outruns a position that stood just at its maintenance when the hour began.

    Rows LONG and SHORT. The hardest question to a margin, and the plainest: windows do not overlap, and it does not
    depend on who happened to have opened when.
    """
    hours = slice(history.first, None)
    falls = 1 - history.low[hours] / history.open[hours]
    rises = history.high[hours] / history.open[hours] - 1
    outrun: Flags = np.stack((falls, rises)) > rates.maintenance[hours]
    return outrun


def _cost(equity: Floats, notional: Floats) -> Floats:
    """What liquidating the whole takes out of the equity: the close fee, and phi of what is left after it."""
    left = np.maximum(equity, 0.0)
    fee = np.minimum(CLOSE_FEE * notional, left)
    cost: Floats = fee + PHI * (left - fee)
    return cost


def _fraction(equity: Floats, notional: Floats, target: Floats) -> Floats:
    """Smallest part whose liquidation restores the target; a quarter at least, the whole above three quarters."""
    wanted = target * notional
    needed = np.divide(wanted - equity, wanted - _cost(equity, notional), out=np.ones_like(equity), where=notional > 0)
    return np.where(needed > LARGEST, 1.0, np.maximum(needed, SMALLEST))
