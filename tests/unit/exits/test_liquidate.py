"""Liquidatable exactly at the stated line, in part first, and every unit accounted for."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bulkhead.chain import Receipt, Revert, RevmChain
from bulkhead.protocol import MarketTerms
from tests.book import LOT, NOTHING, live_series, series_of
from tests.unit.exits.expect import (
    MAINTENANCE,
    OVER,
    PHI,
    TARGET,
    TICK,
    Purses,
    boundary,
    carry_now,
    equity_down,
    liquidation_now,
    liquidation_of,
    parts_of,
    requirement_up,
    skew_now,
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
    world.walk_to(boundary(world, position) // TICK * TICK)
    world.wait(60)
    return position, boundary(world, position)


def test_healthy_closed_pending_and_unknown_are_skipped(world: World) -> None:
    healthy, closed = world.open(), world.open(size=ONE, margin=200, reserve=1_000)
    world.perpetual.market.send.requestClose(closed, ONE, 0, 0, MAX, sender=world.trader)
    world.execute(closed, world.price(PRICE))
    (pending,) = world.request(world.leg(ONE, 200, 2_000))
    world.price(PRICE)
    assert liquidate(world, healthy, closed, pending, world.stranger) == []
    assert world.perpetual.market.call.positionOf(closed) == OVER
    assert world.perpetual.market.call.positionOf(pending).status == 1


def test_an_empty_batch_liquidates_nothing(world: World) -> None:
    near_the_line(world)
    world.walk_to(1_700 * ONE)
    book, funds = series_of(world.perpetual), world.perpetual.pool.call.liquidity()
    assert liquidate(world) == []
    assert (series_of(world.perpetual), world.perpetual.pool.call.liquidity()) == (book, funds)


@pytest.mark.parametrize("size", [LONG, SHORT, 33 * ONE // 7 // LOT * LOT, -(ONE // 3 // LOT * LOT)])
def test_the_line_is_exact(world: World, size: int) -> None:
    margin = max(200, 200 * abs(size) // ONE)
    position, line = near_the_line(world, size, margin, reserve=500 * abs(size) // ONE)
    market, unit = world.perpetual.market, unit_of(world)
    out = line - TICK if size > 0 else line + TICK
    p, carry = market.call.positionOf(position), carry_now(world)
    for index, healthy in ((line, True), (out, False)):
        health = market.call.health(position, index, world.chain.timestamp)
        assert health.equity == equity_down(p, carry, index, unit)
        assert health.maintenance == requirement_up(MAINTENANCE, size, index, unit)
        assert health.target == requirement_up(TARGET, size, index, unit)
        assert (health.equity >= health.maintenance) is healthy
        world.feed.push(index)
        assert len(liquidate(world, position)) == (0 if healthy else 1)


@pytest.mark.parametrize("size", [LONG, SHORT, 33 * ONE // 7 // LOT * LOT])
@pytest.mark.parametrize("beyond", [0, 5, 8])
def test_in_part_restores_the_target(world: World, size: int, beyond: int) -> None:
    """`beyond` tokens of price further out: deeper, so that more must go."""
    position, line = near_the_line(world, size, 200 * abs(size) // ONE)
    market, pool = world.perpetual.market, world.perpetual.pool
    index = line - TICK - beyond * ONE if size > 0 else line + TICK + beyond * ONE
    world.feed.push(index)
    before = market.call.positionOf(position)
    wanted = liquidation_now(world, position, index)
    purses = Purses(world, world.trader, pool.address, world.keeper, position)
    (event,) = liquidate(world, position)
    after = market.call.positionOf(position)
    assert (event.kind, event.index, event.mark) == (1, index, index)
    assert event.size == abs(before.size) - abs(wanted.size)
    assert (event.toTrader, event.toPool, event.toKeeper) == (0, wanted.pool, wanted.keeper)
    assert (after.size, after.margin, after.reserve) == (wanted.size, wanted.margin, wanted.reserve)
    assert after == before._replace(size=wanted.size, margin=wanted.margin, reserve=wanted.reserve)
    assert after.size % LOT == 0
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
        assert 33 * ONE < event.size < 40 * ONE if wanted is None else event.size == wanted
        assert health.equity >= health.target
        if wanted is None:  # phi is reckoned before the fees: at most f x phi x fees too much
            assert health.equity - health.target < 40 * 12 * world.unit // 100


def test_whole_where_more_than_three_quarters_would_go(world: World) -> None:
    position, line = near_the_line(world)
    index = line - 25 * ONE
    world.feed.push(index)
    wanted = liquidation_now(world, position, index)
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
    assert closed == OVER
    series = series_of(world.perpetual)
    assert (series.long, series.short, world.perpetual.pool.call.liquidity()[0]) == (NOTHING, NOTHING, 0)


def test_whole_where_the_rest_would_be_below_the_minimum_size() -> None:
    world = World(RevmChain(), terms=MarketTerms(min_size=Decimal(5)))
    position, line = near_the_line(world, 7 * ONE, 1_400)
    world.feed.push(line - TICK)
    (event,) = liquidate(world, position)
    assert event.size == 7 * ONE
    assert world.perpetual.market.call.positionOf(position) == OVER


@pytest.mark.parametrize("size", [LONG, SHORT])
def test_zero_equity_pays_the_flat_fee_out_of_the_margin(world: World, size: int) -> None:
    position = world.open(size=size)
    index = 1_700 * ONE if size > 0 else 2_300 * ONE
    world.walk_to(index)
    p = world.perpetual.market.call.positionOf(position)
    assert equity_down(p, carry_now(world), index, unit_of(world)) < 0
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
    p, carry, unit = world.perpetual.market.call.positionOf(position), carry_now(world), unit_of(world)
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
            return events, purses.gained(), kept, world.perpetual.pool.call.liquidity(), series_of(world.perpetual)

    a, b, c = positions
    single = outcome([a], [b], [c])
    assert len(single[0]) == 2
    assert outcome([a, b, c]) == single
    assert outcome([a, a, b, c, b, a]) == single
    assert outcome([c, a, world.stranger, b]) == single


def transfers_to(world: World, receipt: Receipt, account: str) -> list[int]:
    """Payments of the token."""
    return [amount for _, to, amount in (event.args for event in receipt.events_of("Transfer")) if to == account]


def test_each_of_a_batch_meets_what_the_one_before_left(world: World) -> None:
    """Shorts leave into a skew of longs: each exit pays the premium of a larger skew. The keeper is paid once."""
    world.open(size=100 * ONE, margin=80_000, reserve=100_000, trader=world.other)
    sizes = (-20 * ONE, -(40 * ONE // 3 // LOT) * LOT, -31 * ONE)
    shorts = [world.open(size=size, margin=-size * 205 // ONE) for size in sizes]
    world.walk_to(2_165 * ONE)
    market, pool = world.perpetual.market, world.perpetual.pool
    carry, skew, wanted = carry_now(world), skew_now(world.perpetual), []
    for position in shorts:
        p = market.call.positionOf(position)
        wanted.append(liquidation_of(p, 2_165 * ONE, carry, skew, unit_of(world), 5 * world.unit))
        skew += wanted[-1].size - p.size
    assert all(parts.size < 0 for parts in wanted)  # in part, each of them
    purses = Purses(world, world.trader, pool.address, world.keeper)
    idle = pool.call.liquidity()[1]
    receipt = market.send.liquidate(shorts, sender=world.keeper)
    for event, parts in zip(receipt.events_of("Exited"), wanted, strict=True):
        assert (event.args.toTrader, event.args.toPool, event.args.toKeeper) == (parts.trader, parts.pool, parts.keeper)
    for position, parts in zip(shorts, wanted, strict=True):
        p = market.call.positionOf(position)
        assert (p.size, p.margin, p.reserve) == (parts.size, parts.margin, parts.reserve)
        assert world.balance(position) == p.margin + p.reserve
    assert skew_now(world.perpetual) == skew
    trader, earned, keeper = (sum(sums) for sums in zip(*((w.trader, w.pool, w.keeper) for w in wanted), strict=True))
    assert purses.gained() == [trader, earned, keeper]
    assert transfers_to(world, receipt, world.keeper) == [keeper]
    assert pool.call.liquidity() == (100_000 * world.unit + sum(w.reserve for w in wanted), idle + earned)


def test_a_batch_over_two_series_tells_the_pool_of_each(world: World) -> None:
    """At 2,000 a call of strike 1,500 is worth 500, one of strike 1,000 its cap of 1,000: at 1,690 both lost 310."""
    market, pool = world.dated.market, world.dated.pool
    bought = {
        series: [world.open(size=size * ONE, margin=size * 210, market=world.dated, series=series) for size in (10, 6)]
        for series in (2, 1)
    }
    (a, b), (c, d) = bought[2], bought[1]
    world.walk_to(1_690 * ONE)
    held = world.total(world.dated, [a, b, c, d])
    purses = Purses(world, world.trader, world.keeper)
    receipt = market.send.liquidate([a, c, b, d], sender=world.keeper)
    events = {event.args.position: event.args for event in receipt.events_of("Exited")}
    assert list(events) == [a, c, b, d]
    trader, keeper = (sum(getattr(event, part) for event in events.values()) for part in ("toTrader", "toKeeper"))
    assert purses.gained() == [trader, keeper]
    assert len(transfers_to(world, receipt, world.keeper)) == 4  # every change of series is an end of its own
    assert world.total(world.dated, [a, b, c, d]) == held - trader - keeper
    left = [market.call.positionOf(position) for position in (a, b, c, d)]
    assert pool.call.liquidity()[0] == sum(p.reserve for p in left)
    for series, mine in ((2, left[:2]), (1, left[2:])):
        side = series_of(world.dated, series).long
        assert (side.size, side.reserve) == (sum(p.size for p in mine), sum(p.reserve for p in mine))
    assert live_series(world.dated) == {p.series for p in left if p.size}


def test_a_batch_in_which_one_vault_cannot_pay(world: World) -> None:
    """What the token will not move waits in that vault, the keeper's part of it too; the others are paid."""
    stuck, free = world.open(), world.open(size=7 * ONE, margin=1_400, reserve=3_000)
    world.walk_to(1_700 * ONE)
    market, pool = world.perpetual.market, world.perpetual.pool
    world.token.send.setBlocked(stuck, True)
    held, (_, idle) = world.balance(stuck), pool.call.liquidity()
    purses = Purses(world, world.trader, pool.address, world.keeper)
    receipt = market.send.liquidate([stuck, free], sender=world.keeper)
    first, second = (event.args for event in receipt.events_of("Exited"))
    assert (first.toTrader, first.toKeeper, second.toKeeper) == (0, 5 * world.unit, 5 * world.unit)
    kept = first.toPool + first.toKeeper
    assert receipt.event("PaymentKept").args == (stuck, 0, kept)
    assert purses.gained() == [second.toTrader, second.toPool, 5 * world.unit]
    assert market.call.claimable(stuck) == (0, kept) == (0, held)
    assert pool.call.liquidity() == (0, idle + second.toPool)
    assert pool.call.totalAssets() == idle + second.toPool + kept
    world.token.send.setBlocked(stuck, False)
    market.send.claim(stuck, world.trader, sender=world.stranger)
    assert pool.call.liquidity() == (0, idle + second.toPool + kept) == (0, world.balance(pool.address))


