"""A position in one call, and an order's future, are what the market itself says and does."""

from __future__ import annotations

from typing import Any

import pytest

from bulkhead.chain import ZERO, Contract, Revert
from bulkhead.model.interfaces.market import OrderKind, Status
from bulkhead.protocol import MarketContracts
from tests.unit.periphery.test_quotes import crowd
from tests.world import ONE, PRICE, World

HIGHEST = 2**112 - 1


@pytest.fixture
def lens(world: World) -> Contract:
    return world.deployment.deploy("Lens")


def quote_fill(world: World, lens: Contract, market: MarketContracts, *args: Any) -> Any:
    return lens.call.quoteFill(world.deployment.factory.address, market.config, *args)


def check_fill(
    world: World, lens: Contract, market: MarketContracts, leg: dict[str, int], price: int, wait: int = 60
) -> Any:
    quote = quote_fill(world, lens, market, leg, price, world.chain.timestamp + wait)
    (position,) = world.request(leg, market=market, low=PRICE // 2, high=PRICE * 2)
    assert market.market.call.orderOf(position).premium == quote.premium
    opened = world.execute(position, world.price(price, wait), market).event("Opened").args
    assert opened[2:] == (quote.entry, quote.margin, quote.reserve, quote.openFee, quote.keeperFee)
    assert lens.call.healthyRange(market.market.address, position) == (quote.low, quote.high)
    return quote


@pytest.mark.parametrize("wait", [20, 900, 3_500])
@pytest.mark.parametrize("price", [1_900, 2_000, 2_100])
@pytest.mark.parametrize("size", [40, -40])
def test_req45_the_quoted_fill_is_what_opens(world: World, lens: Contract, size: int, price: int, wait: int) -> None:
    crowd(world)
    world.price(PRICE, after=600)  # carry has run
    leg = world.leg(size * ONE + 10**10, 11_000, 10_000)
    quote = check_fill(world, lens, world.perpetual, leg, price * ONE, wait)
    assert 0 < quote.low <= HIGHEST if size > 0 else 0 < quote.high < HIGHEST


@pytest.mark.parametrize("series", [1, 2])
@pytest.mark.parametrize("size", [4, -4])
def test_req45_the_same_of_capped_and_dated_ones(world: World, lens: Contract, size: int, series: int) -> None:
    check_fill(world, lens, world.dated, world.leg(size * ONE, 4_500, 4_000, series), PRICE)


def test_req45_a_reserve_is_cut_as_the_market_cuts_it(world: World, lens: Contract) -> None:
    leg = world.leg(ONE, 500, 3_000)
    assert check_fill(world, lens, world.perpetual, leg, PRICE).reserve == 2_000 * world.unit


def test_what_fees_eat_is_healthy_nowhere(world: World, lens: Contract) -> None:
    quote = quote_fill(world, lens, world.perpetual, world.leg(ONE, 0, 1_000), PRICE, world.chain.timestamp)
    assert (quote.margin, quote.low, quote.high) == (0, 1, 0) or quote.low > PRICE


def test_no_fill_beyond_what_a_market_can_hold(world: World, lens: Contract) -> None:
    for size, index in ((2**63 * 10**10, PRICE), (ONE, 2**112)):
        with pytest.raises(Revert) as revert:
            quote_fill(world, lens, world.perpetual, world.leg(size, 1_000, 1_000), index, world.chain.timestamp)
        assert revert.value.name == "AmountTooLarge"


def test_req46_a_state_is_what_each_view_says(world: World, lens: Contract) -> None:
    market, oracle = world.perpetual.market, world.oracle.address
    (position,) = world.request(world.leg(10 * ONE, 2_000, 2_000))
    for status in (Status.PENDING, Status.OPEN):
        state = lens.call.stateOf(market.address, oracle, position)
        assert state.trader == world.trader and state.terms.status == status
        assert tuple(state.terms) == tuple(market.call.positionOf(position))
        assert tuple(state.order) == tuple(market.call.orderOf(position))
        assert (state.index, state.time) == tuple(world.oracle.call.latest())
        if status is Status.PENDING:
            assert (state.equity, state.maintenance, state.target) == (0, 0, 0)
            world.execute(position, world.price(PRICE, 60))
    health = market.call.health(position, state.index, state.time)
    assert (state.equity, state.maintenance, state.target) == tuple(health) and health[1] > 0
    market.send.requestClose(position, 2**128, 0, 0, 2**64 - 1, sender=world.trader)
    assert lens.call.stateOf(market.address, oracle, position).order.kind == OrderKind.CLOSE


def test_req46_a_state_wants_no_price_and_no_position(world: World, lens: Contract) -> None:
    position, market, oracle = world.open(), world.perpetual.market.address, world.oracle.address
    world.wait(3_601)
    state = lens.call.stateOf(market, oracle, position)
    assert (state.terms.status, state.index, state.equity, state.maintenance) == (Status.OPEN, 0, 0, 0)
    nobody = lens.call.stateOf(market, oracle, world.stranger)
    assert (nobody.trader, nobody.terms.status, nobody.order.kind) == (ZERO, Status.NONE, OrderKind.NONE)
    assert (nobody.owedTrader, nobody.owedPool) == (0, 0)


def test_req46_a_state_tells_what_the_token_refused(world: World, lens: Contract) -> None:
    position = world.open(size=10 * ONE, margin=2_000)
    world.token.send.setBlocked(world.trader, True)
    world.perpetual.market.send.requestClose(position, 2**128, 0, 0, 2**64 - 1, sender=world.trader)
    world.execute(position, world.price(PRICE, 60))
    state = lens.call.stateOf(world.perpetual.market.address, world.oracle.address, position)
    assert (state.owedTrader, state.owedPool) == tuple(world.perpetual.market.call.claimable(position))
    assert state.owedTrader > 0
