"""Liquidatable exactly at the stated line, in part first, and every unit accounted for."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bulkhead.chain import Revert, RevmChain
from bulkhead.protocol import MarketTerms
from tests.unit.exits.expect import (
    MAINTENANCE,
    PHI,
    TARGET,
    TICK,
    Purses,
    boundary,
    carry_now,
    equity_down,
    liquidation_of,
    parts_of,
    requirement_up,
    unit_of,
)
from tests.world import MAX, ONE, PRICE, World

LONG, SHORT = 10 * ONE, -10 * ONE


def liquidate(world: World, *positions: str) -> list[tuple]:
    """The exits it made; the number returned says the same."""
    market = world.perpetual.market
    done = market.call.liquidate(list(positions))
    exits = market.send.liquidate(list(positions), sender=world.keeper).events_of("Exited")
    assert done == len(exits)
    return [event.args for event in exits]


def near_the_line(world: World, size: int = LONG, margin: int = 2_000, **more: int) -> tuple[str, int]:
    """A position and its last healthy index, with the feed next to it and the clock at rest."""
    position = world.open(size=size, margin=margin, **more)
    world.walk_to(boundary(world, world.perpetual, position) // TICK * TICK)
    world.wait(60)
    return position, boundary(world, world.perpetual, position)


def test_healthy_closed_pending_and_unknown_are_skipped(world: World) -> None:
    healthy, closed = world.open(), world.open(size=ONE, margin=200, reserve=1_000)
    world.perpetual.market.send.requestClose(closed, ONE, 0, 0, MAX, sender=world.trader)
    world.execute(closed, world.price(PRICE))
    (pending,) = world.request(world.leg(ONE, 200, 2_000))
    world.price(PRICE)
    assert liquidate(world, healthy, closed, pending, world.stranger) == []
    assert world.perpetual.market.call.positionOf(closed).status == 3
    assert world.perpetual.market.call.positionOf(pending).status == 1


@pytest.mark.parametrize("size", [LONG, SHORT, 33 * ONE // 7, -(ONE // 3)])
def test_the_line_is_exact(world: World, size: int) -> None:
    margin = max(200, 200 * abs(size) // ONE)
    position, line = near_the_line(world, size, margin, reserve=500 * abs(size) // ONE)
    market, unit = world.perpetual.market, unit_of(world)
    out = line - TICK if size > 0 else line + TICK
    p, carry = market.call.positionOf(position), carry_now(world.perpetual)
    for index, healthy in ((line, True), (out, False)):
        health = market.call.health(position, index, world.chain.timestamp)
        assert health.equity == equity_down(p, carry, index, unit)
        assert health.maintenance == requirement_up(MAINTENANCE, size, index, unit)
        assert health.target == requirement_up(TARGET, size, index, unit)
        assert (health.equity >= health.maintenance) is healthy
        world.feed.push(index)
        assert len(liquidate(world, position)) == (0 if healthy else 1)


@pytest.mark.parametrize("size", [LONG, SHORT, 33 * ONE // 7])
@pytest.mark.parametrize("beyond", [0, 5, 8])
def test_in_part_restores_the_target(world: World, size: int, beyond: int) -> None:
    """`beyond` tokens of price further out: deeper, so that more must go."""
    position, line = near_the_line(world, size, 200 * abs(size) // ONE)
    market, pool = world.perpetual.market, world.perpetual.pool
    index = line - TICK - beyond * ONE if size > 0 else line + TICK + beyond * ONE
    world.feed.push(index)
    before = market.call.positionOf(position)
    wanted = liquidation_of(world, world.perpetual, position, index)
    purses = Purses(world, world.trader, pool.address, world.keeper, position)
    (event,) = liquidate(world, position)
    after = market.call.positionOf(position)
    assert (event.kind, event.index, event.mark) == (1, index, index)
    assert event.size == abs(before.size) - abs(wanted.size)
    assert (event.toTrader, event.toPool, event.toKeeper) == (0, wanted.pool, wanted.keeper)
    assert (after.size, after.margin, after.reserve) == (wanted.size, wanted.margin, wanted.reserve)
    assert (after.status, after.entry, after.time, after.band) == (2, before.entry, before.time, before.band)
    assert purses.gained() == [0, wanted.pool, wanted.keeper, -wanted.pool - wanted.keeper]
    assert world.balance(position) == after.margin + after.reserve
    assert abs(before.size) // 4 <= event.size < abs(before.size)
    health = market.call.health(position, index, world.chain.timestamp)
    assert health.equity >= health.target
    assert liquidate(world, position) == []


def test_no_more_than_needed_but_at_least_the_smallest_fraction() -> None:
    """Shipped, a third restores the target; where a market asks for half, half it is."""
    for smallest, wanted in (("0.25", None), ("0.5", 50 * ONE)):
        world = World(RevmChain(), terms=MarketTerms(smallest_liquidation=Decimal(smallest)))
        position, line = near_the_line(world, 100 * ONE, 20_000, reserve=50_000)
        world.feed.push(line - TICK)
        (event,) = liquidate(world, position)
        health = world.perpetual.market.call.health(position, line - TICK, world.chain.timestamp)
        assert event.size == wanted or 33 * ONE < event.size < 40 * ONE
        assert health.equity >= health.target
        if wanted is None:  # phi is reckoned before the fees: at most f x phi x fees too much
            assert health.equity - health.target < 40 * 12 * world.unit // 100


def test_whole_where_more_than_three_quarters_would_go(world: World) -> None:
    position, line = near_the_line(world)
    index = line - 25 * ONE
    world.feed.push(index)
    wanted = liquidation_of(world, world.perpetual, position, index)
    assert wanted.size == 0 and wanted.trader > 0
    purses = Purses(world, world.trader, world.perpetual.pool.address, world.keeper, position)
    held = world.balance(position)
    (event,) = liquidate(world, position)
    assert (event.size, event.toTrader, event.toPool, event.toKeeper) == (
        LONG, wanted.trader, wanted.pool, wanted.keeper,
    )  # fmt: skip
    assert wanted.trader + wanted.pool + wanted.keeper == held
    assert purses.gained() == [wanted.trader, wanted.pool, wanted.keeper, -held]
    closed = world.perpetual.market.call.positionOf(position)
    assert closed == (0, 0, 0, 3, 0, 0, 0, 0, 0)
    state = world.perpetual.pool.call.stateOf(0)[0]
    assert (state.long, state.short, state.reserved) == (0, 0, 0)


def test_whole_where_the_rest_would_be_below_the_minimum_size() -> None:
    world = World(RevmChain(), terms=MarketTerms(min_size=Decimal(5)))
    position, line = near_the_line(world, 7 * ONE, 1_400)
    world.feed.push(line - TICK)
    (event,) = liquidate(world, position)
    assert event.size == 7 * ONE
    assert world.perpetual.market.call.positionOf(position).status == 3


@pytest.mark.parametrize("size", [LONG, SHORT])
def test_zero_equity_pays_the_flat_fee_out_of_the_margin(world: World, size: int) -> None:
    position = world.open(size=size)
    index = 1_700 * ONE if size > 0 else 2_300 * ONE
    world.walk_to(index)
    p = world.perpetual.market.call.positionOf(position)
    assert equity_down(p, carry_now(world.perpetual), index, unit_of(world)) < 0
    purses = Purses(world, world.trader, world.perpetual.pool.address, world.keeper, position)
    (event,) = liquidate(world, position)
    flat = 5 * world.unit
    assert (event.toTrader, event.toPool, event.toKeeper) == (0, p.margin + p.reserve - flat, flat)
    assert purses.gained() == [0, p.margin + p.reserve - flat, flat, -p.margin - p.reserve]


def test_equity_between_nothing_and_the_fees(world: World) -> None:
    """Fees are taken as far as equity reaches; nothing is left for phi."""
    position = world.open()
    index = 1_803_500_000_000 * 10**9
    world.walk_to(index)
    p, carry, unit = world.perpetual.market.call.positionOf(position), carry_now(world.perpetual), unit_of(world)
    equity = equity_down(p, carry, index, unit)
    assert 0 < equity < 20 * world.unit
    wanted = parts_of(p, LONG, index, carry, unit, flat=5 * world.unit, phi=PHI)
    (event,) = liquidate(world, position)
    assert (event.size, event.toTrader, event.toPool, event.toKeeper) == (
        LONG, wanted.trader, wanted.pool, wanted.keeper,
    )  # fmt: skip
    assert event.toTrader + event.toPool + event.toKeeper == p.margin + p.reserve


def test_a_batch_is_the_sum_of_single_calls(world: World) -> None:
    positions = [world.open(), world.open(size=5 * ONE, margin=950, reserve=2_000), world.open(size=SHORT)]
    world.walk_to(1_812 * ONE)
    market, pool = world.perpetual.market, world.perpetual.pool.address
    accounts = (world.trader, pool, world.keeper, *positions)

    def outcome(*batches: list[str]) -> tuple:
        with world.chain.isolated():
            purses = Purses(world, *accounts)
            events = [event for batch in batches for event in liquidate(world, *batch)]
            kept = [market.call.positionOf(position) for position in positions]
            return events, purses.gained(), kept, world.perpetual.pool.call.liquidity()

    a, b, c = positions
    single = outcome([a], [b], [c])
    assert len(single[0]) == 2
    assert outcome([a, b, c]) == single
    assert outcome([a, a, b, c, b, a]) == single
    assert outcome([c, a, world.stranger, b]) == single


def test_a_due_close_goes_first_until_its_time_to_live_is_over(world: World) -> None:
    position, line = near_the_line(world)
    market = world.perpetual.market
    market.send.requestClose(position, LONG, 0, 0, MAX, sender=world.trader)
    asked = world.chain.timestamp
    world.wait(12)
    world.feed.push(line - TICK)  # at its due time, not later: not its price
    with world.chain.isolated():
        assert len(liquidate(world, position)) == 1
        assert market.call.orderOf(position).kind == 1  # in part: the order lives on
    world.wait(1)
    world.feed.push(line - TICK)
    first = world.proof()
    assert liquidate(world, position) == []
    world.wait(asked + 12 + 3_900 - world.chain.timestamp)
    world.feed.push(line - 3 * ONE)
    assert liquidate(world, position) == []
    with world.chain.isolated():
        (event,) = world.execute(position, first).events_of("Exited")
        assert (event.args.kind, event.args.index) == (0, line - TICK)
    world.wait(1)
    assert len(liquidate(world, position)) == 1


def test_a_raise_shields_nothing_and_dies_with_the_position(world: World) -> None:
    position = world.open()
    world.perpetual.market.send.requestRaise(position, 1_000 * world.unit, sender=world.trader)
    world.walk_to(1_700 * ONE)
    assert len(liquidate(world, position)) == 1
    assert world.perpetual.market.call.orderOf(position).kind == 0
    assert world.perpetual.pool.call.liquidity()[0] == 0


def test_a_due_close_dies_with_a_liquidation_of_the_whole(world: World) -> None:
    position = world.open()
    world.perpetual.market.send.requestClose(position, LONG, 0, 0, MAX, sender=world.trader)
    world.walk_to(1_700 * ONE, after=1_000)
    world.wait(3_000)
    world.feed.push(1_700 * ONE)
    assert len(liquidate(world, position)) == 1
    assert world.perpetual.pool.call.seriesOf(0).pendingSells == 0
    with pytest.raises(Revert) as refused:
        world.execute(position, b"")
    assert (refused.value.name, refused.value.values) == ("NoOrder", (position,))


def test_not_at_a_price_that_is_not_later_than_the_opening(world: World) -> None:
    """Opened late at an early price: the newest price may be the opening's own, or one of the same second."""
    position = world.open()
    opened = world.perpetual.market.call.positionOf(position).time
    world.feed.push(1_810 * ONE)
    assert world.chain.timestamp == opened
    health = world.perpetual.market.call.health(position, 1_810 * ONE, opened)
    assert health.equity < health.maintenance
    assert liquidate(world, position) == []
    world.wait(1)
    assert liquidate(world, position) == []
    world.feed.push(1_810 * ONE)
    assert len(liquidate(world, position)) == 1


