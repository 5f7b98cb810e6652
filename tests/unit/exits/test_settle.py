"""The end of a market, and of a series: one final mark for all, by anybody's call, every unit leaves."""

from __future__ import annotations

import pytest

from bulkhead.chain import Revert
from bulkhead.protocol import MarketContracts
from tests.book import Carry, live_series, series_of
from tests.unit.exits.expect import OVER, Purses, carry_now, parts_of, unit_of
from tests.world import HEARTBEAT, MAX, ONE, PRICE, World


def end(world: World) -> int:
    """The feed falls silent and the clock runs out; the time of the last price."""
    last = world.chain.timestamp
    world.wait(HEARTBEAT + 1)
    world.oracle.send.checkOutage(sender=world.stranger)
    world.wait(86_400)
    world.oracle.send.checkOutage(sender=world.stranger)
    assert world.oracle.call.finalPrice() == (True, world.oracle.call.last()[0], last)
    return last


def settle(world: World, market: MarketContracts, *positions: str) -> list[tuple]:
    done = market.market.call.settle(list(positions))
    receipt = market.market.send.settle(list(positions), sender=world.keeper)
    exits = receipt.events_of("Exited")
    assert done == len(exits) + len(receipt.events_of("OrderVoided"))
    return [event.args for event in exits]


def test_nothing_to_settle_while_the_market_lives(world: World) -> None:
    position, dated = world.open(), world.open(market=world.dated, series=2, margin=6_000)
    (pending,) = world.request(world.leg(ONE, 200, 2_000))
    assert settle(world, world.perpetual, position, pending, world.stranger) == []
    assert settle(world, world.dated, dated) == []
    world.wait(2 * 86_400)  # silence alone does not end it: nobody has started the clock
    assert settle(world, world.perpetual, position, pending) == []


def test_an_empty_batch_settles_nothing(world: World) -> None:
    world.open()
    end(world)
    book, funds = series_of(world.perpetual), world.perpetual.pool.call.liquidity()
    assert settle(world, world.perpetual) == []
    assert (series_of(world.perpetual), world.perpetual.pool.call.liquidity()) == (book, funds)


def test_the_end_of_a_market(world: World) -> None:
    market, pool, unit = world.perpetual.market, world.perpetual.pool, unit_of(world)
    long = world.open()
    short = world.open(size=-4 * ONE, margin=1_500, trader=world.other)
    sunk = world.open(size=10 * ONE, margin=1_000, reserve=3_000)
    closing = world.open(size=2 * ONE, margin=500, reserve=1_500)
    world.walk_to(1_890 * ONE)
    market.send.requestClose(closing, 2 * ONE, 0, 0, MAX, sender=world.trader)
    (pending,) = world.request(world.leg(ONE, 300, 1_000), low=1, high=PRICE, trader=world.other)
    everyone = [long, short, sunk, closing]
    held = world.total(world.perpetual, [*everyone, pending])
    accounts = (world.trader, world.other, world.keeper)
    purses = Purses(world, *accounts)
    # Carry stops at the last price, however late anybody comes.
    carry, index = carry_now(world), 1_890 * ONE
    last = end(world)
    assert world.oracle.call.finalPrice()[1:] == (index, last)
    wanted = {
        position: parts_of(p, abs(p.size), index, carry, unit, flat=world.unit)
        for position in everyone
        for p in [market.call.positionOf(position)]
    }
    world.wait(1_000_000)
    void = market.send.settle([pending], sender=world.keeper).event("OrderVoided")
    assert void.args == (pending, 1, 8, 0, 20 * world.unit)  # the keeper fee has grown to its cap; no other
    for batch in ([short, long], [sunk], [closing, closing, pending, long]):
        for event in settle(world, world.perpetual, *batch):
            parts = wanted[event.position]
            assert (event.kind, event.index, event.mark) == (3, index, index)
            assert (event.toTrader, event.toPool, event.toKeeper) == (parts.trader, parts.pool, parts.keeper)
    assert wanted[sunk].trader == 0 and wanted[sunk].keeper == world.unit
    traders = sum(wanted[position].trader for position in (long, sunk, closing))
    assert purses.gained() == [traders, wanted[short].trader + 280 * world.unit, 24 * world.unit]
    assert [world.balance(position) for position in [*everyone, pending]] == [0] * 5
    assert held - sum(purses.gained()) == world.balance(pool.address)
    assert pool.call.liquidity() == (0, world.balance(pool.address))
    assert settle(world, world.perpetual, *everyone, pending) == []


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_an_order_that_the_end_met_dies_by_anybodys_call(world: World, kind: int) -> None:
    """With an empty proof, at no fee but the keeper's; no proof helps, and nobody need wait for settle."""
    market, pool = world.perpetual.market, world.perpetual.pool
    position = world.request(world.leg(10 * ONE, 2_000, 5_000))[0] if kind == 1 else world.open()
    if kind == 2:
        market.send.requestClose(position, 4 * ONE, 1, PRICE * 2, MAX, sender=world.trader)
    elif kind == 3:
        market.send.requestRaise(position, 1_000 * world.unit, sender=world.trader)
    proof = world.price(PRICE)
    end(world)
    p = market.call.positionOf(position)
    with pytest.raises(Revert) as refused:
        world.execute(position, proof)
    assert refused.value.name == "OracleEnded"
    purses = Purses(world, world.trader, world.keeper, pool.address)
    void = world.execute(position, b"").event("OrderVoided")
    cap = 20 * world.unit
    assert void.args == (position, kind, 8, 0, cap)
    assert purses.gained() == [p.margin - cap if kind == 1 else 0, cap, 0]
    series = series_of(world.perpetual)
    assert (series.buys, series.sells) == (0, 0)
    assert market.call.orderOf(position).kind == 0
    after = market.call.positionOf(position)
    assert after == (OVER if kind == 1 else p._replace(margin=p.margin - cap))
    assert pool.call.liquidity()[0] == after.reserve
    assert len(settle(world, world.perpetual, position)) == (kind != 1)
    send = market.send
    calls = [
        (send.execute, ([position], b"")),
        (send.requestClose, (position, ONE, 0, 0, MAX)),
        (send.addMargin, (position, 1)),
    ]
    for call, args in calls:
        with pytest.raises(Revert) as refused:
            call(*args, sender=world.trader)
        assert (refused.value.name, refused.value.values) == ("UnknownPosition", (position,))


