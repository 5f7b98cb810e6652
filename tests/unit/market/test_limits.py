"""What the packed words of a market can hold, to the last that fits and one beyond."""

from __future__ import annotations

from typing import Any

import pytest

from bulkhead.chain import Revert
from bulkhead.protocol import MarketContracts
from tests.book import LOT, NOTHING, live_series, series_of
from tests.unit.market.helpers import FUNDING_REFUSED, HIGH, LOW, MIN_SIZE, OPENING, OVER, TOKEN, UNIT, UNPROVEN
from tests.unit.market.instrument import market_of
from tests.world import MAX, ONE, PRICE, World

LARGEST = (2**63 - 1) * LOT
LARGEST_PREMIUM = (2**32 - 1) * 10**9
SERIES = [0, 1, 2, 3, 5, 8, 2**16, 2**23, 2**24 - 2, 2**24 - 1]


def no(name: str, values: tuple[Any, ...], call: Any, *args: Any, **named: Any) -> None:
    with pytest.raises(Revert) as caught:
        call(*args, **named)
    assert (caught.value.name, tuple(caught.value.values)) == (name, values)


def ask(
    world: World, market: MarketContracts, *series: int, size: int = ONE, reserve: int = 2_000, **named: Any
) -> list[str]:
    legs = [world.leg(size, 1_000, reserve, i) for i in series]
    return world.request(*legs, market=market, **{"low": LOW, "high": HIGH, **named})


# ---------------------------------------------------------------- live series


def test_ten_series_are_live_at_most_and_places_become_free(world: World) -> None:
    market = market_of(world)
    no("SeriesNotOpen", (7, world.chain.timestamp), ask, world, market, *SERIES, 7)
    positions = dict(zip(SERIES, ask(world, market, *SERIES), strict=True))
    assert live_series(market) == set(SERIES)
    no("SeriesNotOpen", (7, world.chain.timestamp), ask, world, market, 7)
    (second,) = ask(world, market, 8, size=-ONE)  # one that is live takes more
    proof = world.price(PRICE)
    for position in (*positions.values(), second):
        assert world.execute(position, proof, market).events_of("Opened")
    worth = market.pool.call.worth(PRICE, world.chain.timestamp)
    assert worth == sum(market.pool.call.liquidity())  # all of them, at their entry, have gained nothing

    # A series is free again with its last position, and not before.
    send = market.market.send
    for position in (positions[8], positions[2**24 - 1]):
        send.requestClose(position, ONE, 0, 0, MAX, sender=world.trader)
    proof = world.price(PRICE)
    for position in (positions[8], positions[2**24 - 1]):
        world.execute(position, proof, market)
    assert live_series(market) == set(SERIES) - {2**24 - 1}
    assert series_of(market, 2**24 - 1).live == 0
    (late,) = ask(world, market, 7)
    no("SeriesNotOpen", (2**24 - 1, world.chain.timestamp), ask, world, market, 2**24 - 1)

    # So it is where an order comes to nothing; and one that was live before is live again.
    void = world.execute(late, world.price(LOW - ONE, after=4_000), market).event("OrderVoided")
    assert market.market.call.positionOf(void.args.position) == OVER
    assert live_series(market) == set(SERIES) - {2**24 - 1}
    ask(world, market, 2**24 - 1)
    assert live_series(market) == set(SERIES)
    assert series_of(market, 2**24 - 1).live == 1


def test_two_orders_of_one_series_are_one_place(world: World) -> None:
    market = market_of(world)
    first, second = ask(world, market, 4, 4)
    world.wait(4_000)
    world.execute(first, b"", market)
    assert live_series(market) == {4}
    world.execute(second, b"", market)
    assert live_series(market) == set()


# ---------------------------------------------------------------- premium


@pytest.mark.parametrize(("asked", "kept"), [(1, 10**9), (10**9, 10**9), (10**9 + 1, 2 * 10**9)])
def test_a_premium_is_kept_to_nine_decimals_against_the_trader(world: World, asked: int, kept: int) -> None:
    market = market_of(world, premium=(asked,))
    (position,) = ask(world, market, 0)
    assert market.market.call.orderOf(position).premium == kept
    world.execute(position, world.price(PRICE), market)
    assert market.market.call.positionOf(position).entry == PRICE + PRICE * kept // ONE


