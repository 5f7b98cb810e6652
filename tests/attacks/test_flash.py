"""Borrowed liquidity: in and out in one transaction, around what a trade is known to bring the pool."""

from __future__ import annotations

import pytest

from bulkhead.chain import Contract
from tests.attacks.helpers import Attacker, refused
from tests.unit.exits.expect import TICK, boundary
from tests.world import MAX, ONE, PRICE, World

LOAN = 50_000_000
Call = tuple[Contract, bytes]


def last_two(world: World, attacker: Attacker) -> list[Call]:
    """At one price a long is liquidated whole, and the short against it has reached its reserve."""
    long = world.open(size=400 * ONE, margin=83_600, reserve=45_000)
    short = world.open(size=-400 * ONE, margin=70_000, reserve=44_000, trader=world.other)
    world.walk_to(boundary(world, long) // TICK * TICK - TICK)
    market = world.perpetual.market
    return [(market, market.encode.liquidate([long])), (market, market.encode.closeAtReserve(short))]


def last_void(world: World, attacker: Attacker) -> list[Call]:
    """The price of the only order has left its band: a void fee is due."""
    (order,) = world.request(world.leg(400 * ONE, 100_000, 100_000), low=PRICE // 2, high=PRICE)
    market = world.perpetual.market
    return [(market, market.encode.execute([order], world.price(PRICE + ONE)))]


def last_close(world: World, attacker: Attacker) -> list[Call]:
    """The only position closes at a loss that is known."""
    position = world.open(size=100 * ONE, margin=30_000, reserve=50_000)
    market = world.perpetual.market
    market.send.requestClose(position, MAX * ONE, 0, 0, MAX, sender=world.trader)
    return [(market, market.encode.execute([position], world.price(PRICE * 95 // 100)))]


STAGES = [last_two, last_void, last_close]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("way", ["redeem", "request"])
def test_a_flash_deposit_cannot_leave_with_what_a_trade_brings(world: World, stage: object, way: str) -> None:
    """Row 33, POOL-1: deposit, the last exits or voids, leave, in one transaction."""
    pool, attacker = world.perpetual.pool, Attacker(world)
    acts = stage(world, attacker)  # type: ignore[operator]
    deposit = (pool, pool.encode.deposit(LOAN * world.unit, attacker.address))
    shares = pool.call.previewDeposit(LOAN * world.unit)
    if way == "redeem":
        leave = [(pool, pool.encode.redeem(shares, attacker.address, attacker.address))]
        refusal = "ExitByRequest"
    else:
        leave = [(pool, pool.encode.requestRedeem(shares, 0)), (pool, pool.encode.executeExit(b""))]
        refusal = "EnteredNow"
    assert refused(attacker.run, deposit, *acts, *leave)[0] == refusal
    # It is the leaving that is refused: the rest of the transaction is good.
    attacker.run(deposit, *acts)
    assert pool.call.liquidity()[0] == 0


def test_liquidity_just_in_time_waits_for_a_price(world: World) -> None:
    """Row 33, POOL-1: who enters in front of an execution bears the next price with all that the feed may hide."""
    pool, attacker = world.perpetual.pool, Attacker(world)
    (order,) = world.request(world.leg(50 * ONE, 20_000, 100_000))
    proof = world.price(PRICE)
    before = world.balance(attacker.address)
    attacker.run((pool, pool.encode.deposit(LOAN * world.unit, attacker.address)))
    world.execute(order, proof)
    attacker.run((pool, pool.encode.requestRedeem(pool.call.balanceOf(attacker.address), 0)))
    assert refused(pool.send.executeExit, proof, sender=world.keeper)[0] in ("PriceNotThereYet", "ProofInvalid")
    pool.send.executeExit(world.price(PRICE), sender=world.keeper)
    assert pool.call.balanceOf(attacker.address) == 0
    assert world.balance(attacker.address) <= before


def test_a_failed_order_leaves_nothing_to_who_entered_meanwhile(world: World) -> None:
    """Row 42, POOL-1: request, deposit, let the request go void, leave: the own void fee is all that moves."""
    pool, attacker, unit = world.perpetual.pool, Attacker(world), world.unit
    market = world.perpetual.market
    before = world.balance(attacker.address)
    leg = world.leg(400 * ONE, 100_000, 400_000)
    receipt = attacker.run((market, market.encode.requestOpen(attacker.address, [leg], 1, PRICE)))
    order = receipt.event("OpenRequested").args.position
    attacker.run((pool, pool.encode.deposit(LOAN * unit, attacker.address)))
    assert world.execute(order, world.price(PRICE + ONE)).events_of("OrderVoided")
    shares = pool.call.balanceOf(attacker.address)
    attacker.run((pool, pool.encode.redeem(shares, attacker.address, attacker.address)))
    assert world.balance(attacker.address) < before
