"""A token that refuses somebody stops nobody: what it will not deliver waits, for its trader alone to direct."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bulkhead.chain import Revert, RevmChain
from bulkhead.protocol import MarketTerms
from tests.unit.exits.expect import CLOSE_FEE, Purses, carry_now, fee_up, parts_of, unit_of
from tests.world import HEARTBEAT, MAX, ONE, PRICE, World

KINDS = ["close", "liquidate", "reserve", "settle"]


def prepare(world: World, kind: str) -> tuple[str, bytes]:
    """A position one step before its end of this kind."""
    position = world.open(reserve=2_000)
    market = world.perpetual.market
    proof = b""
    if kind == "close":
        market.send.requestClose(position, 10 * ONE, 0, 0, MAX, sender=world.trader)
        proof = world.price(2_050 * ONE)
    elif kind == "liquidate":
        world.walk_to(1_830 * ONE)
    elif kind == "reserve":
        world.walk_to(2_300 * ONE)
    else:
        world.wait(HEARTBEAT + 1)
        world.oracle.send.checkOutage()
        world.wait(86_400)
        world.oracle.send.checkOutage()
    return position, proof


def finish(world: World, kind: str, position: str, proof: bytes) -> tuple:
    market = world.perpetual.market
    if kind == "close":
        receipt = market.send.execute([position], proof, sender=world.keeper)
    elif kind == "liquidate":
        receipt = market.send.liquidate([position], sender=world.keeper)
    elif kind == "reserve":
        receipt = market.send.closeAtReserve(position, sender=world.keeper)
    else:
        receipt = market.send.settle([position], sender=world.keeper)
    event = receipt.event("Exited")
    return event.args


@pytest.mark.parametrize("kind", KINDS)
def test_a_blocked_trader(world: World, kind: str) -> None:
    position, proof = prepare(world, kind)
    market, pool = world.perpetual.market, world.perpetual.pool
    world.token.send.setBlocked(world.trader, True)
    purses = Purses(world, world.trader, pool.address, world.keeper, position)
    exit_ = finish(world, kind, position, proof)
    assert exit_.toTrader > 0 or kind == "liquidate"
    assert market.call.claimable(position) == (exit_.toTrader, 0)
    assert purses.gained() == [0, exit_.toPool, exit_.toKeeper, -exit_.toPool - exit_.toKeeper]
    if kind == "liquidate":  # in part: what is the trader's stays as margin, nothing has been refused
        assert market.call.positionOf(position).status == 2
        return
    assert world.balance(position) == exit_.toTrader
    with pytest.raises(Revert) as refused:
        market.send.claim(position, world.stranger, sender=world.stranger)
    assert (refused.value.name, refused.value.values) == ("NotTrader", (world.stranger, world.trader))
    for sender in (world.trader, world.stranger):
        claimed = market.send.claim(position, world.trader, sender=sender).event("Claimed")
        assert claimed.args == (position, world.trader, 0)  # refused again: nothing is lost, nothing is said to be paid
        assert market.call.claimable(position) == (exit_.toTrader, 0)
        assert world.balance(position) == exit_.toTrader
    world.token.send.setBlocked(world.other, True)
    with pytest.raises(Revert) as refused:
        market.send.claim(position, world.other, sender=world.trader)
    assert (refused.value.name, refused.value.values) == ("Blocked", (world.other,))
    world.token.send.setBlocked(world.other, False)
    purses = Purses(world, world.trader, world.other, position)
    claimed = market.send.claim(position, world.other, sender=world.trader).event("Claimed")
    assert claimed.args == (position, world.other, exit_.toTrader)
    assert purses.gained() == [0, exit_.toTrader, -exit_.toTrader]
    with pytest.raises(Revert) as refused:
        market.send.claim(position, world.trader, sender=world.trader)
    assert (refused.value.name, refused.value.values) == ("NothingToClaim", (position,))


def test_anybody_may_pay_an_unblocked_trader(world: World) -> None:
    position, proof = prepare(world, "close")
    world.token.send.setBlocked(world.trader, True)
    exit_ = finish(world, "close", position, proof)
    world.token.send.setBlocked(world.trader, False)
    purses = Purses(world, world.trader)
    world.perpetual.market.send.claim(position, world.trader, sender=world.stranger)
    assert purses.gained() == [exit_.toTrader]


@pytest.mark.parametrize("kind", KINDS)
def test_a_blocked_pool(world: World, kind: str) -> None:
    """Its part waits in the vault and counts in its worth; the keeper, paid out of what comes in, goes without."""
    position, proof = prepare(world, kind)
    market, pool = world.perpetual.market, world.perpetual.pool
    world.token.send.setBlocked(pool.address, True)
    held, (_, idle) = world.balance(position), pool.call.liquidity()
    purses = Purses(world, world.trader, pool.address, world.keeper)
    exit_ = finish(world, kind, position, proof)
    kept = exit_.toPool + exit_.toKeeper
    assert purses.gained() == [exit_.toTrader, 0, 0]
    assert world.balance(position) == held - exit_.toTrader
    assert market.call.claimable(position) == (0, kept)
    committed, idle_after = pool.call.liquidity()
    assert idle_after == idle
    if kind == "liquidate":
        assert market.call.positionOf(position).reserve == committed
        assert world.balance(position) == market.call.positionOf(position).margin + committed + kept
    else:
        assert (committed, pool.call.totalAssets()) == (0, idle + kept)
        with pytest.raises(Revert) as refused:
            pool.call.previewRedeem(1)
        assert refused.value.name == "ExitByRequest"
    # Refused again: nothing is lost. The trader, to whom nothing is owed, gets nothing.
    market.send.claim(position, world.trader, sender=world.stranger)
    assert market.call.claimable(position) == (0, kept)
    world.token.send.setBlocked(pool.address, False)
    purses = Purses(world, pool.address, world.trader)
    market.send.claim(position, world.trader, sender=world.stranger)
    assert purses.gained() == [kept, 0]
    assert market.call.claimable(position) == (0, 0)
    assert pool.call.liquidity() == (committed, idle + kept)


@pytest.mark.parametrize("kind", KINDS)
def test_a_blocked_keeper_forgoes_its_fee(world: World, kind: str) -> None:
    position, proof = prepare(world, kind)
    pool = world.perpetual.pool
    world.token.send.setBlocked(world.keeper, True)
    purses = Purses(world, world.trader, pool.address, world.keeper)
    exit_ = finish(world, kind, position, proof)
    assert exit_.toKeeper >= world.unit
    assert purses.gained() == [exit_.toTrader, exit_.toPool + exit_.toKeeper, 0]
    assert pool.call.liquidity()[1] == world.balance(pool.address)
    assert world.perpetual.market.call.claimable(position) == (0, 0)


def test_everybody_blocked_at_once(world: World) -> None:
    position, proof = prepare(world, "close")
    market, pool, unit = world.perpetual.market, world.perpetual.pool, unit_of(world)
    p, held = market.call.positionOf(position), world.balance(position)
    for account in (world.trader, world.keeper, pool.address):
        world.token.send.setBlocked(account, True)
    # 60 s after the request, 48 after it was due: 1 + 19 x 48 / 3,900 units
    keeper_fee = world.unit + 19 * world.unit * 48 // 3_900
    wanted = parts_of(p, 10 * ONE, 2_050 * ONE, carry_now(world), unit, flat=keeper_fee)
    exit_ = finish(world, "close", position, proof)
    assert (exit_.toTrader, exit_.toPool, exit_.toKeeper) == (wanted.trader, wanted.pool, keeper_fee)
    assert market.call.claimable(position) == (wanted.trader, wanted.pool + keeper_fee)
    assert wanted.trader + wanted.pool + keeper_fee == held == world.balance(position)
    for account in (world.keeper, pool.address):
        world.token.send.setBlocked(account, False)
    market.send.claim(position, world.other, sender=world.trader)
    assert world.balance(position) == 0
    assert pool.call.liquidity()[1] == world.balance(pool.address)
    assert wanted.pool > fee_up(CLOSE_FEE, 10 * ONE, 2_050 * ONE, unit)


def test_a_pool_that_cannot_pay_voids_an_opening(world: World) -> None:
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000), high=2_200 * ONE)
    proof = world.price(PRICE)
    pool = world.perpetual.pool
    world.token.send.setBlocked(pool.address, True)
    purses = Purses(world, world.trader, pool.address)
    void = world.execute(position, proof).event("OrderVoided")
    keeper_fee = world.unit + 19 * world.unit * 48 // 3_900
    assert void.args == (position, 1, 6, 0, keeper_fee)
    assert purses.gained() == [2_000 * world.unit - keeper_fee, 0]
    assert world.perpetual.market.call.claimable(position) == (0, keeper_fee)
    assert pool.call.liquidity() == (0, world.balance(pool.address))


def test_who_is_due_nothing_is_not_paid_nothing(world: World) -> None:
    """A token may refuse a transfer of nothing, too: there is none."""
    market, pool = world.perpetual.market, world.perpetual.pool
    position = world.open(reserve=2_000)
    world.token.send.setBlocked(pool.address, True)
    removed = market.send.removeMargin(position, world.unit, sender=world.trader)
    assert not removed.events_of("PaymentKept")
    world.token.send.setBlocked(pool.address, False)

    world.token.send.setBlocked(world.trader, True)
    world.walk_to(1_830 * ONE)
    liquidated = market.send.liquidate([position], sender=world.keeper)
    assert liquidated.event("Exited").args.toTrader == 0
    assert not liquidated.events_of("PaymentKept")
    assert market.call.claimable(position) == (0, 0)


def test_a_fee_and_a_claim_of_a_single_unit() -> None:
    unit = Decimal("0.000001")
    world = World(RevmChain(), terms=MarketTerms(keeper_floor=unit, keeper_cap=unit))
    market, pool = world.perpetual.market, world.perpetual.pool
    position = world.open()
    assert world.balance(world.keeper) == 1
    market.send.requestRaise(position, 0, sender=world.trader)
    proof = world.price(PRICE)
    world.token.send.setBlocked(pool.address, True)
    # The pool cannot take the fee, so the raise is void, and the fee is kept.
    assert world.execute(position, proof).event("OrderVoided").args == (position, 3, 6, 0, 1)
    assert market.call.claimable(position) == (0, 1)
    world.token.send.setBlocked(pool.address, False)
    idle = pool.call.liquidity()[1]
    market.send.claim(position, world.trader, sender=world.stranger)
    assert market.call.claimable(position) == (0, 0)
    assert pool.call.liquidity()[1] == idle + 1
