"""Feeds that move to a new phase: which rounds prove a price, before, across and after. Attack rows by number."""

from __future__ import annotations

from typing import Any

from oracle_world import DAY, E8, E18, HEARTBEAT, ID, answer_of, world

from bulkhead.model.oracles.oracle import encode_proof
from tests.unit.market.instrument import code_of


def test_row_30_first_round_of_a_phase_and_other_phases_prove_nothing() -> None:
    w = world()
    t = w.now
    w.wait(10)
    w.primary.new_phase()
    fresh = w.primary.push(2001)
    w.wait(10)
    second = w.primary.push(2002)
    assert w.first(t, fresh) == ("ProofInvalid", (fresh, t))
    assert w.first(t, fresh, phase=2) == ("ProofInvalid", (fresh, t))
    assert w.first(t + 10, second) == ("ProofInvalid", (second, t + 10))
    assert w.first(t + 10, second, phase=2) == (2002 * E18, t + 20, True)
    retired = w.primary.push(1999, phase=1)
    assert w.first(t + 10, retired, phase=2) == ("ProofInvalid", (retired, t + 10))
    assert w.first(t + 10, retired) == (1999 * E18, t + 20, True)
    assert w.ask("commitment") == (2,)


def test_row_30_a_phase_has_no_round_0_whatever_a_feed_says() -> None:
    """It says that there is one, a minute before the first, and calls all 7; at last its answers are a byte short."""
    w = world()
    t = w.now
    number = "67ffffffffffffffff" + "6004" + "35" + "16"
    told = (
        "60075f52"  # id
        + f"7f{2000 * E8:064x}602052"  # answer
        + f"603c{number}02" + f"7f{t:064x}01" + "80604052" + "606052"  # t + 60 x number, twice
        + "6007608052"
    )  # fmt: skip
    w.wait(600)

    def asked(size: int, after: int, number: int) -> Any:
        code = bytes.fromhex(told + f"60{size:02x}5ff3")
        w.chain.set_code(w.primary.mock.address, code_of({"getRoundData(uint80)": code}))
        return answer_of(w.contract.call.firstAfter, 1, after, encode_proof(ID | number))

    assert asked(160, t + 60, 2) == (2000 * E18, t + 120, True)
    assert asked(160, t, 1) == ("ProofInvalid", (ID | 1, t))
    assert asked(159, t + 60, 2) == ("ProofInvalid", (ID | 2, t + 60))


def test_a_feed_that_fails_while_phases_are_recorded_keeps_its_phase() -> None:
    w = world(2)
    w.wait(DAY + 1)
    w.all(2000)
    w.validators[0].fail()
    w.validators[1].new_phase()
    w.check_outage()
    w.validators[0].fail("none")
    assert w.model.clock.phases == (1, 2)
    w.wait(10)
    t = w.now
    w.wait(10)
    p, a, _ = w.all(2000)
    w.validators[1].push(1)
    w.wait(1)
    assert w.first(t, p, a, 0)[2] is True


def test_row_30_a_validator_that_moves_to_a_new_phase() -> None:
    w = world(2)
    w.wait(DAY + 1)
    w.all(2000)
    w.validators[0].new_phase()
    w.validators[1].fail()
    w.wait(10)
    fresh = w.validators[0].push(2000)
    t, moved = w.now, w.now
    assert w.check_outage()[0] is False  # records the phase
    assert w.model.clock.phases[0] == 2 and w.model.clock.since == moved
    w.wait(10)
    p = w.primary.push(2000)
    w.wait(1)
    assert w.first(t, p, fresh, 0)[2] is True
    assert w.first(t, p, ID | 3, 0) == ("QuorumNotShown", (0, 1, 1))
    # for a price from before the move the old phase counts, and no other
    assert w.first(moved - 11, ID | 3, ID | 3, 0)[2] is True
    assert w.first(moved - 11, ID | 3, fresh, 0) == ("QuorumNotShown", (0, 1, 1))


def test_the_old_phase_counts_until_the_move() -> None:
    w = world(2)
    w.wait(DAY + 1)
    p0, a0, b0 = w.all(2000)
    w.wait(10)
    p1, a1, b1 = w.all(2000)
    w.wait(10)
    w.validators[0].new_phase()
    w.check_outage()
    assert w.first(w.now - 20, p1, a1, b1) == (2000 * E18, w.now - 10, True)
    assert (p0, a0, b0) == (p1 - 1, a1 - 1, b1 - 1)
    # a phase whose first round comes later than the price says nothing
    t = w.now
    w.wait(10)
    p2, _, b2 = w.primary.push(2000), None, w.validators[1].push(2000)
    w.wait(10)
    late = w.validators[0].push(2000)
    assert w.first(t, p2, late, b2) == (2000 * E18, t + 10, True)
    w.wait(10)
    second = w.validators[0].push(2000)
    assert w.first(t, p2, second, 0) == ("QuorumNotShown", (0, 2, 1))


def test_rows_30_32_phases_of_a_price_are_known_for_good_however_many_follow() -> None:
    """Every price keeps its outcome, a year later, whichever source has moved how often."""
    w = world(2)
    outcomes = []
    for i in range(6):
        w.wait(10)
        t = w.now
        w.wait(10)
        rounds = w.all(2000)
        w.wait(1)
        assert w.first(t, *rounds) == (2000 * E18, t + 10, True)
        outcomes.append((t, rounds))
        w.validators[i % 2].new_phase()
        w.validators[i % 2].push(2000)
        w.check_outage()
    assert len(w.model.past) == 6
    w.wait(365 * DAY)
    for t, rounds in outcomes:
        assert w.first(t, *rounds) == (2000 * E18, t + 10, True)


def test_row_30_a_second_phase_on_one_day_stops_neither_closing_nor_liquidation() -> None:
    w = world(2)
    for liar, mover in ((0, 1), (1, 0), (1, 0)):
        w.wait(60)
        w.validators[mover].new_phase()
        w.validators[mover].push(2000)
        w.check_outage()
        t = w.now
        w.wait(HEARTBEAT)  # what a retired aggregator said has grown old
        rounds = [w.primary.push(2000), *(v.push(1 if i == liar else 2000) for i, v in enumerate(w.validators))]
        w.wait(1)
        assert w.ask("latest") == (2000 * E18, t + HEARTBEAT)
        assert w.first(t, *rounds) == (2000 * E18, t + HEARTBEAT, True)


def test_a_new_phase_stops_liquidation_until_it_is_known_and_closing_can_go_on() -> None:
    """Closing would go by the old phase, which is silent from now on."""
    w = world(2)
    w.validators[0].push(1)
    w.validators[1].new_phase()
    w.wait(HEARTBEAT + 1)
    t = w.now
    w.wait(1)
    rounds = [w.primary.push(2000), w.validators[0].push(1), w.validators[1].push(2000)]
    w.wait(1)
    assert w.ask("latest") == ("PriceDisputed", (2000 * E18, 0, 1))
    assert w.first(t, *rounds[:2], ID | 2) == (2000 * E18, t + 1, False)
    with w.chain.isolated():  # a call of anybody's, and both go on
        assert w.contract.send.checkOutage().events == []
        assert answer_of(w.contract.call.latest) == (2000 * E18, t + 1)
    assert w.check_outage() == (False, [])
    t = w.now
    w.wait(1)
    rounds = [w.primary.push(2000), w.validators[0].push(1), w.validators[1].push(2000)]
    w.wait(1)
    assert w.first(t, *rounds) == (2000 * E18, t + 1, True)
