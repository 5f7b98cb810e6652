"""Attacks on those who provide liquidity: donations, the first entry, worth that is not there, rates that jump."""

from __future__ import annotations

import pytest

from tests.attacks.helpers import Attacker, audit, refused
from tests.unit.exits.expect import carry_now, equity_down, unit_of
from tests.world import MAX, ONE, PRICE, World


def claims(world: World, position: str) -> tuple[object, ...]:
    """All that anybody can claim."""
    pool, market = world.perpetual.pool, world.perpetual.market
    return (
        pool.call.totalAssets(),
        pool.call.previewDeposit(10**9),
        pool.call.liquidity(),
        pool.call.worth(PRICE, world.chain.timestamp),
        market.call.positionOf(position),
        market.call.claimable(position),
        market.call.health(position, PRICE, world.chain.timestamp),
    )


def test_a_donation_changes_no_claim(world: World) -> None:
    """Rows 6 and 12, SAFE-2: tokens sent to any contract are nobody's, before and after every action."""
    market, pool, token = world.perpetual.market, world.perpetual.pool, world.token
    position = world.open()
    targets = [pool.address, market.address, position, world.oracle.address, world.perpetual.instrument.address]

    def donate() -> None:
        before = claims(world, position)
        for target in targets:
            token.send.transfer(target, 10**6 * world.unit, sender=world.stranger)
        assert claims(world, position) == before

    donate()
    market.send.addMargin(position, world.unit, sender=world.trader)
    donate()
    market.send.requestRaise(position, world.unit, sender=world.trader)
    donate()
    world.execute(position, world.price(PRICE))
    donate()
    market.send.requestClose(position, 5 * ONE, 0, 0, MAX, sender=world.trader)
    donate()
    world.execute(position, world.price(PRICE))
    donate()
    world.walk_to(1_700 * ONE)
    before = world.balance(position)
    exits = [e.args for e in market.send.liquidate([position], sender=world.keeper).events_of("Exited")]
    assert market.call.positionOf(position).status == 0
    paid = sum(args.toTrader + args.toPool + args.toKeeper for args in exits)
    assert world.balance(position) == before - paid == 6 * 10**6 * world.unit
    assert refused(market.send.claim, position, world.trader, sender=world.trader)[0] == "NothingToClaim"
    assert world.balance(pool.address) - sum(pool.call.liquidity()) == 6 * 10**6 * world.unit


def test_the_first_depositor_of_a_drained_pool_is_not_robbed(world: World) -> None:
    """Row 12, SAFE-2: one unit in, a donation, then the victim."""
    pool, unit = world.perpetual.pool, world.unit
    shares = pool.call.balanceOf(world.provider)
    pool.send.redeem(shares, world.provider, world.provider, sender=world.provider)
    pool.send.deposit(1, world.stranger, sender=world.stranger)
    world.token.send.transfer(pool.address, 10**6 * unit, sender=world.stranger)
    pool.send.deposit(1_000 * unit, world.other, sender=world.other)
    worth = pool.call.previewRedeem(pool.call.balanceOf(world.other))
    assert 1_000 * unit - 2 <= worth <= 1_000 * unit


@pytest.mark.parametrize("price", [1_500, 1_800, 2_010, 2_200, 2_600])
def test_worth_counts_no_loss_that_nobody_pays(world: World, price: int) -> None:
    """Rows 9 and 33, POOL-1: each side loses at most its margins and gains at most its reserves; who leaves beside an
    insolvent loser gets no part of a debt that will never be paid."""
    market, pool = world.perpetual.market, world.perpetual.pool
    long = world.open(size=10 * ONE, margin=1_200, reserve=2_000)
    short = world.open(size=-10 * ONE, margin=1_200, reserve=2_000, trader=world.other)
    world.walk_to(price * ONE)
    carry, unit, value = carry_now(world), unit_of(world), sum(pool.call.liquidity())
    for each in (long, short):
        p = market.call.positionOf(each)
        gain = equity_down(p, carry, price * ONE, unit) - p.margin
        value -= max(-p.margin, min(gain, p.reserve))
    assert abs(pool.call.worth(price * ONE, world.chain.timestamp) - value) <= 2 * 256 + 6
    market.send.liquidate([long, short], sender=world.keeper)
    audit(world, world.perpetual, [long, short])


def test_liquidity_that_leaves_liquidates_nobody(world: World) -> None:
    """Row 40, RAMP-1: all idle goes at once; within hours no borrower pays more than the ramp."""
    market, pool = world.perpetual.market, world.perpetual.pool
    position = world.open(size=10 * ONE, margin=1_000, reserve=20_000)
    equity = market.call.health(position, PRICE, world.chain.timestamp).equity
    pool.send.requestRedeem(pool.call.balanceOf(world.provider), 0, sender=world.provider)
    pool.send.executeExit(world.price(PRICE), sender=world.keeper)
    assert pool.call.liquidity()[1] < 50 * world.unit
    world.wait(3_400)
    world.feed.push(PRICE)
    after = market.call.health(position, PRICE, world.chain.timestamp).equity
    ramp = 22 * 20_000 * world.unit // 100 * 3_600 // (365 * 86_400)  # base and one step of the ramp, for an hour
    funding = 10 * PRICE * world.unit // ONE // 1_000  # a tenth of a per cent
    assert equity - after <= ramp + funding
    assert not market.send.liquidate([position], sender=world.keeper).events_of("Exited")


@pytest.mark.parametrize("skew", [-1_000, -300, 0, 300, 1_000])
@pytest.mark.parametrize("size", [10, 300, 1_000])
def test_opening_two_sides_and_closing_both_costs(world: World, skew: int, size: int) -> None:
    """Rows 28 and 43, POOL-1: at a constant index no sequence of trades that ends where it began leaves a profit."""
    market, pool = world.perpetual.market, world.perpetual.pool
    pool.send.deposit(50_000_000 * world.unit, world.provider, sender=world.provider)
    if skew:
        world.open(size=skew * ONE, margin=abs(skew) * 600, reserve=abs(skew) * 500, trader=world.stranger)
    before, positions = world.balance(world.other), []
    for sign in (1, -1):
        margin, reserve = size * 900, size * 500
        positions.append(world.open(size=sign * size * ONE, margin=margin, reserve=reserve, trader=world.other))
    for position in positions:
        market.send.requestClose(position, 2**200, 0, 0, MAX, sender=world.other)
        world.execute(position, world.price(PRICE))
    assert world.balance(world.other) < before
    if not skew:
        audit(world, world.perpetual, positions)


def test_leaving_with_a_winner_and_an_insolvent_loser_open(world: World) -> None:
    """Row 33, POOL-1: entry and exit around them at a constant index gain nothing."""
    pool, attacker = world.perpetual.pool, Attacker(world)
    world.open(size=10 * ONE, margin=1_200, reserve=2_000)
    world.open(size=-10 * ONE, margin=1_200, reserve=2_000, trader=world.other)
    world.walk_to(1_700 * ONE)
    before = world.balance(attacker.address)
    attacker.run((pool, pool.encode.deposit(10**7 * world.unit, attacker.address)))
    attacker.run((pool, pool.encode.requestRedeem(pool.call.balanceOf(attacker.address), 0)))
    pool.send.executeExit(world.price(1_700 * ONE), sender=world.keeper)
    assert pool.call.balanceOf(attacker.address) == 0
    assert world.balance(attacker.address) <= before
