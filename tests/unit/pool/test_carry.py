"""Funding, borrowing and the aggregates, against sums done by hand."""

from __future__ import annotations

import random

import pytest

from tests.book import KEPT, LOT, NOTHING, live_series, series_of, side_of
from tests.unit.exits.expect import SKEW_SCALE, YEAR, carry_now, equity_down, unit_of, up
from tests.unit.pool.helpers import small
from tests.world import MAX, ONE, PRICE, World

BASE, KINKED, FULL, KINK, RAMP = ONE // 50, ONE // 5, ONE, 4 * ONE // 5, ONE // 5


def rates_of(world: World) -> tuple[int, int]:
    """Funding, owed by longs, and borrowing, a second."""
    series = series_of(world.perpetual)
    return series.funding_rate, series.borrow_rate


def funding_up(skew: int) -> int:
    """A second's funding at a skew."""
    return up(ONE // YEAR * min(abs(skew), SKEW_SCALE), SKEW_SCALE)


def borrow_of(committed: int, idle: int) -> int:
    """A second's borrowing where no ramp binds."""
    used = committed * ONE // (committed + idle)
    if used <= KINK:
        return (BASE + (KINKED - BASE) * used // KINK) // YEAR
    return (KINKED + (FULL - KINKED) * (used - KINK) // (ONE - KINK)) // YEAR


def listed_long_ago(world: World) -> None:
    """The ramp of borrowing begins where the series is listed, with its first order: one that came to nothing."""
    (position,) = world.request(world.leg(ONE // 100, 100, 2))
    world.wait(100_000)
    assert world.execute(position, b"").events_of("OrderVoided")
    world.feed.push(PRICE)
    world.wait(1)


def test_rates_follow_the_last_trade(world: World) -> None:
    pool = world.perpetual.pool
    listed_long_ago(world)
    world.open(size=100 * ONE, margin=20_000, reserve=100_000)
    assert rates_of(world) == (funding_up(100 * ONE), borrow_of(*pool.call.liquidity()))
    world.wait(100_000)  # so that no ramp binds
    world.feed.push(PRICE)
    world.wait(1)
    world.open(size=-30 * ONE, margin=9_000, reserve=30_000)
    rate = funding_up(70 * ONE)
    assert rates_of(world) == (rate, borrow_of(*pool.call.liquidity()))
    world.open(size=-100 * ONE, margin=20_000, reserve=50_000)
    rate = funding_up(30 * ONE)
    assert rates_of(world)[0] == -rate


@pytest.mark.parametrize("waited", [60, 120, 1_000])
def test_the_ramp_holds_the_first_trade_of_all(world: World, waited: int) -> None:
    """From the base rate on, since its commit listed the series."""
    (position,) = world.request(world.leg(100 * ONE, 20_000, 100_000), high=2_200 * ONE)
    world.execute(position, world.price(PRICE, after=waited))
    ramped = BASE // YEAR + RAMP // YEAR * waited // 3_600
    borrow = borrow_of(*world.perpetual.pool.call.liquidity())
    assert (ramped < borrow) is (waited < 500)
    assert rates_of(world)[1] == min(ramped, borrow)


def test_a_long_pays_funding_and_rent(world: World) -> None:
    """30 days on 100 ETH: both sums by hand."""
    listed_long_ago(world)
    position = world.open(size=100 * ONE, margin=20_000, reserve=100_000)
    market, pool, u = world.perpetual.market, world.perpetual.pool, world.unit
    p = market.call.positionOf(position)
    rate, borrow_rate = rates_of(world)
    assert rate == up(31_709_791_983 * 100, 10_000)
    assert (p.funding, p.borrowing, carry_now(world)) == (0, 0, (0, 0))
    seconds = 30 * 86_400
    world.wait(seconds)
    index = 2_100 * ONE
    assert carry_now(world) == (rate * seconds, borrow_rate * seconds)
    owed = up(210_000 * u * rate * seconds, ONE) + up(100_000 * u * borrow_rate * seconds, ONE)
    gain = 100 * ONE * (index - p.entry) // unit_of(world)
    health = market.call.health(position, index, world.chain.timestamp)
    assert health.equity == p.margin + gain - owed
    # 1 % a year of 210,000 and, at a tenth of the pool in use, 4.25 % a year of 100,000; the pool holds the fees too.
    assert abs(owed - (210_000 * u // 100 + 100_000 * u * 425 // 10_000) * 30 // 365) < u // 10
    assert abs(pool.call.worth(index, world.chain.timestamp) - (sum(pool.call.liquidity()) - gain + owed)) <= 2


def test_the_light_side_receives_what_the_heavy_side_pays_per_unit(world: World) -> None:
    long = world.open(size=100 * ONE, margin=20_000, reserve=100_000)
    short = world.open(size=-40 * ONE, margin=10_000, reserve=30_000, trader=world.other)
    market, u = world.perpetual.market, world.unit
    p, q = market.call.positionOf(long), market.call.positionOf(short)
    entry = carry_now(world)
    # The short keeps ten decimals, rounded so that it owes no less: what it has not paid for it does not receive.
    assert (q.funding, q.borrowing) == (up(entry.funding, KEPT), entry.borrowing // KEPT)
    assert 0 < entry.funding == funding_up(100 * ONE) * 60 and entry.borrowing > 0
    rate = funding_up(60 * ONE)
    borrow = rates_of(world)[1]
    seconds = 1_000_000
    world.wait(seconds)
    funding = entry.funding + rate * seconds  # the long was alone for a minute
    paid = up(200_000 * u * funding, ONE)
    got = 80_000 * u * (funding - q.funding * KEPT) // ONE
    rent = [up(reserve * (entry.borrowing - since * KEPT + borrow * seconds), ONE)
            for reserve, since in ((p.reserve, 0), (q.reserve, q.borrowing))]  # fmt: skip
    for position, before, owed in ((long, p, paid + rent[0]), (short, q, rent[1] - got)):
        gain = before.size * (PRICE - before.entry) // unit_of(world)
        health = market.call.health(position, PRICE, world.chain.timestamp)
        assert health.equity == before.margin + gain - owed
    assert got < paid


def test_poking_changes_nothing(world: World) -> None:
    """Neither margin added nor orders made and let die are trades: whoever writes the indices writes the same."""
    position = world.open(size=100 * ONE, margin=20_000, reserve=100_000)
    market = world.perpetual.market
    outcomes = []
    for pokes in (1, 2, 96):
        with world.chain.isolated():
            for _ in range(pokes):
                world.wait(960_000 // pokes)
                market.send.addMargin(position, 0, sender=world.stranger)
            world.feed.push(PRICE)
            if pokes == 2:
                market.send.requestClose(position, 10 * ONE, 0, 0, MAX, sender=world.trader)
                world.request(world.leg(ONE, 400, 2_000))
            health = market.call.health(position, PRICE, world.chain.timestamp)
            outcomes.append((world.chain.timestamp, carry_now(world), rates_of(world), health))
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_the_borrow_rate_rises_by_the_ramp_and_falls_at_once() -> None:
    world = small()
    market, pool = world.perpetual.market, world.perpetual.pool
    listed_long_ago(world)
    small_one = world.open(size=ONE // 10, margin=150, reserve=150)
    low = borrow_of(*pool.call.liquidity())
    assert rates_of(world)[1] == low
    set_at = world.chain.timestamp
    large = world.open(size=5 * ONE, margin=2_000, reserve=8_800)
    committed, idle = pool.call.liquidity()
    elapsed = world.chain.timestamp - set_at
    ramped = low + RAMP // YEAR * elapsed // 3_600
    assert elapsed == 60 and ramped < borrow_of(committed, idle)
    assert rates_of(world)[1] == ramped
    # An hour later, with the next trade: twenty points more.
    market.send.requestClose(small_one, ONE // 10, 0, 0, MAX, sender=world.trader)
    world.execute(small_one, world.price(PRICE, after=3_600))
    assert rates_of(world)[1] == low + RAMP // YEAR * 60 // 3_600 + RAMP // YEAR < borrow_of(*pool.call.liquidity())
    before = rates_of(world)[1]
    market.send.requestClose(large, 46 * ONE // 10, 0, 0, MAX, sender=world.trader)
    world.execute(large, world.price(PRICE))
    assert rates_of(world)[1] == borrow_of(*pool.call.liquidity()) < before


@pytest.mark.parametrize("seed", [1, 2])
def test_worth_is_the_sum_over_positions(world: World, seed: int) -> None:
    """POOL-1: random trades, prices and pauses; aggregates differ from the positions by roundings only."""
    rng = random.Random(seed)
    market, pool, unit = world.perpetual.market, world.perpetual.pool, unit_of(world)
    positions: list[str] = []
    price = PRICE
    for _ in range(25):
        price = price * rng.randint(985, 1_016) // 1_000 // 10**10 * 10**10
        if positions and rng.random() < 0.35:
            position = positions.pop(rng.randrange(len(positions)))
            held = abs(market.call.positionOf(position).size)
            size = held if rng.random() < 0.5 else held // 2 // LOT * LOT
            market.send.requestClose(position, size, 0, 0, MAX, sender=world.trader)
            world.execute(position, world.price(price, after=rng.randint(13, 3_000)))
            if size != held:
                positions.append(position)
        else:
            size = rng.choice((-1, 1)) * rng.randint(ONE // LOT, 30 * ONE // LOT) * LOT
            whole = abs(size) // ONE + 1
            world.wait(rng.randint(0, 3_000))
            positions.append(world.open(size=size, margin=whole * 600, reserve=whole * 900, price=price))
        carry = carry_now(world)
        value = sum(pool.call.liquidity())
        for position in positions:
            p = market.call.positionOf(position)
            gain = equity_down(p, carry, price, unit) - p.margin
            assert -p.margin < gain < p.reserve
            value -= gain
        assert abs(pool.call.worth(price, world.chain.timestamp) - value) <= 3 * len(positions) + 3
        committed = sum(market.call.positionOf(position).reserve for position in positions)
        assert pool.call.liquidity() == (committed, world.balance(pool.address))
    series = series_of(world.perpetual)
    for side, sign in ((series.long, 1), (series.short, -1)):
        assert side == side_of(map(market.call.positionOf, positions), sign, unit)
    for position in positions:
        market.send.requestClose(position, 2**127, 0, 0, MAX, sender=world.trader)
        world.execute(position, world.price(price))
    series = series_of(world.perpetual)
    assert (series.long, series.short, series.buys, series.sells) == (NOTHING, NOTHING, 0, 0)
    assert live_series(world.perpetual) == {0}  # with carry there is one series, which stays
    assert pool.call.liquidity() == (0, world.balance(pool.address))
