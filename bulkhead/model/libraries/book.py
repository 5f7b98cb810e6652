"""Twin of Book.sol: what all positions of a series are worth together. A changed series is given back, not written."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bulkhead.model.integers import mul_div_up, quotient, signed, unsigned, wrap, wrap_signed
from bulkhead.model.interfaces.market import Position
from bulkhead.model.libraries import position_math
from bulkhead.model.libraries.position_math import ONE

MAX_UINT64 = (1 << 64) - 1


@dataclass(frozen=True)
class Side:
    """Sums over the open positions of one side of a series."""

    size: int = 0
    entry_value: int = 0
    margin: int = 0
    reserve: int = 0
    funding: int = 0
    borrowing: int = 0


@dataclass(frozen=True)
class Series:
    """One series: its sides, its pending orders, its carry."""

    long: Side = Side()
    short: Side = Side()
    pending_buys: int = 0
    pending_sells: int = 0
    long_index: int = 0
    short_index: int = 0
    borrow_index: int = 0
    long_rate: int = 0
    short_rate: int = 0
    borrow_rate: int = 0
    updated_at: int = 0
    rates_at: int = 0
    live: bool = False


@dataclass(frozen=True)
class Carry:
    """What one unit of notional of a long, of a short, and one unit of reserve have owed since the beginning."""

    long: int
    short: int
    borrow: int


def accrue(series: Series, time: int) -> tuple[Series, Carry]:
    """The series with its carry brought up to `time`, and that carry."""
    carry = carry_at(series, time)
    if time <= series.updated_at:
        return series, carry
    return replace(
        series,
        long_index=carry.long,
        short_index=carry.short,
        borrow_index=carry.borrow,
        updated_at=wrap(time, 32),
    ), carry


def freeze(series: Series, time: int) -> Series:
    """Stops the carry for good at `time`."""
    series, _ = accrue(series, time)
    return replace(series, long_rate=0, short_rate=0, borrow_rate=0)


def carry_at(series: Series, time: int) -> Carry:
    """The carry indices at `time`. Raises Panic."""
    last = series.updated_at
    if time <= last:
        return Carry(series.long_index, series.short_index, series.borrow_index)
    elapsed = wrap_signed(time - last, 96)
    return Carry(
        signed(series.long_index + signed(series.long_rate * elapsed, 96), 96),
        signed(series.short_index + signed(series.short_rate * elapsed, 96), 96),
        min(unsigned(series.borrow_index + unsigned(series.borrow_rate * (time - last))), MAX_UINT64),
    )


def add(series: Series, p: Position, unit: int) -> Series:
    """With an open position on its side. Raises Panic."""
    return _changed(series, p, unit, 1)


def remove(series: Series, p: Position, unit: int) -> Series:
    """Without it: the same terms, so that sums of nothing are zero. Raises Panic."""
    return _changed(series, p, unit, -1)


def _changed(series: Series, p: Position, unit: int, sign: int) -> Series:
    side = series.long if p.size > 0 else series.short
    size = position_math.absolute(p.size)
    funding, borrowing = at_entry(p)
    entry_value = wrap(position_math.value_up(size, p.entry, unit), 128)
    funding_owed = wrap_signed(quotient(signed(size * funding), ONE), 128)
    borrowing_owed = wrap(unsigned(p.reserve * borrowing) // ONE, 128)
    side = Side(
        unsigned(side.size + sign * size, 128),
        unsigned(side.entry_value + sign * entry_value, 128),
        unsigned(side.margin + sign * p.margin, 128),
        unsigned(side.reserve + sign * p.reserve, 128),
        signed(side.funding + sign * funding_owed, 128),
        unsigned(side.borrowing + sign * borrowing_owed, 128),
    )
    return replace(series, long=side) if p.size > 0 else replace(series, short=side)


def carry_up(carry: Carry, p: Position, index: int, unit: int) -> int:
    """What an open position owes since its entry, token units, rounded up. Raises Panic."""
    funding, borrowing = at_entry(p)
    owed = (carry.long if p.size > 0 else carry.short) - funding
    size = position_math.absolute(p.size)
    value = position_math.value_up if owed > 0 else position_math.value_down
    funded = position_math.carry_up(value(size, index, unit), owed)
    return signed(funded + position_math.carry_up(p.reserve, unsigned(carry.borrow - borrowing)))


def gain(series: Series, mark: int, index: int, time: int, unit: int) -> int:
    """Gain of all traders of the series net of carry."""
    carry = carry_at(series, time)
    return signed(
        side_gain(series.long, True, mark, index, carry.long, carry.borrow, unit)
        + side_gain(series.short, False, mark, index, carry.short, carry.borrow, unit)
    )


def side_gain(
    side: Side, is_long: bool, mark: int, index: int, funding_index: int, borrow_index: int, unit: int
) -> int:
    """Of one side: between losing its margins and winning its reserves. Raises Panic."""
    if side.size == 0:
        return 0
    moved = signed(wrap_signed(position_math.value_down(side.size, mark, unit)) - side.entry_value)
    owed_size = signed(quotient(signed(side.size * funding_index), ONE) - side.funding)
    if owed_size >= 0:
        owed = wrap_signed(position_math.value_down(owed_size, index, unit))
    else:
        owed = signed(-wrap_signed(position_math.value_up(signed(-owed_size), index, unit)))
    rent = signed(wrap_signed(unsigned(side.reserve * borrow_index) // ONE) - side.borrowing)
    net = signed((moved if is_long else signed(-moved)) - signed(owed + rent))
    return max(min(net, side.reserve), -side.margin)


def at_entry(p: Position) -> tuple[int, int]:
    """Carry indices that an open position remembers: funding, borrowing."""
    return wrap_signed(p.band, 96), wrap(p.band >> 96, 64)


def rebased(carry: Carry, old: Position, reserve: int) -> int:
    """The word of the same debt under a larger reserve. Raises Panic."""
    if reserve == 0:
        return old.band
    _, borrowing = at_entry(old)
    owed = mul_div_up(old.reserve, unsigned(carry.borrow - borrowing), reserve)
    return wrap(old.band, 96) | unsigned(carry.borrow - owed) << 96


def packed(carry: Carry, is_long: bool) -> int:
    """The word that remembers them."""
    return wrap(carry.long if is_long else carry.short, 96) | carry.borrow << 96
