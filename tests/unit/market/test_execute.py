"""Execution: fills, fees, the keeper's pay, every reason to void, and that nobody's hand changes an outcome."""

from typing import Any

import pytest

from bulkhead.chain import RevmChain
from bulkhead.model.oracles.oracle import encode_proof
from tests.book import KEPT, NOTHING, kept_down, kept_up, live_series, series_of
from tests.unit.market.helpers import (
    CAP,
    CLOSE,
    DELAY,
    DISPUTED,
    FLOOR,
    FUNDING_REFUSED,
    HIGH,
    KEPT_HIGH,
    KEPT_LOW,
    LATE,
    LOW,
    MIN_SIZE,
    NO_ORDER,
    NO_RATES,
    NONE,
    OPEN,
    OPENING,
    OUTSIDE_BAND,
    OVER,
    PENDING,
    POOLED,
    RAISE,
    RESERVE_REACHED,
    SERIES_CLOSED,
    TIME_TO_LIVE,
    TOKEN,
    UNPROVEN,
    Rates,
    close_of,
    close_order,
    conserved,
    fee_of,
    keeper_fee,
    position_of,
    rates_of,
    refused,
    requested,
    state,
    up,
)
from tests.world import ONE, PRICE, World

BAND_FEE = fee_of(ONE // 2_000, 10 * ONE, KEPT_HIGH)  # 5 basis points of 10 x 2,200
KEEPER = 1_233_846  # 60 seconds after the request: 1 + 19 x 48 / 3,900
TICK = 10**10
AFTER_OPEN = rates_of(10 * ONE, 0, 5_000 * TOKEN, POOLED - 4_990 * TOKEN)
AFTER_OPEN_SHORT = rates_of(0, 10 * ONE, 5_000 * TOKEN, POOLED - 4_990 * TOKEN)


def voided(receipt: Any) -> tuple[int, ...]:
    event = receipt.event("OrderVoided").args
    return event.kind, event.reason, event.fee, event.keeperFee


# The ends that a band keeps lie between two ticks of the feed: the last price inside and the first one outside.
INNER_LOW, INNER_HIGH = up(KEPT_LOW, TICK) * TICK, KEPT_HIGH // TICK * TICK
BELOW, ABOVE = INNER_LOW - TICK, INNER_HIGH + TICK


# ---------------------------------------------------------------- open


@pytest.mark.parametrize("sign", [1, -1])
def test_open(world: World, sign: int) -> None:
    position = requested(world, sign * 10 * ONE)
    receipt = world.execute(position, world.price(PRICE))
    assert keeper_fee(60) == KEEPER
    margin = (2_000 - 10) * TOKEN - KEEPER
    entry = PRICE + sign * ONE
    assert tuple(receipt.event("Opened").args) == (
        position,
        PRICE,
        entry,
        margin,
        5_000 * TOKEN,
        10 * TOKEN,
        KEEPER,
    )
    p = position_of(world, position)
    assert tuple(p) == (margin, 5_000 * TOKEN, OPEN, sign * 10 * ONE, entry, 0, world.chain.timestamp, 0, 0)
    assert world.balance(position) == margin + 5_000 * TOKEN
    assert world.balance(world.keeper) == KEEPER
    assert world.perpetual.pool.call.liquidity() == (5_000 * TOKEN, POOLED - 4_990 * TOKEN)
    series = series_of(world.perpetual)
    side, other = (series.long, series.short) if sign > 0 else (series.short, series.long)
    assert side == (10 * ONE, margin >> 8 << 8, 5_000 * TOKEN, 20_000 * TOKEN + sign * 10 * TOKEN, 0, 0)
    assert other == NOTHING
    assert (series.buys, series.sells) == (0, 0)
    rates = AFTER_OPEN if sign > 0 else AFTER_OPEN_SHORT
    assert (series.funding_rate, series.borrow_rate, series.since) == (*rates, world.chain.timestamp)
    conserved(world, position)


def test_open_at_another_price_pays_fee_and_premium_on_that_price(world: World) -> None:
    position = requested(world)
    receipt = world.execute(position, world.price(1_900 * ONE))
    event = receipt.event("Opened").args
    assert (event.index, event.entry) == (1_900 * ONE, 1_900 * ONE + 95 * ONE // 100)
    assert (event.fee, event.keeperFee) == (9_500_000, KEEPER)
    conserved(world, position)


def test_reserve_is_cut_at_the_notional_to_the_last_of_18_decimals() -> None:
    world = World(RevmChain(), decimals=18)
    (position,) = world.request(world.leg(10 * ONE, 2_000, 21_000), low=LOW, high=HIGH)
    world.execute(position, world.price(PRICE))
    assert position_of(world, position).reserve == 20_000 * ONE


def test_reserve_is_cut_at_the_notional_and_the_excess_freed(world: World) -> None:
    position = requested(world, reserve=22_000)
    assert world.perpetual.pool.call.liquidity() == (22_000 * TOKEN, POOLED - 22_000 * TOKEN)
    world.execute(position, world.price(PRICE))
    assert position_of(world, position).reserve == 20_000 * TOKEN
    assert world.perpetual.pool.call.liquidity() == (20_000 * TOKEN, POOLED - 19_990 * TOKEN)
    conserved(world, position)


@pytest.mark.parametrize(("sign", "entry"), [(1, 502), (-1, 498)])
def test_dated_reserve_is_cut_at_the_largest_gain(world: World, sign: int, entry: int) -> None:
    # Strike 1,500, cap 1,000: at 2,000 the mark is 500; the premium a tenth of a percent of the index.
    position = world.open(sign * 10 * ONE, market=world.dated, series=2)
    p = position_of(world, position, world.dated)
    assert (p.entry, p.reserve) == (entry * ONE, 4_980 * TOKEN)
    assert world.dated.pool.call.liquidity() == (4_980 * TOKEN, POOLED - 4_970 * TOKEN)
    conserved(world, position)


def test_fees_above_the_reserve_are_paid_by_the_vault(world: World) -> None:
    leg = world.leg(MIN_SIZE, 100, 0) | {"reserve": 1_100_000}
    (position,) = world.request(leg, low=LOW, high=HIGH)
    world.execute(position, world.price(PRICE))
    fee = KEEPER + 10_000
    assert fee > 1_100_000
    p = position_of(world, position)
    assert (p.margin, p.reserve) == (100 * TOKEN - fee, 1_100_000)
    assert world.perpetual.pool.call.liquidity() == (1_100_000, POOLED - 1_100_000 + 10_000)
    assert world.balance(world.keeper) == KEEPER
    conserved(world, position)


def test_legs_share_price_and_fate(world: World) -> None:
    legs = [world.leg(10 * ONE, 2_000, 5_000), world.leg(-10 * ONE, 2_000, 5_000)]
    every: list[str] = []
    for price, status in ((PRICE, OPEN), (PRICE + ONE, NONE)):
        positions = world.request(*legs, low=PRICE, high=PRICE)
        proof = world.price(price)
        for position in reversed(positions):
            world.execute(position, proof)
        assert [position_of(world, p).status for p in positions] == [status] * 2
        every += positions
        conserved(world, *every)
        if status == OPEN:
            series = series_of(world.perpetual)
            assert (series.long.size, series.short.size) == (10 * ONE, 10 * ONE)


# ---------------------------------------------------------------- close


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("price", "size"), [(p, s) for p in (1_850, 1_990, 2_000, 2_140) for s in (4, 10)])
def test_close(world: World, sign: int, price: int, size: int) -> None:
    position = world.open(sign * 10 * ONE)
    p = position_of(world, position)
    trader, keeper = world.balance(world.trader), world.balance(world.keeper)
    close_order(world, position, size * ONE)
    receipt = world.execute(position, world.price(price * ONE))
    rates = AFTER_OPEN if sign > 0 else AFTER_OPEN_SHORT
    paid = close_of(p, size * ONE, price * ONE, price * ONE, 0, KEEPER, rates, 60)
    assert tuple(receipt.event("Exited").args) == (
        position,
        0,
        size * ONE,
        price * ONE,
        price * ONE,
        paid.trader,
        paid.pool,
        paid.keeper,
    )
    assert world.balance(world.trader) - trader == paid.trader
    assert world.balance(world.keeper) - keeper == KEEPER
    after = position_of(world, position)
    if size == 10:
        assert tuple(after) == OVER
    else:
        assert after == p._replace(margin=paid.margin, reserve=paid.reserve, size=sign * 6 * ONE)
    earned = 10 * TOKEN + paid.pool
    assert world.perpetual.pool.call.liquidity() == (paid.reserve, POOLED - 5_000 * TOKEN + earned)
    series = series_of(world.perpetual)
    assert (series.buys, series.sells) == (0, 0)
    assert world.perpetual.market.call.orderOf(position).kind == NO_ORDER
    conserved(world, position)


def test_close_in_figures(world: World) -> None:
    position = world.open()
    close_order(world, position)
    receipt = world.execute(position, world.price(2_100 * ONE))
    # 1,988.766154 less 1.233846 for the keeper, plus 990, less 10.5, less a minute's carry of 0.000241
    assert receipt.event("Exited").args.toTrader == 2_967_032_067
    conserved(world, position)


def test_close_pays_no_more_than_margin_and_reserve_less_fees(world: World) -> None:
    position = world.open(reserve=1_100)
    p = position_of(world, position)
    close_order(world, position)
    receipt = world.execute(position, world.price(2_200 * ONE))
    assert receipt.event("Exited").args.toTrader == p.margin - KEEPER + 1_100 * TOKEN - 11 * TOKEN
    conserved(world, position)


def test_close_of_an_insolvent_position_pays_keeper_and_pool(world: World) -> None:
    position = world.open(margin=930)
    p = position_of(world, position)
    trader = world.balance(world.trader)
    close_order(world, position)
    receipt = world.execute(position, world.price(1_850 * ONE))
    event = receipt.event("Exited").args
    assert (event.toTrader, event.toPool, event.toKeeper) == (0, p.margin + p.reserve - KEEPER, KEEPER)
    assert world.balance(world.trader) == trader
    conserved(world, position)


@pytest.mark.parametrize("sign", [1, -1])
def test_dated_close_pays_its_premium_and_no_carry(world: World, sign: int) -> None:
    position = world.open(sign * 10 * ONE, market=world.dated, series=2)
    p = position_of(world, position, world.dated)
    world.wait(7 * 86_400)
    close_order(world, position, 7 * ONE, market=world.dated)
    receipt = world.execute(position, world.price(2_100 * ONE), world.dated)
    paid = close_of(p, 7 * ONE, 2_100 * ONE, 600 * ONE, ONE // 1_000, KEEPER, NO_RATES, 0)
    event = receipt.event("Exited").args
    assert (event.index, event.mark) == (2_100 * ONE, 600 * ONE)
    assert (event.toTrader, event.toPool, event.toKeeper) == (paid.trader, paid.pool, paid.keeper)
    # by hand: seven tenths of the margin after the keeper, 7 x the move, less 0.15 % of 14,700
    slice_margin = (2_000 * TOKEN - 10 * TOKEN - 2 * KEEPER) * 7 // 10
    assert paid.trader == slice_margin + sign * 7 * (600 - 500 - sign * 2) * TOKEN - 22_050_000
    conserved(world, position)


def test_series_leaves_the_sum_with_its_last_position(world: World) -> None:
    position = world.open(market=world.dated, series=2)
    assert live_series(world.dated) == {2}
    close_order(world, position, market=world.dated)
    assert live_series(world.dated) == {2}
    world.execute(position, world.price(PRICE), world.dated)
    assert live_series(world.dated) == set()
    conserved(world, position)


# ---------------------------------------------------------------- raise


@pytest.mark.parametrize(
    ("asked", "added"), [(0, 0), (1, 1), (2, 2), (3_000, 3_000), (15_000, 15_000), (20_000, 15_000)]
)
def test_raise(world: World, asked: int, added: int) -> None:
    position = world.open()
    p = position_of(world, position)
    world.perpetual.market.send.requestRaise(position, asked * TOKEN, sender=world.trader)
    receipt = world.execute(position, world.price(PRICE))
    reserve = (5_000 + added) * TOKEN
    assert tuple(receipt.event("ReserveRaised").args) == (position, PRICE, reserve, KEEPER)
    after = position_of(world, position)
    # The debt so far on 5,000 is owed by the larger reserve from a later start.
    borrowed = AFTER_OPEN.borrow * 60
    since = (borrowed - up(5_000 * TOKEN * borrowed, reserve)) // KEPT
    assert after == p._replace(margin=p.margin - KEEPER, reserve=reserve, borrowing=since)
    assert world.perpetual.pool.call.liquidity() == (reserve, POOLED + 10 * TOKEN - reserve)
    assert world.balance(world.keeper) == 2 * KEEPER
    assert world.perpetual.market.call.orderOf(position).kind == NO_ORDER
    conserved(world, position)


def test_raise_just_below_the_reserve_works_and_at_it_voids(world: World) -> None:
    """Without carry, so to the tick: entry 502, and a gain of 1,100 where the mark is 612."""
    position = world.open(reserve=1_100, market=world.dated, series=2)
    p = position_of(world, position, world.dated)
    raise_ = world.dated.market.send.requestRaise
    raise_(position, 1_000 * TOKEN, sender=world.trader)
    receipt = world.execute(position, world.price(2_112 * ONE), world.dated)
    assert voided(receipt) == (RAISE, RESERVE_REACHED, 0, KEEPER)
    after = position_of(world, position, world.dated)
    assert (after.margin, after.reserve) == (p.margin - KEEPER, 1_100 * TOKEN)
    assert world.dated.pool.call.liquidity()[0] == 1_100 * TOKEN
    assert world.dated.market.call.orderOf(position).kind == NO_ORDER
    raise_(position, 1_000 * TOKEN, sender=world.trader)
    receipt = world.execute(position, world.price(2_112 * ONE - 10**10), world.dated)
    assert receipt.event("ReserveRaised").args.reserve == 2_100 * TOKEN
    conserved(world, position)


def test_a_raise_takes_no_more_than_the_margin_for_its_keeper(world: World) -> None:
    """Fees of late orders eat the margin, until there is none."""
    position, market = world.open(ONE, 200, 500), world.perpetual.market
    while (p := position_of(world, position)).margin:
        market.send.requestRaise(position, 3, sender=world.trader)
        proof = world.price(PRICE)
        world.wait(TIME_TO_LIVE)
        world.feed.push(PRICE)
        before, fee = world.balance(world.keeper), min(CAP, p.margin)
        assert world.execute(position, proof).event("ReserveRaised").args.keeperFee == fee
        after = position_of(world, position)
        assert (after.margin, after.reserve) == (p.margin - fee, p.reserve + 3)
        assert world.balance(world.keeper) - before == fee
        conserved(world, position)
    assert fee < CAP


# ---------------------------------------------------------------- void


def check_void_open(
    world: World, position: str, proof: bytes, reason: int, fee: int, keeper: int, **named: Any
) -> None:
    """A void gives everything back but the fees, to the unit."""
    market = named.get("market", world.perpetual)
    trader, before = world.balance(world.trader), world.balance(world.keeper)
    receipt = world.execute(position, proof, market)
    assert voided(receipt) == (OPENING, reason, fee, keeper)
    assert world.balance(world.trader) - trader == 2_000 * TOKEN - fee - keeper
    assert world.balance(world.keeper) - before == keeper
    assert market.pool.call.liquidity() == (0, POOLED + fee)
    assert tuple(position_of(world, position, market)) == OVER
    series = series_of(market)
    assert (series.buys, series.sells, series.long, series.short) == (0, 0, NOTHING, NOTHING)
    assert world.balance(position) == 0
    conserved(world, position)
    refused(
        world,
        "UnknownPosition",
        (position,),
        market.market.send.execute,
        [position],
        proof,
        sender=world.keeper,
        positions=[position],
    )


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("price", [BELOW, ABOVE])
def test_open_outside_its_band_pays_the_open_fee_at_the_worst_index(world: World, sign: int, price: int) -> None:
    world.walk_to(1_900 * ONE if price < PRICE else 2_100 * ONE)
    position = requested(world, sign * 10 * ONE)
    check_void_open(world, position, world.price(price), OUTSIDE_BAND, BAND_FEE, KEEPER)


@pytest.mark.parametrize("kind", ["open", "close"])
def test_a_price_above_the_band_is_what_the_void_fee_goes_by(world: World, kind: str) -> None:
    """A band just above the last index is no cheaper to leave than a wide one."""
    if kind == "open":
        position = requested(world, high=PRICE + ONE)
    else:
        position = world.open()
        close_order(world, position, 10 * ONE, LOW, PRICE + ONE)
    receipt = world.execute(position, world.price(2_150 * ONE))
    order = OPENING if kind == "open" else CLOSE
    assert voided(receipt) == (order, OUTSIDE_BAND, 10_750_000, KEEPER)  # 5 basis points of 21,500
    conserved(world, position)


@pytest.mark.parametrize("price", [LOW, HIGH, INNER_LOW, INNER_HIGH])
def test_the_ends_of_the_band_belong_to_it(world: World, price: int) -> None:
    """The asked ones, and beyond them what rounding outwards has added."""
    assert INNER_LOW < LOW and HIGH < INNER_HIGH
    world.walk_to(1_900 * ONE if price < PRICE else 2_100 * ONE)
    position = requested(world)
    assert world.execute(position, world.price(price)).event("Opened").args.index == price
    conserved(world, position)


@pytest.mark.parametrize("price", [0, 1_799 * ONE, 2_201 * ONE])
def test_open_disputed(world: World, price: int) -> None:
    position = requested(world, low=1, high=2_300 * ONE)
    check_void_open(world, position, world.price(price), DISPUTED, 0, KEEPER)


def test_open_late(world: World) -> None:
    position = requested(world)
    proof = world.price(PRICE, DELAY + TIME_TO_LIVE + 1)
    check_void_open(world, position, proof, LATE, 0, CAP)


def test_last_second_of_the_time_to_live(world: World) -> None:
    position = requested(world)
    receipt = world.execute(position, world.price(PRICE, DELAY + TIME_TO_LIVE))
    assert receipt.event("Opened").args.keeperFee == CAP
    conserved(world, position)


def test_open_unproven(world: World) -> None:
    position = requested(world)
    due = world.chain.timestamp + DELAY
    world.wait(DELAY + TIME_TO_LIVE)
    execute = world.perpetual.market.send.execute
    refused(world, "PriceNotThereYet", (due,), execute, [position], b"", sender=world.keeper, positions=[position])
    world.wait(1)
    check_void_open(world, position, b"", UNPROVEN, BAND_FEE, CAP)


def test_void_fee_goes_by_the_top_of_the_band(world: World) -> None:
    # 80,000 at the top: initial 3,200; keeper 20, open fee 40, premium 40.
    position = requested(world, margin=3_301, high=4 * PRICE)
    trader = world.balance(world.trader)
    fee = fee_of(ONE // 2_000, 10 * ONE, kept_up(4 * PRICE))
    assert 40 * TOKEN <= fee < 40 * TOKEN + 10
    world.wait(DELAY + TIME_TO_LIVE + 1)
    assert voided(world.execute(position, b"")) == (OPENING, UNPROVEN, fee, CAP)
    assert world.balance(world.trader) - trader == 3_281 * TOKEN - fee
    conserved(world, position)


def test_open_in_a_closed_series(world: World) -> None:
    world.chain.set_time(world.expiry - 20)
    world.feed.push(PRICE)
    position = requested(world, market=world.dated)
    check_void_open(world, position, world.price(PRICE), SERIES_CLOSED, 0, KEEPER, market=world.dated)


@pytest.mark.parametrize("small", [False, True])
def test_open_whose_funding_the_token_refuses(world: World, small: bool) -> None:
    # The small one owes the pool more in fees than its reserve: there the vault cannot pay.
    leg = world.leg(MIN_SIZE, 100, 0) | {"reserve": 1_100_000} if small else world.leg(10 * ONE, 2_000, 5_000)
    (position,) = world.request(leg, low=LOW, high=HIGH)
    proof = world.price(PRICE)
    world.token.send.setBlocked(position, True)
    trader = world.balance(world.trader)
    receipt = world.execute(position, proof)
    assert voided(receipt) == (OPENING, FUNDING_REFUSED, 0, KEEPER)
    back = leg["margin"] - KEEPER
    assert tuple(receipt.event("PaymentKept").args) == (position, back, KEEPER)
    market, pool = world.perpetual.market, world.perpetual.pool
    assert market.call.claimable(position) == (back, KEEPER)
    assert tuple(position_of(world, position)) == OVER
    assert pool.call.liquidity() == (0, POOLED)
    assert world.balance(world.keeper) == 0
    conserved(world, position)
    world.token.send.setBlocked(position, False)
    market.send.claim(position, world.trader, sender=world.stranger)
    assert world.balance(world.trader) - trader == back
    assert pool.call.liquidity() == (0, POOLED + KEEPER)
    assert market.call.claimable(position) == (0, 0)
    conserved(world, position)


CLOSE_BAND = (PRICE, PRICE)
CLOSE_FEE = fee_of(ONE // 2_000, 4 * ONE, kept_up(PRICE))


@pytest.mark.parametrize(
    ("price", "after", "empty", "reason", "fee"),
    [
        (up(kept_down(PRICE), TICK) * TICK - TICK, 60, False, OUTSIDE_BAND, CLOSE_FEE),
        (kept_up(PRICE) // TICK * TICK + TICK, 60, False, OUTSIDE_BAND, CLOSE_FEE),
        (2_201 * ONE, 60, False, DISPUTED, 0),
        (PRICE, DELAY + TIME_TO_LIVE + 1, False, LATE, 0),
        (PRICE, DELAY + TIME_TO_LIVE + 1, True, UNPROVEN, CLOSE_FEE),
    ],
)
def test_void_close(world: World, price: int, after: int, empty: bool, reason: int, fee: int) -> None:
    position = world.open()
    p = position_of(world, position)
    close_order(world, position, 4 * ONE, *CLOSE_BAND)
    proof = world.price(price, after)
    receipt = world.execute(position, b"" if empty else proof)
    keeper = keeper_fee(after)
    assert voided(receipt) == (CLOSE, reason, fee, keeper)
    assert position_of(world, position) == p._replace(margin=p.margin - fee - keeper)
    assert world.perpetual.pool.call.liquidity() == (5_000 * TOKEN, POOLED - 4_990 * TOKEN + fee)
    assert world.balance(world.keeper) == KEEPER + keeper
    series = series_of(world.perpetual)
    assert (series.sells, series.long.margin) == (0, (p.margin - fee - keeper) >> 8 << 8)
    assert world.perpetual.market.call.orderOf(position).kind == NO_ORDER
    conserved(world, position)
    close_order(world, position)  # and may be asked again


def test_a_close_without_a_band_that_is_never_proven_costs_its_keeper_alone(world: World) -> None:
    position = world.open()
    close_order(world, position)
    world.wait(DELAY + TIME_TO_LIVE + 1)
    assert voided(world.execute(position, b"")) == (CLOSE, UNPROVEN, 0, CAP)


def test_void_close_in_a_closed_series(world: World) -> None:
    position = world.open(market=world.dated, series=2)
    p = position_of(world, position, world.dated)
    world.chain.set_time(world.expiry - 20)
    close_order(world, position, market=world.dated)
    receipt = world.execute(position, world.price(PRICE), world.dated)
    assert voided(receipt) == (CLOSE, SERIES_CLOSED, 0, KEEPER)
    assert position_of(world, position, world.dated) == p._replace(margin=p.margin - KEEPER)
    conserved(world, position)


@pytest.mark.parametrize(
    ("price", "after", "empty", "reason"),
    [
        (2_201 * ONE, 60, False, DISPUTED),
        (PRICE, DELAY + TIME_TO_LIVE + 1, False, LATE),
        (PRICE, DELAY + TIME_TO_LIVE + 1, True, UNPROVEN),
    ],
)
def test_void_raise(world: World, price: int, after: int, empty: bool, reason: int) -> None:
    position = world.open()
    p = position_of(world, position)
    world.perpetual.market.send.requestRaise(position, 3_000 * TOKEN, sender=world.trader)
    proof = world.price(price, after)
    receipt = world.execute(position, b"" if empty else proof)
    assert voided(receipt) == (RAISE, reason, 0, keeper_fee(after))
    assert position_of(world, position) == p._replace(margin=p.margin - keeper_fee(after))
    assert world.perpetual.pool.call.liquidity() == (5_000 * TOKEN, POOLED - 4_990 * TOKEN)
    conserved(world, position)


@pytest.mark.parametrize("asked", [3_000, 1, 0])
def test_void_raise_whose_funding_the_token_refuses(world: World, asked: int) -> None:
    """Below the keeper's fee it is the vault that cannot pay."""
    position = world.open()
    p = position_of(world, position)
    market, pool = world.perpetual.market, world.perpetual.pool
    market.send.requestRaise(position, asked * TOKEN, sender=world.trader)
    proof = world.price(PRICE)
    world.token.send.setBlocked(position, True)
    receipt = world.execute(position, proof)
    assert voided(receipt) == (RAISE, FUNDING_REFUSED, 0, KEEPER)
    assert position_of(world, position) == p._replace(margin=p.margin - KEEPER)
    assert market.call.claimable(position) == (0, KEEPER)
    assert pool.call.liquidity() == (5_000 * TOKEN, POOLED - 4_990 * TOKEN)
    assert world.balance(world.keeper) == KEEPER
    conserved(world, position)
    world.token.send.setBlocked(position, False)
    market.send.claim(position, world.trader, sender=world.stranger)
    assert pool.call.liquidity() == (5_000 * TOKEN, POOLED - 4_990 * TOKEN + KEEPER)
    conserved(world, position)


# ---------------------------------------------------------------- keepers and proofs


@pytest.mark.parametrize(
    ("waited", "fee"),
    [
        (13, FLOOR + 19 * TOKEN // 3_900),
        (12 + 1_950, 10_500_000),
        (12 + 3_899, FLOOR + 19 * TOKEN * 3_899 // 3_900),
        (12 + 3_900, CAP),
        (12 + 50_000, CAP),
    ],
)
def test_keeper_fee_grows_from_floor_to_cap(world: World, waited: int, fee: int) -> None:
    position = requested(world)
    proof = world.price(PRICE, DELAY + 1)
    world.wait(waited - DELAY - 1)
    receipt = world.execute(position, proof)
    assert receipt.event("Opened").args.keeperFee == world.balance(world.keeper) == fee
    assert position_of(world, position).margin == 1_990 * TOKEN - fee
    conserved(world, position)


def test_keeper_the_token_refuses_forgoes_its_fee(world: World) -> None:
    position = requested(world)
    proof = world.price(PRICE)
    world.token.send.setBlocked(world.keeper, True)
    world.execute(position, proof)
    assert world.balance(world.keeper) == 0
    assert world.perpetual.pool.call.liquidity() == (5_000 * TOKEN, POOLED - 4_990 * TOKEN + KEEPER)
    conserved(world, position)


@pytest.mark.parametrize("kind", ["open", "close", "raise"])
def test_wrong_proof_reverts_and_never_voids(world: World, kind: str) -> None:
    send = world.perpetual.market.send
    position = requested(world) if kind == "open" else world.open()
    if kind == "close":
        close_order(world, position)
    elif kind == "raise":
        send.requestRaise(position, TOKEN, sender=world.trader)
    due = world.chain.timestamp + DELAY

    def no(name: str, values: tuple[int, ...], proof: bytes) -> None:
        args = (send.execute, [position], proof)
        refused(world, name, values, *args, sender=world.keeper, positions=[position])

    early = world.price(PRICE, DELAY)  # observed at the very moment, not after it
    no("PriceNotThereYet", (due,), early)
    no("PriceNotThereYet", (due,), b"")
    first = world.price(PRICE)
    later = world.price(PRICE)
    round_ = world.feed.round()
    for wrong in (early, later, encode_proof(round_ + 1), encode_proof(round_ + (1 << 64)), encode_proof(0)):
        no("ProofInvalid", (int.from_bytes(wrong, "big"), due), wrong)
    no("ProofInvalid", (0, due), first[:31])
    world.wait(2 * TIME_TO_LIVE)
    no("ProofInvalid", (round_, due), later)
    world.execute(position, first)
    assert position_of(world, position).status == (NONE if kind == "close" else OPEN)
    conserved(world, position)


def test_nothing_to_execute(world: World) -> None:
    position = world.open()
    execute, proof = world.perpetual.market.send.execute, world.proof()
    no = {"sender": world.keeper, "positions": [position]}
    refused(world, "NoOrder", (position,), execute, [position], proof, **no)
    refused(world, "UnknownPosition", (world.other,), execute, [world.other], proof, **no)
    refused(world, "UnknownPosition", (position,), world.dated.market.send.execute, [position], proof, **no)


@pytest.mark.parametrize("kind", ["open", "outside", "close", "raise"])
def test_same_outcome_whoever_executes(world: World, kind: str) -> None:
    position = world.open() if kind in ("close", "raise") else requested(world)
    committed = world.chain.timestamp
    if kind == "close":
        close_order(world, position, 4 * ONE)
    elif kind == "raise":
        world.perpetual.market.send.requestRaise(position, 3_000 * TOKEN, sender=world.trader)
    if kind == "outside":
        world.walk_to(2_150 * ONE, after=2)
    proof = world.price(2_250 * ONE if kind == "outside" else 2_050 * ONE)
    outcomes = []
    for caller in (world.keeper, world.trader, world.other, world.stranger, world.provider):
        with world.chain.isolated():
            before = world.balance(caller)
            receipt = world.perpetual.market.send.execute([position], proof, sender=caller)
            pools, vaults, _ = state(world, [position])
            events = [tuple(e.args) for e in receipt.events if e.name != "Transfer"]
            outcomes.append((pools, vaults, events, world.balance(position)))
            if caller != world.trader:
                assert world.balance(caller) - before == keeper_fee(world.chain.timestamp - committed)
            conserved(world, position)
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_same_outcome_whatever_happens_in_between(world: World) -> None:
    position = requested(world)
    proof = world.price(1_950 * ONE)

    def outcome() -> tuple[int, ...]:
        event = world.execute(position, proof).event("Opened").args
        p = position_of(world, position)
        conserved(world, position)
        return p.entry, p.size, p.reserve, p.time, event.index, event.fee, p.margin + event.keeperFee

    with world.chain.isolated():
        at_once = outcome()
    assert at_once == (
        1_950 * ONE + 975 * ONE // 1_000,
        10 * ONE,
        5_000 * TOKEN,
        world.chain.timestamp,
        1_950 * ONE,
        9_750_000,
        2_000 * TOKEN - 9_750_000,
    )
    with world.chain.isolated():
        # Others open first, the price leaves the band, the feed's jump is disputed, much time passes.
        world.open(40 * ONE, 10_000, 20_000, trader=world.other, price=1_950 * ONE)
        world.walk_to(1_500 * ONE)
        world.price(PRICE)
        world.wait(3_000)
        assert series_of(world.perpetual).long.size == 40 * ONE
        event = world.execute(position, proof).event("Opened").args
        after = position_of(world, position)
        late = (after.entry, after.size, after.reserve, after.time, event.index, event.fee)
        assert (*late, after.margin + event.keeperFee) == at_once


def test_sequence_of_execution_changes_no_fill(world: World) -> None:
    positions = [requested(world), requested(world, -10 * ONE), requested(world, 5 * ONE)]
    proof = world.price(2_050 * ONE)
    outcomes = []
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        with world.chain.isolated():
            for i in order:
                world.execute(positions[i], proof)
            outcomes.append([position_of(world, p) for p in positions])
            conserved(world, *positions)
    assert outcomes[0] == outcomes[1] == outcomes[2]
    # premiums bound at the commit: 0 to 10, 0 to -10, 10 to 15
    assert [p.entry - 2_050 * ONE for p in outcomes[0]] == [1_025 * 10**15, -1_025 * 10**15, 2_562_500 * 10**12]


def test_carry_is_the_same_for_whoever_waits(world: World) -> None:
    position = world.open()
    p = position_of(world, position)
    opened = world.chain.timestamp
    world.wait(30 * 86_400)
    world.price(PRICE)
    close_order(world, position)
    receipt = world.execute(position, world.price(PRICE))
    seconds = world.chain.timestamp - opened
    paid = close_of(p, 10 * ONE, PRICE, PRICE, 0, KEEPER, AFTER_OPEN, seconds)
    assert Rates(31_709_792, 669_868_998) == AFTER_OPEN
    assert receipt.event("Exited").args.toTrader == paid.trader
    conserved(world, position)


def test_pending_position_is_not_open_yet(world: World) -> None:
    position = requested(world)
    values = (position, PENDING, OPEN)
    send = world.perpetual.market.send
    refused(world, "WrongStatus", values, send.removeMargin, position, 1, sender=world.trader, positions=[position])