def test_nobody_is_hurried_by_the_end_before_the_time_to_live_is_over(world: World) -> None:
    """An oracle that ended by silence has been silent for longer than any order lives; here it has just ended."""
    market = world.perpetual.market
    position = world.open()
    world.wait(HEARTBEAT + 1)
    world.oracle.send.checkOutage()
    world.wait(86_399)
    market.send.requestRaise(position, 1_000 * world.unit, sender=world.trader)
    due = world.chain.timestamp + 12
    world.wait(1)
    world.oracle.send.checkOutage()
    assert world.oracle.call.finalPrice()[0]
    with pytest.raises(Revert) as refused:
        world.execute(position, b"")
    assert (refused.value.name, refused.value.values) == ("PriceNotThereYet", (due,))
    assert len(settle(world, world.perpetual, position)) == 1
    assert world.perpetual.pool.call.liquidity()[0] == 0


def test_the_order_of_settlement_changes_nothing(world: World) -> None:
    positions = [world.open(), world.open(size=-7 * ONE), world.open(size=3 * ONE, margin=700)]
    world.walk_to(2_100 * ONE)
    end(world)
    outcomes = []
    for sequence in (positions, positions[::-1]):
        with world.chain.isolated():
            purses = Purses(world, world.trader, world.keeper, world.perpetual.pool.address)
            for position in sequence:
                settle(world, world.perpetual, position)
                world.wait(50_000)
            outcomes.append(purses.gained())
    assert outcomes[0] == outcomes[1]


def test_after_the_end_entry_is_shut_and_liquidity_leaves_whole(world: World) -> None:
    position = world.open()
    end(world)
    market, pool = world.perpetual.market, world.perpetual.pool
    for attempt in (
        lambda: world.request(world.leg(ONE, 200, 2_000)),
        lambda: market.send.requestClose(position, ONE, 0, 0, MAX, sender=world.trader),
        lambda: market.send.liquidate([position]),
        lambda: market.send.closeAtReserve(position),
        lambda: pool.send.deposit(world.unit, world.stranger, sender=world.stranger),
    ):
        with pytest.raises(Revert) as refused:
            attempt()
        assert refused.value.name == "OracleEnded"
    market.send.addMargin(position, world.unit, sender=world.stranger)
    settle(world, world.perpetual, position)
    shares = pool.call.balanceOf(world.provider)
    idle = world.balance(pool.address)
    pool.send.redeem(shares, world.provider, world.provider, sender=world.provider)
    assert world.balance(pool.address) == 1 == idle - (idle + 1) * shares // (shares + 10**6)