def test_neighbours_are_untouched(world: World) -> None:
    position = world.open()
    others = [world.open(size=size, margin=3_000, trader=world.other) for size in (LONG, SHORT)]
    world.walk_to(1_800 * ONE)
    market = world.perpetual.market
    before = [(market.call.positionOf(other), world.balance(other)) for other in others]
    purse = world.balance(world.other)
    assert len(liquidate(world, position)) == 1
    assert [(market.call.positionOf(other), world.balance(other)) for other in others] == before
    assert world.balance(world.other) == purse


def test_without_a_valid_price_nothing_is_liquidated(world: World) -> None:
    position = world.open()
    world.walk_to(1_700 * ONE)
    seen = world.chain.timestamp
    world.wait(3_601)
    with pytest.raises(Revert) as refused:
        liquidate(world, position)
    assert (refused.value.name, refused.value.values) == ("PriceStale", (seen, 3_600))


@pytest.mark.parametrize(("skew", "whole"), [(20, False), (100, False), (400, True)])
def test_the_light_side_pays_its_premium_as_far_as_equity_reaches(world: World, skew: int, whole: bool) -> None:
    """The exit of a short lifts a skew of longs: 0.25, 1.05 or 4.05 % of its notional, the last beyond the target."""
    world.open(size=(skew + 10) * ONE, margin=(skew + 10) * 600, reserve=(skew + 10) * 1_000, trader=world.other)
    position, line = near_the_line(world, SHORT)
    market, index = world.perpetual.market, line + TICK
    world.feed.push(index)
    wanted = liquidation_of(world, world.perpetual, position, index)
    purses = Purses(world, world.trader, world.perpetual.pool.address, world.keeper)
    (event,) = liquidate(world, position)
    after = market.call.positionOf(position)
    assert (after.size, after.margin, after.reserve) == (wanted.size, wanted.margin, wanted.reserve)
    assert purses.gained() == [wanted.trader, wanted.pool, wanted.keeper]
    assert (after.size == 0) is whole is (event.size == 10 * ONE)
    if not whole:
        health = market.call.health(position, index, world.chain.timestamp)
        assert health.equity >= health.target
