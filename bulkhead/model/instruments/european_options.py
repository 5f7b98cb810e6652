"""Twin of EuropeanOptions.sol: a family of options, every Friday and every strike of a step. Rates are 1e18 = 100 %."""

from __future__ import annotations

from math import isqrt
from typing import Protocol

from bulkhead.model.instruments.expiry_fixing import WINDOW
from bulkhead.model.instruments.perpetual import ParameterInvalid
from bulkhead.model.integers import saturating_sub
from bulkhead.model.interfaces.european_options import (
    FeedTooSlow,
    InSettlement,
    Option,
    OptionGreeks,
    OptionTerms,
    StrikeOutOfBand,
    VolatilityBehind,
)
from bulkhead.model.interfaces.expiry_fixing import Fixings
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.interfaces.oracle import Block
from bulkhead.model.interfaces.volatility_path import PathSettings
from bulkhead.model.libraries import black_scholes, option_series
from bulkhead.model.libraries.option_fill import largest_difference_up
from bulkhead.model.libraries.position_math import ONE, mul_down, mul_up
from bulkhead.model.margin.volatility_path import VolatilityPath

YEAR = 365 * 86_400
SLOWEST = 60
MOST_SHARE = 100 * ONE


class Feed(Protocol):
    """What it asks of the volatility feed."""

    @property
    def interval(self) -> int: ...
    def slow(self) -> int: ...
    def observed(self) -> tuple[int, int, int, int]: ...
    def due(self) -> tuple[bool, bool, int, int]: ...


class Primary(Protocol):
    """What it asks of the oracle."""

    @property
    def heartbeat(self) -> int: ...
    def final_price(self) -> tuple[bool, int, int]: ...