def test_a_raised_reserve_pending_at_the_end_is_freed(world: World) -> None:
    position = world.open()
    world.perpetual.market.send.requestRaise(position, 1_000 * world.unit, sender=world.trader)
    end(world)
    settle(world, world.perpetual, position)
    assert world.perpetual.market.call.orderOf(position).kind == 0
    assert world.perpetual.pool.call.liquidity()[0] == 0


def test_an_expired_series_with_an_order_of_two_legs(world: World) -> None:
    """A long with strike 1,500 (series 2) and a short with strike 1,000 (series 1): from the order to the last unit."""
    market, pool, unit = world.dated.market, world.dated.pool, unit_of(world)
    legs = (world.leg(10 * ONE, 6_000, 5_000, series=2), world.leg(-5 * ONE, 3_000, 2_000, series=1))
    long, short = world.request(*legs, market=world.dated, low=1_900 * ONE, high=2_100 * ONE)
    assert live_series(world.dated) == {1, 2}
    proof = world.price(PRICE)
    for position in (long, short):
        assert world.execute(position, proof, world.dated).events_of("Opened")
    p, q = market.call.positionOf(long), market.call.positionOf(short)
    assert (p.entry, p.reserve) == (502 * ONE, 4_980 * world.unit)  # 1,000 less 502 is the most it can win
    assert (q.entry, q.reserve) == (998 * ONE, 2_000 * world.unit)
    (late,) = world.request(world.leg(ONE, 300, 500, series=2), market=world.dated, low=1, high=2_100 * ONE)
    world.wait(world.expiry - world.chain.timestamp)
    world.feed.push(PRICE)  # at the expiry, not after it
    assert settle(world, world.dated, long, short) == []
    phase = world.oracle.call.commitment()
    proof = world.price(2_100 * ONE, after=5)
    world.dated.instrument.send.fix(phase, proof)
    world.price(2_200 * ONE)  # what follows changes nothing
    purses = Purses(world, world.trader, world.keeper)
    held = world.total(world.dated, [long, short])
    events = settle(world, world.dated, short, long, short, late)
    sums = [0, 0]
    for event, before, mark in zip(events, (q, p), (1_000 * ONE, 600 * ONE), strict=True):
        parts = parts_of(before, abs(before.size), 2_100 * ONE, Carry(0, 0), unit, flat=world.unit, mark=mark)
        assert event[1:] == (3, abs(before.size), 2_100 * ONE, mark, parts.trader, parts.pool, parts.keeper)
        sums = [sums[0] + parts.trader, sums[1] + parts.keeper]
    assert purses.gained() == sums == [sums[0], 2 * world.unit]
    assert (world.balance(long), world.balance(short)) == (0, 0)
    assert world.balance(pool.address) == held - sum(sums)
    # The order that came too late for its series dies by anybody's call, its trader pays no more than the fees.
    void = world.execute(late, b"", world.dated).event("OrderVoided")
    assert void.args[:3] == (late, 1, 4)
    assert live_series(world.dated) == set()
    with pytest.raises(Revert) as refused:
        world.request(legs[0], market=world.dated, high=2_200 * ONE)
    assert (refused.value.name, refused.value.values) == ("SeriesNotOpen", (2, world.chain.timestamp))
    shares = pool.call.balanceOf(world.provider)
    pool.send.redeem(shares, world.provider, world.provider, sender=world.provider)
    assert world.balance(pool.address) <= 1


def test_an_unfixed_series_ends_with_the_market(world: World) -> None:
    position = world.open(market=world.dated, series=2, margin=6_000)
    end(world)
    (event,) = settle(world, world.dated, position)
    assert (event.kind, event.index, event.mark) == (3, PRICE, 500 * ONE)


def test_a_batch_that_ends_the_last_position_and_then_the_last_order_of_a_series(world: World) -> None:
    """The series leaves the list once, though both find nothing in it any more."""
    position = world.open(market=world.dated, series=2, margin=6_000)
    (pending,) = world.request(world.leg(ONE, 1_000, 500, series=2), market=world.dated, low=1, high=PRICE * 11 // 10)
    end(world)
    (exited,) = settle(world, world.dated, position, pending)
    assert exited.position == position and world.dated.market.call.liveSeries() == 0
    assert world.dated.pool.call.liquidity()[0] == 0
