"""Worlds in which margins follow the volatility: what their histories do, and what is compared in them."""

from __future__ import annotations

import pytest

from bulkhead.chain import Contract
from bulkhead.fuzz import Difference, Machine, Pair, World
from bulkhead.fuzz.campaign import Plan, history, play
from bulkhead.invariants import Margins
from bulkhead.protocol import Deployment

#: One market on one source, a grid of five minutes; and one with two validators.
ALONE, CONFIRMED = World(3), World(29)


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine(Pair(ALONE))


def test_margins_of_about_half_of_the_worlds_follow_the_volatility() -> None:
    worlds = [Plan(1).world_of(batch) for batch in range(200)]
    volatile = [world for world in worlds if world.volatility is not None]
    assert 70 <= len(volatile) <= 130
    assert {world.terms.validators for world in volatile} == {0, 2, 4}
    assert {world.terms.markets for world in volatile} == {1, 2}


def test_a_part_that_is_named_is_asked_in_every_world() -> None:
    assert ALONE.volatility is not None
    for named in (World(3, margin_model="FixedMargin(3,2,1)"), World(3, oracle="Mine(feed)"), World()):
        assert named.volatility is None


def test_margins_or_an_oracle_of_ones_own_stay() -> None:
    class OwnMargins(World):
        def deploy_margin_model(self, deployment: Deployment, feeds: list[Contract]) -> Contract:
            return deployment.deploy("FixedMargin", 3, 2, 1)

    class OwnOracle(World):
        def deploy_oracle(self, deployment: Deployment, feeds: list[Contract]) -> Contract:
            return super().deploy_oracle(deployment, feeds)

    assert OwnMargins(3).volatility is None and OwnOracle(3).volatility is None


def test_histories_cross_many_grid_points(machine: Machine) -> None:
    rates = set()
    for number in range(4):
        assert play(machine, history(7, number, 300)) is None
        margins = machine.pair.twins[0].state.margins
        assert margins is not None
        rates.add(margins.maintenance)
    assert machine.reached["a grid point counted"] > 30 and machine.reached["a grid point given up"] > 0
    assert machine.names["update"] > machine.succeeded["update"] and len(rates) > 1
    assert machine.succeeded["execute"] > 20 and machine.reached["liquidated in part"] > 0


def test_disputed_grid_points_are_passed_over() -> None:
    machine = Machine(Pair(CONFIRMED))
    for number in range(8):
        assert play(machine, history(7, number, 300)) is None
    assert machine.reached["a grid point passed over"] > 0 and machine.reached["a grid point counted"] > 0


def test_the_word_of_the_feed_is_compared(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A price that the model keeps a unit higher changes nothing else at once."""
    machine.begin()
    (twin,) = machine.pair.twins
    feed = twin.model_volatility
    assert feed is not None and twin.volatility is not None
    machine.pair.wait(feed.due()[2] + 1 - machine.pair.chain.timestamp)
    twin.push(twin.price)
    count = feed._count

    def too_high(s, index):  # type: ignore[no-untyped-def]
        count(s, index)
        s.price += 1 << 7

    monkeypatch.setattr(feed, "_count", too_high)
    with pytest.raises(Difference, match=r"update: slot 0x0 of volatility:"):
        machine.do(twin, "volatility", "update", twin.first_proof(feed.due()[2]), sender=machine.pair.actors.keeper)


def test_rates_are_those_that_the_contracts_ask(machine: Machine) -> None:
    """At the end of a history: both feeds tell the same, and the model of margins the same of a position."""
    assert play(machine, history(7, 1, 200)) is None
    (twin,) = machine.pair.twins
    assert twin.volatility is not None and twin.model_volatility is not None
    assert twin.volatility.call.ramped() == twin.model_volatility.ramped()
    assert twin.volatility.call.highest() == twin.model_volatility.highest()
    size = -123 * 10**18
    asked = twin.margin_model.call.maintenance(0, twin.price, 0, size)
    assert tuple(asked) == twin.model.margin_model.maintenance(0, twin.price, 0, size)
    assert Margins.of(twin.model) == twin.state.margins
