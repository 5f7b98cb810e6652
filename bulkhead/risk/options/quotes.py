"""What a pool asks and gives for options: one formula of two volatilities.

It sells at the larger of fast and slow volatility times (1 + spread) and buys at the smaller times (1 - spread). The
slope in utilisation comes on top of this; here the pool is idle, which is best for the trader.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bulkhead.risk.options.histories import Histories, Ints
from bulkhead.risk.options.pricing import Floats
from bulkhead.risk.volatility import HOUR, Estimator, ewma


@dataclass(frozen=True, slots=True)
class Rule:
    """The defaults are what ships: docs/options.md says why.

    spread   x
    fast, slow   memories in hours
    largest      return that counts for an hour
    late         hours since the volatilities were brought up to date
    naive        quote both ways at fast volatility: the weakness that the two volatilities are there against
    """

    spread: float = 0.45
    fast: float = 12
    slow: float = 720
    largest: float = 0.25
    late: int = 0
    naive: bool = False


@dataclass(frozen=True)
class Quotes:
    """A pool's volatilities in some histories, at each hour, in the shape of their prices."""

    rule: Rule
    fast: Floats
    slow: Floats

    def ask(self, at: Ints, which: Ints) -> Floats:
        """The volatility that it sells at."""
        fast, slow = self._known(at, which)
        return (fast if self.rule.naive else np.maximum(fast, slow)) * (1 + self.rule.spread)

    def bid(self, at: Ints, which: Ints) -> Floats:
        """The volatility that it buys at."""
        fast, slow = self._known(at, which)
        return (fast if self.rule.naive else np.minimum(fast, slow)) * (1 - self.rule.spread)

    def _known(self, at: Ints, which: Ints) -> tuple[Floats, Floats]:
        known = at - self.rule.late
        return self.fast[known, which], self.slow[known, which]


def quotes(histories: Histories, rule: Rule, start: int) -> Quotes:
    """As VolatilityFeed estimates them, from the volatility of the first `start` hours on, which it begins with."""
    largest = Estimator(largest=rule.largest).largest ** 2 * (365 * 24)
    variance = np.minimum(histories.variance, largest)
    elapsed = np.full(len(variance), float(HOUR))
    begun = variance[:start].mean(axis=0)

    def averaged(memory: float) -> Floats:
        columns = [
            np.sqrt(np.concatenate(([first], ewma(column, elapsed, memory * HOUR, float(first)))))
            for first, column in zip(begun, variance.T, strict=True)
        ]
        return np.stack(columns, axis=1)

    return Quotes(rule, averaged(rule.fast), averaged(rule.slow))
