"""Tokens of 8 and 18 decimals: the same sums, in their own units."""

from __future__ import annotations

import pytest

from bulkhead.chain import RevmChain
from tests.book import LOT
from tests.unit.exits.expect import (
    OPEN_FEE,
    OVER,
    Purses,
    carry_now,
    fee_up,
    liquidation_now,
    parts_of,
    premium_up,
    skew_now,
    unit_of,
)
from tests.world import MAX, ONE, PRICE, World


@pytest.mark.parametrize("decimals", [8, 18])
def test_open_close_liquidate(decimals: int) -> None:
    world = World(RevmChain(), decimals)
    market, pool, unit = world.perpetual.market, world.perpetual.pool, unit_of(world)
    assert (world.unit, unit, pool.call.decimals()) == (10**decimals, 10 ** (36 - decimals), decimals + 6)
    everybody = (world.trader, world.other, world.keeper, world.provider, pool.address)
    start = Purses(world, *everybody)
    assert pool.call.liquidity() == (0, 10**6 * world.unit)

    # Opening: keeper fee at 48 of 3,900 seconds, open fee, the premium of a skew from 0 to 7.
    size = 7 * ONE
    position = world.open(size=size, margin=1_500, reserve=3_000)
    p = market.call.positionOf(position)
    keeper_fee = world.unit + 19 * world.unit * 48 // 3_900
    assert p.margin == 1_500 * world.unit - keeper_fee - fee_up(OPEN_FEE, size, PRICE, unit)
    assert p.entry == PRICE + -(-premium_up(0, size) * PRICE // ONE) == PRICE + 7 * PRICE // 20_000
    assert world.balance(position) == p.margin + p.reserve == p.margin + 3_000 * world.unit
    assert world.balance(world.keeper) == keeper_fee

    # A third closed, in whole lots, at a gain.
    third = size // 3 // LOT * LOT
    market.send.requestClose(position, third, 0, 0, MAX, sender=world.trader)
    index = 2_123_456_789_01 * 10**10
    proof = world.price(index)
    wanted = parts_of(p, third, index, carry_now(world), unit, flat=keeper_fee)
    before = Purses(world, world.trader, pool.address, world.keeper)
    world.execute(position, proof)
    assert before.gained() == [wanted.trader, wanted.pool, keeper_fee]
    q = market.call.positionOf(position)
    assert (q.size, q.margin, q.reserve) == (wanted.size, wanted.margin, wanted.reserve)
    assert world.balance(position) == q.margin + q.reserve

    # A short of another, and both ways out: the short liquidated in part, then whole, the long at its reserve.
    short = world.open(size=-6 * ONE, margin=1_300, price=index, trader=world.other)
    world.walk_to(2_299 * ONE)
    for index in (2_299 * ONE, 2_450 * ONE):
        world.walk_to(index - ONE, after=61)
        world.price(index)
        assert skew_now(world.perpetual) != 0
        wanted = liquidation_now(world, short, index)
        before = Purses(world, world.other, pool.address, world.keeper)
        assert market.send.liquidate([short], sender=world.keeper).events_of("Exited")
        assert before.gained() == [wanted.trader, wanted.pool, wanted.keeper]
        after = market.call.positionOf(short)
        assert (after.size, after.margin, after.reserve) == (wanted.size, wanted.margin, wanted.reserve)
    assert after == OVER
    world.walk_to(2_700 * ONE)
    market.send.closeAtReserve(position, sender=world.keeper)
    assert [world.balance(vault) for vault in (position, short)] == [0, 0]
    assert sum(start.gained()) == 0
    assert pool.call.liquidity() == (0, world.balance(pool.address))
    shares = pool.call.balanceOf(world.provider)
    pool.send.redeem(shares, world.provider, world.provider, sender=world.provider)
    assert world.balance(pool.address) <= 1
