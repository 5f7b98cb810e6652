"""Twin of OptionMargin.sol: what a short option must have on top of its mark, in collateral with 18 decimals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bulkhead.model.errors import ModelError
from bulkhead.model.instruments.expiry_fixing import WINDOW
from bulkhead.model.instruments.perpetual import ParameterInvalid
from bulkhead.model.integers import saturating_sub
from bulkhead.model.interfaces.european_options import Option
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.interfaces.oracle import Block
from bulkhead.model.libraries.position_math import ONE, absolute, mul_down, mul_up

#: By so much at least target and maintenance differ.
APART = 10**14


class OptionRatesInvalid(ModelError):
    """initial, initialFloor, target, maintenance."""


class Options(Protocol):
    """What it asks of the instrument."""

    def option_of(self, series: int) -> Option: ...
    def volatility_at(self, time: int) -> int: ...
    def final_mark(self, series: int) -> tuple[bool, int, int]: ...


class Feed(Protocol):
    """What it asks of the volatility feed."""

    def fast(self) -> int: ...


@dataclass(frozen=True)
class OptionMarginTerms:
    """Without the instrument; see the Solidity struct."""

    normal: int
    least: int
    most: int
    initial: int
    initial_floor: int
    target: int
    maintenance: int


class OptionMargin:
    """`block` stands for the chain. Raises ParameterInvalid, OptionRatesInvalid."""

    def __init__(self, options: Options, feed: Feed, terms: OptionMarginTerms, block: Block) -> None:
        t = terms
        if not ONE // 100 <= t.normal <= 10 * ONE:
            raise ParameterInvalid("normal", t.normal)
        if not ONE // 10 <= t.least <= t.most:
            raise ParameterInvalid("least", t.least)
        if t.most > 10 * ONE:
            raise ParameterInvalid("most", t.most)
        rising = APART <= t.maintenance <= t.target - APART and t.target <= t.initial_floor <= t.initial
        if not rising or t.initial > ONE * ONE // t.most:
            raise OptionRatesInvalid(t.initial, t.initial_floor, t.target, t.maintenance)
        self.options, self.feed, self.terms, self.block = options, feed, t, block

    def initial(self, state: Snapshot, mark: int, size: int) -> int:
        """To open, or to take margin out: of a long its mark."""
        if size > 0:
            return mul_up(size, mark, ONE)
        o = self.options.option_of(state.series)
        factor = self._factor_up(max(self.options.volatility_at(self.block.timestamp), self.feed.fast()))
        floor = mul_up(self.terms.initial_floor, factor, ONE)
        rate = mul_up(self.terms.initial, factor, ONE)
        rate = max(saturating_sub(rate, self._out_of_the_money(o, state.index)), floor)
        return self._required(o, state.index, mark, rate, size)

    def looks_at_market(self) -> bool:
        """No."""
        return False

    def maintenance(self, series: int, index: int, mark: int, size: int) -> tuple[int, int]:
        """To stay open, and what a partial liquidation restores: of a long, or once the payoff is known, nothing."""
        o = self.options.option_of(series)
        if size > 0 or (self.block.timestamp + WINDOW >= o.expiry and self.options.final_mark(series)[0]):
            return 0, 0
        factor = self._factor_up(self.options.volatility_at(self.block.timestamp))
        lower = self._required(o, index, mark, mul_up(self.terms.maintenance, factor, ONE), size)
        return lower, self._required(o, index, mark, mul_up(self.terms.target, factor, ONE), size)

    @staticmethod
    def _required(o: Option, index: int, mark: int, rate: int, size: int) -> int:
        left = saturating_sub(o.cap, mark)
        unit = mul_up(rate, max(left, mark) if o.put else index, ONE)
        return mul_up(absolute(size), min(unit, left), ONE)

    @staticmethod
    def _out_of_the_money(o: Option, index: int) -> int:
        near, far = (o.strike, index) if o.put else (index, o.strike)
        return 0 if index == 0 else mul_down(saturating_sub(far, near), ONE, index)

    def _factor_up(self, volatility: int) -> int:
        return min(max(mul_up(volatility, ONE, self.terms.normal), self.terms.least), self.terms.most)
