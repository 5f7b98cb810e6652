"""Validators: how many must agree, what proves theirs, and which are dead. Attack rows by number."""

from __future__ import annotations

from fractions import Fraction

import pytest
from oracle_world import E8, E18, HEARTBEAT, ID, World, answer_of, world

from bulkhead.model.oracles.oracle import encode_proof
from tests.unit.market.instrument import code_of


def three(prices: tuple[float, ...], n: int = 2) -> tuple[World, int, list[int]]:
    """A world where the primary and n validators said `prices` at once, ten seconds after t."""
    w = world(n)
    t = w.now
    w.wait(10)
    rounds = [feed.push(price) for feed, price in zip(w.feeds, prices, strict=True)]
    w.wait(1)
    return w, t, rounds


@pytest.mark.parametrize(
    ("prices", "agree"),
    [
        ((2000, 2000, 2000), True),
        ((2000, 2020, 1), True),  # exactly 1 % above, the other one lies
        ((2000, 1, 1980), True),  # exactly 1 % below
        ((2000, 2021, 1979), False),
        ((2000, 0, -1), False),
    ],
)
def test_quorum_of_validators(prices: tuple[float, ...], agree: bool) -> None:
    w, t, rounds = three(prices)
    assert w.first(t, *rounds) == (2000 * E18, t + 10, agree)
    told = w.ask("latest")
    assert told == ((2000 * E18, t + 10) if agree else ("PriceDisputed", (2000 * E18, 0, 1)))


def test_two_of_four() -> None:
    w, t, rounds = three((2000, 1, 2000, 1, 2000), 4)
    assert w.first(t, *rounds)[2] is True
    w, t, rounds = three((2000, 1, 2000, 1, 1), 4)
    assert w.first(t, *rounds)[2] is False
    assert w.ask("latest") == ("PriceDisputed", (2000 * E18, 1, 2))


@pytest.mark.parametrize("power", [k for k in range(-8, 9) if k])
@pytest.mark.parametrize("liar", [0, 1, 2])
def test_row_1_one_source_wrong_by_powers_of_ten(power: int, liar: int) -> None:
    prices = [2000.0, 2000.0, 2000.0]
    prices[liar] *= 10.0**power
    w, t, rounds = three(tuple(prices))
    _, _, undisputed = w.first(t, *rounds)
    assert undisputed is (liar != 0)
    told = w.ask("latest")
    assert told == (2000 * E18, t + 10) if liar else told[0] == "PriceDisputed"


def test_row_8_a_frozen_primary_beside_moving_validators() -> None:
    w, t, rounds = three((2000, 1500, 1500))
    assert w.ask("latest")[0] == "PriceDisputed"
    assert w.first(t, *rounds)[2] is False


def test_row_32_a_wrong_validator_proof_reverts_and_never_disputes() -> None:
    w, t, (p, a, b) = three((2000, 2000, 1))
    for wrong in (0, a - 1, a + 1, 2 * ID | 1, ID, 2**80, 2**256 - 1):
        assert w.first(t, p, wrong, b) == ("QuorumNotShown", (0, 1, 1))
    assert w.first(t, p) == ("QuorumNotShown", (0, 2, 1))
    assert w.first(t, p, a)[2] is True  # the quorum stands: nothing more is read
    assert w.ask("first_after", 1, t, encode_proof(p)) == ("QuorumNotShown", (0, 2, 1))


def test_a_validator_is_proven_by_its_successor() -> None:
    w, t, (p, a, b) = three((2000, 2000, 2000))
    w.validators[0].push(1)
    assert w.first(t, p, a, b)[2] is True
    assert w.first(t, p, a + 1, 0) == ("QuorumNotShown", (0, 2, 1))
    w.validators[0].push(1, transmitted=w.now)
    assert w.first(t, p, a, b)[2] is True


def test_row_31_in_the_second_of_the_price_a_validator_may_still_speak() -> None:
    w = world(2)
    t = w.now
    w.wait(10)
    p, a, b = w.all(2000)
    assert w.first(t, p, a, b) == ("QuorumNotShown", (0, 2, 1))
    a = w.validators[0].push(1)
    w.wait(1)
    assert w.first(t, p, a - 1, 0) == ("QuorumNotShown", (0, 2, 1))
    assert w.first(t, p, a, b)[2] is True


