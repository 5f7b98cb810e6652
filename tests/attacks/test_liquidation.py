"""Liquidation: always possible where it is due, never where it is not, and never worth delaying or provoking."""

from __future__ import annotations

import pytest

from tests.attacks.helpers import audit, refused
from tests.unit.exits.expect import TICK, boundary
from tests.world import MAX, ONE, PRICE, World

FLAT = 5


@pytest.mark.parametrize("size", [10 * ONE, -10 * ONE])
@pytest.mark.parametrize("beyond", [0, 1, 5, 20, 60])
def test_every_unhealthy_position_is_liquidated(world: World, size: int, beyond: int) -> None:
    """Rows 23, 24 and 34, LIQ-2, LIQ-3: from the line to far below zero equity, size falls and the keeper is paid its
    flat fee out of this vault's margin."""
    market = world.perpetual.market
    position, neighbour = world.open(size=size), world.open(size=ONE, margin=1_500, reserve=2_000)
    line = boundary(world, position) // TICK * TICK
    step = line * max(beyond, 1) // 100 if beyond else TICK
    target = line - step if size > 0 else line + step
    world.walk_to(target // TICK * TICK)
    before = market.call.positionOf(position)
    untouched = market.call.positionOf(neighbour), world.balance(neighbour)
    exit_ = market.send.liquidate([position], sender=world.stranger).event("Exited").args
    after = market.call.positionOf(position)
    assert abs(after.size) < abs(before.size)
    assert exit_.toKeeper >= FLAT * world.unit
    assert world.balance(position) + exit_.toTrader + exit_.toPool + exit_.toKeeper == before.margin + before.reserve
    assert (market.call.positionOf(neighbour), world.balance(neighbour)) == untouched
    audit(world, world.perpetual, [position, neighbour])


def test_a_keeper_is_paid_for_work_only(world: World) -> None:
    """Row 26: neither empty batches nor repetitions pay."""
    market = world.perpetual.market
    position = world.open()
    before = world.balance(world.keeper)
    world.price(PRICE)
    for batch in ([], [position] * 5, [world.stranger]):
        market.send.liquidate(batch, sender=world.keeper)
    assert world.balance(world.keeper) == before
    world.walk_to(boundary(world, position) // TICK * TICK - TICK)
    paid = market.send.liquidate([position] * 3, sender=world.keeper).event("Exited").args
    assert world.balance(world.keeper) - before == paid.toKeeper
    assert not market.send.liquidate([position] * 3, sender=world.keeper).events_of("Exited")


def test_a_keeper_that_waits_earns_no_more(world: World) -> None:
    """Row 35: beyond the line the penalty shrinks with what is left; it never grows with the shortfall."""
    market = world.perpetual.market
    position = world.open()
    index, paid = boundary(world, position) // TICK * TICK - TICK, []
    for _ in range(6):
        with world.chain.isolated():
            world.walk_to(index)
            parts = [e.args for e in market.send.liquidate([position], sender=world.keeper).events_of("Exited")]
            while market.call.positionOf(position).status and market.call.liquidate([position]):
                parts += [e.args for e in market.send.liquidate([position], sender=world.keeper).events_of("Exited")]
            whole = sum(args.size for args in parts)
            paid.append((whole, sum(args.toKeeper for args in parts)))
        index = index * 99 // 100 // TICK * TICK
    at_zero = [fee for size, fee in paid if size == 10 * ONE]
    assert at_zero == sorted(at_zero, reverse=True)
    assert at_zero[-1] == FLAT * world.unit


def test_nobody_takes_a_winner_out(world: World) -> None:
    """Row 20, SAFE-3: no call of another reduces a position that gains, except in full at its reserve."""
    market = world.perpetual.market
    loser = world.open(size=-40 * ONE, margin=4_500, reserve=20_000, trader=world.other)
    winner = world.open(size=10 * ONE, margin=2_000, reserve=5_000)
    world.walk_to(2_300 * ONE)  # the loser's equity is far below zero
    before = market.call.positionOf(winner)
    name, values = refused(market.send.closeAtReserve, winner, sender=world.stranger)
    assert name == "ReserveNotReached" and values[2] == before.reserve
    assert len(market.send.liquidate([winner, loser], sender=world.stranger).events_of("Exited")) == 1
    assert not market.send.settle([winner], sender=world.stranger).events_of("Exited")
    assert market.call.positionOf(winner) == before
    assert world.balance(winner) == before.margin + before.reserve
    world.walk_to(2_600 * ONE)
    exit_ = market.send.closeAtReserve(winner, sender=world.stranger).event("Exited").args
    assert exit_.toTrader > before.reserve  # in full, less the fees


def test_a_part_that_closes_leaves_margin_enough_for_the_flat_fee(world: World) -> None:
    """Rows 24 and 34, LIQ-3: nobody is left with too little for a keeper to come."""
    market = world.perpetual.market
    position = world.open(size=ONE, margin=150, reserve=500)
    almost = ONE * 99 // 100
    name, _ = refused(market.send.requestClose, position, almost, 0, 0, MAX, sender=world.trader)
    assert name == "MarginBelowMinimum"
    world.walk_to(1_700 * ONE)
    exit_ = market.send.liquidate([position], sender=world.keeper).event("Exited").args
    assert exit_.toKeeper >= FLAT * world.unit


def test_both_sides_held_by_one_person_take_at_most_what_is_escrowed(world: World) -> None:
    """Rows 9, 11 and 17, SAFE-4, SAFE-5: the feed is pumped to ten times; the winner gets its reserve and no more, and
    the neighbouring market loses nothing."""
    market, pool = world.perpetual.market, world.perpetual.pool
    neighbour = world.dated.pool.call.totalAssets()
    held = sum(pool.call.liquidity())
    long = world.open(size=100 * ONE, margin=30_000, reserve=50_000)
    short = world.open(size=-100 * ONE, margin=30_000, reserve=50_000)
    margins = sum(market.call.positionOf(each).margin for each in (long, short))
    world.walk_to(20_000 * ONE)
    before = world.balance(world.trader)
    market.send.liquidate([short], sender=world.keeper)
    assert market.send.closeAtReserve(long, sender=world.keeper).events_of("Exited")
    taken = world.balance(world.trader) - before
    assert taken <= margins // 2 + 50_000 * world.unit
    assert sum(pool.call.liquidity()) >= held - 50_000 * world.unit
    assert world.dated.pool.call.totalAssets() == neighbour
    audit(world, world.perpetual, [long, short])
