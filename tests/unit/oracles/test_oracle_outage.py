"""The clock of an outage: what starts it, clears it, and ends the oracle at which price. Attack rows by number."""

from __future__ import annotations

import pytest
from oracle_world import DAY, E18, HEARTBEAT, ID, world

from bulkhead.chain import Rejected, Revert


def test_a_silent_primary_ends_the_oracle_after_the_limit() -> None:
    w = world()
    last = (2000 * E18, w.now)
    assert w.check_outage() == (False, [])
    w.wait(HEARTBEAT + 61)
    assert w.check_outage() == (False, ["OutageStarted"])
    start = w.now
    w.at(start + DAY - 1)
    assert w.check_outage() == (False, [])
    assert w.ask("final_price") == (False, 0, 0)
    w.at(start + DAY)
    assert w.check_outage() == (True, ["Ended"])
    assert w.check_outage() == (True, [])
    assert w.ask("final_price") == (True, *last)
    w.primary.push(2000)
    for told in (w.ask("latest"), w.ask("commitment"), w.first(start, ID | 3)):
        assert told == ("OracleEnded", ())


def test_row_39_a_price_that_returns_before_the_limit_clears_the_clock() -> None:
    w = world()
    w.wait(HEARTBEAT + 61)
    w.check_outage()
    w.wait(DAY - 1)
    w.primary.push(2100)
    assert w.check_outage() == (False, ["OutageCleared"])
    w.wait(1)
    assert w.check_outage() == (False, [])
    assert w.model.last.index == 2100 * E18


def test_a_price_as_old_as_the_clock_neither_clears_nor_ends() -> None:
    w = world(2)
    for v in w.validators:
        v.push(1)
    assert w.check_outage() == (False, ["OutageStarted"])
    start = w.now
    w.validators[0].push(2000)
    assert w.ask("latest")[0] == 2000 * E18
    assert w.check_outage() == (False, [])
    assert w.model.clock.started == start


def test_an_unseen_recovery_starts_the_clock_anew() -> None:
    w = world()
    w.wait(HEARTBEAT + 61)
    w.check_outage()
    w.wait(HEARTBEAT)
    w.primary.push(2100)  # good, and nobody told the oracle
    w.wait(2 * DAY)
    assert w.check_outage() == (False, ["OutageStarted"])
    assert w.model.clock.started == w.now and w.model.last.index == 2100 * E18
    w.wait(DAY)
    assert w.check_outage() == (True, ["Ended"])
    assert w.ask("final_price")[1] == 2100 * E18


def test_row_41_a_lying_primary_ends_the_oracle_at_the_last_undisputed_price() -> None:
    w = world(2)
    good = w.now
    w.wait(60)
    w.all(2000)
    good = w.now
    for _ in range(3):
        w.wait(60)
        w.primary.push(9000)
    assert w.check_outage() == (False, ["OutageStarted"])
    start = w.now
    while w.now < start + DAY:
        w.wait(3000)
        w.primary.push(9000)
        for v in w.validators:
            v.push(2000)
        told = w.check_outage()
    assert told == (True, ["Ended"])
    assert w.ask("final_price") == (True, 2000 * E18, good)


def test_a_lie_nobody_witnessed_for_an_eighth_of_the_limit_starts_anew() -> None:
    w = world(2)
    w.wait(10)
    w.primary.push(9000)
    w.check_outage()
    w.wait(DAY // 8)
    w.primary.push(9000)
    assert w.check_outage() == (False, [])
    w.wait(DAY // 8 + 1)
    w.primary.push(9000)
    assert w.check_outage() == (False, ["OutageStarted"])


@pytest.mark.parametrize(("later", "found"), [(30, True), (31, False), (40, False)])
def test_the_search_is_bounded_and_falls_back_to_the_price_recorded(later: int, found: bool) -> None:
    w = world()
    recorded = w.now
    w.wait(60)
    w.primary.push(2001)
    for i in range(later):
        w.wait(60)
        w.primary.push(2000 if i % 2 else 9000)
    assert w.check_outage() == (False, ["OutageStarted"])
    wanted = (2001 * E18, recorded + 60) if found else (2000 * E18, recorded)
    assert (w.model.last.index, w.model.last.time) == wanted


@pytest.mark.parametrize(("later", "found"), [(31, True), (32, False), (40, False)])
def test_the_search_in_validators_is_bounded(later: int, found: bool) -> None:
    w = world(2)
    recorded = w.model.last
    w.wait(60)
    w.all(2100)
    seen = w.now
    w.wait(60)
    for _ in range(later):
        for v in w.validators:
            v.push(1)
    assert w.check_outage() == (False, ["OutageStarted"])
    assert (w.model.last.index, w.model.last.time) == (2100 * E18, seen) if found else w.model.last == recorded


def test_starving_the_call_of_gas_starts_no_outage() -> None:
    w = world(2)
    for gas in range(21_000, 120_000, 1_500):
        with w.chain.isolated():
            try:
                w.contract.send.checkOutage(gas=gas)
            except (Revert, Rejected):
                continue
            assert w.contract.call.clock().started == 0
