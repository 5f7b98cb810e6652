"""Twin of VolatilityMargin.sol: rates of notional that follow the market. Values are collateral with 18 decimals."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

from bulkhead.model.errors import ModelError
from bulkhead.model.instruments.perpetual import ParameterInvalid
from bulkhead.model.integers import mul_div_up
from bulkhead.model.interfaces.depth_feed import DepthFeed
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.interfaces.volatility_feed import Volatilities
from bulkhead.model.libraries.position_math import ONE, absolute
from bulkhead.model.margin.fixed_margin import RatesInvalid

#: By so much at least target and maintenance differ.
STEP = 10**14
YEAR = 365 * 86_400


class MultiplesInvalid(ModelError):
    """initial, target, maintenance: of z, not 0 < maintenance < target <= initial <= 100."""


@dataclass(frozen=True)
class VolatilityRate:
    """z x volatility over the horizon, within [floor, cap]; all 1e18 = 1."""

    z: int
    floor: int
    cap: int


@dataclass(frozen=True)
class VolatilityMarginTerms:
    """See the Solidity struct. `depth` is None where there is no feed of it."""

    volatility: Volatilities
    depth: DepthFeed | None
    horizon: int
    initial: VolatilityRate
    target: VolatilityRate
    maintenance: VolatilityRate
    impact: int
    open_interest: int
    decimals: int


class VolatilityMargin:
    """Raises MultiplesInvalid, RatesInvalid, ParameterInvalid."""

    def __init__(self, t: VolatilityMarginTerms) -> None:
        i, g, m = t.initial, t.target, t.maintenance
        if not self._ordered(i.z, g.z, m.z, 100 * ONE):
            raise MultiplesInvalid(i.z, g.z, m.z)
        if not self._ordered(i.floor, g.floor, m.floor, ONE):
            raise RatesInvalid(i.floor, g.floor, m.floor)
        if not self._ordered(i.cap, g.cap, m.cap, ONE):
            raise RatesInvalid(i.cap, g.cap, m.cap)
        for name, rate in (("initial", i), ("target", g), ("maintenance", m)):
            if rate.floor > rate.cap:
                raise ParameterInvalid(f"{name}.floor", rate.floor)
        if not 0 < t.horizon <= YEAR:
            raise ParameterInvalid("horizon", t.horizon)
        if t.impact > 100 * ONE or (t.impact != 0 and t.depth is None):
            raise ParameterInvalid("impact", t.impact)
        if t.open_interest > 100 * ONE:
            raise ParameterInvalid("openInterest", t.open_interest)
        if t.decimals > 18:
            raise ParameterInvalid("decimals", t.decimals)
        self.terms = t
        self.root_horizon = isqrt(-(-t.horizon * ONE**2 // YEAR) - 1) + 1
        self.slope = t.open_interest + 2 * t.impact
        self.scale: int = 10 ** (18 - t.decimals)

    def initial(self, state: Snapshot, mark: int, size: int) -> int:
        """To open, or to take margin out."""
        t = self.terms
        notional, against = self._notional(state.index, size), self._against(state)
        rate = mul_div_up(self._over_horizon(t.volatility.highest()), t.initial.z, ONE)
        rate = min(rate + self._crowding_up(state, state.long if size > 0 else state.short, against), t.initial.cap)
        required = mul_div_up(notional, rate, ONE) + self._own_up(notional, t.initial.cap - rate, against)
        return max(required, mul_div_up(notional, t.initial.floor, ONE))

    def looks_at_market(self) -> bool:
        """Where the rate rises with what is open."""
        return self.slope != 0

    def maintenance(self, series: int, index: int, mark: int, size: int) -> tuple[int, int]:
        """To stay open, and what a partial liquidation restores."""
        notional, deviation = self._notional(index, size), self._over_horizon(self.terms.volatility.ramped())
        rate, target = self._clamped(deviation, self.terms.maintenance), self._clamped(deviation, self.terms.target)
        return mul_div_up(notional, rate, ONE), mul_div_up(notional, target, ONE)

    def _against(self, state: Snapshot) -> int:
        if self.terms.depth is None:
            return (state.reserved + state.idle) * self.scale
        return min(self.terms.depth.depth(), 2**128 - 1)

    def _crowding_up(self, state: Snapshot, side: int, against: int) -> int:
        if self.slope == 0:
            return 0
        if against == 0:
            return self.terms.initial.cap
        weighted = (state.long + state.short) * self.terms.open_interest + side * 2 * self.terms.impact
        return mul_div_up(weighted, state.index, against * ONE)

    def _own_up(self, notional: int, room: int, against: int) -> int:
        if self.slope == 0:
            return 0
        reach = room * against // self.slope
        if notional < reach:
            return mul_div_up(self.slope * notional, notional, 2 * against * ONE)
        return mul_div_up(room, 2 * notional - reach, 2 * ONE)

    def _over_horizon(self, volatility: int) -> int:
        return mul_div_up(volatility, self.root_horizon, ONE)

    @staticmethod
    def _clamped(deviation: int, rate: VolatilityRate) -> int:
        return min(max(mul_div_up(deviation, rate.z, ONE), rate.floor), rate.cap)

    @staticmethod
    def _notional(index: int, size: int) -> int:
        return mul_div_up(absolute(size), index, ONE)

    @staticmethod
    def _ordered(initial: int, target: int, maintenance: int, most: int) -> bool:
        return STEP <= maintenance <= target - STEP and target <= initial <= most
