"""Quotes are what the market does: a quoted margin passes, one unit less does not; a quoted close is what is paid."""

from __future__ import annotations

from typing import Any

import pytest

from bulkhead.chain import Contract, Revert
from bulkhead.protocol import MarketContracts
from tests.world import ONE, PRICE, World

BAND = (PRICE * 97 // 100 + 12_345, PRICE * 104 // 100 + 67_891)


@pytest.fixture
def lens(world: World) -> Contract:
    return world.deployment.deploy("Lens")


def quote_open(world: World, lens: Contract, market: MarketContracts, leg: dict[str, int]) -> Any:
    return lens.call.quoteOpen(world.deployment.factory.address, market.config, leg, *BAND)


def quote_close(world: World, lens: Contract, market: MarketContracts, *args: Any) -> Any:
    return lens.call.quoteClose(world.deployment.factory.address, market.config, *args)


def crowd(world: World) -> None:
    """Skew, orders that wait on both sides, and an exit that wants its liquidity."""
    world.open(size=300 * ONE, margin=60_000, reserve=100_000)
    world.open(size=-120 * ONE, margin=30_000, reserve=50_000)
    world.request(world.leg(70 * ONE, 20_000, 30_000), world.leg(-30 * ONE, 10_000, 30_000))
    shares = world.perpetual.pool.call.balanceOf(world.provider)
    world.perpetual.pool.send.requestRedeem(shares // 3, 0, sender=world.provider)


def refused(world: World, market: MarketContracts, leg: dict[str, int]) -> str:
    with pytest.raises(Revert) as revert:
        world.request(leg, market=market, low=BAND[0], high=BAND[1])
    return revert.value.name


@pytest.mark.parametrize("size", [1, 33, 250, -1, -33, -400])
def test_the_quoted_margin_is_the_smallest_that_passes(world: World, lens: Contract, size: int) -> None:
    crowd(world)
    leg = world.leg(size * ONE + 5 * 10**10, 0, abs(size) * 1_000)
    check_margin(world, lens, world.perpetual, leg)


@pytest.mark.parametrize("series", [0, 1, 3])
@pytest.mark.parametrize("size", [7, -7])
def test_the_same_of_capped_and_dated_ones(world: World, lens: Contract, size: int, series: int) -> None:
    leg = world.leg(size * ONE + 10**10, 0, 2_000, series)
    check_margin(world, lens, world.dated, leg)


def check_margin(world: World, lens: Contract, market: MarketContracts, leg: dict[str, int]) -> None:
    quote = quote_open(world, lens, market, leg)
    floor = market.config["minMargin"]
    assert quote.margin >= floor
    less = leg | {"margin": quote.margin - 1}
    assert refused(world, market, less) == ("MarginBelowMinimum" if quote.margin == floor else "MarginTooSmall")
    (position,) = world.request(leg | {"margin": quote.margin}, market=market, low=BAND[0], high=BAND[1])
    assert market.market.call.orderOf(position).premium == quote.premium
    assert quote.keeperCap == market.config["keeperCap"]


def test_the_open_fee_is_what_the_top_of_the_band_costs(world: World, lens: Contract) -> None:
    leg = world.leg(10 * ONE, 5_000, 5_000)
    quote = quote_open(world, lens, world.perpetual, leg)
    (position,) = world.request(leg, low=BAND[0], high=BAND[1])
    world.wait(5_000)  # nobody proves it: it pays that fee
    voided = world.execute(position, b"").event("OrderVoided").args
    assert (voided.fee, voided.keeperFee) == (quote.openFee, quote.keeperCap)


def test_reserves_outside_the_quoted_bounds_are_refused(world: World, lens: Contract) -> None:
    leg = world.leg(3 * ONE + 10**10, 2_000, 1_000)
    quote = quote_open(world, lens, world.perpetual, leg)
    for reserve in (quote.lowestReserve - 1, quote.highestReserve + 1):
        assert refused(world, world.perpetual, leg | {"reserve": reserve}) == "ReserveOutOfBounds"
    for reserve in (quote.lowestReserve, quote.highestReserve):
        world.request(leg | {"reserve": reserve}, low=BAND[0], high=BAND[1])


def test_more_than_the_quoted_liquidity_is_not_there(world: World, lens: Contract) -> None:
    crowd(world)
    leg = world.leg(400 * ONE, 200_000, 0)
    free = quote_open(world, lens, world.perpetual, leg).freeLiquidity
    assert free == world.perpetual.pool.call.liquidity()[1] - world.perpetual.pool.call.dueExits()
    assert refused(world, world.perpetual, leg | {"reserve": free + 1}) == "LiquidityShort"
    world.request(leg | {"reserve": free}, low=BAND[0], high=BAND[1])


def test_no_quote_for_a_band_without_prices(world: World, lens: Contract) -> None:
    leg, factory = world.leg(ONE, 1_000, 1_000), world.deployment.factory.address
    for band in ((0, PRICE), (PRICE, PRICE - 1), (1, 2**112)):
        with pytest.raises(Revert) as revert:
            lens.call.quoteOpen(factory, world.perpetual.config, leg, *band)
        assert revert.value.name == "BandInvalid" and tuple(revert.value.values) == band


def test_no_quote_beyond_what_a_market_can_hold(world: World, lens: Contract) -> None:
    leg, position = world.leg(2**63 * 10**10, 1_000, 1_000), world.open()
    for ask in (
        lambda: quote_open(world, lens, world.perpetual, leg),
        lambda: quote_close(world, lens, world.perpetual, position, ONE, 2**112, world.chain.timestamp),
    ):
        with pytest.raises(Revert) as revert:
            ask()
        assert revert.value.name == "AmountTooLarge"


def test_other_terms_are_of_no_market(world: World, lens: Contract) -> None:
    config = world.perpetual.config | {"openFee": 0}
    with pytest.raises(Revert):
        lens.call.quoteOpen(world.deployment.factory.address, config, world.leg(ONE, 1_000, 1_000), *BAND)


@pytest.mark.parametrize("wait", [20, 900, 3_900])
@pytest.mark.parametrize("price", [1_850, 2_000, 2_150])
@pytest.mark.parametrize("size", [40, -40])
def test_the_quoted_close_is_what_is_paid(world: World, lens: Contract, size: int, price: int, wait: int) -> None:
    crowd(world)
    position = world.open(size=size * ONE, margin=7_000, reserve=10_000)
    world.price(PRICE, after=3_000)
    check_close(world, lens, world.perpetual, position, abs(size) * ONE // 3 // 10**10 * 10**10, price, wait)
    check_close(world, lens, world.perpetual, position, 2**128, price, wait)


@pytest.mark.parametrize("price", [1_500, 2_100, 2_900])
@pytest.mark.parametrize("size", [4, -4])
def test_the_quoted_close_of_capped_and_dated_ones(world: World, lens: Contract, size: int, price: int) -> None:
    position = world.open(size=size * ONE, margin=4_500, reserve=1_000, market=world.dated, series=1)
    world.walk_to(price * ONE)
    check_close(world, lens, world.dated, position, ONE, price, 60)
    check_close(world, lens, world.dated, position, 2**128, price, 60)


def check_close(
    world: World, lens: Contract, market: MarketContracts, position: str, size: int, price: int, wait: int
) -> None:
    index, now = price * ONE, world.chain.timestamp
    quote = quote_close(world, lens, market, position, size, index, now + wait)
    trader = world.trader
    market.market.send.requestClose(position, size, 0, 0, 2**64 - 1, sender=trader)
    assert market.market.call.orderOf(position).premium == quote.premium
    exited = world.execute(position, world.price(index, wait), market).event("Exited").args
    assert (exited.toTrader, exited.toPool, exited.toKeeper) == (quote.toTrader, quote.toPool, quote.toKeeper)


def test_the_quoted_carry_is_what_health_knows(world: World, lens: Contract) -> None:
    position = world.open(size=40 * ONE, margin=20_000, reserve=10_000)
    world.price(PRICE, after=3_000)
    market, now = world.perpetual.market, world.chain.timestamp
    quote = quote_close(world, lens, world.perpetual, position, 2**128, PRICE, now)
    held = market.call.positionOf(position)
    gain = -(-held.size * (PRICE - held.entry) // 10**30)
    equity, _, _ = market.call.health(position, PRICE, now)
    assert quote.carry > 0 and abs(held.margin + gain - equity - quote.carry) <= 1


def test_only_what_is_open_has_a_quote_of_its_close(world: World, lens: Contract) -> None:
    (pending,) = world.request(world.leg(ONE, 1_000, 1_000))
    for position, name in ((pending, "WrongStatus"), (world.stranger, "UnknownPosition")):
        with pytest.raises(Revert) as revert:
            quote_close(world, lens, world.perpetual, position, ONE, PRICE, world.chain.timestamp)
        assert revert.value.name == name
