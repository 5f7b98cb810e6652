"""What the pool is worth and what a share of it: which positions, orders, donations and faults decide it."""

from __future__ import annotations

from decimal import Decimal
from math import gcd

import pytest

from bulkhead.chain import Revert
from bulkhead.protocol import MarketTerms
from tests.book import LOT
from tests.unit.exits.expect import up
from tests.unit.market.instrument import market_of, say
from tests.unit.pool.helpers import VIRTUAL, hidden_up, small
from tests.world import HEARTBEAT, MAX, ONE, PRICE, World


def test_what_is_pending_brings_nobody_nearer_to_a_price(world: World) -> None:
    """Orders cost too little to be let near the price of a share: what is open decides alone."""
    pool, market = world.perpetual.pool, world.perpetual.market
    world.open(size=30 * ONE, margin=6_000, reserve=15_000)
    short = world.open(size=-10 * ONE)
    before = pool.call.previewDeposit(10**9), pool.call.worth(PRICE, world.chain.timestamp)
    world.request(world.leg(5 * ONE, 1_500, 2_000), world.leg(-7 * ONE, 1_500, 2_000))
    market.send.requestClose(short, 4 * ONE, 0, 0, MAX, sender=world.trader)
    assert (pool.call.previewDeposit(10**9), pool.call.worth(PRICE, world.chain.timestamp)) == before
    price = before[1] + hidden_up(world, PRICE, 20 * ONE) + 1
    assert before[0] == 10**9 * (pool.call.totalSupply() + VIRTUAL) // price
    shares = 1_000 * world.unit * VIRTUAL
    pool.send.requestRedeem(shares, 0, sender=world.provider)
    proof = world.price(PRICE)
    price = pool.call.worth(PRICE, world.chain.timestamp) - hidden_up(world, PRICE, 20 * ONE) + 1
    supply = pool.call.totalSupply() + VIRTUAL
    paid = pool.send.executeExit(proof, sender=world.keeper).event("ExitPaid").args
    assert paid.assets + paid.keeperFee == shares * price // supply


def test_total_assets_never_reverts(world: World) -> None:
    position = world.open()
    pool = world.perpetual.pool
    held = sum(pool.call.liquidity())
    assert pool.call.totalAssets() != held
    for fault in (1, 2, 3, 4):
        world.feed.proxy.send.fail(fault)
        assert pool.call.totalAssets() == held
    world.feed.proxy.send.fail(0)
    world.wait(HEARTBEAT + 1)
    assert pool.call.totalAssets() == held
    world.oracle.send.checkOutage()
    world.wait(86_400)
    world.oracle.send.checkOutage()
    assert pool.call.totalAssets() == held
    world.perpetual.market.send.settle([position])
    assert pool.call.totalAssets() == pool.call.liquidity()[1]


def test_without_its_instrument_a_pool_still_tells_what_it_holds(world: World) -> None:
    market = market_of(world)
    world.open(market=market)
    pool, held = market.pool, sum(market.pool.call.liquidity())
    world.chain.set_code(market.instrument.address, b"")
    with pytest.raises(Revert):
        pool.call.worth(PRICE, world.chain.timestamp)
    assert pool.call.totalAssets() == held
    assert pool.call.maxDeposit(world.other) == 0


def test_a_donation_changes_no_claim(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    world.open()

    def claims() -> tuple:
        call = pool.call
        shares = call.balanceOf(world.provider)
        return call.totalAssets(), call.liquidity(), call.previewDeposit(u), call.previewMint(u), shares

    before = claims()
    world.token.send.transfer(pool.address, 10**8 * u, sender=world.stranger)
    assert claims() == before


def test_worth_goes_down_to_the_last_unit() -> None:
    """All reserved but one unit, and all of that won by the trader."""
    world = small(MarketTerms(open_fee=Decimal(0), largest_utilisation=Decimal(1)))
    pool, u = world.perpetual.pool, world.unit
    (position,) = world.request(world.leg(10 * ONE, 2_000, 0) | {"reserve": 10_000 * u - 1}, high=PRICE * 11 // 10)
    world.execute(position, world.price(PRICE)).event("Opened")
    assert pool.call.liquidity() == (10_000 * u - 1, 1)
    assert pool.call.worth(10 * PRICE, world.chain.timestamp) == 1


def test_shares_and_assets_to_the_last_of_both(world: World) -> None:
    """Amounts at which the quotient is one part above a whole number, or one part below."""
    pool = world.perpetual.pool
    position = world.open()
    world.perpetual.market.send.requestClose(position, 10 * ONE, 0, 0, MAX, sender=world.trader)
    world.execute(position, world.price(PRICE))  # fees: a share is worth an odd amount
    assets, shares = 2, 2
    while gcd(assets, shares) > 1:
        pool.send.deposit(1, world.provider, sender=world.provider)
        assets, shares = pool.call.liquidity()[1] + 1, pool.call.totalSupply() + VIRTUAL
    above_in_shares, above_in_assets = pow(assets, -1, shares), pow(shares, -1, assets)
    for one in (above_in_shares, shares - above_in_shares):
        assert pool.call.previewRedeem(one) == one * assets // shares
        assert pool.call.previewMint(one) == up(one * assets, shares)
    for one in (above_in_assets, assets - above_in_assets):
        assert pool.call.previewDeposit(one) == one * shares // assets
        assert pool.call.previewWithdraw(one) == up(one * shares, assets)

    for leaving in (above_in_shares, shares - above_in_shares):
        with world.chain.isolated():
            pool.send.requestRedeem(leaving, 0, sender=world.provider)
            assert pool.call.dueExits() == up(leaving * assets, shares)
            paid = pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid").args
            assert paid == (0, world.provider, leaving, leaving * assets // shares - world.unit, world.unit)


def test_what_88_bits_do_not_hold_belongs_to_nobody(world: World) -> None:
    """A full pool wins what two traders have put in, each as much as a side may hold."""
    dear = (2**111,)
    market = market_of(world, MarketTerms(smallest_reserve=Decimal("1e-18")), mark=dear)
    pool, owner, margin = market.pool, world.trader, 2**87 - 2**10
    world.token.send.mint(owner, 2**90)
    pool.send.deposit(pool.call.maxDeposit(owner), owner, sender=owner)
    leg = {
        "series": 0,
        "margin": margin,
        "reserve": 10**6,
        "maxPremium": MAX,
        "size": 2**88 * 10**30 // 2**111 // LOT * LOT,
    }
    for _ in range(2):
        say(world, mark=dear)
        (position,) = world.request(leg | {"size": leg["size"] - LOT}, market=market, high=PRICE * 11 // 10)
        world.execute(position, world.price(PRICE), market).event("Opened")
        world.price(PRICE)
        say(world, mark=(1,))
        assert market.market.send.liquidate([position], sender=world.keeper).event("Exited").args.toTrader == 0
    assert pool.call.liquidity() == (0, 2**88 - 1)
    assert world.balance(pool.address) > 2**88
