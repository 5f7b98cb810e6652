"""Which volatility-adjusted margin equals a fixed one: at the same frequency of being outrun, and at the same average.

Each is fitted on all events, and again on all but one to be judged on that one. Positions open at the largest leverage
that the initial margin of their hour allows, so that the margins themselves are compared. Frequencies are shares of
openings, which overlap: the hours in which the price did it are far fewer (`Tally.outrun_hours`).

z and the square root of the horizon enter as a product, so no frequency tells them apart. The horizon is the longest
that nobody may look, one hour of these candles; `excursions` shows how far the square root carries beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bulkhead.risk.liquidations import Flags, History, Rates, Tally, replay, tally
from bulkhead.risk.volatility import HOUR, YEAR, Floats, historical

Counts = NDArray[np.int64]

FIXED = 0.04
"""The shipped initial margin."""

TARGET, MAINTENANCE = 0.75, 0.5
"""Of the initial margin: the shipped 4 : 3 : 2."""

CRASH = 1.0
"""Annual volatility from which a history, and with it its whole event, counts as a crash, not as calm."""

CALM = 1 / 3
"""Part of all hours that is called calm: those of the lowest slow volatility."""

GRID = np.exp(np.arange(math.log(0.5), math.log(16), 0.04))
"""Values of z that are tried, 4 % apart."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Margin that follows volatility: initial = clamp(z x sigma x sqrt(horizon), floor, cap).

    sigma of the initial rate is the highest of fast, slow and ramped; target and maintenance are their part of the same
    with the ramped one alone. `floor` and `cap` are those of the initial rate; `horizon` in seconds.
    """

    z: float
    floor: float
    cap: float = 0.5
    horizon: float = HOUR

    def rates(self, history: History) -> Rates:
        """At each of its candles."""
        now, ramped = self._rate(history.volatility.highest), self._rate(history.volatility.ramped)
        return Rates(now, TARGET * ramped, MAINTENANCE * ramped)

    def _rate(self, sigma: Floats) -> Floats:
        return np.clip(self.z * math.sqrt(self.horizon / YEAR) * sigma, self.floor, self.cap)


def fixed_rates(history: History, initial: float = FIXED) -> Rates:
    """The same rates at all times."""
    ones = np.ones(len(history.times))
    return Rates(initial * ones, TARGET * initial * ones, MAINTENANCE * initial * ones)


@dataclass(frozen=True, slots=True)
class Matched:
    """A rule that equals the fixed margin in one respect, and what it does on the histories it is judged on.

    outrun, fixed         openings outrun under the rule, and under the fixed margin
    crash, fixed_crash    those among them in histories that are crashes
    losses, fixed_losses  what vaults could not pay, in notionals (`Tally.total`)
    margin, calm          average initial rate over all openings, and over the calm hours (nan where none is calm)
    """

    z: float
    outrun: int
    fixed: int
    crash: int
    fixed_crash: int
    losses: float
    fixed_losses: float
    openings: int
    margin: float
    calm: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Both questions for one `floor` and one holding time (`hold`, hours).

    frequency, average   fitted and judged on all histories; None where no rule of the grid does it
    frequency_out, average_out   fitted on the other events, judged on each in turn, by its number
    tried   for each z of the grid: average initial rate, and the part of openings that is outrun
    """

    hold: int
    floor: float
    tried: list[tuple[float, float]]
    frequency: Matched | None
    average: Matched | None
    frequency_out: dict[int, Matched]
    average_out: dict[int, Matched]


