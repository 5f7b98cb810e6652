"""`Volatility`, the object of a script: what it tells, and its upkeep, with proofs that it finds itself."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from bulkhead.protocol import Oracle, Volatility, VolatilityTerms
from bulkhead.protocol.errors import PointExpired, PointNotExpired, PriceNotThereYet
from bulkhead.protocol.events import Skipped, Updated
from bulkhead.protocol.units import to_decimal
from tests.world import ONE, PRICE, World

HOUR = 3_600


@pytest.fixture
def volatility(world: World) -> Volatility:
    feed = world.deployment.volatility_feed(world.oracle, VolatilityTerms())
    return Volatility(world.chain, feed.address, Oracle(world.chain, world.oracle.address, [world.feed.proxy.address]))


def test_what_it_tells(world: World, volatility: Volatility) -> None:
    assert (volatility.fast, volatility.slow, volatility.ramped) == (1, 1, 1)
    due = volatility.due()
    assert not due.update and not due.skip and 0 < due.time.timestamp() - world.chain.timestamp <= HOUR


def test_an_update_finds_its_proof_whoever_sends_it(world: World, volatility: Volatility) -> None:
    with pytest.raises(PriceNotThereYet):
        volatility.update(sender=world.keeper)
    for hour in range(3):
        world.chain.set_time(int(volatility.due().time.timestamp()))
        for price in (2_000 + 10 * hour, 1_950, 2_100):
            world.price(price * ONE, after=120)
        assert volatility.due().update
        told = volatility.update(sender=world.keeper if hour else world.stranger)
        assert type(told) is Updated and told.index == 2_000 + 10 * hour
    assert volatility.fast < volatility.slow < 1
    assert volatility.ramped < 1


def test_a_point_of_the_phase_before(world: World, volatility: Volatility) -> None:
    world.chain.set_time(int(volatility.due().time.timestamp()))
    world.price(PRICE)
    world.feed.proxy.send.newPhase()
    for _ in range(2):
        world.price(PRICE * 11 // 10)
    told = volatility.update()
    assert type(told) is Updated and told.index == to_decimal(PRICE, 18)


def test_a_skip_when_the_life_of_a_point_is_over(world: World, volatility: Volatility) -> None:
    time = volatility.due().time
    with pytest.raises(PointNotExpired) as early:
        volatility.skip()
    assert (early.value.time, early.value.expiry) == (time, time + timedelta(hours=6))
    world.chain.set_time(int(time.timestamp()) + 6 * HOUR + 1)
    for _ in range(2):
        world.price(PRICE, after=1)
    assert volatility.due().skip
    with pytest.raises(PointExpired):
        volatility.update()
    told = volatility.skip(sender=world.stranger)
    assert type(told) is Skipped and told.next == volatility.due().time
    assert not volatility.due().skip and volatility.ramped == Decimal(1)
