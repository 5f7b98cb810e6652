"""What a market's book says: its packed words taken apart, and how prices are kept, written a second time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from bulkhead.protocol import MarketContracts

LOT = 10**10
KEPT = 10**8  # a position keeps the indices of its entry to ten decimals, a series to eighteen


class Side(NamedTuple):
    """Sums over the open positions of one side; margin in steps of 256 units, indices as positions keep them."""

    size: int
    margin: int
    reserve: int
    entry_value: int
    borrowing: int
    funding: int


NOTHING = Side(0, 0, 0, 0, 0, 0)


def side_of(positions: Iterable[Any], sign: int, unit: int) -> Side:
    """The sums of one side, from its open positions themselves: longs by a sign of 1, shorts by -1."""
    mine = [p for p in positions if p.size * sign > 0]
    return Side(
        size=sum(abs(p.size) for p in mine),
        margin=sum(p.margin >> 8 for p in mine) << 8,
        reserve=sum(p.reserve for p in mine),
        entry_value=sum(-(-abs(p.size) * p.entry // unit) for p in mine),
        borrowing=sum(p.reserve * p.borrowing for p in mine),
        funding=sum(abs(p.size) // LOT * p.funding for p in mine),
    )


class Series(NamedTuple):
    """One series of a market: open sides, pending sizes, and carry with its rates, fixed at `since`."""

    long: Side
    short: Side
    buys: int
    sells: int
    funding: int
    borrowing: int
    funding_rate: int
    borrow_rate: int
    since: int
    live: int


class Carry(NamedTuple):
    """The indices of carry at one moment."""

    funding: int
    borrowing: int


def lane(word: int, start: int, bits: int) -> int:
    """So many bits of a word."""
    return word >> start & (1 << bits) - 1


def signed(value: int, bits: int) -> int:
    """Two's complement of so many bits."""
    return value - (value >> bits - 1 << bits)


def series_of(market: MarketContracts, series: int = 0) -> Series:
    """Read from the chain."""
    words = market.market.call.seriesOf(series)
    sizes = [lane(words.sizes, 64 * i, 64) * LOT for i in range(4)]
    sides = [
        Side(
            size,
            lane(side.amounts, 0, 80) << 8,
            lane(side.amounts, 80, 88),
            lane(side.amounts, 168, 88),
            lane(side.indices, 0, 128),
            signed(side.indices >> 128, 128),
        )
        for size, side in zip(sizes, (words.long, words.short), strict=False)
    ]
    carry = words.carry
    return Series(
        sides[0],
        sides[1],
        sizes[2],
        sizes[3],
        signed(lane(carry, 0, 72), 72),
        lane(carry, 72, 64),
        signed(lane(carry, 136, 40), 40),
        lane(carry, 176, 40),
        lane(carry, 216, 32),
        carry >> 248,
    )


def carry_at(market: MarketContracts, time: int, series: int = 0) -> Carry:
    """The indices, at the rates of the last trade."""
    now = series_of(market, series)
    seconds = max(time - now.since, 0)
    return Carry(now.funding + now.funding_rate * seconds, now.borrowing + now.borrow_rate * seconds)


def live_series(market: MarketContracts) -> set[int]:
    """Those in which something is open or pending."""
    word = market.market.call.liveSeries()
    found = []
    while word:
        assert lane(word, 24, 1)
        found.append(lane(word, 0, 24))
        word >>= 25
    assert len(set(found)) == len(found)
    return set(found)


def kept_down(price: int) -> int:
    """A price as a low end or a pool's last index is kept: 33 bits, rounded down."""
    shift = max(price.bit_length() - 33, 0)
    return price >> shift << shift


def kept_up(price: int) -> int:
    """A price as a high end is kept: 33 bits, rounded up."""
    shift = max(price.bit_length() - 33, 0)
    return -(-price >> shift) << shift
