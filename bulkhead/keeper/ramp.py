"""The volatility that maintenance follows: exactly at a moment, and the highest that its ramp can reach by another."""

from __future__ import annotations

from dataclasses import dataclass

from bulkhead.model.interfaces.instrument import MarginModel
from bulkhead.model.interfaces.volatility_feed import VolatilityState
from bulkhead.model.libraries import exponential
from bulkhead.model.libraries.logarithm import RAY
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.margin.volatility_feed import MAX_VARIANCE, ramped_at, root_up
from bulkhead.model.margin.volatility_margin import YEAR, VolatilityMargin, VolatilityMarginTerms, VolatilityRate

#: More than the roundings of powers come to, in units of 1e-27: two for each second since the last update.
_ROUNDINGS = 10**9


@dataclass(frozen=True)
class Ramp:
    """What a volatility feed has fixed for good: VolatilityFeed.sol.

    floor       of the ramped volatility, 1e18 = 100 %
    decay       how far it falls in a second, 27 decimals; it rises by the inverse
    interval    of the grid, seconds
    """

    floor: int
    decay: int
    interval: int

    def at(self, state: VolatilityState, time: int) -> int:
        """The ramped volatility, exactly, if nothing is updated until then."""
        return ramped_at(state, self.floor, self.decay, self.interval, time)

    def highest(self, now: int, seconds: int) -> int:
        """The most that it can be within some seconds from `now` on, whatever is updated or skipped by then.

        It rises by 1 / decay a second at most, from where it is, and never above what a feed can hold. `now` was
        rounded down, and what it lost rises along.
        """
        most = max(root_up(MAX_VARIANCE), self.floor)
        left = exponential.power(self.decay, seconds) - _ROUNDINGS
        return min(most, -(-(now + 1) * RAY // left) + 1) if left > 0 else most


@dataclass
class Level:
    """The volatility of one moment, as the twin of the margin model asks for it."""

    value: int = 0

    def ramped(self) -> int:
        """What maintenance follows."""
        return self.value

    def highest(self) -> int:
        """The same: what opening asks for takes no part here."""
        return self.value


def margin_at(level: Level, root_horizon: int, target: VolatilityRate, maintenance: VolatilityRate) -> VolatilityMargin:
    """The twin of VolatilityMargin.sol for open positions; what it asks to open takes no part here.

    `root_horizon` is sqrt(horizon / year), 18 decimals, rounded up: no two horizons have the same.
    """
    horizon = (root_horizon**2 * YEAR + ONE**2 // 2) // ONE**2
    return VolatilityMargin(VolatilityMarginTerms(level, None, horizon, target, target, maintenance, 0, 0, 18))


def rate_of(model: MarginModel) -> int:
    """The maintenance rate of a model whose rate is the same for every position, 1e18 = 100 %."""
    rate, _ = model.maintenance(0, ONE, ONE, ONE)
    return rate
