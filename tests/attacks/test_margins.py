"""Margins that follow the market, in a real market: what raises them, how fast, and whom they never touch."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from decimal import Decimal

import pytest

from bulkhead.chain import Revert, RevmChain
from bulkhead.protocol import PerpetualTerms, VolatilityTerms
from tests.attacks.helpers import refused
from tests.book import series_of
from tests.unit.margin.volatility_world import STEEP
from tests.world import ONE, PRICE, World

HOUR, DAY, YEAR = 3_600, 86_400, 365 * 86_400
MILLION = 10**6
SIDES = [10 * ONE, -10 * ONE]
NOTHING = Decimal(0)
FREE = PerpetualTerms(max_funding=NOTHING, borrow_base=NOTHING, borrow_kink=NOTHING, borrow_full=NOTHING)


class StormyWorld(World):
    """A perpetual without carry, whose margins follow a volatility feed and a depth that the test says."""

    def __init__(self) -> None:
        super().__init__(RevmChain())
        deployment = self.deployment
        self.volatility = deployment.volatility_feed(self.oracle, VolatilityTerms(fast_time=DAY, slow_time=30 * DAY))
        self.exchange = deployment.deploy("MarginFeedMock")
        self.exchange_holds(10 * MILLION)
        terms = STEEP.encoded(self.volatility.address, self.exchange.address, 6)
        self.model = deployment.deploy("VolatilityMargin", terms)
        instrument = deployment.deploy("Perpetual", FREE.encoded())
        self.neighbour = self.perpetual
        self.carrying = deployment.market(self.token, self.oracle, self.neighbour.instrument, self.model)
        self.perpetual = deployment.market(self.token, self.oracle, instrument, self.model)
        for market in (self.carrying, self.perpetual):
            for account in (self.trader, self.other, self.provider):
                for part in (market.market, market.pool):
                    self.token.send.approve(part.address, 2**256 - 1, sender=account)
            market.pool.send.deposit(10 * MILLION * self.unit, self.provider, sender=self.provider)

    def exchange_holds(self, tokens: int) -> None:
        """The depth, in whole tokens."""
        self.exchange.send.set(0, 0, tokens * ONE)

    def hour(self, price: int) -> None:
        """A price a minute after the next grid time, and its update."""
        self.chain.set_time((self.chain.timestamp // HOUR + 1) * HOUR + 60)
        self.feed.push(price)
        self.volatility.send.update(self.proof())

    def storm(self, hours: int) -> Iterator[int]:
        """Hours of 8 % up and down again, from a first one on; the time of each that is back at the price."""
        for _ in range(hours // 2):
            self.hour(PRICE)
            yield self.chain.timestamp
            self.hour(PRICE * 108 // 100)

    def required(self, position: str) -> tuple[int, int]:
        """Equity and maintenance at an index that has not moved."""
        health = self.perpetual.market.call.health(position, PRICE, self.chain.timestamp)
        return health.equity, health.maintenance

    def liquidated(self, *positions: str) -> bool:
        """Does anybody liquidate one at the price that holds?"""
        market = self.perpetual.market
        return bool(market.send.liquidate(list(positions), sender=self.keeper).events_of("Exited"))

    def opens(self, size: int, margin: int) -> bool:
        """Would an order of this margin be taken?"""
        with self.chain.isolated():
            leg = self.leg(size, margin, abs(size) * 2_000 // ONE)
            try:
                self.request(leg, low=PRICE * 99 // 100, high=PRICE * 101 // 100)
            except Revert as revert:
                assert revert.name == "MarginTooSmall"
                return False
        return True


@pytest.fixture(scope="module")
def deployed() -> StormyWorld:
    return StormyWorld()


@pytest.fixture
def stormy(deployed: StormyWorld) -> Iterator[StormyWorld]:
    free = deployed.perpetual
    with deployed.chain.isolated():
        yield deployed
    deployed.perpetual = free


@pytest.mark.parametrize("carry", [False, True])
@pytest.mark.parametrize("size", SIDES)
def test_a_position_stays_healthy_as_long_as_the_ramp_promises(stormy: StormyWorld, size: int, carry: bool) -> None:
    """RAMP-1: at one index, in a storm: equity / maintenance = 1.2 ** hours, less what carry takes meanwhile."""
    if carry:
        stormy.perpetual = stormy.carrying
    stormy.hour(PRICE)
    position = stormy.open(size=size)
    stormy.hour(PRICE * 108 // 100)  # from here on the ramp rises
    begun = stormy.chain.timestamp
    equity, maintenance = stormy.required(position)
    promised = HOUR * math.log(equity / maintenance) / math.log(1.2)
    assert 5 * HOUR < promised < 7 * HOUR
    healthy = 0
    for now in stormy.storm(10):
        assert stormy.required(position)[1] <= maintenance * 1.2 ** ((now - begun) / HOUR) + 1
        if stormy.liquidated(position):
            break
        paid = equity - stormy.required(position)[0]
        assert 0 < paid < equity // 1_000 if carry else paid == 0
        healthy = now - begun
    # To the promise, and no further: the storm was one, and the ramp, not the volatility, was what held.
    assert promised - 2 * HOUR < healthy < promised < stormy.chain.timestamp - begun
    assert stormy.volatility.call.fast() > 3 * ONE


def test_between_updates_it_rises_as_slowly(stormy: StormyWorld) -> None:
    """RAMP-1: nothing happens to maintenance in the block of an update, whoever waits for it."""
    position = stormy.open()
    stormy.hour(PRICE)
    stormy.chain.set_time((stormy.chain.timestamp // HOUR + 1) * HOUR + 60)
    stormy.feed.push(PRICE * 108 // 100)
    before = stormy.required(position)[1]
    stormy.volatility.send.update(stormy.proof())
    assert abs(stormy.required(position)[1] - before) <= before // 100_000
    stormy.wait(HOUR)
    assert before * 119 // 100 < stormy.required(position)[1] <= before * 12 // 10 + 1


@pytest.mark.parametrize("size", SIDES)
def test_eight_hundred_percent_liquidates_nobody_by_a_parameter(stormy: StormyWorld, size: int) -> None:
    """RAMP-1, row 3: three days of hours whose returns have a deviation of 8.55 %; a margin above the cap holds.

    Requirements end at their caps, so who holds more than the cap of maintenance is never closed by volatility.
    """
    position, rng, price = stormy.open(size=size, margin=6_000), random.Random(20), PRICE
    for _ in range(72):
        move = math.exp(rng.gauss(0, 8 * math.sqrt(HOUR / YEAR)))
        price = round(min(max(price * min(max(move, 0.92), 1.08), PRICE // 2), PRICE * 2)) // 10**10 * 10**10
        stormy.hour(price)
        equity, required = stormy.required(position)
        assert required <= 20_000 * stormy.unit // 5 + 1 < equity
    assert stormy.volatility.call.highest() > 5 * ONE
    stormy.walk_to(PRICE)
    assert not stormy.liquidated(position)


def test_initial_margin_rises_with_size_and_open_interest(stormy: StormyWorld) -> None:
    """Row 13: open interest grows eightyfold; who comes then pays for it, who is there does not."""
    early = stormy.open()
    before = stormy.required(early)
    assert stormy.opens(10 * ONE, 1_600) and not stormy.opens(1_000 * ONE, 245_000)  # a fifth of the exchange's depth
    stormy.exchange_holds(1_000 * MILLION)
    assert stormy.opens(1_000 * ONE, 245_000)
    stormy.exchange_holds(10 * MILLION)
    for _ in range(8):
        for size, trader in ((50 * ONE, stormy.other), (-50 * ONE, stormy.trader)):
            stormy.open(size=size, margin=40_000, reserve=60_000, trader=trader)
    assert not stormy.opens(10 * ONE, 3_000) and stormy.opens(10 * ONE, 3_600)
    assert stormy.required(early) == before and not stormy.liquidated(early)


@pytest.mark.parametrize("side", [1, -1])
def test_slices_are_asked_what_the_whole_is(stormy: StormyWorld, side: int) -> None:
    """Rows 13 and 43: ten orders, each executed before the next, need together what one of their size needs."""

    def asked(size: int) -> int:
        series, pool = series_of(stormy.perpetual), stormy.perpetual.pool.call.liquidity()
        state = (0, PRICE, stormy.chain.timestamp, series.long.size, series.short.size, *pool)
        return int(stormy.model.call.initial(state, PRICE, size))

    whole, slices = asked(500 * side * ONE), []
    for _ in range(10):
        slices.append(asked(50 * side * ONE))
        stormy.open(size=50 * side * ONE, margin=40_000, reserve=60_000)
    assert sum(slices) >= whole - ONE // 10**6
    assert slices[-1] > slices[0] * 12 // 10
    # One order of the whole is taken with just that, and a tenth with a tenth of it no longer.
    assert not stormy.opens(50 * side * ONE, whole // 10 // ONE)


def test_what_nobody_can_trade_is_margined_at_the_cap(stormy: StormyWorld) -> None:
    """Row 17: the exchange dries up; an order needs the cap, and no live position and no neighbour hears of it."""
    position, size = stormy.open(), 10 * ONE
    before, worth = stormy.required(position), stormy.balance(stormy.neighbour.pool.address)
    assert stormy.opens(size, 2_000)
    stormy.exchange_holds(0)
    assert not stormy.opens(size, 9_000) and stormy.opens(size, 10_300)
    assert stormy.required(position) == before and not stormy.liquidated(position)
    assert stormy.balance(stormy.neighbour.pool.address) == worth
    stormy.exchange_holds(10**15)  # parked: it never lowers anything below what volatility asks
    assert not stormy.opens(size, 1_200)


def test_liquidity_that_leaves_liquidates_nobody(stormy: StormyWorld) -> None:
    """Row 40, RAMP-1: pool and exchange are emptied in one block; a day later everybody is still healthy."""
    positions = [stormy.open(size=size, margin=1_500) for size in SIDES]
    before = [stormy.required(position) for position in positions]
    pool = stormy.perpetual.pool
    pool.send.requestRedeem(pool.call.balanceOf(stormy.provider), 0, sender=stormy.provider)
    stormy.wait(60)
    stormy.feed.push(PRICE)
    stormy.wait(12)
    pool.send.executeExit(stormy.proof(), sender=stormy.keeper)
    stormy.exchange_holds(0)
    for _ in range(24):
        stormy.hour(PRICE)
        now = [stormy.required(position) for position in positions]
        assert [equity for equity, _ in now] == [equity for equity, _ in before]
        assert all(then[1] <= first[1] for then, first in zip(now, before, strict=True))
        assert not stormy.liquidated(*positions)


@pytest.mark.parametrize("silence", [2 * HOUR, 7 * HOUR, 20 * HOUR])
def test_an_outage_liquidates_nobody_by_its_return(stormy: StormyWorld, silence: int) -> None:
    """Row 19: the feed is silent and comes back; neither old points nor the return over the gap move a margin."""
    stormy.hour(PRICE)
    position = stormy.open(margin=1_500)
    stormy.hour(PRICE)
    before = stormy.required(position)
    stormy.wait(silence)
    stale = stormy.proof()
    assert refused(stormy.volatility.send.update, stale)[0] in ("PriceNotThereYet", "PointExpired")
    assert refused(stormy.perpetual.market.send.liquidate, [position])[0] == "PriceStale"
    for _ in range(2):
        stormy.wait(60)
        stormy.feed.push(PRICE * 107 // 100)
    if silence > 6 * HOUR:
        assert refused(stormy.volatility.send.update, stormy.proof())[0] == "PointExpired"
        stormy.volatility.send.skip()
        stormy.hour(PRICE * 107 // 100)
    else:
        first = stormy.feed.round() - 1
        stormy.volatility.send.update(first.to_bytes(32, "big"))
        stormy.volatility.send.update(first.to_bytes(32, "big"))
    assert stormy.required(position)[1] <= before[1] * 101 // 100
    stormy.walk_to(PRICE)
    assert not stormy.liquidated(position)
    spread = math.log(1.07) * math.sqrt(YEAR / (silence + HOUR))
    assert stormy.volatility.call.fast() / 1e18 < max(1.0, 1.1 * spread)
