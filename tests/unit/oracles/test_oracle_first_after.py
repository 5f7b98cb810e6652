"""The first price after a time, and what proves it. Attack rows by number."""

from __future__ import annotations

from fractions import Fraction

import pytest
from oracle_world import E8, E18, HEARTBEAT, ID, answer_of, world

from bulkhead.model.oracles.oracle import encode_proof


def test_first_after_is_strict_on_both_sides() -> None:
    w = world()
    t = w.now
    w.wait(10)
    r = w.primary.push(2001)
    assert w.first(t, r) == (2001 * E18, t + 10, True)
    assert w.first(t + 9, r) == (2001 * E18, t + 10, True)
    assert w.first(t - 1, r) == ("ProofInvalid", (r, t - 1))
    assert w.first(t + 10, r) == ("PriceNotThereYet", (t + 10,))


def test_only_the_first_is_proven() -> None:
    w = world()
    t = w.now
    rounds = []
    for i in range(3):
        w.wait(10)
        rounds.append(w.primary.push(2001 + i))
    assert w.first(t, rounds[0])[2] is True
    for wrong in (0, 1, ID, ID | 1, ID | 2, rounds[1], rounds[2], rounds[2] + 1, 2 * ID | 3, 2**80, 2**256 - 1):
        assert w.first(t, wrong) == ("ProofInvalid", (wrong, t))
    assert w.first(t) == ("ProofInvalid", (0, t))


@pytest.mark.parametrize("cut", [1, 31, 32])
def test_a_word_of_a_proof_that_lacks_a_byte_is_none(cut: int) -> None:
    w = world(2)
    t = w.now
    w.wait(10)
    p, a, b = w.all(2000)
    w.wait(1)
    ask, proof = w.contract.call.firstAfter, encode_proof(p, (1, b))
    assert answer_of(ask, 1, t, proof) == (2000 * E18, t + 10, True)
    assert answer_of(ask, 1, t, proof[:-cut]) == ("QuorumNotShown", (0, 2, 1))
    for words in (2, 3):  # what stands between the primary's and the validators'
        assert answer_of(ask, 1, t, encode_proof(p, (a, b))[: 32 * words]) == ("QuorumNotShown", (0, 2, 1))
    assert answer_of(ask, 1, t, proof[: 32 - cut]) == ("ProofInvalid", (0, t))


def test_no_price_yet() -> None:
    w = world()
    assert w.first(w.now, ID | 3) == ("PriceNotThereYet", (w.now,))


def test_row_31_a_price_observed_before_and_transmitted_after_is_not_later() -> None:
    w = world()
    t = w.now
    w.wait(5)
    seen_before = w.primary.push(2100, observed=t)
    w.wait(5)
    later = w.primary.push(2110, observed=t + 1)
    assert w.first(t, seen_before) == ("ProofInvalid", (seen_before, t))
    assert w.first(t, later) == (2110 * E18, t + 1, True)


def test_row_32_clocks_that_run_back_give_no_second_proof() -> None:
    w = world()
    t = w.now
    rounds = []
    for after, sent in (
        (20, 30),
        (15, 40),
        (25, 50),
    ):  # observed 20, 15, 25; both first and third follow one at or before 17
        w.at(t + sent)
        rounds.append(w.primary.push(2000, observed=t + after))
    told = [w.first(t + 17, r) for r in rounds]
    assert told[0] == (2000 * E18, t + 20, True)
    assert [name for name, _ in told[1:]] == ["ProofInvalid"] * 2


def test_an_observation_later_than_its_transmission_counts_as_of_the_transmission() -> None:
    w = world()
    t = w.now
    w.wait(10)
    r = w.primary.push(2001, observed=t + 10_000)
    assert w.first(t, r) == (2001 * E18, t + 10, True)


def test_a_round_of_the_future_does_not_exist_yet() -> None:
    w = world()
    r = w.primary.push(2001, observed=w.now + 50, transmitted=w.now + 50)
    assert w.ask("latest") == ("PriceStale", (0, HEARTBEAT + 60))
    assert w.first(w.now, r) == ("PriceNotThereYet", (w.now,))
    w.wait(50)
    assert w.ask("latest")[0] == 2001 * E18


@pytest.mark.parametrize("answer", [-1, 0, 100, 5000, 6000])
def test_row_8_an_answer_at_the_bound_of_its_feed_is_invalid(answer: int) -> None:
    w = world(primary={"smallest": 100 * E8, "largest": 5000 * E8})
    t = w.now
    w.wait(10)
    r = w.primary.push(answer)
    assert w.ask("latest") == ("PriceInvalid", (answer * E8,))
    assert w.first(t, r) == (0, t + 10, False)


def test_row_21_a_jump_of_a_single_source_waits_for_confirmation() -> None:
    w = world()
    t = w.now
    w.wait(10)
    edge = w.primary.push(2200)  # exactly 10 %
    assert w.first(t, edge) == (2200 * E18, t + 10, True)
    w.wait(10)
    jump = w.primary.push(3000)
    assert w.ask("latest") == ("PriceJumped", (3000 * E18, 2200 * E18))
    assert w.first(t + 10, jump) == (3000 * E18, t + 20, False)
    w.wait(10)
    confirmed = w.primary.push(3010)
    assert w.ask("latest") == (3010 * E18, t + 30)
    assert w.first(t + 20, confirmed) == (3010 * E18, t + 30, True)
    assert w.first(t + 10, jump) == (3000 * E18, t + 20, False)  # for good: the outcome does not depend on when
    w.primary.new_phase()
    w.primary.push(3010)
    assert w.ask("latest") == ("PriceJumped", (3010 * E18, 0))


@pytest.mark.parametrize("more", [0, 1])
def test_a_jump_is_measured_to_the_last_of_18_decimals(more: int) -> None:
    w = world(decimals=18)
    t = w.now
    w.wait(60)
    p = w.primary.push(Fraction(2200 * E18 + more, E18))
    assert w.first(t, p) == (2200 * E18 + more, t + 60, more == 0)
