"""The lens answers from the same functions that the market acts by."""

import pytest

from tests.world import NOW, ONE, PRICE, World


@pytest.mark.parametrize("side", [1, -1])
def test_one_tick_inside_the_range_is_healthy_one_outside_is_not(world: World, side: int) -> None:
    position = world.open(size=side * 10 * ONE)
    lens = world.deployment.deploy("Lens")
    market = world.perpetual.market
    low, high = lens.call.healthyRange(market.address, position)
    edge = low if side > 0 else high

    def healthy(index: int) -> bool:
        equity, maintenance, _ = market.call.health(position, index, NOW)
        return bool(equity >= maintenance)

    assert 0 < edge < 2**112 - 1
    assert healthy(edge)
    assert not healthy(edge - side)


def test_a_scan_finds_exactly_the_unhealthy(world: World) -> None:
    safe, risky = world.open(margin=8_000), world.open(margin=2_000)
    lens = world.deployment.deploy("Lens")
    market, index, time = world.perpetual.market.address, PRICE * 89 // 100, world.chain.timestamp + 1
    assert lens.call.unhealthy(market, [safe, risky, world.trader], index, time) == [0b010]
    opened = world.perpetual.market.call.positionOf(risky).time
    scans = [lens.call.unhealthy(market, [risky], index, time) for time in (opened, opened + 1)]
    assert scans == [[0], [1]]  # a price that is not later than the opening's liquidates nobody
    found = lens.call.healthOf(market, [safe, world.trader, risky], index, time)
    assert [health.position for health in found] == [safe, risky]
    assert found[0].equity >= found[0].maintenance > found[1].equity


def test_an_option_that_is_paid_for_is_healthy_at_every_index(world: World) -> None:
    position = world.open(market=world.dated, series=2, margin=6_000)  # strike 1,500: 502 each, paid for in full
    lens = world.deployment.deploy("Lens")
    assert lens.call.healthyRange(world.dated.market.address, position) == (0, 2**112 - 1)


def test_one_whose_mark_is_fixed_below_its_need_is_healthy_at_none(world: World) -> None:
    position = world.open(market=world.dated, series=2, margin=2_000)
    world.walk_to(1_400 * ONE)
    world.wait(world.expiry - world.chain.timestamp)
    phase = world.oracle.call.commitment()
    world.dated.instrument.send.fix(phase, world.price(1_400 * ONE))
    lens = world.deployment.deploy("Lens")
    assert lens.call.healthyRange(world.dated.market.address, position) == (1, 0)


def test_many_are_told_as_one_by_one(world: World) -> None:
    opened, market = world.open(), world.perpetual.market
    (pending,) = world.request(world.leg(ONE, 1_000, 1_000))
    market.send.requestClose(opened, ONE, 0, 0, 2**64 - 1, sender=world.trader)
    lens, asked = world.deployment.deploy("Lens"), [opened, world.stranger, pending]
    told = lens.call.statesOf(market.address, asked)
    assert told.states == [market.call.positionOf(position) for position in asked]
    assert told.orders == [market.call.orderOf(position) for position in asked]
    assert [order.kind for order in told.orders] == [2, 0, 1] and told.states[1].margin == 0


def test_a_scan_of_nothing_finds_nothing(world: World) -> None:
    lens, market = world.deployment.deploy("Lens"), world.perpetual.market.address
    assert lens.call.statesOf(market, []) == ([], [])
    assert lens.call.unhealthy(market, [], PRICE, NOW) == []
    assert lens.call.healthOf(market, [], PRICE, NOW) == []
