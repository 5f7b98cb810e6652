"""The volatility of marks: known ahead, ramped, final (REQ-31)."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from bulkhead.chain import Revert
from bulkhead.model.interfaces.volatility_path import PathSettings
from bulkhead.model.margin.volatility_path import VolatilityPath
from bulkhead.protocol.config import VolatilityTerms
from bulkhead.protocol.options import OptionTerms, PathTerms
from tests.unit.options.options_world import DAY, E18, HOUR, MINUTE, START, OptionsWorld, ready

WRONG = [
    ("interval", 899), ("interval", DAY + 1), ("lead", 0), ("lead", HOUR),
    ("ramp", 0), ("ramp", E18 + 1), ("floor", 0), ("floor", 10 * E18 + 1),
]  # fmt: skip


def same_everywhere(world: OptionsWorld) -> None:
    turns = [tuple(turn) for turn in world.options.call.turns()]
    assert turns == [tuple(turn) for turn in world.twin.turns()]
    for time in range(world.now - 3 * HOUR, world.now + 3 * HOUR, 997):
        world.told("volatilityAt", time)
    assert world.options.call.turnDue() == world.twin.turn_due()


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_settings_out_of_their_range_are_refused(name: str, value: int) -> None:
    world = OptionsWorld()
    encoded = world.terms.path.encoded(world.volatility.address) | {name: value}
    with pytest.raises(Revert) as caught:
        world.deployment.deploy("EuropeanOptions", encoded, world.terms.encoded(world.fixing.address, 6))
    assert (caught.value.name, tuple(caught.value.values)) == ("ParameterInvalid", (name, value))
    encoded.pop("feed")
    with pytest.raises(Exception) as foreseen:
        VolatilityPath(world.volatility_twin, world.model, PathSettings(*encoded.values()), world.block)
    assert foreseen.value.args == (name, value)


@pytest.mark.parametrize(
    "ends",
    [
        {"interval": 900, "lead": 1, "ramp": 1, "floor": 1},
        {"interval": 900, "lead": 899, "ramp": 1, "floor": E18 + 1},
        {"interval": DAY, "lead": DAY - 1, "ramp": E18, "floor": 10 * E18},
    ],
)
def test_settings_at_the_ends_of_their_ranges_are_taken_and_told(ends: dict[str, int]) -> None:
    world = OptionsWorld()
    encoded = world.terms.path.encoded(world.volatility.address) | ends
    contract = world.deployment.deploy("EuropeanOptions", encoded, world.terms.encoded(world.fixing.address, 6))
    ask = contract.call
    assert ask.path()._asdict() == encoded
    first = -(-max(world.volatility_twin.slow(), ends["floor"]) // 10**12)
    assert [tuple(turn) for turn in ask.turns()] == [(world.now, first, first)] * 3
    assert [tuple(event.args) for event in contract.events("Turned")] == [(world.now, first, first)] * 3


def test_a_turn_is_decided_once_an_interval_ahead_of_the_lead_and_after_the_feed() -> None:
    world = ready()
    same_everywhere(world)
    nxt = START + 3 * HOUR
    assert world.same(world.options, world.twin, "follow") == ("NothingNew", (nxt - 2 * HOUR, nxt - HOUR))
    assert not world.options.call.turnDue()
    world.tick()
    world.keep()
    assert world.same(world.options, world.twin, "follow") == ("TurnDecided", (nxt,))
    world.tick(after=nxt - world.now + 1)
    assert world.same(world.options, world.twin, "follow") == ("FeedDue", (nxt,))
    assert not world.options.call.turnDue()
    assert world.same(world.volatility, world.volatility_twin, "update", world.proof_after(nxt, 1)) == ()
    assert world.options.call.turnDue()
    world.tick(after=nxt + HOUR - 900 + 1 - world.now)
    assert world.same(world.options, world.twin, "follow") == ("TurnTooNear", (nxt + HOUR, nxt + HOUR - 900))
    assert not world.options.call.turnDue()
    world.tick(after=900)
    world.wait(7 * HOUR)
    assert world.same(world.options, world.twin, "follow")[0] == "FeedDue"  # to be skipped
    assert not world.options.call.turnDue()
    world.keep()
    same_everywhere(world)


def test_nothing_done_changes_what_lies_within_the_lead_or_an_interval_back() -> None:
    """EXE-1 of marks: from the lead before a time to an interval after it, everybody computes the same."""
    world = ready(terms=OptionTerms(feed=VolatilityTerms(slow_time=14_400, fast_time=3_600)))
    rng, known = random.Random(5), dict[int, int]()
    steepest = 0.0
    for _ in range(40):
        world.tick(float(world.price * Decimal(str(rng.choice([0.93, 0.98, 1.0, 1.02, 1.08])))), after=HOUR // 2)
        if rng.random() < 0.8:
            world.keep()
        for time, value in known.items():
            if world.now - HOUR <= time:
                assert world.options.call.volatilityAt(time) == value, (time, world.now)
        known |= {t: world.options.call.volatilityAt(t) for t in range(world.now, world.now + 900, 300)}
        before, after = (world.options.call.volatilityAt(world.now + s) for s in (0, 900))
        assert after / before <= 1.05 + 1e-6, "it rises by no more than the ramp"
        steepest = max(steepest, abs(after / before - 1))
        same_everywhere(world)
    assert steepest > 0.03, "it moves"


def test_a_jump_of_volatility_reaches_marks_by_the_ramp_only() -> None:
    """Where a turn begins is rounded down to a millionth, here from all but one."""
    path, feed = PathTerms(ramp=Decimal("0.100000999999999999")), VolatilityTerms(slow_time=43_201)
    world = ready(terms=OptionTerms(path=path, feed=feed))
    series = world.series(True, 2_000, START + 14 * DAY)
    for price in (1_700, 2_000, 1_700, 2_000):
        world.tick(price, after=HOUR)
        world.keep()
        same_everywhere(world)
    value: Any = world.told("volatilityAt", world.now)
    assert world.twin.turns()[0].from_ == 1_200_001  # of 1,200,001.999998
    assert world.volatility_twin.slow() > 2 * value
    for _ in range(5):
        before = world.told("volatilityAt", world.now)
        world.tick(after=HOUR)
        world.keep()
        assert before < world.told("volatilityAt", world.now) <= before * 111 // 100
    told = [tuple(event.args) for event in world.options.events("Turned")][-3:]
    assert told == [tuple(turn) for turn in reversed(world.twin.turns())]
    assert world.told("mark", series, 2_000 * E18, world.now) > 0


def test_a_turn_is_rounded_up_to_a_millionth() -> None:
    world = ready(terms=OptionTerms(path=PathTerms(floor=Decimal("2.000000000000000001"))))
    assert [turn.target for turn in world.options.call.turns()] == [2_000_001] * 3
    assert world.twin.turns()[0].start >= world.now, "one was decided"
    same_everywhere(world)


def test_after_the_end_of_the_oracle_the_path_stands() -> None:
    world = ready()
    for _ in range(20):
        world.wait(15 * MINUTE)
        world.contract.send.checkOutage()
        world.model.check_outage()
    assert world.same(world.options, world.twin, "follow") == ("OracleEnded", ())
    assert not world.options.call.turnDue() and not world.twin.turn_due()
