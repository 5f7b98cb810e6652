"""Hostile calls around options: what is certain is not taken twice, and a series that stands still hides no other."""

from __future__ import annotations

import pytest
from eth_abi import encode

from bulkhead.chain import Revert
from bulkhead.protocol.options import OptionTerms
from tests.unit.options.options_world import E18, EXPIRY, HOUR, MAX, MINUTE, PRICE, WEEK, WINDOW, OptionsWorld, ready
from tests.unit.periphery.test_keeper_adapter import decoded

CHECK = "(address[],uint256,uint256)"


@pytest.mark.parametrize("put", [False, True])
def test_who_liquidates_after_the_fixing_takes_nothing_that_settling_leaves(put: bool) -> None:
    """The payoff is known and both shorts can pay it: no penalty, whoever comes first."""
    world = ready(terms=OptionTerms())
    series = world.series(put, PRICE, EXPIRY)
    short, poor = world.open(world.position(series, -10, 5_400, 1_400), world.position(series, -10, 5_300, 1_400))
    entry = world.market.call.positionOf(poor).entry / 10**18
    payoff = int(entry + 515)  # what is left of their margins is less than a maintenance would be
    world.settle_prices(EXPIRY, [float(PRICE + (-payoff if put else payoff))] * 6)
    index, time = world.contract.call.latest()
    assert world.fix(EXPIRY) == ()
    equity, maintenance, target = world.market.call.health(short, index, time)
    assert 0 < equity < 300 * 10**6 and (maintenance, target) == (0, 0)
    paid = []
    for calls in (("settle",), ("liquidate", "settle")):
        with world.chain.isolated():
            before = world.balance(world.trader), world.balance(world.keeper)
            for name in calls:
                getattr(world.market.send, name)([short, poor], sender=world.keeper)
            paid.append([world.balance(world.trader) - before[0], world.balance(world.keeper) - before[1]])
    assert paid[0] == paid[1] and paid[0][1] == 2 * 10**6


def test_dust_in_settlement_hides_no_position_from_its_liquidation() -> None:
    """One position of a series that stands still, among those that a keeper looks at: the sick one is found."""
    world = ready(terms=OptionTerms())
    lens = world.deployment.deploy("Lens")
    parts = (world.deployment.factory.address, world.contracts.config, [], world.keeper)
    adapter = world.deployment.deploy("KeeperAdapter", *parts)
    (sick,) = world.open(world.position(world.series(True, PRICE, EXPIRY + WEEK), -10, 6_000, 2_000))
    (dust,) = world.open(world.position(world.series(False, PRICE, EXPIRY), 0.01, 100, 20), trader=world.other)
    world.go(EXPIRY - WINDOW + 60)
    world.walk(1_400)
    index, time = world.contract.call.latest()
    both = [dust, sick]
    assert list(lens.call.unhealthy(world.market.address, both, index, time)) == [0b10]
    assert [found.position for found in lens.call.healthOf(world.market.address, both, index, time)] == [sick]
    needed, data = adapter.call.checkUpkeep(encode([CHECK], [(both, 0, 0)]))
    assert needed and decoded(bytes(data)) == ({}, [sick])
    exited = adapter.send.performUpkeep(data, sender=world.other).event("Exited")
    assert exited.args.position == sick
    state = lens.call.stateOf(world.market.address, world.contract.address, dust)
    assert state.index == index and (state.equity, state.maintenance) == (0, 0)
    assert MAX > state.terms.size > 0


def test_nobody_moves_the_final_mark_of_a_market_by_turning_the_path_in_the_outage() -> None:
    """Volatility has jumped, the path lags, and prices cease. A long that calls whatever it may gains nothing.

    Three more turns before the end would make the volatility of the final mark the feed's: a third more at the money.
    """
    world = OptionsWorld(terms=OptionTerms(), outage=24 * HOUR)
    world.go(EXPIRY - 2 * WEEK + 2 * HOUR)
    world.keep()
    world.tick(1_600)
    world.go((world.now // HOUR + 1) * HOUR + 2 * MINUTE)
    world.keep()
    series, slow, marks = world.series(True, 1_600, EXPIRY), world.volatility.call.slow(), list[int]()
    assert slow > world.options.call.volatilityAt(world.now) * 5 // 4
    for hostile in (False, True):
        with world.chain.isolated():
            skipped = 0
            while not world.contract.call.finalPrice()[0]:
                world.wait(30 * MINUTE)
                world.contract.send.checkOutage()
                for contract, name in ((world.volatility, "skip"), (world.options, "follow")) if hostile else ():
                    try:
                        getattr(contract.send, name)(sender=world.trader)
                        skipped += name == "skip"
                    except Revert:
                        pass
            assert skipped >= 3 or not hostile
            _, index, time = world.contract.call.finalPrice()
            assert index == 1_600 * E18
            marks.append(world.options.call.mark(series, index, time))
    assert marks[0] == marks[1]
