"""What keepers want of a market of options, and whom they need not look at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkhead.chain import AnvilChain
from bulkhead.keeper import Job, Settings
from bulkhead.keeper.health import is_covered
from bulkhead.keeper.ledger import Ledger
from bulkhead.keeper.policy import (
    AHEAD,
    EXPIRED_POINT,
    GRID_POINT,
    TURN,
    UNPAID,
    Fixing,
    GridPoint,
    Price,
    State,
    Step,
    decide,
    is_worth_it,
)
from bulkhead.keeper.sender import OverBudget, Sender
from bulkhead.model.integers import MAX_UINT256
from bulkhead.model.interfaces.expiry_fixing import Sample
from bulkhead.model.interfaces.market import Position, Status
from bulkhead.model.libraries import position_math
from bulkhead.model.libraries.position_math import ONE
from tests.unit.keeper.test_ledger import flight
from tests.unit.keeper.test_policy import ALL, NOW, QUIET, wanted

EXPIRY = NOW + 900
#: Three samples lie behind, three ahead.
TIMES = [EXPIRY - 1_800 + 300 * number for number in range(6)]
UNTIL = EXPIRY + 7_200
UNIT = 10**30


def fixing(phases: list[int] | None = None, proven: tuple[int, ...] = (), until: int = UNTIL) -> Fixing:
    phases = phases or [1] * 6
    samples = [Sample(time, phase, n in proven) for n, (time, phase) in enumerate(zip(TIMES, phases, strict=True))]
    return Fixing(EXPIRY, samples, until)


def steps(state: State, *fixings: Fixing) -> list[str]:
    return [target for job, (target,) in wanted(replace(state, fixings=fixings)) if job is Job.FIX]


def prove(*numbers: int) -> list[str]:
    return [Step.PROVE.target(EXPIRY, number) for number in numbers]


def test_samples_are_proven_one_by_one_once_their_price_may_be_there() -> None:
    assert TIMES[3] == NOW  # that very second is not behind
    assert steps(QUIET, fixing()) == prove(0, 1, 2)
    assert steps(QUIET, fixing(proven=(0, 2))) == prove(1)
    assert steps(replace(QUIET, price=Price(ONE, TIMES[2])), fixing()) == prove(0, 1)  # none after the third yet
    assert steps(replace(QUIET, price=None), fixing()) == prove(0, 1, 2)  # one that is too old to trade may do
    assert steps(replace(QUIET, busy=frozenset(prove(1))), fixing()) == prove(0, 2)
    assert steps(replace(QUIET, ended=True), fixing()) == []


def test_samples_ahead_are_bound_to_the_phase_in_use_and_none_that_was_not_is_proven() -> None:
    bind = Step.BIND.target(EXPIRY)
    assert steps(QUIET, fixing([0] * 6)) == [bind]
    assert steps(QUIET, fixing([1, 1, 1, 1, 1, 0])) == [bind, *prove(0, 1, 2)]
    assert steps(QUIET, fixing([0, 0, 0, 1, 1, 1])) == []
    assert steps(replace(QUIET, phase=2), fixing()) == [bind, *prove(0, 1, 2)]  # the feed has moved
    assert steps(replace(QUIET, phase=2), fixing(proven=(0, 1, 2, 4, 5))) == []  # the fourth is of this second
    assert steps(replace(QUIET, phase=None), fixing([0] * 6)) == []
    early = replace(QUIET, now=TIMES[0] - AHEAD)
    assert steps(early, fixing([0] * 6)) == [bind]
    assert steps(replace(early, now=early.now - 1), fixing([0] * 6)) == []


def test_what_nobody_proved_in_time_is_resolved_and_nothing_else() -> None:
    assert steps(QUIET, fixing(until=NOW)) == prove(0, 1, 2)
    assert steps(QUIET, fixing([0] * 6, until=NOW - 1)) == [Step.RESOLVE.target(EXPIRY)]
    two = [fixing(until=NOW - 1), fixing()._replace(expiry=EXPIRY + 1)]
    assert len(steps(QUIET, *two)) == 4  # each by itself


def test_the_path_is_led_on_once_its_feed_is_up_to_date() -> None:
    turning = replace(QUIET, turn_due=True, grid_point=GridPoint(False, False))
    assert wanted(turning) == [(Job.VOLATILITY, (TURN,))]
    assert wanted(replace(turning, ended=True)) == wanted(replace(turning, busy=frozenset({TURN}))) == []
    assert wanted(replace(QUIET, grid_point=GridPoint(True, False))) == [(Job.VOLATILITY, (GRID_POINT,))]
    assert wanted(replace(QUIET, grid_point=GridPoint(False, True))) == [(Job.VOLATILITY, (EXPIRED_POINT,))]


def test_what_nobody_pays_for_is_done_all_the_same_but_within_one_budget() -> None:
    state = replace(QUIET, turn_due=True, fixings=[fixing()])
    intents = decide(state, ALL)
    assert {intent.job for intent in intents} == {Job.FIX, Job.VOLATILITY} < UNPAID
    assert all(is_worth_it(intent, 10**6, 10**12, replace(ALL, coin=10**9, least_profit=10**9)) for intent in intents)

    ledger, settings = Ledger(), Settings(upkeep_budget=1_000)
    ledger.lands(flight("a", 1, Job.VOLATILITY), 400, NOW)
    ledger.lands(flight("a", 2, Job.FIX), 500, NOW)
    with AnvilChain() as chain:
        sender = Sender(chain, "0x" + "11" * 32, ledger, settings)
        for job in (Job.VOLATILITY, Job.FIX):
            sender._require_budget(job, 100, NOW)
            with pytest.raises(OverBudget, match="100 are left"):
                sender._require_budget(job, 101, NOW)
        sender._require_budget(Job.OUTAGE, 10**9, NOW)


sizes = st.integers(-(10**22), 10**22).filter(bool)
values = st.integers(0, 10**22)


@given(sizes, values, values, st.data(), st.integers(-2, 2))
def test_no_mark_gets_a_covered_position_liquidated(
    size: int, cap: int, part: int, data: st.DataObject, room: int
) -> None:
    """Of a margin around the largest loss: covered positions are healthy at every mark, and others at not every one."""
    entry = data.draw(st.integers(0, cap))
    worst = -(-abs(size) * (entry if size > 0 else cap - entry) // UNIT)
    margin = max(worst + room, 0)
    gain = position_math.largest_gain_down(size, entry, cap, UNIT)
    p = Position(margin, gain, Status.OPEN, size, entry)
    covered = is_covered(p, cap, UNIT)
    assert covered == (margin >= worst)
    mark = data.draw(st.integers(0, cap))
    equity = margin + position_math.gain_down(size, entry, mark, UNIT)
    most = position_math.largest_loss_down(size, mark, cap, UNIT)  # whatever the margin model says
    assert not covered or equity >= most
    assert not is_covered(replace(p, reserve=gain - 1), cap, UNIT)  # it may win that before the end


def test_a_position_without_a_cap_is_covered_by_no_margin() -> None:
    short = Position(10**40, 10**40, Status.OPEN, -ONE, 2_000 * ONE)
    assert not is_covered(short, MAX_UINT256, UNIT)
    assert not is_covered(replace(short, size=ONE), MAX_UINT256, UNIT)
