"""Twin of Perpetual.sol: one series, its mark is the index. Rates are 1e18 = 100 %."""

from __future__ import annotations

from dataclasses import dataclass

from bulkhead.model.errors import ModelError
from bulkhead.model.integers import MAX_UINT256, mul_div, mul_div_up, signed, unsigned, wrap_signed
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.libraries.position_math import ONE, absolute

YEAR = 365 * 86_400


class ParameterInvalid(ModelError):
    """name, value."""


@dataclass(frozen=True)
class Parameters:
    """See Perpetual.sol; rates are yearly."""

    skew_scale: int
    max_funding: int
    borrow_base: int
    borrow_kink: int
    borrow_full: int
    kink: int
    borrow_ramp: int


class Perpetual:
    """Raises ParameterInvalid for the first parameter out of its range."""

    def __init__(self, p: Parameters) -> None:
        if p.skew_scale == 0 or p.skew_scale >> 128:
            raise ParameterInvalid("skewScale", p.skew_scale)
        if p.kink == 0 or p.kink >= ONE:
            raise ParameterInvalid("kink", p.kink)
        if p.borrow_kink < p.borrow_base:
            raise ParameterInvalid("borrowKink", p.borrow_kink)
        if p.borrow_full < p.borrow_kink or p.borrow_full > 10 * ONE:
            raise ParameterInvalid("borrowFull", p.borrow_full)
        if p.max_funding > 10 * ONE:
            raise ParameterInvalid("maxFunding", p.max_funding)
        self.parameters = p

    def is_open(self, series: int, time: int) -> bool:
        """Only series 0, always."""
        return series == 0

    def mark(self, series: int, index: int, time: int) -> int:
        """The index."""
        return index

    def cap(self, series: int) -> int:
        """None."""
        return MAX_UINT256

    def has_carry(self) -> bool:
        """Yes."""
        return True

    def is_linear(self) -> bool:
        """Yes: one series, the index, no end, no cap."""
        return True

    def final_mark(self, series: int) -> tuple[bool, int, int]:
        """It never expires."""
        return False, 0, 0

    def premium(self, state: Snapshot, size: int) -> int:
        """(abs skew before + after) / (2 x skew_scale) on the part that increases abs skew. Raises Panic."""
        before = signed(wrap_signed(state.long) - wrap_signed(state.short))
        afterwards = signed(before + size)
        start, end = absolute(before), absolute(afterwards)
        if before > 0 > afterwards or before < 0 < afterwards:
            start = 0
        if end <= start:
            return 0
        product = unsigned((end - start) * unsigned(end + start))
        return mul_div_up(product, ONE, unsigned(unsigned(2 * self.parameters.skew_scale) * absolute(size)))

    def carry(self, state: Snapshot, borrow_rate: int, elapsed: int) -> tuple[int, int]:
        """Per second: funding, of notional, owed by longs to shorts, and borrowing, of reserve."""
        p = self.parameters
        skew = signed(wrap_signed(state.long) - wrap_signed(state.short))
        rate = mul_div_up(p.max_funding // YEAR, min(absolute(skew), p.skew_scale), p.skew_scale)
        return (-rate if skew < 0 else rate), self._borrow(state, borrow_rate, elapsed)

    def _borrow(self, state: Snapshot, rate: int, elapsed: int) -> int:
        p = self.parameters
        total = unsigned(state.reserved + state.idle)
        used = 0 if total == 0 else mul_div(state.reserved, ONE, total)
        if used <= p.kink:
            yearly = p.borrow_base + mul_div(p.borrow_kink - p.borrow_base, used, p.kink)
        else:
            yearly = p.borrow_kink + mul_div(p.borrow_full - p.borrow_kink, used - p.kink, ONE - p.kink)
        start = max(rate, p.borrow_base // YEAR)
        return min(yearly // YEAR, unsigned(start + mul_div(p.borrow_ramp // YEAR, elapsed, 3_600)))
