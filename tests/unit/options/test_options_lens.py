"""What readers ask about options: the lens says what the market then does (REQ-38)."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from bulkhead.chain import Contract, Revert
from bulkhead.model.libraries import option_series
from tests.unit.options.options_world import (
    DAY,
    E18,
    EXPIRY,
    HOUR,
    PRICE,
    START,
    WEEK,
    WIDE,
    WINDOW,
    OptionsWorld,
    ready,
)  # fmt: skip

ONE = E18
HIGHEST = 2**112 - 1
LOW, HIGH = PRICE * ONE * 9 // 10, PRICE * ONE * 11 // 10


@pytest.fixture(scope="module")
def built() -> OptionsWorld:
    return ready()


@pytest.fixture(scope="module")
def lens(built: OptionsWorld) -> Contract:
    return built.deployment.deploy("OptionsLens")


def test_expiries_are_the_next_fridays_and_the_last_ones_of_months(built: OptionsWorld, lens: Contract) -> None:
    def found(weeks: int, months: int) -> list[int]:
        return list(lens.call.expiries(built.options.address, weeks, months))

    fridays = [START + week * WEEK for week in range(1, 15)]  # the longest tenor is a hundred days
    utc = datetime.UTC
    monthly = [
        friday
        for friday in fridays
        if datetime.datetime.fromtimestamp(friday, utc).month
        != datetime.datetime.fromtimestamp(friday + WEEK, utc).month
    ]
    assert found(4, 0) == fridays[:4] and found(100, 0) == found(100, 100) == fridays
    assert found(0, 2) == monthly[:2] and found(0, 9) == monthly and found(0, 0) == []
    assert found(2, 3) == sorted({*fridays[:2], *monthly[:3]})


def test_where_no_friday_lies_within_the_longest_tenor_there_is_no_expiry() -> None:
    world = OptionsWorld(dataclasses.replace(WIDE, longest_tenor=2 * DAY))
    lens = world.deployment.deploy("OptionsLens")
    friday = START + WEEK
    for now, found in ((world.now, []), (friday - 2 * DAY - 1, []), (friday - 2 * DAY, [friday]), (friday, [])):
        world.chain.set_time(now)
        assert lens.call.expiries(world.options.address, 4, 4) == found


def test_months_of_a_hundred_years(lens: Contract) -> None:
    """The calendar, at leap years and at the end of years, through the expiries of worlds at other times."""
    world = OptionsWorld()
    utc = datetime.UTC
    lens = world.deployment.deploy("OptionsLens")
    for year in (2027, 2028, 2029, 2032, 2040, 2058):
        for month in (2, 3, 12):
            with world.chain.isolated():
                world.chain.set_time(int(datetime.datetime(year, month, 1, tzinfo=utc).timestamp()))
                (last,) = lens.call.expiries(world.options.address, 0, 1)
                day = datetime.datetime.fromtimestamp(last, utc)
                assert (day.month, day.weekday(), day.hour) == (month, 4, 8)
                assert (day + datetime.timedelta(days=7)).month != month


def test_series_around_an_index(built: OptionsWorld, lens: Contract) -> None:
    found = lens.call.seriesAround(built.options.address, 2_013 * ONE, 2, 4, [EXPIRY, EXPIRY + WEEK])
    assert found == [
        built.series(put, strike, expiry)
        for expiry in (EXPIRY, EXPIRY + WEEK)
        for strike in (1_800, 1_900, 2_000, 2_100, 2_200)
        for put in (False, True)
    ]
    assert lens.call.seriesAround(built.options.address, 2_013 * ONE, 2, 4, []) == []
    assert lens.call.listings(built.market.address, built.options.address, [], 2_013 * ONE) == []
    # What would lie at or below zero, or above the largest strike, is left out.
    assert len(lens.call.seriesAround(built.options.address, 60 * ONE, 3, 1, [EXPIRY])) == 2 * 5
    assert len(lens.call.seriesAround(built.options.address, 4_095 * 25 * ONE, 3, 1, [EXPIRY])) == 2 * 4
    with pytest.raises(Revert) as caught:
        lens.call.seriesAround(built.options.address, PRICE * ONE, 0, 1, [EXPIRY + 1])
    assert caught.value.name == "SeriesInvalid" and option_series.WEEK == WEEK


def test_a_listing_tells_the_fills_that_an_order_gets() -> None:
    world = ready()
    lens = world.deployment.deploy("OptionsLens")
    series = world.series(True, PRICE, EXPIRY)
    far = world.series(True, 4_000, EXPIRY)
    asked = (world.market.address, world.options.address, [series, far], PRICE * ONE)
    near, away = lens.call.listings(*asked)
    assert near.open and near.bid < near.greeks.mark < near.ask and (near.long, near.short) == (0, 0)
    assert not away.open and (away.bid, away.ask) == (0, 0) and away.greeks.mark > 1_900 * ONE
    (long,) = world.open(world.position(series, 10, 4_000, 2_000))
    entry = world.market.call.positionOf(long).entry
    assert abs(entry - near.ask) < near.ask // 500  # what it binds itself, and a minute, are not in it
    again, _ = lens.call.listings(*asked)
    assert (again.long, again.short) == (10 * ONE, 0)
    world.settle_prices(EXPIRY, [2_000.0] * 6)
    (still, _) = lens.call.listings(*asked)
    assert not still.open and not still.fixed_ and still.greeks.mark == 0
    world.fix(EXPIRY)
    (fixed, _) = lens.call.listings(*asked)
    assert fixed.fixed_ and fixed.fixing == 2_000 * ONE and WINDOW < HOUR


@pytest.mark.parametrize(
    ("put", "size", "fixing"), [(False, 10, 2_000), (True, 10, 2_000), (False, -10, 4_000), (True, -10, 500)]
)
def test_what_can_be_lost_is_what_the_worst_settlement_takes(put: bool, size: int, fixing: int) -> None:
    world = ready()
    lens, plain = (world.deployment.deploy(name) for name in ("OptionsLens", "Lens"))
    leg = world.position(world.series(put, PRICE, EXPIRY), size, 40_000, 12_000)
    parts = plain.address, world.deployment.factory.address, world.contracts.config
    before = world.balance(world.trader)
    (position,) = world.request(leg)
    proof = world.tick()
    (quote,), loss, _ = lens.call.quoteLegs(*parts, [leg], LOW, HIGH, PRICE * ONE)
    world.execute(position, proof)
    world.walk(fixing)
    world.settle_prices(EXPIRY, [fixing] * 6)
    world.fix(EXPIRY)
    exit_ = world.settle(position).event("Exited")
    lost = before - world.balance(world.trader)
    worst = 0 if size > 0 else PRICE * ONE  # mark: a short put's is at an index of 0
    spared = abs(worst - exit_.args.mark) * abs(size) // 10**12
    assert 0 <= loss - lost - spared < 30 * 10**6 and loss == quote.largestLoss < 40_000 * 10**6


def test_a_quote_of_a_straddle_says_what_its_legs_then_need_and_can_lose() -> None:
    world = ready()
    lens, plain = (world.deployment.deploy(name) for name in ("OptionsLens", "Lens"))
    series = [world.series(put, PRICE, EXPIRY) for put in (False, True)]
    legs = [world.position(one, -10, 6_000, 1_400) for one in series]
    factory, config = world.deployment.factory.address, world.contracts.config
    quotes, loss, whole = lens.call.quoteLegs(plain.address, factory, config, legs, LOW, HIGH, PRICE * ONE)
    assert loss == sum(quote.largestLoss for quote in quotes) == 12_000 * 10**6
    greeks = [world.options.call.greeks(one, PRICE * ONE, world.now) for one in series]
    for field in ("delta", "gamma", "vega", "theta"):
        assert abs(getattr(whole, field) + 10 * sum(getattr(one, field) for one in greeks)) <= 2
    assert whole.gamma < 0 and whole.vega < 0 and whole.theta > 0 and abs(whole.delta) < ONE
    call, put = quotes
    assert call.low == 0 and PRICE * ONE < call.high < 3_000 * ONE
    assert put.high == HIGHEST and 1_000 * ONE < put.low < PRICE * ONE
    # The smallest margin passes, a token less does not.
    for put_, quote in zip((False, True), quotes, strict=True):
        smallest = {**world.position(world.series(put_, PRICE, EXPIRY), -10, 0, 1_400), "margin": quote.quote.margin}
        with world.chain.isolated():
            world.request(smallest)
        with pytest.raises(Revert) as refused:
            world.request(smallest | {"margin": quote.quote.margin - 10**6})
        assert refused.value.name == "MarginTooSmall"
    positions = world.open(*legs)
    for position, quote in zip(positions, quotes, strict=True):
        low, high = plain.call.healthyRange(world.market.address, position)
        edge, told = (low, quote.low) if quote.low else (high, quote.high)
        assert abs(edge - told) < told // 200

        def healthy(index: int, position: str = position) -> bool:
            equity, maintenance, _ = world.market.call.health(position, index, world.now)
            return bool(equity >= maintenance)

        assert healthy(edge) and not healthy(edge + (-1 if quote.low else 1))


def test_a_quote_of_no_legs_asks_and_risks_nothing(built: OptionsWorld, lens: Contract) -> None:
    factory, config = built.deployment.factory.address, built.contracts.config
    plain = built.deployment.deploy("Lens")
    quotes, loss, whole = lens.call.quoteLegs(plain.address, factory, config, [], LOW, HIGH, PRICE * ONE)
    assert quotes == [] and loss == 0 and set(whole) == {0}


def test_a_long_can_lose_its_fill_and_its_fees_and_is_always_healthy(built: OptionsWorld, lens: Contract) -> None:
    plain = built.deployment.deploy("Lens")
    factory, config = built.deployment.factory.address, built.contracts.config
    series = built.series(False, PRICE, EXPIRY)
    leg = built.position(series, 10, 5_000, 1_400)
    (quote,), loss, whole = lens.call.quoteLegs(plain.address, factory, config, [leg], LOW, HIGH, PRICE * ONE)
    assert (quote.low, quote.high) == (0, HIGHEST)
    fee = 10 * PRICE * 10**6 // 2_000  # of the opening; at the strike, of the settlement
    assert loss == -(-10 * quote.entry // 10**12) + 20 * 10**6 + fee + config["keeperFloor"] + fee
    assert whole.delta > 5 * ONE
    # A margin that pays nothing of it is healthy nowhere.
    (bare,), loss, _ = lens.call.quoteLegs(
        plain.address, factory, config, [leg | {"margin": 10 * 10**6}], LOW, HIGH, PRICE * ONE
    )
    assert loss == 10 * 10**6 and (bare.low > PRICE * ONE or bare.low > bare.high)
