"""The end of a market, and batches: neither who comes first nor how often a position is named makes a difference."""

from __future__ import annotations

import pytest

from tests.attacks.helpers import audit, end_of_market, refused
from tests.book import NOTHING, series_of
from tests.world import MAX, ONE, PRICE, World

Parts = dict[str, tuple[int, int, int]]


def exits(receipt: object) -> Parts:
    found = [event.args for event in receipt.events_of("Exited")]  # type: ignore[attr-defined]
    assert len({args.position for args in found}) == len(found), "a position ends once"
    return {args.position: (args.toTrader, args.toPool, args.toKeeper) for args in found}


def test_settlement_is_independent_of_order_batch_and_time(world: World) -> None:
    """Rows 5 and 39, EXE-1, EXE-2: one final price, and no rent beyond it."""
    market = world.perpetual.market
    sizes = [(30 * ONE, world.trader), (-10 * ONE, world.other), (5 * ONE, world.stranger)]
    positions = [world.open(size=size, margin=5_000, reserve=9_000, trader=trader) for size, trader in sizes]
    market.send.requestRaise(positions[0], 1_000 * world.unit, sender=world.trader)
    market.send.requestClose(positions[1], 10 * ONE, 0, 0, MAX, sender=world.other)
    (pending,) = world.request(world.leg(ONE, 500, 500), trader=world.other)
    everyone = [*positions, pending]
    end_of_market(world)
    first, second, third = positions
    plans = [[everyone], [[each] for each in reversed(everyone)], [[second], [pending, third, first, first, second]]]
    outcomes: list[Parts] = []
    for plan in plans:
        with world.chain.isolated():
            outcome: Parts = {}
            for batch in plan:
                outcome |= exits(market.send.settle(batch, sender=world.keeper))
                world.wait(86_400 * 100)
            audit(world, world.perpetual, everyone)
            assert not any(market.call.positionOf(each).status for each in everyone), "nobody is kept"
            assert series_of(world.perpetual).long == series_of(world.perpetual).short == NOTHING
            outcomes.append(outcome)
    assert outcomes[0].keys() == set(positions)
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_a_position_named_twice_is_liquidated_once(world: World) -> None:
    """Row 5, LIQ-2: duplicates in a batch pay nobody twice."""
    market = world.perpetual.market
    positions = [world.open(margin=1_000, reserve=2_000) for _ in range(2)]
    world.walk_to(1_880 * ONE)
    with world.chain.isolated():
        once = exits(market.send.liquidate(positions, sender=world.keeper))
    one, other = positions
    assert exits(market.send.liquidate([one, one, other, one, other], sender=world.keeper)) == once
    audit(world, world.perpetual, positions)


@pytest.mark.parametrize("end", ["liquidate", "close"])
@pytest.mark.parametrize("size", [10 * ONE, -10 * ONE])
def test_the_last_position_of_a_market_leaves_at_a_loss(world: World, size: int, end: str) -> None:
    """Row 19, LIQ-3: with nobody left on either side sums of nothing are zero, and all liquidity can leave."""
    market, pool = world.perpetual.market, world.perpetual.pool
    position = world.open(size=size)
    if end == "liquidate":
        world.walk_to(PRICE - size * 30)  # 15 % against it
        receipt = market.send.liquidate([position], sender=world.keeper)
    else:
        market.send.requestClose(position, 10 * ONE, 0, 0, MAX, sender=world.trader)
        receipt = world.execute(position, world.price(PRICE - size * 15))
    assert exits(receipt)[position][0] < 2_000 * world.unit
    book = series_of(world.perpetual)
    assert (book.long, book.short, book.buys, book.sells) == (NOTHING, NOTHING, 0, 0)
    audit(world, world.perpetual, [position])
    shares = pool.call.balanceOf(world.provider)
    pool.send.redeem(shares, world.provider, world.provider, sender=world.provider)
    assert world.balance(pool.address) < 10


def test_stale_prices_after_an_outage_liquidate_nobody(world: World) -> None:
    """Rows 19 and 25, ORC-1: after a silence only fresh prices count."""
    market = world.perpetual.market
    position = world.open(margin=1_000, reserve=2_000)
    world.walk_to(1_900 * ONE)
    world.wait(3_700)
    assert refused(market.send.liquidate, [position], sender=world.keeper)[0] == "PriceStale"
    world.feed.push(PRICE)
    world.wait(60)
    world.feed.push(PRICE)
    assert not market.send.liquidate([position], sender=world.keeper).events_of("Exited")
