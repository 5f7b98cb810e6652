"""Closing a position at its largest win: anyone may, and it is paid in full less fees."""

from __future__ import annotations

import pytest

from bulkhead.chain import Revert
from tests.book import live_series, series_of
from tests.unit.exits.expect import (
    CLOSE_FEE,
    OVER,
    TICK,
    Purses,
    carry_now,
    carry_up,
    equity_down,
    fee_up,
    unit_of,
)
from tests.world import MAX, ONE, PRICE, World


def gain_of(world: World, position: str, index: int) -> int:
    """Net of carry, unclamped."""
    p = world.perpetual.market.call.positionOf(position)
    return equity_down(p, carry_now(world), index, unit_of(world)) - p.margin


def line_of(world: World, position: str) -> int:
    """The first tick at which the gain reaches the reserve, at this second."""
    p = world.perpetual.market.call.positionOf(position)
    low, high = (p.entry, p.entry * 3) if p.size > 0 else (p.entry, 0)
    low, high = low // TICK, high // TICK
    while abs(high - low) > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if gain_of(world, position, middle * TICK) >= p.reserve else (middle, high)
    return high * TICK


@pytest.mark.parametrize("size", [10 * ONE, -10 * ONE])
def test_one_tick_before_it_is_refused_and_at_it_paid_in_full(world: World, size: int) -> None:
    position = world.open(size=size, reserve=4_000)
    world.walk_to(line_of(world, position) // TICK * TICK)
    world.wait(60)
    line = line_of(world, position)
    market, pool, unit = world.perpetual.market, world.perpetual.pool.address, unit_of(world)
    p = market.call.positionOf(position)
    short_of = line - TICK if size > 0 else line + TICK
    world.feed.push(short_of)
    with pytest.raises(Revert) as refused:
        market.send.closeAtReserve(position, sender=world.keeper)
    assert (refused.value.name, refused.value.values) == (
        "ReserveNotReached", (position, gain_of(world, position, short_of), p.reserve),
    )  # fmt: skip
    world.feed.push(line)
    purses = Purses(world, world.trader, pool, world.keeper, position)
    event = market.send.closeAtReserve(position, sender=world.keeper).event("Exited")
    floor, fee = world.unit, fee_up(CLOSE_FEE, size, line, unit)
    trader = p.margin + p.reserve - floor - fee
    assert event.args[1:] == (2, abs(size), line, line, trader, fee, floor)
    assert purses.gained() == [trader, fee, floor, -p.margin - p.reserve]
    assert market.call.positionOf(position) == OVER
    with pytest.raises(Revert) as refused:
        market.send.closeAtReserve(position, sender=world.keeper)
    assert (refused.value.name, refused.value.values) == ("UnknownPosition", (position,))


def test_far_beyond_it_pays_no_more(world: World) -> None:
    position = world.open(reserve=2_000)
    world.walk_to(2_600 * ONE)
    p = world.perpetual.market.call.positionOf(position)
    before = world.balance(world.trader)
    world.perpetual.market.send.closeAtReserve(position, sender=world.keeper)
    fee = fee_up(CLOSE_FEE, p.size, 2_600 * ONE, unit_of(world))
    assert world.balance(world.trader) - before == p.margin + p.reserve - world.unit - fee


def test_carry_counts(world: World) -> None:
    """A gain above the reserve that carry takes below it."""
    position = world.open(size=1_000 * ONE, margin=400_000, reserve=200_000)
    p = world.perpetual.market.call.positionOf(position)
    index = up_to = p.entry + 200 * ONE
    index = -(-up_to // TICK) * TICK
    world.walk_to(index, after=3_000)
    owed = carry_up(p, carry_now(world), index, unit_of(world))
    gain = p.size * (index - p.entry) // unit_of(world)
    assert gain >= p.reserve > gain - owed
    with pytest.raises(Revert) as refused:
        world.perpetual.market.send.closeAtReserve(position, sender=world.keeper)
    assert (refused.value.name, refused.value.values) == ("ReserveNotReached", (position, gain - owed, p.reserve))


@pytest.mark.parametrize("kind", ["raise", "close"])
def test_a_due_order_goes_first_and_beyond_its_time_to_live_dies_with_the_position(world: World, kind: str) -> None:
    position = world.open(reserve=2_000)
    market, pool = world.perpetual.market, world.perpetual.pool
    world.walk_to(2_300 * ONE)
    if kind == "raise":
        market.send.requestRaise(position, 1_000 * world.unit, sender=world.trader)
        assert pool.call.liquidity()[0] == 3_000 * world.unit
    else:
        market.send.requestClose(position, 10 * ONE, 0, 0, MAX, sender=world.trader)
        assert series_of(world.perpetual).sells == 10 * ONE
    asked = world.chain.timestamp
    with world.chain.isolated():  # no later price: not due
        market.send.closeAtReserve(position, sender=world.keeper)
    world.wait(60)
    world.feed.push(2_300 * ONE)
    world.wait(asked + 12 + 3_900 - world.chain.timestamp)
    world.feed.push(2_300 * ONE)
    with pytest.raises(Revert) as refused:
        market.send.closeAtReserve(position, sender=world.keeper)
    assert (refused.value.name, refused.value.values) == ("OrderDue", (position,))
    world.wait(1)
    market.send.closeAtReserve(position, sender=world.keeper)
    assert market.call.orderOf(position).kind == 0
    assert pool.call.liquidity() == (0, world.balance(pool.address))
    assert series_of(world.perpetual).sells == 0


def test_not_at_a_price_that_is_not_later_than_the_opening(world: World) -> None:
    position = world.open(reserve=2_000)
    opened = world.perpetual.market.call.positionOf(position).time
    world.feed.push(2_190 * ONE)
    world.feed.push(2_300 * ONE)
    with pytest.raises(Revert) as refused:
        world.perpetual.market.send.closeAtReserve(position, sender=world.keeper)
    assert (refused.value.name, refused.value.values) == ("PriceNotLater", (opened, opened))
    world.price(2_300 * ONE, after=1)
    world.perpetual.market.send.closeAtReserve(position, sender=world.keeper)


def test_unknown_and_pending(world: World) -> None:
    market = world.perpetual.market
    with pytest.raises(Revert) as refused:
        market.send.closeAtReserve(world.stranger)
    assert (refused.value.name, refused.value.values) == ("UnknownPosition", (world.stranger,))
    (pending,) = world.request(world.leg(ONE, 200, 1_000 * 4))
    with pytest.raises(Revert) as refused:
        market.send.closeAtReserve(pending)
    assert (refused.value.name, refused.value.values) == ("WrongStatus", (pending, 1, 2))


def test_a_dated_call_at_its_cap(world: World) -> None:
    """Entry 502 (mark 500 and a premium of 0.1 % of the index), cap 1,000: the largest win is 498 each."""
    position = world.open(size=10 * ONE, margin=6_000, reserve=10_000, market=world.dated, series=2)
    market = world.dated.market
    p = market.call.positionOf(position)
    assert (p.entry, p.reserve) == (502 * ONE, 4_980 * world.unit)
    world.walk_to(2_700 * ONE)
    event = market.send.closeAtReserve(position, sender=world.keeper).event("Exited")
    fee = fee_up(CLOSE_FEE, p.size, 2_700 * ONE, unit_of(world))
    assert event.args[1:] == (
        2, p.size, 2_700 * ONE, 1_000 * ONE, p.margin + p.reserve - world.unit - fee, fee, world.unit,
    )  # fmt: skip
    assert live_series(world.dated) == set()
    assert PRICE == 2_000 * ONE
