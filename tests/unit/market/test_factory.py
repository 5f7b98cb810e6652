"""The factory: every bound of a configuration, addresses known before, one market for each configuration."""

from typing import Any

import pytest

from bulkhead.chain import Revert
from tests.unit.market.helpers import LOW, PENDING, TOKEN, conserved, requested
from tests.world import HEARTBEAT, ONE, PRICE, World

NOBODY = "0x" + "11" * 20


def fresh(world: World, **changed: Any) -> dict[str, Any]:
    """A good configuration that has no market yet."""
    return {**world.perpetual.config, "delay": 13, **changed}


def test_a_fresh_configuration_is_good(world: World) -> None:
    assert world.deployment.factory.send.createMarket(fresh(world)).event("MarketCreated").args.config.delay == 13


BOUNDS = [
    ("delay", 0, 1),
    ("timeToLive", HEARTBEAT + 13, HEARTBEAT + 14),
    ("timeToLive", 7 * 86_400 + 1, 7 * 86_400),
    ("openFee", ONE // 100 + 1, ONE // 100),
    ("closeFee", ONE // 100 + 1, ONE // 100),
    ("phi", ONE // 2 + 1, ONE // 2),
    ("phiToPool", ONE + 1, ONE),
    ("smallestLiquidation", ONE // 100 - 1, ONE // 100),
    ("smallestLiquidation", ONE * 3 // 4 + 1, ONE * 3 // 4),
    ("largestLiquidation", ONE + 1, ONE),
    ("smallestReserve", 0, 1),
    ("smallestReserve", ONE + 1, ONE),
    ("largestReserve", 10 * ONE + 1, 10 * ONE),
    ("largestUtilisation", ONE + 1, ONE),
    ("keeperFloor", 0, 1),
    ("keeperFloor", 20 * TOKEN + 1, 20 * TOKEN),
    ("liquidationFee", 0, 1),
    ("minMargin", 80 * TOKEN - 1, 80 * TOKEN),
    ("minSize", 0, 1),
]


@pytest.mark.parametrize(("field", "value", "bound"), BOUNDS)
def test_config_invalid_one_beyond_the_bound_and_good_on_it(world: World, field: str, value: int, bound: int) -> None:
    factory = world.deployment.factory
    with pytest.raises(Revert) as caught:
        factory.send.createMarket(fresh(world, **{field: value}))
    assert (caught.value.name, tuple(caught.value.values)) == ("ConfigInvalid", (field, value, bound))
    assert factory.call.marketCount() == 2
    config = fresh(world, **{field: bound})
    created = factory.send.createMarket(config).event("MarketCreated").args
    assert tuple(created.config) == tuple(config.values())
    assert factory.call.marketCount() == 3


def test_margin_is_no_smaller_than_what_a_series_can_sum(world: World) -> None:
    tiny = {"keeperFloor": 1, "keeperCap": 1, "liquidationFee": 1}
    with pytest.raises(Revert) as caught:
        world.deployment.factory.send.createMarket(fresh(world, **tiny, minMargin=2**16 - 1))
    assert tuple(caught.value.values) == ("minMargin", 2**16 - 1, 2**16)
    world.deployment.factory.send.createMarket(fresh(world, **tiny, minMargin=2**16))


def test_margin_covers_four_liquidation_fees(world: World) -> None:
    fee = 25 * TOKEN + 1
    with pytest.raises(Revert) as caught:
        world.deployment.factory.send.createMarket(fresh(world, liquidationFee=fee))
    assert tuple(caught.value.values) == ("minMargin", 100 * TOKEN, 4 * fee)
    world.deployment.factory.send.createMarket(fresh(world, liquidationFee=fee - 1))


@pytest.mark.parametrize("cap", [0, 25 * TOKEN + 1])
def test_keeper_cap_lies_between_the_floor_and_a_quarter_of_the_margin(world: World, cap: int) -> None:
    with pytest.raises(Revert) as caught:
        world.deployment.factory.send.createMarket(fresh(world, keeperCap=cap))
    values = ("keeperFloor", TOKEN, 0) if cap == 0 else ("minMargin", 100 * TOKEN, 4 * cap)
    assert (caught.value.name, tuple(caught.value.values)) == ("ConfigInvalid", values)


def test_time_to_live_grows_with_the_delay(world: World) -> None:
    with pytest.raises(Revert) as caught:
        world.deployment.factory.send.createMarket(fresh(world, delay=300))
    assert tuple(caught.value.values) == ("timeToLive", 3_900, 3_901)
    world.deployment.factory.send.createMarket(fresh(world, delay=299))


def test_token_of_more_than_18_decimals_refused(world: World) -> None:
    token = world.deployment.deploy("TokenMock", 19)
    with pytest.raises(Revert) as caught:
        world.deployment.factory.send.createMarket(fresh(world, token=token.address))
    assert (caught.value.name, tuple(caught.value.values)) == ("ConfigInvalid", ("decimals", 19, 18))
    token = world.deployment.deploy("TokenMock", 18)
    world.deployment.factory.send.createMarket(fresh(world, token=token.address))


@pytest.mark.parametrize("part", ["token", "oracle", "instrument"])
def test_parts_must_answer(world: World, part: str) -> None:
    with pytest.raises(Revert):
        world.deployment.factory.send.createMarket(fresh(world, **{part: NOBODY}))
    assert world.deployment.factory.call.marketCount() == 2


@pytest.mark.parametrize("fault", ["stale", "jumped", "ended"])
def test_a_market_is_born_at_a_valid_price(world: World, fault: str) -> None:
    """The oracle's own words where it has none."""
    seen, factory = world.chain.timestamp, world.deployment.factory
    if fault == "jumped":
        world.price(2_201 * ONE)
    else:
        world.wait(HEARTBEAT + 1)
    if fault == "ended":
        world.oracle.send.checkOutage()
        world.wait(86_400)
        world.oracle.send.checkOutage()
    with pytest.raises(Revert) as caught:
        factory.send.createMarket(fresh(world))
    wanted = {
        "stale": ("PriceStale", (seen, HEARTBEAT)),
        "jumped": ("PriceJumped", (2_201 * ONE, PRICE)),
        "ended": ("OracleEnded", ()),
    }
    assert (caught.value.name, tuple(caught.value.values)) == wanted[fault]
    assert factory.call.marketCount() == 2


def test_market_exists(world: World) -> None:
    for market in (world.perpetual, world.dated):
        with pytest.raises(Revert) as caught:
            world.deployment.factory.send.createMarket(market.config, sender=world.stranger)
        assert (caught.value.name, tuple(caught.value.values)) == ("MarketExists", (market.market.address,))
    assert world.deployment.factory.call.marketCount() == 2


def test_market_of_predicts_market_pool_and_vault(world: World) -> None:
    factory, config = world.deployment.factory, fresh(world)
    market, pool, vault = factory.call.marketOf(config)
    assert [world.chain.code(address) for address in (market, pool, vault)] == [b""] * 3
    receipt = factory.send.createMarket(config, sender=world.stranger)  # anyone
    assert tuple(receipt.return_value) == (market, pool)
    event = receipt.event("MarketCreated").args
    assert (event.market, event.pool, event.token) == (market, pool, world.token.address)
    assert all(world.chain.code(address) for address in (market, pool, vault))
    assert tuple(factory.call.marketOf(config)) == (market, pool, vault)
    assert world.deployment.at("Market", market).call.pool() == pool
    assert world.deployment.at("Pool", pool).call.asset() == world.token.address
    assert factory.call.marketAt(2) == market


def test_every_field_counts_for_the_address(world: World) -> None:
    factory, config = world.deployment.factory, fresh(world)
    seen = {factory.call.marketOf(config)[0]}
    for field, value in config.items():
        other = NOBODY if isinstance(value, str) else value + 1
        seen.add(factory.call.marketOf({**config, field: other})[0])
    assert len(seen) == 1 + 21 == 1 + len(config)


def test_is_market(world: World) -> None:
    factory = world.deployment.factory
    assert [factory.call.marketAt(i) for i in range(2)] == [world.perpetual.market.address, world.dated.market.address]
    assert all(factory.call.isMarket(m.market.address) for m in (world.perpetual, world.dated))
    config = fresh(world)
    market = factory.call.marketOf(config)[0]
    others = (market, world.perpetual.pool.address, world.trader, factory.address)
    assert not any(factory.call.isMarket(other) for other in others)
    factory.send.createMarket(config)
    assert factory.call.isMarket(market)


def test_market_at_beyond_the_count_reverts(world: World) -> None:
    with pytest.raises(Revert) as caught:
        world.deployment.factory.call.marketAt(2)
    assert (caught.value.name, tuple(caught.value.values)) == ("Panic", (0x32,))


def test_new_market_lives_alone(world: World) -> None:
    """A commit in one market binds nothing of another on the same parts."""
    market, pool = world.deployment.factory.send.createMarket(fresh(world)).return_value
    position = requested(world)
    assert world.deployment.at("Market", market).call.positionOf(position).status != PENDING
    assert world.deployment.at("Pool", pool).call.liquidity() == (0, 0)
    leg = world.leg(10 * ONE, 2_000, 5_000)
    with pytest.raises(Revert) as caught:
        world.deployment.at("Market", market).send.requestOpen(
            world.trader, [leg], LOW, PRICE * 11 // 10, sender=world.trader
        )
    assert (caught.value.name, tuple(caught.value.values)) == ("LiquidityShort", (5_000 * TOKEN, 0))
    conserved(world, position)


def test_whoever_deploys_a_factory_answers_for_its_code(world: World) -> None:
    """Code is put together from any number of pieces; out of none comes a market that is registered, and empty."""
    factory, config = world.deployment.deploy("Factory", [], [], []), fresh(world)
    addresses = factory.call.marketOf(config)
    assert tuple(factory.send.createMarket(config).return_value) == tuple(addresses)[:2]
    assert [world.chain.code(address) for address in addresses] == [b""] * 3
    assert factory.call.isMarket(addresses[0])
