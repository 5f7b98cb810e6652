"""Orders that were never meant to be executed: what they cost, and whom they move."""

from __future__ import annotations

import pytest

from tests.attacks.helpers import audit, refused
from tests.book import kept_down, series_of
from tests.unit.exits.expect import OPEN_FEE, fee_up, unit_of, up
from tests.world import MAX, ONE, PRICE, World

PHANTOM = 4_000 * ONE


def phantoms(world: World, sender: str) -> list[str]:
    """Two large orders, one a side, in a band that the next price leaves."""
    legs = [world.leg(size, 2_100_000, 420_000) for size in (PHANTOM, -PHANTOM)]
    return world.request(*legs, trader=sender, low=PRICE, high=PRICE + PRICE // 1_000)


@pytest.mark.parametrize("side", ["both", "buy", "sell"])
def test_phantom_orders_dock_nobody_who_leaves(world: World, side: str) -> None:
    """Rows 29 and 33, POOL-1: a majority of the pool docks the exit of the rest by orders of its own."""
    pool = world.perpetual.pool
    pool.send.deposit(1_000_000 * world.unit, world.other, sender=world.other)
    world.open(size=ONE, margin=500, reserve=1_000)
    pool.send.requestRedeem(pool.call.balanceOf(world.provider), 0, sender=world.provider)
    proof = world.price(PRICE)
    with world.chain.isolated():
        fair = pool.send.executeExit(proof, sender=world.keeper).event("ExitPaid").args.assets
    sizes = {"both": (PHANTOM, -PHANTOM), "buy": (PHANTOM,), "sell": (-PHANTOM,)}[side]
    legs = [world.leg(size, 2_100_000, 420_000) for size in sizes]
    world.request(*legs, trader=world.other, low=PRICE, high=PRICE + PRICE // 1_000)
    assert pool.send.executeExit(proof, sender=world.other).event("ExitPaid").args.assets == fair


def test_phantom_orders_dock_nobody_who_enters(world: World) -> None:
    """Rows 29 and 33, POOL-1."""
    pool = world.perpetual.pool
    world.open(size=ONE, margin=500, reserve=1_000)
    fair = pool.call.previewDeposit(10**6 * world.unit)
    phantoms(world, world.other)
    assert pool.call.previewDeposit(10**6 * world.unit) == fair


@pytest.mark.parametrize("kind", ["open", "close"])
@pytest.mark.parametrize("end", ["outside", "unproven"])
def test_no_order_is_a_free_option(world: World, kind: str, end: str) -> None:
    """Row 29, REQ-6: what a trader's own terms make void pays the open fee, at the price that left the band or at its
    top, whichever is higher: a band that nothing trades in is no cheaper."""
    market, size = world.perpetual.market, 100 * ONE
    if kind == "open":
        (position,) = world.request(world.leg(size, 30_000, 60_000), low=1, high=kept_down(PRICE))
    else:
        position = world.open(size=size, margin=30_000, reserve=60_000)
        market.send.requestClose(position, size, 1, PRICE // 2, MAX, sender=world.trader)
    top = market.call.orderOf(position).high
    if end == "outside":
        top = PRICE + ONE
        receipt = world.execute(position, world.price(top))
    else:
        world.feed.proxy.send.newPhase()
        world.wait(3_900)
        assert refused(world.execute, position, b"")[0] == "PriceNotThereYet"
        world.wait(13)
        receipt = world.execute(position, b"")
    voided = receipt.event("OrderVoided").args
    assert voided.fee == fee_up(OPEN_FEE, size, top, unit_of(world)) > 0
    audit(world, world.perpetual, [position])


def test_a_raise_of_nothing_pays_its_keeper(world: World) -> None:
    """Row 26: an order that changes nothing still pays who carries it out, and takes nothing from others."""
    position = world.open()
    world.perpetual.market.send.requestRaise(position, 0, sender=world.trader)
    before = world.balance(world.keeper)
    raised = world.execute(position, world.price(PRICE)).event("ReserveRaised").args
    assert world.balance(world.keeper) - before == raised.keeperFee >= world.unit
    audit(world, world.perpetual, [position])


def test_phantoms_of_a_side_make_it_dearer_and_never_cheaper(world: World) -> None:
    """Rows 28 and 43: a pending order may move the next premium against its own side only; the limit of the other's
    order holds in any case."""
    market = world.perpetual.market

    def quoted(size: int) -> int:
        with world.chain.isolated():
            (order,) = world.request(world.leg(size, 40_000, 100_000))
            return int(market.call.orderOf(order).premium)

    before = {sign: quoted(sign * 100 * ONE) for sign in (1, -1)}
    world.request(world.leg(400 * ONE, 150_000, 100_000), trader=world.provider)
    assert quoted(100 * ONE) > before[1]
    assert quoted(-100 * ONE) == before[-1]
    limited = world.leg(100 * ONE, 40_000, 100_000, max_premium=before[1])
    assert refused(world.request, limited)[0] == "PremiumAboveLimit"


def test_the_last_trade_is_what_bounds_the_next_order(world: World) -> None:
    """Row 29, REQ-3: the index of the last trade follows trades; reserve and margin of a lower band are held to it."""
    pool = world.perpetual.pool
    assert pool.call.lastIndex() == kept_down(PRICE)
    world.open(size=ONE // 10, margin=100, reserve=50, price=2_100 * ONE)
    assert pool.call.lastIndex() == kept_down(2_100 * ONE)
    size, last = 1_000 * ONE, kept_down(2_100 * ONE)
    name, values = refused(world.request, world.leg(-size, 200_000, 1), low=1, high=ONE)
    assert (name, values[1]) == ("ReserveOutOfBounds", up(up(size * last, 10**30), 20))
    name, values = refused(world.request, world.leg(-size, 100, 200_000), low=1, high=ONE)
    assert name == "MarginTooSmall" and values[1] >= size * last // 10**30 * 4 // 100


def test_a_spike_executed_late_costs_margin_and_refuses_nobody(world: World) -> None:
    """Rows 10 and 29, REQ-3: an old order may set the reference to any price of its life; usual orders pass."""
    (old,) = world.request(world.leg(ONE // 10, 100, 50), trader=world.stranger)
    spike = world.price(PRICE * 108 // 100)
    world.price(PRICE)
    world.price(PRICE)
    assert world.execute(old, spike).events_of("Opened")
    assert world.perpetual.pool.call.lastIndex() == kept_down(PRICE * 108 // 100)
    assert world.request(world.leg(ONE, 500, 500), low=PRICE * 95 // 100, high=PRICE * 105 // 100)


def test_a_request_that_fails_counts_for_nothing(world: World) -> None:
    """Row 16: the margin of a void request has left, and no sum remembers it."""
    before = series_of(world.perpetual)
    orders = phantoms(world, world.other)
    proof = world.price(PRICE - ONE)
    for order in orders:
        assert world.execute(order, proof).events_of("OrderVoided")
        assert world.perpetual.market.call.positionOf(order).status == 0 and world.balance(order) == 0
    after = series_of(world.perpetual)
    assert (after.long, after.short, after.buys, after.sells) == (before.long, before.short, 0, 0)
    audit(world, world.perpetual, orders)