def test_the_largest_premium_there_is(world: World) -> None:
    leg = world.leg(ONE, 12_000, 2_000) | {"maxPremium": 2**256 - 1}
    market = market_of(world, premium=(LARGEST_PREMIUM,))
    (position,) = world.request(leg, market=market, low=LOW, high=HIGH)
    world.execute(position, world.price(PRICE), market)
    assert market.market.call.positionOf(position).entry == PRICE + PRICE * LARGEST_PREMIUM // ONE


def test_a_premium_beyond_it_is_refused(world: World) -> None:
    leg = world.leg(ONE, 12_000, 2_000) | {"maxPremium": 2**256 - 1}
    market = market_of(world, premium=(LARGEST_PREMIUM + 1,))
    values = (LARGEST_PREMIUM + 10**9, LARGEST_PREMIUM)
    no("PremiumAboveLimit", values, world.request, leg, market=market, low=LOW, high=HIGH)


# ---------------------------------------------------------------- rates


@pytest.mark.parametrize("rates", [(2**39 - 1, 0), (-(2**39), 0), (0, 2**40 - 1)])
def test_the_largest_rates(world: World, rates: tuple[int, int]) -> None:
    market = market_of(world, hasCarry=(1,), carry=rates)
    (position,) = ask(world, market, 0)
    world.execute(position, world.price(PRICE), market)
    series = series_of(market)
    assert (series.funding_rate, series.borrow_rate) == rates


@pytest.mark.parametrize("rates", [(2**39, 0), (-(2**39) - 1, 0), (0, 2**40)])
def test_rates_beyond_them_are_refused(world: World, rates: tuple[int, int]) -> None:
    market = market_of(world, hasCarry=(1,), carry=rates)
    (position,) = ask(world, market, 0)
    no("RatesTooHigh", rates, world.execute, position, world.price(PRICE), market)


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize("sign", [1, -1])
def test_openings_fill_a_side_to_its_last_lot_and_closes_need_no_room(world: World, sign: int) -> None:
    """Half of what a lane counts is left to the closes of the other side."""
    market = market_of(world)
    world.token.send.mint(world.trader, 10**23)
    market.pool.send.deposit(10**22, world.trader, sender=world.trader)
    leg = {"series": 0, "margin": 10**20, "reserve": 11 * 10**18, "maxPremium": MAX, "size": sign * LARGEST}
    band = {"market": market, "low": LOW, "high": HIGH}
    few = ask(world, market, 0, size=-sign * ONE)
    first, *_ = world.request(leg | {"size": sign * (LARGEST - ONE)}, **band)
    no("SideFull", (), ask, world, market, 0, size=sign * (ONE + LOT))
    (second,) = ask(world, market, 0, size=sign * ONE)
    (opposite,) = world.request(leg | {"size": -sign * (LARGEST - ONE)}, **band)
    for side in (1, -1):  # pending or open, it counts the same
        no("SideFull", (), ask, world, market, 0, size=side * MIN_SIZE, reserve=2)
    proof = world.price(PRICE)
    for position in (*few, first, second, opposite):
        assert world.execute(position, proof, market).events_of("Opened")
    for side in (1, -1):
        no("SideFull", (), ask, world, market, 0, size=side * MIN_SIZE, reserve=2)
    series = series_of(market)
    assert series.long.size == series.short.size == LARGEST
    everyone = [*few, first, second, opposite]
    market.market.send.addMargin(first, 2**16, sender=world.trader)
    richer = series_of(market)
    grown = (richer.long.margin - series.long.margin, richer.short.margin - series.short.margin)
    assert grown == ((2**16, 0) if sign > 0 else (0, 2**16)), "whose side a size of 63 bits is on"
    for position in everyone:
        market.market.send.requestClose(position, 2**255, 0, 0, MAX, sender=world.trader)
    series = series_of(market)
    assert series.buys == series.sells == LARGEST
    proof = world.price(PRICE)
    for position in everyone:
        assert world.execute(position, proof, market).event("Exited")
    series = series_of(market)
    assert (series.long, series.short, series.buys, series.sells) == (NOTHING, NOTHING, 0, 0)
    assert market.pool.call.liquidity() == (0, world.balance(market.pool.address))


# ---------------------------------------------------------------- values


