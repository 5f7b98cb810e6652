"""Prices composed of two feeds: each leg checked by itself, and what an index is a price of. Attack rows by number."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_world import DAY, E8, E18, HEARTBEAT, ID, World
from test_oracle_differential import act, some_round

from bulkhead.model.oracles.oracle_settings import Composition
from bulkhead.model.oracles.source import Kind
from bulkhead.protocol.config import source

DIVIDE, MULTIPLY = Composition.DIVIDE, Composition.MULTIPLY
PEGGED = {"smallest": 95 * E8 // 100, "largest": 105 * E8 // 100}


def world(composition: Composition = DIVIDE, validators: int = 0, composed: bool = True, **build: Any) -> World:
    """Two rounds of every feed, the primary and its validators at 2000, the leg at 1, within 5 % of it."""
    w = World(validators, composition=composition)
    w.all(2000)
    w.wait(60)
    w.all(2000)
    assert w.leg
    configs = [w.config(feed, composed=composed) for feed in w.validators]
    return w.build(**{"leg": w.config(w.leg, **PEGGED), "validators": configs} | build)


def speak(w: World, price: float | Fraction, leg: float | Fraction, *others: float | Fraction) -> list[int]:
    """A minute later the leg says its price, a second later all others theirs; rounds that prove them a second on."""
    assert w.leg
    w.wait(60)
    last = w.leg.push(leg)
    w.wait(1)
    rounds = [feed.push(said) for feed, said in zip(w.feeds, (price, *others), strict=True)]
    w.wait(1)
    return [*rounds, last]


@pytest.mark.parametrize(
    ("composition", "leg", "index"),
    [
        (DIVIDE, Fraction(99, 100), 2_020_202020202020202020),  # rounded down
        (DIVIDE, Fraction(104, 100), 1_923_076923076923076923),
        (MULTIPLY, Fraction(99, 100), 1_980 * E18),
        (MULTIPLY, Fraction(104, 100), 2_080 * E18),
    ],
)
def test_an_index_is_the_price_over_the_leg_or_times_it(composition: Composition, leg: Fraction, index: int) -> None:
    w = world(composition)
    t = w.now
    rounds = speak(w, 2000, leg)
    assert w.ask("latest") == (index, w.now - 1)
    assert w.first(t, *rounds) == (index, w.now - 1, True)
    w.wait(1)
    assert w.check_outage()[0] is False and w.model.last.index == index


def test_a_product_is_rounded_down() -> None:
    w = World(decimals=18, composition=MULTIPLY)
    for _ in range(2):
        w.all(Fraction(3, E18))
        w.wait(60)
    w.build()
    t = w.now
    rounds = speak(w, Fraction(3, E18), Fraction(101, 100))
    assert w.first(t, *rounds) == (3, w.now - 1, True)  # 3.03
    rounds = speak(w, Fraction(3, E18), Fraction(98, 100))
    assert w.ask("latest") == (2, w.now - 1)  # 2.94


def test_an_index_that_is_out_of_range_is_none() -> None:
    """Rounded down to nothing, or more than 128 bits."""
    w = World(decimals=18, composition=MULTIPLY)
    for _ in range(2):
        w.all(Fraction(1, E18))
        w.wait(60)
    w.build()
    t = w.now
    rounds = speak(w, Fraction(1, E18), Fraction(95, 100))
    assert w.first(t, *rounds) == (0, w.now - 1, False)
    assert w.ask("latest") == ("LegInvalid", (w.now - 2, 95 * E8 // 100))
    w = World(decimals=18, composition=DIVIDE)
    large = 3 * 10**20
    for _ in range(2):
        w.all(large)
        w.wait(60)
    w.build()
    t = w.now
    rounds = speak(w, large, Fraction(91, 100))
    assert w.first(t, *rounds)[2] is True
    rounds = speak(w, large, Fraction(87, 100))
    assert w.ask("latest") == ("LegInvalid", (w.now - 2, 87 * E8 // 100))
    assert w.first(t + 62, *rounds) == (0, w.now - 1, False)


def test_the_largest_index_that_there_may_be() -> None:
    leg, most = Fraction(10**8 + 1, 10**8), 2**128 - 1
    own = -(-most * leg.denominator // leg.numerator)
    w = World(decimals=18, composition=MULTIPLY)
    for _ in range(2):
        w.all(Fraction(own, E18))
        w.wait(60)
    w.build()
    t = w.now
    assert w.first(t, *speak(w, Fraction(own, E18), leg)) == (most, w.now - 1, True)
    t = w.now
    assert w.first(t, *speak(w, Fraction(own + 1, E18), leg)) == (0, w.now - 1, False)


@pytest.mark.parametrize("leg", [0, -1, Fraction(95, 100), Fraction(105, 100), 1_000_000, Fraction(1, 1_000_000)])
def test_row_21_a_leg_at_its_bound_or_wrong_by_six_orders_is_invalid(leg: Fraction) -> None:
    w = world()
    t = w.now
    rounds = speak(w, 2000, leg)
    assert w.first(t, *rounds) == (0, w.now - 1, False)
    assert w.ask("latest") == ("LegInvalid", (w.now - 2, round(leg * E8)))
    assert w.check_outage() == (False, ["OutageStarted"])
    assert w.model.last.index == 2000 * E18


def test_row_21_a_jump_of_the_leg_waits_for_confirmation() -> None:
    w = World(composition=DIVIDE)
    for _ in range(2):
        w.all(2000)
        w.wait(60)
    w.build()
    t = w.now
    rounds = speak(w, 2000, Fraction(11, 10))
    assert w.first(t, *rounds)[2] is True  # exactly 10 %
    t = w.now
    jumped = speak(w, 2000, 2)
    assert w.first(t, *jumped) == (1000 * E18, w.now - 1, False)
    assert w.ask("latest") == ("PriceJumped", (2 * E18, 11 * E18 // 10))
    assert w.check_outage() == (False, ["OutageStarted"])
    assert w.model.last.index == 2000 * E18 * 10 // 11
    confirmed = speak(w, 2000, 2)
    assert w.ask("latest") == (1000 * E18, w.now - 1)
    assert w.first(t + 62, *confirmed) == (1000 * E18, w.now - 1, True)
    assert w.first(t, *jumped)[2] is False  # for good


def test_row_21_each_leg_is_held_to_its_own_silence() -> None:
    w = world(maxAge=10 * DAY, outageLimit=11 * DAY)
    t = w.now
    assert w.leg
    w.wait(HEARTBEAT)
    p = w.primary.push(2000)
    w.wait(1)
    assert w.first(t, p, ID | 2) == (2000 * E18, t + HEARTBEAT, True)
    assert w.ask("latest") == ("LegInvalid", (t, E8))
    w.wait(1)
    q = w.primary.push(2000)
    w.wait(1)
    assert w.first(t + HEARTBEAT, q, ID | 2) == (0, w.now - 1, False)
    w.leg.push(1)
    w.wait(HEARTBEAT)
    assert w.ask("latest")[0] == 2000 * E18  # the primary is held to maxAge only


@pytest.mark.parametrize("wrong", [0, -1, 1, 2 * ID | 1, ID, 2**80, 2**256 - 1])
def test_row_32_a_wrong_proof_of_the_leg_reverts_and_never_disputes(wrong: int) -> None:
    w = world()
    t = w.now
    p, last = speak(w, 2000, Fraction(94, 100))
    offered = last + wrong if abs(wrong) == 1 else wrong
    assert w.first(t, p, offered) == ("ProofInvalid", (offered, w.now - 1))
    assert w.first(t, p) == ("ProofInvalid", (0, w.now - 1))
    assert w.first(t, p, last) == (0, w.now - 1, False)


def test_row_31_in_the_second_of_the_price_the_leg_may_still_speak() -> None:
    w = world()
    t = w.now
    w.wait(60)
    p, last = w.all(2000)
    assert w.first(t, p, last) == ("ProofInvalid", (last, w.now))
    w.wait(1)
    assert w.first(t, p, last)[2] is True


def test_row_30_the_leg_that_moves_to_a_new_phase() -> None:
    w = world()
    assert w.leg
    w.wait(DAY + 1)
    w.all(2000)
    w.leg.new_phase()
    for _ in range(2):
        w.wait(10)
        w.leg.push(1)
    moved = w.now
    w.check_outage()
    assert w.model.clock.phases == (2,) and w.model.past == [(0, (1,))]
    w.wait(10)
    p = w.primary.push(2000)
    w.wait(1)
    assert w.first(moved, p, 2 * ID | 2)[2] is True
    assert w.first(moved, p, ID | 3) == ("ProofInvalid", (ID | 3, moved + 10))
    assert w.first(moved - 21, p - 1, ID | 3)[2] is True


def test_a_new_phase_of_the_leg_stops_liquidation_until_closing_can_go_on() -> None:
    """Nobody follows it for an hour, and then somebody does, twice on one day."""
    w = world(maxAge=2 * HEARTBEAT)
    assert w.leg
    for phase in (2, 3):
        w.leg.new_phase()
        for _ in range(2):
            w.leg.push(1)
        w.wait(HEARTBEAT + 1)
        t = w.now
        w.wait(1)
        said = w.leg.push(1)
        w.wait(1)
        p = w.primary.push(2000)
        w.wait(1)
        assert w.ask("latest") == ("LegInvalid", (w.now - 2, E8))
        old = (phase - 1) * ID | len(w.leg.model.phases[phase - 1])
        assert w.first(t, p, old) == (0, w.now - 1, False)
        assert w.check_outage() == (False, [])
        assert w.ask("latest") == (2000 * E18, w.now - 1)
        t = w.now
        w.wait(1)
        p = w.primary.push(2000)
        w.wait(1)
        assert w.first(t, p, said) == (2000 * E18, w.now - 1, True)


def test_a_dead_leg_is_proven_dead() -> None:
    w = world()
    t = w.now
    assert w.leg
    p, _ = speak(w, 2000, 1)
    w.leg.fail()
    assert w.first(t, p, 0) == (0, w.now - 1, False)
    assert w.ask("latest") == ("LegInvalid", (0, 0))


@pytest.mark.parametrize("composed", [True, False])
def test_a_validator_checks_the_composed_price_or_the_primarys_own(composed: bool) -> None:
    w = world(validators=2, composed=composed)
    t = w.now
    right = 2000 / 1.04 if composed else 2000
    p, a, b, last = speak(w, 2000, Fraction(104, 100), right, 1)
    assert w.first(t, p, a, b, last) == (1_923_076923076923076923, w.now - 1, True)
    assert w.ask("latest")[0] == 1_923_076923076923076923
    w.wait(1)
    w.primary.push(0)
    assert w.check_outage()[1] == ["OutageStarted"]
    assert w.model.last.index == 1_923_076923076923076923
    t = w.now
    wrong = 2000 if composed else 2000 / 1.04
    p, a, b, last = speak(w, 2000, Fraction(104, 100), wrong, 1)
    assert w.first(t, p, a, b, last)[2] is False
    assert w.ask("latest")[0] == "PriceDisputed"


def test_row_1_the_leg_wrong_by_any_factor_is_never_used() -> None:
    for power in (k for k in range(-8, 9) if k):
        w = world(validators=2)
        t = w.now
        p, a, b, last = speak(w, 2000, Fraction(10) ** power, 2000, 2000)
        assert w.first(t, p, a, b, last) == (0, w.now - 1, False)
        assert w.ask("latest")[0] == "LegInvalid"


def test_what_the_index_is_a_price_of() -> None:
    w = world()
    assert w.contract.call.base().rstrip(b"\0") == b"ETH" and w.contract.call.quote().rstrip(b"\0") == b"USDC"


@pytest.mark.parametrize("kind", [Kind.PYTH, Kind.UNISWAP])
def test_a_leg_is_a_chainlink_feed(kind: Kind) -> None:
    w = World(composition=DIVIDE)
    w.all(2000)
    assert w.build_error(leg=w.config(w.leg, kind=kind))[1] == (b"leg".ljust(32, b"\0"), kind)


def test_beside_a_leg_there_are_at_most_two_validators_and_a_limit_of_jumps() -> None:
    w = World(4, composition=DIVIDE)
    w.all(2000)
    assert w.build_error()[1] == (b"validators".ljust(32, b"\0"), 4)
    w = World(2, composition=DIVIDE)
    w.all(2000)
    for limit in (0, E18):
        assert w.build_error(jumpLimit=limit)[1] == (b"jumpLimit".ljust(32, b"\0"), limit)


def test_a_leg_without_composition_is_not_looked_at() -> None:
    w = World()
    w.all(2000)
    w.wait(60)
    w.all(2000)
    w.build(leg=source("0x" + "12" * 20, 0))
    assert w.ask("latest")[0] == 2000 * E18


@pytest.mark.parametrize("composition", [DIVIDE, MULTIPLY])
@pytest.mark.parametrize("validators", [0, 2])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**64 - 1))
def test_contract_equals_model(composition: Composition, validators: int, seed: int) -> None:
    rng = random.Random(seed)
    w = world(composition, validators, composed=seed % 2 == 0)
    assert w.leg
    for _ in range(40):
        if rng.random() < 0.3:
            w.leg.push(rng.choice([1, 1, Fraction(101, 100), Fraction(96, 100), Fraction(94, 100), Fraction(4, 5), 0]))
        else:
            act(w, rng)
        w.ask("latest")
        w.compare()
        for _ in range(3):
            times = [t for _, seen, sent in w.primary.model.phases[1][-4:] for t in (seen, sent)]
            after = max(0, rng.choice([w.now, *times]) + rng.choice([-1, 0, 1]))
            w.first(after, *(some_round(feed, rng) for feed in w.sources))
