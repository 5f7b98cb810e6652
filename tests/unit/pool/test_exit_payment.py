"""Who is paid at an exit by request, and when a payment is refused: its owner and the keeper."""

from __future__ import annotations

from decimal import Decimal

from bulkhead.chain import RevmChain
from bulkhead.protocol import MarketTerms
from tests.unit.exits.expect import Purses
from tests.unit.market.instrument import market_of, say
from tests.unit.pool.helpers import MILLION, VIRTUAL, refusal
from tests.world import ONE, PRICE, World


def test_a_refused_payment_waits_for_its_owner(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    pool.send.requestRedeem(100 * u * VIRTUAL, 0, sender=world.provider)
    pool.send.requestRedeem(50 * u * VIRTUAL, 0, sender=world.provider)
    world.token.send.setBlocked(world.provider, True)
    kept = pool.send.executeExit(b"", sender=world.keeper).event("ExitKept")
    assert kept.args == (world.provider, 99 * u)
    pool.send.executeExit(b"", sender=world.keeper)
    assert pool.call.totalAssets() == pool.call.liquidity()[1] == (MILLION - 150) * u
    assert world.balance(pool.address) == (MILLION - 150 + 148) * u
    assert refusal(pool.send.claimExit, world.stranger, sender=world.stranger) == ("NothingToRedeem",)
    purses = Purses(world, world.other, pool.address)
    pool.send.claimExit(world.other, sender=world.provider)
    assert purses.gained() == [148 * u, -148 * u]
    assert refusal(pool.send.claimExit, world.other, sender=world.provider) == ("NothingToRedeem",)


def test_a_blocked_keeper_of_an_exit_forgoes_its_fee(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    pool.send.requestRedeem(100 * u * VIRTUAL, 0, sender=world.provider)
    world.token.send.setBlocked(world.keeper, True)
    pool.send.executeExit(b"", sender=world.keeper)
    assert pool.call.liquidity() == (0, (MILLION - 99) * u) == (0, world.balance(pool.address))


def test_a_keeper_takes_no_more_than_half_of_an_exit(world: World) -> None:
    """The pool has lost a hundredth since the smallest of requests."""
    pool, u = world.perpetual.pool, world.unit
    world.open(size=100 * ONE, margin=20_000, reserve=100_000)
    pool.send.requestRedeem(2 * u * VIRTUAL, 0, sender=world.provider)
    paid = pool.send.executeExit(world.price(2_100 * ONE), sender=world.keeper).event("ExitPaid").args
    assets = paid.assets + paid.keeperFee
    assert 197 * u < 100 * assets < 199 * u
    assert paid.keeperFee == assets // 2


def test_a_keeper_of_an_exit_is_paid_a_single_unit() -> None:
    unit = Decimal("0.000001")
    world = World(RevmChain(), terms=MarketTerms(keeper_floor=unit))
    pool = world.perpetual.pool
    pool.send.requestRedeem(10 * VIRTUAL, 0, sender=world.provider)
    paid = pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid").args
    assert (paid.assets, paid.keeperFee, world.balance(world.keeper)) == (9, 1, 1)


def test_a_single_share_may_be_worth_a_keeper(world: World) -> None:
    """Somebody has lost to a pool of a hundred units ten billion times what it held."""
    market = market_of(world, MarketTerms(smallest_reserve=Decimal("1e-18")))
    pool, owner = market.pool, world.trader
    pool.send.redeem(pool.call.balanceOf(owner) - 100 * VIRTUAL, owner, owner, sender=owner)
    leg = world.leg(10**6 * ONE, 9 * 10**8, 0) | {"reserve": 1}
    (position,) = world.request(leg, market=market, high=PRICE * 11 // 10)
    world.execute(position, world.price(PRICE), market).event("Opened")
    world.price(PRICE)
    say(world, mark=(1,))
    market.market.send.liquidate([position], sender=world.keeper).event("Exited")
    assert pool.call.convertToAssets(1) > 2 * world.unit
    pool.send.requestRedeem(1, 0, sender=owner)
    assert pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid").args.shares == 1