class EuropeanOptions(VolatilityPath):
    """`block` stands for the chain. Raises ParameterInvalid, FeedTooSlow."""

    def __init__(
        self, feed: Feed, path: PathSettings, fixing: Fixings, oracle: Primary, terms: OptionTerms, block: Block
    ) -> None:
        super().__init__(feed, oracle, path, block)
        t = terms
        good = {
            "strikeStep": 0 < t.strike_step <= 10**27,
            "callCap": 0 < t.call_cap <= 10 * ONE,
            "longestTenor": 86_400 <= t.longest_tenor < YEAR,
            "smallestDelta": 0 < t.smallest_delta < ONE // 2,
            "spread": ONE // 10 <= t.spread <= ONE,
            "slope": t.slope <= ONE - t.spread,
            "reach": ONE <= t.reach <= 10 * ONE,
            "holding": t.holding <= ONE,
            "seriesShare": 0 < t.series_share <= ONE,
            "decimals": t.decimals <= 18,
        }
        for (name, fits), value in zip(good.items(), vars(t).values(), strict=True):
            if not fits:
                raise ParameterInvalid(name, value)
        if oracle.heartbeat > SLOWEST:
            raise FeedTooSlow(oracle.heartbeat, SLOWEST)
        self.observer, self.fixing, self.terms = feed, fixing, t
        self.fresh = 2 * feed.interval
        square = self.fresh * ONE * ONE // YEAR
        root = isqrt(square)
        self.reach = mul_up(t.reach, root + (root * root < square), ONE)
        self.scale = 10 ** (18 - t.decimals)

    def is_open(self, series: int, time: int) -> bool:
        """Up to the settlement window, from the longest tenor on; never after the expiry."""
        expiry = option_series.expiry(series)
        near = time + WINDOW < expiry <= time + self.terms.longest_tenor
        return option_series.number(series) != 0 and near and self.block.timestamp < expiry

    def mark(self, series: int, index: int, time: int) -> int:
        """Value of one unit for risk. Raises InSettlement."""
        o = self.option_of(series)
        if time + WINDOW >= o.expiry:
            known, fixing = self.fixing.fixing_of(o.expiry)
            if known:
                return self._payoff(o, fixing)
            if not self.oracle.final_price()[0]:
                raise InSettlement(series, o.expiry)
        return self._value(o, index, self.volatility_at(time), saturating_sub(o.expiry, time))

    def cap(self, series: int) -> int:
        """A put's is its strike, a call's a share of it."""
        return self.option_of(series).cap

    def has_carry(self) -> bool:
        """None: what holding costs is in the fill."""
        return False

    def is_linear(self) -> bool:
        """No."""
        return False

    def carry(self, state: Snapshot, borrow_rate: int, elapsed: int) -> tuple[int, int]:
        """None."""
        return 0, 0

    def final_mark(self, series: int) -> tuple[bool, int, int]:
        """The payoff, once the settlement price is known."""
        o = self.option_of(series)
        known, index = self.fixing.fixing_of(o.expiry)
        return known, self._payoff(o, index) if known else 0, index

    def premium(self, state: Snapshot, size: int) -> int:
        """At the commit (index 0) for the whole range. Raises VolatilityBehind, StrikeOutOfBand then."""
        o = self.option_of(state.series)
        left = saturating_sub(o.expiry, state.time)
        fast, slow, price, last = self.observer.observed()
        bid, middle, ask = self._volatilities(fast, slow, self._used(state), state.time)
        commit = state.index == 0
        low, high = self._range(max(fast, slow), price, last) if commit else (state.index, state.index)
        below, above = (middle, ask) if size > 0 else (bid, middle)
        rate = largest_difference_up(o.strike, low, high, below, above, left)
        if not commit:
            return rate
        if state.long == 0 and state.short == 0:
            self._require_in_band(o, (low + high) // 2, middle, left)
        if size > 0:
            rate += mul_up(self._holding_up(state, o, size, left), o.cap, low)
        return rate

    def option_of(self, series: int) -> Option:
        """What a series is."""
        put, strike = option_series.is_put(series), option_series.number(series) * self.terms.strike_step
        cap = strike if put else mul_down(strike, self.terms.call_cap, ONE)
        return Option(put, option_series.expiry(series), strike, cap)

    def series_for(self, put: bool, expiry: int, strike: int) -> int:
        """The series of an option. Raises SeriesInvalid."""
        if strike % self.terms.strike_step:
            raise option_series.SeriesInvalid(expiry, 0)
        return option_series.encode(put, expiry, strike // self.terms.strike_step)

    def greeks(self, series: int, index: int, time: int) -> OptionGreeks:
        """Value and Greeks before the settlement window. Raises InSettlement."""
        o = self.option_of(series)
        if time + WINDOW >= o.expiry:
            raise InSettlement(series, o.expiry)
        sigma, left = self.volatility_at(time), o.expiry - time
        near = black_scholes.greeks(index, o.strike, sigma, left)
        value = self._value(o, index, sigma, left)
        if o.put:
            return OptionGreeks(value, near.delta - ONE, near.gamma, near.vega, near.theta)
        far = black_scholes.greeks(index, o.strike + o.cap, sigma, left)
        return OptionGreeks(
            value, near.delta - far.delta, near.gamma - far.gamma, near.vega - far.vega, near.theta - far.theta
        )

    def volatilities(self, used: int) -> tuple[int, int, int]:
        """Of fills now: what the pool buys at, the mark's, what it sells at."""
        fast, slow, _, _ = self.observer.observed()
        return self._volatilities(fast, slow, min(used, ONE), self.block.timestamp)

    def range(self) -> tuple[int, int]:
        """The interval of the index for which fills are made now. Raises VolatilityBehind."""
        fast, slow, price, last = self.observer.observed()
        return self._range(max(fast, slow), price, last)

    @staticmethod
    def _value(o: Option, index: int, sigma: int, left: int) -> int:
        call, put = black_scholes.price(index, o.strike, sigma, left)
        if o.put:
            return put
        beyond, _ = black_scholes.price(index, o.strike + o.cap, sigma, left)
        return min(saturating_sub(call, beyond), o.cap)

    @staticmethod
    def _payoff(o: Option, index: int) -> int:
        if o.put:
            return saturating_sub(o.strike, index)
        return min(saturating_sub(index, o.strike), o.cap)

    @staticmethod
    def _used(state: Snapshot) -> int:
        total = state.reserved + state.idle
        return 0 if total == 0 else mul_up(state.reserved, ONE, total)

    def _volatilities(self, fast: int, slow: int, used: int, time: int) -> tuple[int, int, int]:
        spread = self.terms.spread + mul_up(self.terms.slope, used, ONE)
        middle = self.volatility_at(time)
        ask = max(middle, mul_up(max(fast, slow), ONE + spread, ONE))
        bid = min(middle, mul_down(min(fast, slow), ONE - spread, ONE))
        return bid, middle, ask

    def _range(self, volatility: int, price: int, last: int) -> tuple[int, int]:
        now = self.block.timestamp
        if now > last + self.fresh:
            raise VolatilityBehind(last, now)
        wide = ONE + mul_up(volatility, self.reach, ONE)
        return max(mul_down(price, ONE, wide), 1), mul_up(price, wide, ONE)

    def _require_in_band(self, o: Option, index: int, sigma: int, left: int) -> None:
        delta, lowest = black_scholes.greeks(index, o.strike, sigma, left).delta, self.terms.smallest_delta
        if not lowest <= delta <= ONE - lowest:
            raise StrikeOutOfBand(delta, lowest, ONE - lowest)

    def _holding_up(self, state: Snapshot, o: Option, size: int, left: int) -> int:
        total = max((state.reserved + state.idle) * self.scale, 1)
        bound = mul_up(state.long + size, o.cap, ONE)
        share = min(mul_up(bound, ONE, total), MOST_SHARE)
        return mul_up(self.terms.holding, left, YEAR) + saturating_sub(share, self.terms.series_share)