def test_a_due_close_goes_first_until_its_time_to_live_is_over(world: World) -> None:
    position, line = near_the_line(world)
    market = world.perpetual.market
    market.send.requestClose(position, LONG, 0, 0, MAX, sender=world.trader)
    asked = world.chain.timestamp
    world.wait(12)
    world.feed.push(line - TICK)  # at its due time, not later: not its price
    with world.chain.isolated():
        assert len(liquidate(world, position)) == 1
        assert market.call.orderOf(position).kind == 2  # in part: the order lives on
    world.wait(1)
    world.feed.push(line - TICK)
    first = world.proof()
    assert liquidate(world, position) == []
    world.wait(asked + 12 + 3_900 - world.chain.timestamp)
    world.feed.push(line - 3 * ONE)
    assert liquidate(world, position) == []
    with world.chain.isolated():
        event = world.execute(position, first).event("Exited")
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


@pytest.mark.parametrize("few", [False, True])
def test_a_close_takes_what_a_liquidation_left(world: World, few: bool) -> None:
    """Committed for more than that; and for so many that the rest would be smaller than a position may be."""
    position, line = near_the_line(world)
    market, index = world.perpetual.market, line - TICK
    left = liquidation_now(world, position, index).size
    closing = left - ONE // 100 + LOT if few else 9 * ONE
    assert 0 < left < 9 * ONE
    market.send.requestClose(position, closing, 0, 0, MAX, sender=world.trader)
    world.feed.push(index)
    assert len(liquidate(world, position)) == 1
    assert (market.call.positionOf(position).size, series_of(world.perpetual).sells) == (left, closing)
    event = world.execute(position, world.price(index)).event("Exited")
    assert (event.args.kind, event.args.size) == (0, left)
    assert market.call.positionOf(position) == OVER
    series = series_of(world.perpetual)
    assert (series.sells, series.long, world.balance(position)) == (0, NOTHING, 0)


