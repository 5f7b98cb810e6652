"""The index misses nothing that the exact model calls liquidatable or won, and gives little that is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkhead.keeper.bounds import Bounds
from bulkhead.keeper.health import has_won_reserve, is_liquidatable
from bulkhead.keeper.index import Index, NotSwept
from bulkhead.keeper.table import Rows
from bulkhead.model.instruments.perpetual import YEAR, Parameters, Perpetual
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.interfaces.market import Position, Status
from bulkhead.model.libraries import book
from bulkhead.model.libraries.book import Carry, Series
from bulkhead.model.libraries.position_math import LOT, ONE
from bulkhead.model.margin.fixed_margin import FixedMargin

NOW = 1_800_000_000
STILL = Parameters(10_000 * ONE, 0, 0, 0, 0, ONE * 8 // 10, 0)
PARAMETERS = Parameters(10_000 * ONE, ONE, ONE * 2 // 100, ONE // 5, ONE, ONE * 8 // 10, ONE // 5)


@dataclass(frozen=True)
class Market:
    """What decides over its positions: `series` now, and the trades of others until it is asked."""

    decimals: int
    maintenance: int
    series: Series
    parameters: Parameters

    @property
    def unit(self) -> int:
        return 10 ** (36 - self.decimals)

    @property
    def model(self) -> FixedMargin:
        return FixedMargin(ONE, ONE, self.maintenance)

    def bounds(self, seconds: int) -> Bounds:
        return Bounds.until(self.series, self.parameters, self.maintenance, NOW, NOW + seconds)

    def carry(self, trades: list[tuple[int, int, int]], until: int) -> Carry:
        """The indices after trades at (seconds, skew, part of the pool that is reserved in percent)."""
        instrument, series = Perpetual(self.parameters), self.series
        for after, skew, used in sorted(trades):
            time = NOW + after
            if time > until:
                break
            long, short = (skew, 0) if skew > 0 else (0, -skew)
            state = Snapshot(0, ONE, time, long, short, used, 100 - used)
            rates = instrument.carry(state, series.borrow_rate, time - series.time)
            series = book.set_rates(series, book.carry_at(series, time), *rates, time)
        return book.carry_at(series, until)


@st.composite
def markets(draw: st.DrawFn) -> Market:
    decimals = draw(st.sampled_from((0, 2, 6, 8, 18)))
    maintenance = draw(st.sampled_from((1, ONE * 6 // 10, ONE - 1)) | st.integers(ONE // 1_000, ONE // 10))
    if draw(st.booleans()):  # nothing moves, and edges are as sharp as floats are
        return Market(decimals, maintenance, Series(funding=draw(st.sampled_from((0, ONE))), time=NOW), STILL)
    base, kink, full = sorted(draw(st.tuples(*[st.integers(0, 10 * ONE)] * 3)))
    funding = draw(st.sampled_from((0, 10 * ONE)))
    parameters = Parameters(10_000 * ONE, funding, base, kink, full, ONE * 8 // 10, draw(st.sampled_from((0, ONE))))
    series = Series(
        funding=draw(st.integers(-5 * ONE, 5 * ONE)),
        borrowing=draw(st.integers(0, 5 * ONE)),
        funding_rate=draw(st.integers(-(funding // YEAR), funding // YEAR)),
        borrow_rate=draw(st.integers(0, full // YEAR)),
        time=NOW - draw(st.integers(0, 30 * 86_400)),
        live=True,
    )
    return Market(decimals, maintenance, series, parameters)


@st.composite
def positions(draw: st.DrawFn, market: Market) -> Position:
    lots = draw(st.integers(1, 10**6) | st.integers(10**11, 10**12)) * draw(st.sampled_from((1, -1)))
    entry = draw(st.integers(1, 10**30) | st.integers(1_000 * ONE, 3_000 * ONE))
    value = abs(lots) * LOT * entry // market.unit + 1
    margin, reserve = (value * draw(st.integers(0, 300)) // 100 + draw(st.integers(0, 5)) for _ in range(2))
    carry = book.carry_at(market.series, NOW)
    kept = 10**10
    funding = carry.funding // book.KEPT - draw(st.sampled_from((0, kept // 2, -kept // 2)) | st.integers(-100, 100))
    borrowing = max(0, carry.borrowing // book.KEPT - draw(st.sampled_from((0, kept // 2)) | st.integers(0, 100)))
    return Position(margin, reserve, Status.OPEN, lots * LOT, entry, 0, NOW - 1, funding, borrowing)


def at_the_edge(judge: object, high: int) -> int:
    """The lowest index above 0 at which a verdict differs from that at 0, by halving."""
    assert callable(judge)
    low, first = 0, judge(0)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if judge(middle) == first else (low, middle)
    return high


def name(number: int) -> bytes:
    return number.to_bytes(20, "big")


def numbers(index: Index, rows: Rows) -> list[int]:
    """Whose rows they are; one that is given twice would be seen."""
    return sorted(int.from_bytes(vault, "big") for vault, _ in index.vaults(rows))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_none_is_missed_and_the_verdict_is_the_model_s(data: st.DataObject) -> None:
    """At prices at the very edge of each, whoever trades until then; swept in, or changed since the sweep."""
    market = data.draw(markets())
    held = data.draw(st.lists(positions(market), min_size=1, max_size=8))
    swept = data.draw(st.integers(0, len(held)))
    horizon = data.draw(st.integers(1, 86_400))
    index = Index(market.unit)
    for number, position in enumerate(held[:swept]):
        index.put(name(number), position)
    index.sweep(market.bounds(horizon), NOW + horizon)
    for number, position in enumerate(held[swept:], swept):
        index.put(name(number), position)

    skew = st.sampled_from((-20_000 * ONE, 20_000 * ONE)) | st.integers(-10_000 * ONE, 10_000 * ONE)
    trade = st.tuples(st.integers(0, horizon), skew, st.sampled_from((0, 80, 99, 100)))
    trades = data.draw(st.lists(trade, max_size=3))
    then = NOW + data.draw(st.just(horizon) | st.integers(0, horizon))
    carry, unit, model = market.carry(trades, then), market.unit, market.model

    def liquidatable(p: Position, price: int) -> bool:
        return is_liquidatable(p, price, carry, model, unit)

    def won(p: Position, price: int) -> bool:
        return has_won_reserve(p, price, carry, unit)

    for aimed in held:
        for verdict in (liquidatable, won):
            edge = at_the_edge(lambda price, aimed=aimed, verdict=verdict: verdict(aimed, price), 1 << 111)
            for price in (edge - 1, edge, data.draw(st.integers(0, 2 * edge))):
                exact = Bounds.at(carry, market.maintenance)
                rows = index.liquidatable(price, then, exact, lambda p, price=price: liquidatable(p, price))
                assert numbers(index, rows) == [n for n, p in enumerate(held) if liquidatable(p, price)]
                rows = index.at_reserve(price, then, lambda p, price=price: won(p, price))
                assert numbers(index, rows) == [n for n, p in enumerate(held) if won(p, price)]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), seconds=st.sampled_from((60, 600, 3_600)))
@example(seed=0, seconds=600)
def test_little_is_looked_at_in_vain(seed: int, seconds: int) -> None:
    """In a usual market: positions that are candidates only because carry may run until the next sweep."""
    draw = np.random.default_rng(seed)
    series = Series(funding=ONE // 10, borrowing=ONE // 10, borrow_rate=ONE // 10 // YEAR, time=NOW - 60, live=True)
    market = Market(6, ONE * 2 // 100, series, PARAMETERS)
    index, carry = Index(market.unit), book.carry_at(series, NOW)
    for number in range(2_000):
        lots = int(draw.integers(10**6, 10**10)) * (1 if number % 2 else -1)
        entry = int(draw.integers(1_900, 2_100)) * ONE
        notional = abs(lots) * LOT * entry // market.unit
        margin = notional * int(draw.integers(20, 200)) // 1_000
        funding, borrowing = book.at_entry(carry, lots > 0)
        terms = (margin, notional // 2, Status.OPEN, lots * LOT, entry, 0, NOW - 60, funding, borrowing)
        index.put(name(number), Position(*terms))
    index.sweep(market.bounds(seconds), NOW + seconds)
    price = int(draw.integers(1_800, 2_200)) * ONE
    found = index.liquidatable(
        price,
        NOW,
        Bounds.at(carry, market.maintenance),
        lambda p: is_liquidatable(p, price, carry, market.model, 10**30),
    )
    assert found.size <= index.candidates(price).size <= found.size + 20


def test_what_was_removed_or_changed_is_seen_at_once() -> None:
    market = Market(6, ONE * 2 // 100, Series(time=NOW, live=True), PARAMETERS)
    index, exact = Index(market.unit), Bounds.at(Carry(0, 0), ONE * 2 // 100)
    low, high = (Position(m * 10**6, 0, Status.OPEN, ONE, 2_000 * ONE, 0, NOW) for m in (100, 1_000))
    for number, position in enumerate((low, low, high)):
        index.put(name(number), position)
    index.sweep(market.bounds(60), NOW + 60)

    def found(price: int) -> list[int]:
        rows = index.liquidatable(
            price * ONE, NOW, exact, lambda p: is_liquidatable(p, price * ONE, Carry(0, 0), market.model, market.unit)
        )
        return numbers(index, rows)

    assert found(1_938) == [0, 1]
    index.put(name(0), high)
    index.put(name(2), low)
    index.remove(name(1))
    index.put(name(3), low)  # in the row that was freed
    assert found(1_938) == [2, 3]
    index.sweep(market.bounds(60), NOW + 60)
    assert found(1_938) == [2, 3]
    assert found(1_000) == [0, 2, 3]


def test_a_pool_that_is_emptied_right_after_the_sweep() -> None:
    """The rent of a reserve rises by its ramp, and by nothing faster."""
    quiet = Parameters(10_000 * ONE, 0, 0, ONE // 10, ONE, ONE * 8 // 10, ONE // 2)
    market = Market(6, ONE * 2 // 100, Series(time=NOW - 3_600, live=True), quiet)
    index, horizon = Index(market.unit), 3_600
    position = Position(100 * 10**6, 2_000 * 10**6, Status.OPEN, ONE, 2_000 * ONE, 0, NOW)
    index.put(name(0), position)
    index.sweep(market.bounds(horizon), NOW + horizon)
    carry = market.carry([(1, 0, 100)], NOW + horizon)
    edge = at_the_edge(lambda price: is_liquidatable(position, price, carry, market.model, market.unit), 1 << 111)
    assert index.candidates(edge - 1).size == 1
    assert index.candidates(edge + ONE // 5).size == 0


def test_it_says_when_it_does_not_hold_any_more() -> None:
    index, bounds = Index(10**30), Bounds(0, 0, 0, 0, 0)
    for time in (NOW, NOW + 1):
        with pytest.raises(NotSwept):
            index.at_reserve(ONE, time, bool)
        index.sweep(bounds, time)
        assert index.at_reserve(ONE, time, bool).size == index.liquidatable(ONE, time, bounds, bool).size == 0