@pytest.mark.parametrize("right", range(4))
def test_each_validator_has_a_feed_and_bounds_of_its_own(right: int) -> None:
    w = World(4)
    w.all(2000)
    w.wait(60)
    w.all(2000)
    configs = w.settings()["validators"]
    for other in set(range(4)) - {right}:
        configs[other]["largest"] = 1
    w.build(validators=configs, quorum=1)
    t = w.now
    w.wait(60)
    p, *rounds = [w.primary.push(2100), *(v.push(2100 if i == right else 3000) for i, v in enumerate(w.validators))]
    w.wait(1)
    assert w.first(t, p, *rounds) == (2100 * E18, t + 60, True)
    assert w.ask("latest") == (2100 * E18, t + 60)


def test_a_silent_validator_does_not_agree() -> None:
    w = world(2)
    a, b = ID | 2, ID | 2
    t = w.now
    w.wait(HEARTBEAT)
    p = w.primary.push(2000)
    w.wait(1)
    assert w.first(t, p, a, b)[2] is True
    w.wait(HEARTBEAT)
    q = w.primary.push(2000)
    w.wait(1)
    assert w.first(t + HEARTBEAT, q, a, b) == (2000 * E18, w.now - 1, False)
    assert w.ask("latest") == ("PriceDisputed", (2000 * E18, 0, 1))


@pytest.mark.parametrize("fault", ["reverts", "burns", "nothing"])
def test_row_41_one_dead_validator_stops_nothing(fault: str) -> None:
    w, t, (p, a, b) = three((2000, 2000, 2000))
    w.validators[0].fail(fault)
    assert w.ask("latest") == (2000 * E18, t + 10)
    assert w.first(t, p, 0, b) == (2000 * E18, t + 10, True)
    assert w.first(t, p, a, b) == (2000 * E18, t + 10, True)
    w.validators[1].fail(fault)
    assert w.first(t, p, 0, 0)[2] is False
    assert w.ask("latest")[0] == "PriceDisputed"


def test_a_dead_validator_agrees_with_no_price_however_small() -> None:
    w, least = World(2, decimals=18), Fraction(1, E18)
    w.all(least)
    w.wait(60)
    w.all(least)
    w.build()
    t = w.now
    w.wait(60)
    p, a, _ = w.all(least)
    w.wait(1)
    w.validators[1].fail()
    assert w.first(t, p, a, 0) == (1, t + 60, False)


def test_a_validator_that_is_alive_cannot_be_declared_dead() -> None:
    w, t, (p, _, b) = three((2000, 2000, 1))
    assert w.first(t, p, 0, b) == ("QuorumNotShown", (0, 1, 1))


def test_row_41_a_validator_that_nothing_can_be_proven_of_stops_nothing() -> None:
    """It says its newest price, and refuses every round by its id."""
    w, t, (p, a, b) = three((2000, 2000, 2000))
    words = (a, 2000 * E8, t + 10, t + 10, a)
    told = "".join(f"7f{word:064x}60{32 * i:02x}52" for i, word in enumerate(words))
    w.chain.set_code(w.validators[0].mock.address, code_of({"latestRoundData()": bytes.fromhex(told + "60a05ff3")}))
    contract = w.contract.call
    assert answer_of(contract.latest) == (2000 * E18, t + 10)
    for offered in (a, 0, ID | 1):
        assert answer_of(contract.firstAfter, 1, t, encode_proof(p, (offered, b))) == (2000 * E18, t + 10, True)
    assert answer_of(contract.firstAfter, 1, t, encode_proof(p, (a, 0))) == ("QuorumNotShown", (0, 2, 1))


def test_answers_of_20000_bytes_are_not_copied() -> None:
    w, t, (p, _, b) = three((2000, 2000, 2000))
    w.validators[0].mock.send.fail(4)
    assert tuple(w.contract.call.latest()) == (2000 * E18, t + 10)
    proof = encode_proof(p, (0, b))
    told = answer_of(w.contract.call.firstAfter, 1, t, proof)
    assert told == (2000 * E18, t + 10, True)  # zeros are no round: dead


def test_a_validator_whose_first_round_stands_cannot_be_declared_dead() -> None:
    """No other does, not even the newest."""
    w = world(2)
    t = w.now
    w.wait(60)
    p = w.primary.push(2000)
    w.wait(1)
    words = (ID | 1, 2000 * E8, t, t, ID | 1)
    told = [f"7f{word:064x}" + f"68{ID | 1:018x}60043514" + f"0260{32 * i:02x}52" for i, word in enumerate(words)]
    for v in w.validators:  # each word x (asked for round 1)
        w.chain.set_code(v.mock.address, code_of({"getRoundData(uint80)": bytes.fromhex("".join(told) + "60a05ff3")}))
    assert answer_of(w.contract.call.firstAfter, 1, t, encode_proof(p, (0, 0))) == ("QuorumNotShown", (0, 2, 1))