def test_a_due_close_dies_with_a_liquidation_of_the_whole(world: World) -> None:
    position = world.open()
    world.perpetual.market.send.requestClose(position, LONG, 0, 0, MAX, sender=world.trader)
    world.walk_to(1_700 * ONE, after=1_000)
    world.wait(3_000)
    world.feed.push(1_700 * ONE)
    assert len(liquidate(world, position)) == 1
    assert series_of(world.perpetual).sells == 0
    with pytest.raises(Revert) as refused:
        world.execute(position, b"")
    assert (refused.value.name, refused.value.values) == ("UnknownPosition", (position,))


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
    wanted = liquidation_now(world, position, index)
    purses = Purses(world, world.trader, world.perpetual.pool.address, world.keeper)
    (event,) = liquidate(world, position)
    after = market.call.positionOf(position)
    assert (after.size, after.margin, after.reserve) == (wanted.size, wanted.margin, wanted.reserve)
    assert purses.gained() == [wanted.trader, wanted.pool, wanted.keeper]
    assert (after.size == 0) is whole is (event.size == 10 * ONE)
    if not whole:
        health = market.call.health(position, index, world.chain.timestamp)
        assert health.equity >= health.target


@pytest.mark.parametrize("end", ["raised", "raise is void", "close is void"])
def test_a_keeper_of_an_order_gets_no_more_than_partial_liquidations_left(world: World, end: str) -> None:
    market, keeper = world.perpetual.market, world.keeper
    position = world.open(size=ONE, margin=110, reserve=500)
    if end == "close is void":
        market.send.requestClose(position, ONE, 0, 0, MAX, sender=world.trader)
        world.wait(4_000)  # beyond its time to live it shields nothing
        world.price(PRICE)
    else:
        market.send.requestRaise(position, 1, sender=world.trader)
        proof = world.price(PRICE)
    for index in (1_915 * ONE, 1_895 * ONE):
        world.walk_to(index)
        assert len(liquidate(world, position)) == 1
    left = market.call.positionOf(position).margin
    assert world.unit < left < 20 * world.unit, "less than the cap of a keeper's fee"

    purses = Purses(world, keeper, position)
    if end == "raised":
        world.wait(3_600)
        market.send.execute([position], proof, sender=keeper).event("ReserveRaised")
        assert market.call.positionOf(position).margin == 0
    elif end == "raise is void":
        world.wait(4_000)
        market.send.execute([position], b"", sender=keeper).event("OrderVoided")
        assert market.call.positionOf(position).margin == 0
    else:
        market.send.execute([position], b"", sender=keeper).event("OrderVoided")
    assert purses.gained()[0] == left


