"""Twin of Book.sol: what all positions of a series are worth together. A changed series is given back, not written.

Where the contract packs sums into words, the twin has a field a lane; `packed` and `unpacked` are the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from bulkhead.model.errors import ModelError
from bulkhead.model.integers import (
    MAX_UINT32,
    MAX_UINT40,
    MAX_UINT64,
    MAX_UINT72,
    MAX_UINT80,
    MAX_UINT88,
    MAX_UINT128,
    quotient,
    unsigned,
    wrap,
    wrap_signed,
)
from bulkhead.model.interfaces.market import Position
from bulkhead.model.libraries import position_math
from bulkhead.model.libraries.position_math import LOT, ONE
from bulkhead.model.state import replace

#: A position keeps the indices of its entry to ten decimals.
KEPT = 10**8
#: Half of what the lane of margins holds.
MARGINS = (1 << 79) - 1

Words = tuple[int, int, tuple[int, int], tuple[int, int]]


class SideFull(ModelError):
    """A side of this market has no room for more of this token or size."""


class RatesTooHigh(ModelError):
    """fundingRate, borrowRate: more than a series can keep."""


class Side(NamedTuple):
    """Sums over the open positions of one side: margin / 256, token units, and lots or token units x kept indices."""

    margin: int = 0
    reserve: int = 0
    entry_value: int = 0
    borrowing: int = 0
    funding: int = 0


EMPTY = Side()


@dataclass(frozen=True)
class Series:
    """One series: its sizes in lots, its carry, its sides."""

    long_lots: int = 0
    short_lots: int = 0
    buying_lots: int = 0
    selling_lots: int = 0
    funding: int = 0
    borrowing: int = 0
    funding_rate: int = 0
    borrow_rate: int = 0
    time: int = 0
    live: bool = False
    long: Side = EMPTY
    short: Side = EMPTY


class Carry(NamedTuple):
    """The two indices of carry at one moment, 1e18 = 100 %."""

    funding: int
    borrowing: int


# --- sizes


def open(series: Series) -> tuple[int, int]:
    """Open sizes, 18 decimals: long, short."""
    return series.long_lots * LOT, series.short_lots * LOT


def pending(series: Series) -> tuple[int, int]:
    """Committed sizes that are still pending, 18 decimals: buying, selling."""
    return series.buying_lots * LOT, series.selling_lots * LOT


def require_room(series: Series, change: int) -> None:
    """For an opening order. Raises SideFull."""
    lots = position_math.absolute(change) // LOT
    held = series.long_lots + series.buying_lots if change > 0 else series.short_lots + series.selling_lots
    if held + lots > MAX_UINT64 // 2:
        raise SideFull()


def pend(series: Series, change: int) -> Series:
    """Counts a committed change of size as pending."""
    lots = position_math.absolute(change) // LOT
    if change > 0:
        return replace(series, buying_lots=series.buying_lots + lots)
    return replace(series, selling_lots=series.selling_lots + lots)


def unpend(series: Series, change: int) -> Series:
    """It is pending no longer."""
    lots = position_math.absolute(change) // LOT
    if change > 0:
        return replace(series, buying_lots=series.buying_lots - lots)
    return replace(series, selling_lots=series.selling_lots - lots)


# --- carry


def carry_at(series: Series, time: int) -> Carry:
    """The indices at `time`, at the rates fixed by the last trade."""
    if time <= series.time:
        return Carry(series.funding, series.borrowing)
    elapsed = time - series.time
    borrowing = min(wrap(series.borrowing + wrap(series.borrow_rate * elapsed, 256), 256), MAX_UINT64)
    return Carry(wrap_signed(series.funding + wrap_signed(series.funding_rate * wrap_signed(elapsed))), borrowing)


def set_rates(series: Series, carry: Carry, funding_rate: int, rate: int, now: int) -> Series:
    """Settles the past at the old rates and fixes new ones. Raises RatesTooHigh."""
    if not -(1 << 39) <= funding_rate < 1 << 39 or rate >> 40:
        raise RatesTooHigh(funding_rate, rate)
    return replace(
        series,
        funding=wrap_signed(carry.funding, 72),
        borrowing=carry.borrowing,
        funding_rate=funding_rate,
        borrow_rate=rate,
        time=now,
        live=True,
    )


def retire(series: Series) -> Series | None:
    """Off the list of the living, if nothing is open or pending; else None."""
    if series.long_lots or series.short_lots or series.buying_lots or series.selling_lots:
        return None
    return replace(series, live=False)


def at_entry(carry: Carry, is_long: bool) -> tuple[int, int]:
    """The indices as a position keeps them, rounded so that it owes no less: funding, borrowing."""
    funding = carry.funding // KEPT if is_long else -(-carry.funding // KEPT)
    return funding, carry.borrowing // KEPT


def rebased(carry: Carry, old: Position, reserve: int) -> int:
    """The borrowing index of the same debt under a larger reserve."""
    if reserve == 0:
        return old.borrowing
    owed = position_math.mul_up(old.reserve, unsigned(carry.borrowing - unsigned(old.borrowing * KEPT)), reserve)
    return unsigned(carry.borrowing - owed) // KEPT


def carry_up(carry: Carry, p: Position, index: int, unit: int) -> int:
    """What an open position owes since its entry, token units, rounded up."""
    owed = wrap_signed(carry.funding - p.funding * KEPT)
    if p.size < 0:
        owed = wrap_signed(-owed)
    size = position_math.absolute(p.size)
    value = position_math.value_up if owed > 0 else position_math.value_down
    funded = position_math.carry_up(value(size, index, unit), owed)
    rent = wrap_signed(carry.borrowing - p.borrowing * KEPT)
    return wrap_signed(funded + position_math.carry_up(p.reserve, rent))


# --- sums


def replace_position(series: Series, old: Position, current: Position, unit: int) -> Series:
    """Twin of `replace`, whose name Python uses: `current` in the place of `old` (size 0: none)."""
    is_long = old.size > 0 or current.size > 0
    side = series.long if is_long else series.short
    (out_lots, out), (lots, terms) = _terms(old, unit), _terms(current, unit)
    side = Side(
        side.margin - out.margin + terms.margin,
        side.reserve - out.reserve + terms.reserve,
        side.entry_value - out.entry_value + terms.entry_value,
        side.borrowing - out.borrowing + terms.borrowing,
        side.funding - out.funding + terms.funding,
    )
    if is_long:
        return replace(series, long=side, long_lots=series.long_lots - out_lots + lots)
    return replace(series, short=side, short_lots=series.short_lots - out_lots + lots)


def _terms(p: Position, unit: int) -> tuple[int, Side]:
    """What one position adds to its side: lots and sums."""
    size = position_math.absolute(p.size)
    lots, entry_value = size // LOT, position_math.value_up(size, p.entry, unit)
    return lots, Side(p.margin >> 8, p.reserve, entry_value, p.reserve * p.borrowing, lots * p.funding)


def is_full(series: Series, p: Position, entry: int, unit: int) -> bool:
    """Has its side no room for the entry value of a position that would open now? Raises SideFull for its margin."""
    side = series.long if p.size > 0 else series.short
    if side.margin + (p.margin >> 8) > MARGINS:
        raise SideFull()
    return side.entry_value + position_math.value_up(position_math.absolute(p.size), entry, unit) > MAX_UINT88


def replace_margin(series: Series, size: int, old: int, current: int) -> Series:
    """The margin alone of an open position changes. Raises SideFull, Panic."""
    side = series.long if size > 0 else series.short
    margin = unsigned(unsigned(side.margin + (current >> 8)) - (old >> 8))
    if current > old and margin > MARGINS:
        raise SideFull()
    side = side._replace(margin=margin)
    return replace(series, long=side) if size > 0 else replace(series, short=side)


# --- worth


def reserves(series: Series) -> int:
    """What open positions hold of the pool, token units."""
    return series.long.reserve + series.short.reserve


def gain(series: Series, mark: int, index: int, time: int, unit: int) -> int:
    """Gain of all traders of the series net of carry."""
    carry = carry_at(series, time)
    (long, short), total = open(series), 0
    if long:
        total = side_gain(series.long, long, mark, index, carry, unit)
    if short:
        total += side_gain(series.short, -short, mark, index, carry, unit)
    return total


def side_gain(side: Side, size: int, mark: int, index: int, carry: Carry, unit: int) -> int:
    """Of one side, `size` negative for shorts: between losing its margins and winning its reserves."""
    amount = position_math.absolute(size)
    net = position_math.value_down(amount, mark, unit) - side.entry_value
    owed_size = quotient((amount // LOT * carry.funding - side.funding * KEPT) * LOT, ONE)
    if owed_size >= 0:
        owed = position_math.value_down(owed_size, index, unit)
    else:
        owed = -position_math.value_up(-owed_size, index, unit)
    net = net - owed if size > 0 else owed - net
    net -= wrap(side.reserve * carry.borrowing - side.borrowing * KEPT, 256) // ONE
    if net > side.reserve:
        return side.reserve
    return max(net, -(side.margin << 8))


# --- words


def packed(series: Series) -> Words:
    """The words of a series, as Market.seriesOf gives them."""
    sizes = series.long_lots | series.short_lots << 64 | series.buying_lots << 128 | series.selling_lots << 192
    carry = series.funding & MAX_UINT72 | series.borrowing << 72 | (series.funding_rate & MAX_UINT40) << 136
    carry |= series.borrow_rate << 176 | series.time << 216 | series.live << 248
    return sizes, carry, _packed_side(series.long), _packed_side(series.short)


def _packed_side(side: Side) -> tuple[int, int]:
    amounts = side.margin | side.reserve << 80 | side.entry_value << 168
    return amounts, side.borrowing & MAX_UINT128 | (side.funding & MAX_UINT128) << 128


def unpacked(words: Words) -> Series:
    """The series of such words."""
    sizes, carry, long, short = words
    return Series(
        sizes & MAX_UINT64,
        sizes >> 64 & MAX_UINT64,
        sizes >> 128 & MAX_UINT64,
        sizes >> 192,
        wrap_signed(carry, 72),
        carry >> 72 & MAX_UINT64,
        wrap_signed(carry >> 136, 40),
        carry >> 176 & MAX_UINT40,
        carry >> 216 & MAX_UINT32,
        carry >> 248 != 0,
        _unpacked_side(*long),
        _unpacked_side(*short),
    )


def _unpacked_side(amounts: int, indices: int) -> Side:
    margin, reserve = amounts & MAX_UINT80, amounts >> 80 & MAX_UINT88
    return Side(margin, reserve, amounts >> 168, indices & MAX_UINT128, wrap_signed(indices >> 128, 128))
