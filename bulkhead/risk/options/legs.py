"""Legs of options, each with its own strike, expiry and vault: values, Greeks, payoffs of the whole.

Prices are in one unit; sizes in units of the underlying, above zero bought, below it sold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bulkhead.risk.options.pricing import Floats, Greeks, call_greeks, put_greeks

Kind = Literal["call", "put"]


@dataclass(frozen=True, slots=True)
class Leg:
    """`seconds` are left to its expiry; a call pays at most `cap`, a put its strike."""

    kind: Kind
    strike: float
    size: float
    seconds: float
    cap: float = np.inf

    def payoff(self, spot: ArrayLike) -> Floats:
        """At expiry, of the whole size."""
        s = np.asarray(spot, dtype=np.float64)
        one = np.clip(s - self.strike, 0.0, self.cap) if self.kind == "call" else np.maximum(self.strike - s, 0.0)
        return self.size * one

    def greeks(self, spot: ArrayLike, sigma: ArrayLike, elapsed: float = 0.0) -> Greeks:
        """Value and Greeks of the whole size, so many seconds from now; after its expiry those of its payoff."""
        seconds = max(self.seconds - elapsed, 0.0)
        if self.kind == "call":
            return call_greeks(spot, self.strike, sigma, seconds, self.cap) * self.size
        return put_greeks(spot, self.strike, sigma, seconds) * self.size

    @property
    def most(self) -> float:
        """The largest value of one unit."""
        return self.cap if self.kind == "call" else self.strike

    def __str__(self) -> str:
        side = "buy" if self.size > 0 else "sell"
        cap = "" if self.kind == "put" or np.isinf(self.cap) else f" up to {self.strike + self.cap:g}"
        return f"{side} {abs(self.size):g} {self.kind} {self.strike:g}{cap}"


@dataclass(frozen=True, slots=True)
class Quote:
    """Of one unit: mark, what the pool sells at and what it buys at."""

    mark: float
    ask: float
    bid: float

    def fill(self, size: float) -> float:
        """What a trader of that size pays or gets."""
        return self.ask if size > 0 else self.bid


def quote(leg: Leg, spot: float, fast: float, slow: float, spread: float) -> Quote:
    """The formula of docs/options.md on an idle pool; the mark at the slow volatility.

    The value of a capped call need not rise with volatility: each side is the worst for the trader of the three.
    """
    one = Leg(leg.kind, leg.strike, 1.0, leg.seconds, leg.cap)
    high, low = max(fast, slow) * (1 + spread), min(fast, slow) * (1 - spread)
    mark, above, below = (float(one.greeks(spot, sigma).value) for sigma in (slow, high, low))
    return Quote(mark, max(mark, above, below), min(mark, above, below))


def whole(legs: Iterable[Leg], spot: ArrayLike, sigma: ArrayLike, elapsed: float = 0.0) -> Greeks:
    """The sum of the legs. Raises ValueError for none."""
    parts = [leg.greeks(spot, sigma, elapsed) for leg in legs]
    if not parts:
        raise ValueError("no legs: nothing to add up")
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def payoff(legs: Iterable[Leg], spot: ArrayLike) -> Floats:
    """The sum of the payoffs, if all expire at this spot."""
    total: Floats = np.sum([leg.payoff(spot) for leg in legs], axis=0)
    return total


def extremes(legs: Sequence[Leg], paid: float) -> tuple[float, float]:
    """The largest loss and gain if all expire together, `paid` for them; infinite where a call has no cap.

    Between the strikes and caps a payoff is straight, so that its ends are at these, at 0 or far above.
    """
    bends = [0.0, *(leg.strike for leg in legs)]
    bends += [leg.strike + leg.cap for leg in legs if leg.kind == "call" and np.isfinite(leg.cap)]
    values = payoff(legs, np.array([*bends, 2 * max(bends)])) - paid
    slope = sum(leg.size for leg in legs if leg.kind == "call" and np.isinf(leg.cap))
    low, high = float(values.min()), float(values.max())
    return (np.inf if slope < 0 else -low), (np.inf if slope > 0 else high)