def test_an_entry_value_beyond_what_a_side_sums_voids_free_of_fee(world: World) -> None:
    """In a unit of the token worth so little that 88 bits do not count it: the order dies, the keeper alone is paid."""
    mark = 2**111
    most = (2**88 - 1) * UNIT // mark // LOT * LOT
    market = market_of(world, mark=(mark,))
    world.token.send.mint(world.trader, 10**16)
    market.pool.send.deposit(10**16, world.trader, sender=world.trader)
    leg = {"series": 0, "margin": 2 * 10**13, "reserve": 2 * 10**13, "maxPremium": MAX}
    sizes = (most - ONE, ONE + LOT, ONE)
    legs = [leg | {"size": size, "reserve": size * 200 * TOKEN // ONE} for size in sizes]
    first, beyond, last = world.request(*legs, market=market, low=LOW, high=HIGH)
    proof = world.price(PRICE)
    assert world.execute(first, proof, market).events_of("Opened")
    before = world.balance(world.trader)
    void = world.execute(beyond, proof, market).event("OrderVoided").args
    assert (void.kind, void.reason, void.fee) == (OPENING, FUNDING_REFUSED, 0)
    assert world.balance(world.trader) - before == leg["margin"] - void.keeperFee
    assert world.execute(last, proof, market).events_of("Opened")
    side = series_of(market).long
    assert (side.size, side.entry_value) == (most, sum(-(-size * mark // UNIT) for size in (most - ONE, ONE)))
    assert 2**88 - side.entry_value <= LOT * mark // UNIT + 1


def test_a_notional_beyond_what_88_bits_count_is_refused_at_the_commit(world: World) -> None:
    market, top = market_of(world), 2**111
    most = (2**88 - 1) * UNIT // top // LOT * LOT
    world.token.send.mint(world.trader, 10**26)
    market.pool.send.deposit(2 * 10**25, world.trader, sender=world.trader)
    leg = {"series": 0, "margin": 10**24, "reserve": 16 * 10**24, "maxPremium": MAX, "size": most + LOT}
    band = {"market": market, "low": LOW, "high": top}
    no("AmountTooLarge", (-(-(most + LOT) * top // UNIT),), world.request, leg, **band)
    world.request(leg | {"size": most}, **band)
    assert series_of(market).buys == most


def test_a_notional_of_exactly_88_bits_is_taken(world: World) -> None:
    market, size, top = market_of(world), 6_201_209_297_726_401_712 * LOT, 4_328_759_813 << 60
    assert -(-size * top // UNIT) == 2**88 - 1
    world.token.send.mint(world.trader, 10**26)
    market.pool.send.deposit(2 * 10**25, world.trader, sender=world.trader)
    leg = {"series": 0, "margin": 10**24, "reserve": 16 * 10**24, "maxPremium": MAX, "size": size}
    world.request(leg, market=market, low=LOW, high=top)
    assert series_of(market).buys == size


def test_a_margin_of_exactly_88_bits(world: World) -> None:
    (position,), send = world.request(world.leg(ONE, 1_000, 1_000)), world.perpetual.market.send
    world.token.send.mint(world.trader, 2**88)
    send.addMargin(position, 2**88 - 1 - 1_000 * TOKEN, sender=world.trader)
    assert world.perpetual.market.call.positionOf(position).margin == 2**88 - 1
    no("AmountTooLarge", (2**88,), send.addMargin, position, 1, sender=world.trader)


def test_an_entry_of_112_bits(world: World) -> None:
    market = market_of(world, mark=(2**112 - 1,))
    (position,) = ask(world, market, 0, size=MIN_SIZE, reserve=20)
    world.execute(position, world.price(PRICE), market)
    assert market.market.call.positionOf(position).entry == 2**112 - 1


def test_at_an_entry_beyond_them_nothing_opens_and_the_order_can_only_die(world: World) -> None:
    market = market_of(world, mark=(2**112,))
    (position,) = ask(world, market, 0, size=MIN_SIZE, reserve=20)
    no("AmountTooLarge", (2**112,), world.execute, position, world.price(PRICE), market)
    world.wait(4_000)
    void = world.execute(position, b"", market).event("OrderVoided").args
    assert (void.kind, void.reason) == (OPENING, UNPROVEN)
    assert market.market.call.positionOf(position) == OVER
