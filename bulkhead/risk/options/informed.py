"""Traders who know a calendar, a spike or the truth, against a pool that quotes by formula.

Every day of every history a trader may trade one option of each kind with the pool, and holds it to expiry, or gives it
back to the pool at half of its life. He hedges or does not: hedging trades the underlying at the index, free of charge,
at up to 24 times in the option's life. The index is a fair game: hedging changes the noise, not the mean.

The trader pays no fees, no premium for utilisation and no gas, and meets no other limit: all of them only lower what he
earns. Calls are capped at twice their strike, as a spread at one volatility. Amounts are parts of the spot.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from bulkhead.risk.options.histories import DAY, Histories
from bulkhead.risk.options.pricing import Floats, call_greeks, normal, put
from bulkhead.risk.options.quotes import Quotes
from bulkhead.risk.volatility import HOUR, YEAR

Bools = NDArray[np.bool_]

#: Strikes in deviations of the slow volatility, and what they are called by their delta.
STRIKES = {"5": 1.645, "10": 1.282, "25": 0.674, "50": 0.0}
#: Each a sum of legs (is a call, strike).
KINDS: dict[str, tuple[tuple[bool, str], ...]] = {
    "put 5": ((False, "5"),),
    "put 10": ((False, "10"),),
    "put 25": ((False, "25"),),
    "straddle": ((False, "50"), (True, "50")),
    "strangle 25": ((False, "25"), (True, "25")),
    "call 25": ((True, "25"),),
    "call 10": ((True, "10"),),
    "call 5": ((True, "5"),),
}
#: When to buy from the pool, and when to sell to it.
TRUTHS = ("truth", "truth + 15 %", "truth + 30 %")
BUYS = ("always", "below 60 %", "below 45 %", "below 35 %", "in a spike", "in a move", *TRUTHS)
SELLS = ("always", "above 100 %", "above 140 %", "after a spike", "in a spike", *TRUTHS)
EXITS = ("expiry", "half")
HEDGES = 24


@dataclass(frozen=True)
class Strategy:
    """When, which way, what, until when; `knows` whether it takes the truth."""

    signal: str
    side: str
    kind: str
    exit: str

    @property
    def knows(self) -> bool:
        return self.signal.startswith("truth")

    def __str__(self) -> str:
        return f"{self.side} {self.kind} {self.signal}, to {self.exit}"


STRATEGIES = tuple(
    Strategy(signal, side, kind, exit_)
    for side, signals in (("buy", BUYS), ("sell", SELLS))
    for kind, exit_, signal in product(KINDS, EXITS, signals)
)  # as in `harvest`


@dataclass(frozen=True)
class Harvest:
    """For each history (first axis) and strategy: orders, and what they earned, hedged and not, parts of spot."""

    orders: Floats
    hedged: Floats
    unhedged: Floats


class Positions:
    """A long option of each leg, of one tenor, begun every so many hours in each history; whoever quotes it."""

    def __init__(self, histories: Histories, slow: Floats, tenor: int, first: int, every: int = DAY) -> None:
        self.histories, self.tenor = histories, tenor
        days = np.arange(first, len(histories.prices) - tenor, every)
        self.at = np.repeat(days, histories.count)
        self.which = np.tile(np.arange(histories.count), len(days))
        self.spot = histories.prices[self.at, self.which]
        deviation = slow[self.at, self.which] * np.sqrt(tenor * HOUR / YEAR)
        self.truth = histories.expected(self.at, self.which, tenor)
        legs = dict.fromkeys(leg for kind in KINDS.values() for leg in kind)
        self.strikes = {
            (is_call, name): self.spot * np.exp((1 if is_call else -1) * STRIKES[name] * deviation)
            for is_call, name in legs
        }
        self.hedges = {leg: dict.fromkeys(EXITS, np.zeros(0)) for leg in legs}
        self._hedge()

    def value(self, leg: tuple[bool, str], sigma: Floats, elapsed: int = 0) -> Floats:
        """At a volatility, so many hours after the beginning."""
        spot, time = self.histories.prices[self.at + elapsed, self.which], (self.tenor - elapsed) * HOUR
        strike = self.strikes[leg]
        if leg[0]:
            return call_greeks(spot, strike, sigma, time, strike).value / self.spot
        return put(spot, strike, sigma, time) / self.spot

    def _hedge(self) -> None:
        """What the hedge of a long option earns until each exit, at the volatility that is expected."""
        half = self.tenor // 2
        steps = np.unique(np.round(np.linspace(0, self.tenor, min(self.tenor, HEDGES) + 1)).astype(int))
        earned = {leg: np.zeros(len(self.at)) for leg in self.strikes}
        spot = self.spot
        for begin, end in pairwise(steps.tolist()):
            if begin == half:
                self._note("half", earned)
            following = self.histories.prices[self.at + end, self.which]
            v = self.histories.expected(self.at + begin, self.which, self.tenor - begin)
            v = v * np.sqrt((self.tenor - begin) * HOUR / YEAR)
            for leg, strike in self.strikes.items():
                delta = normal(np.log(spot / strike) / v + v / 2)
                delta -= normal(np.log(spot / (2 * strike)) / v + v / 2) if leg[0] else 1
                earned[leg] -= delta * (following - spot) / self.spot
            spot = following
        self._note("expiry", earned)

    def _note(self, exit_: str, earned: dict[tuple[bool, str], Floats]) -> None:
        for leg, sums in earned.items():
            self.hedges[leg][exit_] = sums.copy()


def harvest(positions: Positions, pool: Quotes) -> Harvest:
    """What every strategy earns from the pool."""
    at, which, count = positions.at, positions.which, positions.histories.count
    volatility = {"buy": pool.ask(at, which), "sell": pool.bid(at, which)}
    later = at + positions.tenor // 2
    back = {"buy": pool.bid(later, which), "sell": pool.ask(later, which)}
    nothing = np.zeros(len(at))
    result = []
    for side, signals in (("buy", BUYS), ("sell", SELLS)):
        sign = 1 if side == "buy" else -1
        masks = [_signal(name, side, positions, pool, volatility[side]) for name in signals]
        orders = [np.bincount(which, mask, count) for mask in masks]
        entry = {leg: positions.value(leg, volatility[side]) for leg in positions.strikes}
        ends = {
            "expiry": {leg: positions.value(leg, nothing, positions.tenor) for leg in positions.strikes},
            "half": {leg: positions.value(leg, back[side], positions.tenor // 2) for leg in positions.strikes},
        }
        for legs, exit_ in product(KINDS.values(), EXITS):
            plain = sign * sum((ends[exit_][leg] - entry[leg] for leg in legs), nothing)
            hedged = plain + sign * sum((positions.hedges[leg][exit_] for leg in legs), nothing)
            for mask, number in zip(masks, orders, strict=True):
                earned = [np.bincount(which, np.where(mask, one, 0.0), count) for one in (hedged, plain)]
                result.append((number, *earned))
    found = np.array(result)  # strategies, 3, histories
    return Harvest(found[:, 0].T, found[:, 1].T, found[:, 2].T)


def _signal(name: str, side: str, positions: Positions, pool: Quotes, quoted: Floats) -> Bools:
    """On which of the days it trades."""
    at, which = positions.at, positions.which
    fast, slow = pool.fast[at, which], pool.slow[at, which]
    if name.startswith("truth"):
        margin = 1 + float(name[8:-2] or 0) / 100 if "+" in name else 1.0
        better: Bools = positions.truth > quoted * margin if side == "buy" else positions.truth < quoted / margin
        return better
    if name == "always":
        return np.ones(len(at), dtype=np.bool_)
    if name == "in a spike":
        spike: Bools = fast > 2 * slow
        return spike
    if name == "after a spike":
        peaks = (pool.fast[np.maximum(at - ago, 0), which] for ago in range(0, 5 * DAY, 6))
        peak = np.maximum.reduce(list(peaks))
        after: Bools = (peak > 2 * fast) & (peak > 1.5 * slow)
        return after
    if name == "in a move":
        back = max(pool.rule.late, 1)
        moved = np.abs(np.log(positions.spot / positions.histories.prices[at - back, which]))
        move: Bools = moved > 5 * slow * np.sqrt(back * HOUR / YEAR)
        return move
    limit = float(name.split()[1]) / 100
    level = np.maximum(fast, slow) if side == "buy" else np.minimum(fast, slow)
    passed: Bools = level < limit if side == "buy" else level > limit
    return passed