@pytest.mark.parametrize("more", [0, LOT])
def test_the_smallest_part_may_be_the_largest_and_the_least_size_may_be_left(more: int) -> None:
    half, least = Decimal("0.5"), Decimal(5 * ONE + more) / ONE
    terms = MarketTerms(smallest_liquidation=half, largest_liquidation=half, min_size=least)
    world = World(RevmChain(), terms=terms)
    position, line = near_the_line(world)
    world.feed.push(line - TICK)
    (exit_,) = liquidate(world, position)
    assert exit_.size == (LONG if more else LONG // 2), "the restored target alone would ask for less than half"


def test_a_margin_that_voids_have_eaten_pays_what_is_left_of_it(world: World) -> None:
    """LIQ-3: the flat fee is the margin's, as far as it reaches; what cannot pay it is liquidated all the same."""
    position, market = world.open(size=ONE // 2, margin=100, reserve=1_000), world.perpetual.market
    for _ in range(5):  # a close that nobody proves costs the keeper's cap and the open fee
        market.send.requestClose(position, ONE // 2, 1, 2 * PRICE, MAX, sender=world.trader)
        world.wait(3_913)
        assert world.execute(position, b"").events_of("OrderVoided")
        world.price(PRICE)
    left = market.call.positionOf(position).margin
    assert left < 5 * world.unit
    before = world.balance(world.keeper)
    (exited,) = liquidate(world, position)
    assert world.balance(world.keeper) - before == left and exited.toTrader == 0
    assert market.call.positionOf(position) == OVER