class Sample:
    """Histories that are studied together, their events (what overlaps in time is one), and their calm hours."""

    def __init__(self, histories: Sequence[History]) -> None:
        if not histories:
            raise ValueError("no history to study")
        self.histories = list(histories)
        self.events = _events(self.histories)
        self.openings = np.array([2 * history.hours for history in histories])
        self.volatility = [historical(history.open) for history in histories]
        crashes = {int(self.events[i]) for i, sigma in enumerate(self.volatility) if sigma >= CRASH}
        self.is_crash = np.array([event in crashes for event in self.events.tolist()])
        border = float(np.quantile(np.concatenate([h.volatility.slow[h.first :] for h in histories]), CALM))
        self.is_calm: list[Flags] = [history.volatility.slow[history.first :] <= border for history in histories]

    def tallies(self, of: Callable[[History], Rates], hold: int) -> list[Tally]:
        """What becomes of the openings of each history, at the largest leverage."""
        return [tally([replay(history, of(history), hold)]) for history in self.histories]

    def outrun(self, of: Callable[[History], Rates], hold: int) -> Counts:
        """Openings outrun, a number for each history."""
        return np.array([one.outrun for one in self.tallies(of, hold)])

    def answer(self, hold: int, floor: float, step: Callable[[], None] = lambda: None) -> Answer:
        """Fits and judges; calls `step` after each of len(GRID) values of z."""
        unadjusted = self.tallies(fixed_rates, hold)
        fixed = np.array([one.outrun for one in unadjusted])
        tried = []
        for z in GRID:
            tried.append(self.outrun(Rule(float(z), floor).rates, hold))
            step()
        table = np.array(tried)
        everything = np.ones(len(self.histories), np.bool_)
        each = {event: self.events == event for event in sorted(set(self.events.tolist()))}
        apart = each if len(each) > 1 else {}

        def by_frequency(on: Flags, judged: Flags) -> Matched | None:
            z = _smallest(table[:, on].sum(axis=1), int(fixed[on].sum()))
            return None if z is None else self._judged(Rule(z, floor), hold, unadjusted, judged)

        def by_average(on: Flags, judged: Flags) -> Matched | None:
            z = self._of_average(floor, on)
            return None if z is None else self._judged(Rule(z, floor), hold, unadjusted, judged)

        outside = {
            question: {event: found for event, held in apart.items() if (found := question(~held, held)) is not None}
            for question in (by_frequency, by_average)
        }
        return Answer(
            hold,
            floor,
            self._line([Rule(float(z), floor).rates for z in GRID], table),
            by_frequency(everything, everything),
            by_average(everything, everything),
            outside[by_frequency],
            outside[by_average],
        )

    def fixed_line(self, hold: int) -> list[tuple[float, float]]:
        """For fixed initial rates from 1 % to 40 %: the rate, and the part of openings that is outrun."""
        choices = [partial(fixed_rates, initial=float(initial)) for initial in np.geomspace(0.01, 0.4, 24)]
        return self._line(choices, np.array([self.outrun(choice, hold) for choice in choices]))

    def _line(self, choices: Sequence[Callable[[History], Rates]], outrun: Counts) -> list[tuple[float, float]]:
        averages = [
            float(np.concatenate([choice(history).initial[history.first :] for history in self.histories]).mean())
            for choice in choices
        ]
        parts = outrun.sum(axis=1) / self.openings.sum()
        return list(zip(averages, parts.tolist(), strict=True))

    def _judged(self, rule: Rule, hold: int, unadjusted: Sequence[Tally], judged: Flags) -> Matched:
        adjusted = self.tallies(rule.rates, hold)
        initial = [rule.rates(history).initial[history.first :] for history in self.histories]
        chosen = np.flatnonzero(judged)
        crashes = np.flatnonzero(judged & self.is_crash)
        calm = np.concatenate([initial[i][self.is_calm[i]] for i in chosen])
        return Matched(
            rule.z,
            sum(adjusted[i].outrun for i in chosen),
            sum(unadjusted[i].outrun for i in chosen),
            sum(adjusted[i].outrun for i in crashes),
            sum(unadjusted[i].outrun for i in crashes),
            sum(adjusted[i].total for i in chosen),
            sum(unadjusted[i].total for i in chosen),
            int(self.openings[judged].sum()),
            float(np.concatenate([initial[i] for i in chosen]).mean()),
            float(calm.mean()) if len(calm) else math.nan,
        )

    def _of_average(self, floor: float, on: Flags, average: float = FIXED) -> float | None:
        """z by which the initial rate averages `average` over the histories `on`; None where the floor is above it."""
        chosen = [self.histories[i] for i in np.flatnonzero(on)]

        def mean(z: float) -> float:
            return float(np.concatenate([Rule(z, floor).rates(h).initial[h.first :] for h in chosen]).mean())

        low, high = 0.0, float(GRID[-1])
        if not mean(low) <= average <= mean(high):
            return None
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if mean(middle) < average else (low, middle)
        return high


def excursions(history: History, horizon: int) -> Floats:
    """Worst move within `horizon` hours of each open, in deviations sigma x sqrt(horizon); rows LONG and SHORT.

    sigma is what initial margin follows. A quantile of them is the z that so many openings would have needed; if the
    square root of time holds, it is the same for every horizon.
    """
    last = len(history.times) - horizon
    if last < history.first:
        return np.empty((2, 0))
    opens = history.open[history.first : last + 1]
    windows = np.lib.stride_tricks.sliding_window_view
    lows = windows(history.low[history.first :], horizon).min(axis=1)
    highs = windows(history.high[history.first :], horizon).max(axis=1)
    deviation = history.volatility.highest[history.first : last + 1] * math.sqrt(horizon * HOUR / YEAR)
    moves: Floats = np.stack((1 - lows / opens, highs / opens - 1)) / deviation
    return moves


def _smallest(outrun: Counts, limit: int) -> float | None:
    """Smallest z of the grid from which on no more than `limit` are outrun; None if there is none."""
    over = np.flatnonzero(outrun > limit)
    first = int(over[-1]) + 1 if len(over) else 0
    return float(GRID[first]) if first < len(GRID) else None


def _events(histories: Sequence[History]) -> Counts:
    """A number for each history, the same for those that overlap, directly or by others between them."""
    order = sorted(range(len(histories)), key=lambda i: float(histories[i].times[0]))
    events = np.zeros(len(histories), np.int64)
    until, event = -math.inf, -1
    for i in order:
        if histories[i].times[0] > until:
            event += 1
        events[i] = event
        until = max(until, float(histories[i].times[-1]))
    return events
