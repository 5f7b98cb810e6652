"""Prices of Pyth, as primary and as validator, on the MockPyth that Pyth publishes (it checks no signatures)."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_world import CADENCE, DAY, E18, HEARTBEAT, ID, PythPrice, World, answer_of
from test_oracle_differential import ids

from bulkhead.model.oracles.source import Kind
from tests.unit.market.instrument import code_of

AGE = 60


def world(pyth: tuple[int, ...] = (0,), validators: int = 2, **build: Any) -> World:
    """Two prices of every source at 2000, a minute apart, then the oracle, and a second."""
    w = World(validators, pyth=pyth)
    w.all(2000)
    w.wait(60)
    w.all(2000)
    w.wait(1)
    return w.build(**{"maxAge": AGE} | build if 0 in pyth else build)


def say(w: World, *prices: float, wait: int = 10) -> list[Any]:
    """Later every source says its price at once, Pyth off chain only; what it takes to prove them, a second on."""
    w.wait(wait)
    told = prices * len(w.feeds) if len(prices) == 1 else prices
    shown = [f.publish(p) if isinstance(f, PythPrice) else f.push(p) for f, p in zip(w.feeds, told, strict=True)]
    w.wait(1)
    return shown


# --- a primary


def test_first_after_is_strict_on_both_sides() -> None:
    w = world()
    t = w.now
    shown = say(w, 2001)
    assert w.show(t, *shown) == (2001 * E18, t + 10, True)
    assert w.show(t + 9, *shown) == (2001 * E18, t + 10, True)
    assert w.show(t + 10, *shown) == ("ProofInvalid", (0, t + 10))
    assert w.show(t - 2, *shown) == ("ProofInvalid", (0, t - 2))  # another was published in between
    assert w.show(w.now, *shown) == ("PriceNotThereYet", (w.now,))


def test_rows_10_30_only_the_first_update_after_a_time_is_proven() -> None:
    w = world()
    t = w.now
    shown = [say(w, 2001 + i)[0] for i in range(3)]
    a, b = ID | 3, ID | 3
    assert w.show(t, shown[0], a, b)[2] is True
    for wrong in (*shown[1:], w.primary.updates[0], w.primary.updates[1]):
        assert w.prove(0, t + 1, wrong) == ("PriceFeedNotFoundWithinRange", ())
        assert w.show(t, wrong, a, b) == ("ProofInvalid", (0, t))
    assert w.prove(0, t + 1, *reversed(shown)) == (2001 * E18, shown[0].published)  # whatever comes along
    assert w.show(t, None, a, b) == ("ProofInvalid", (0, t))


def test_row_31_what_was_published_in_the_second_of_the_commit_is_no_later_price() -> None:
    """Pyth publishes several prices a second: each names the one before, and none but the first of each is first."""
    w = world()
    t = w.now
    same = [w.primary.publish(2100 + i, at=t) for i in range(3)]
    assert same[1].previous == same[1].published
    w.wait(5)
    for update in same:
        assert w.prove(0, t + 1, update) == ("PriceFeedNotFoundWithinRange", ())
    several = [w.primary.publish(2200 + i) for i in range(3)]
    w.wait(1)
    for update in several:
        proven = w.prove(0, t + 1, update)
        assert proven == ((2200 * E18, t + 5) if update is several[0] else ("PriceFeedNotFoundWithinRange", ()))


def test_an_update_of_the_future_proves_nothing_yet() -> None:
    w = world()
    t = w.now
    early = w.primary.publish(2001, at=t + 20)
    w.wait(10)
    assert w.prove(0, t + 1, early) == ("PriceFeedNotFoundWithinRange", ())
    assert w.prove(0, t + 11, early) == ("PriceNotThereYet", (t + 10,))
    w.wait(10)
    assert w.prove(0, t + 1, early) == (2001 * E18, t + 20)


def test_the_fee_is_taken_exactly_and_nothing_stays() -> None:
    w = world()
    t = w.now
    update = say(w, 2001)[0]
    for sent in (0, 2, 4, 2**60):
        assert w.prove(0, t + 1, update, value=sent) == ("FeeDiffers", (sent, 3))
    w.contract.send.prove(0, t + 1, [w.primary.encoded(update)], value=3)
    assert w.chain.balance(w.contract.address) == 0
    assert w.prove(0, t + 1, update, update, value=3) == ("FeeDiffers", (3, 6))


def test_pyth_is_asked_for_the_unique_update_and_neither_for_no_others_nor_to_store_it() -> None:
    """Its three switches come back as the bits of a price, published now; the mock heeds the first alone."""
    w = world()
    price = bytes.fromhex("608435" + "60a43560011b17" + "60c43560021b17" + "608052")
    words = {0: 0x40, 0x20: 0x180, 0x40: 1, 0xC0: 2**256 - 8}
    told = "".join(f"7f{word:064x}60{place:02x}52" for place, word in words.items()) + "4260e052"
    asked = "parsePriceFeedUpdatesWithConfig(bytes[],bytes32[],uint64,uint64,bool,bool,bool)"
    answers = {"getUpdateFee(bytes[])": (3,), asked: price + bytes.fromhex(told + "6101a05ff3")}
    w.chain.set_code(w.primary.mock.address, code_of(answers))
    assert answer_of(partial(w.contract.call.prove, value=3), 0, w.now, [b""]) == (0b001 * 10**10, w.now)


def test_a_proof_lasts_as_long_as_its_transaction() -> None:
    w = world()
    t = w.now
    shown = say(w, 2001)
    w.contract.send.prove(0, t + 1, [w.primary.encoded(shown[0])], value=3)
    assert w.show(t, None, *shown[1:]) == ("ProofInvalid", (0, t))


def test_only_a_price_of_pyth_is_proven_by_updates() -> None:
    w = world(pyth=(2,))
    update = w.validators[1].publish(2001)
    for number in (0, 1, 3, 4, 5, 2**256 - 1):
        data = [w.validators[1].encoded(update)]
        assert answer_of(partial(w.contract.call.prove, value=3), number, w.now, data) == ("NotPulled", (number,))
        assert answer_of(w.model.prove, number, w.now, [update]) == ("NotPulled", (number,))
    assert w.prove(2, w.now, update) == (2001 * E18, w.now)


INVALID: dict[str, Callable[[PythPrice], Any]] = {
    "zero": lambda p: p.publish(0),
    "negative": lambda p: p.publish(-1),
    "uncertain": lambda p: p.publish(2000, confidence=2000 * 10**6 + 1),
    "another exponent": lambda p: p.publish(2000, exponent=-7),
    "a positive exponent": lambda p: p.publish(2000, exponent=8),
}


@pytest.mark.parametrize("kind", INVALID)
def test_rows_8_22_an_invalid_price_is_none(kind: str) -> None:
    w = world()
    t = w.now
    w.wait(10)
    update = INVALID[kind](w.primary)
    a, b = (v.push(2000) for v in w.validators)
    w.wait(1)
    assert w.show(t, update, a, b) == (0, t + 10, False)
    w.primary.store(update)
    assert w.ask("latest") == ("PriceInvalid", (update.price,))


def test_as_uncertain_as_it_may_be() -> None:
    w = world()
    t = w.now
    w.wait(10)
    update = w.primary.publish(2000, confidence=2000 * 10**6)  # 1 %
    a, b = (v.push(2000) for v in w.validators)
    w.wait(1)
    assert w.show(t, update, a, b) == (2000 * E18, t + 10, True)


def test_latest_is_what_somebody_brought_and_ages_soon() -> None:
    w = world()
    t = w.now
    say(w, 2001)
    assert w.ask("latest") == (2000 * E18, t - 1)
    w.primary.store(w.primary.updates[-1])
    assert w.ask("latest") == (2001 * E18, t + 10)
    w.at(t + 10 + AGE)
    assert w.ask("latest") == (2001 * E18, t + 10)
    w.wait(1)
    assert w.ask("latest") == ("PriceStale", (t + 10, AGE))
    w.primary.push(2002, at=w.now + 1)  # of a time to come
    assert w.ask("latest") == ("PriceStale", (0, AGE))
    assert w.ask("commitment") == (1,)


def test_row_8_a_frozen_primary_beside_moving_validators() -> None:
    w = world()
    t = w.now
    shown = say(w, 2000, 1500, 1500)
    w.primary.store(shown[0])
    assert w.ask("latest")[0] == "PriceDisputed"
    assert w.show(t, *shown)[2] is False


def test_row_25_sequencer_down_then_grace() -> None:
    """Prices of Pyth go on while an L2 stands still: what was bound before is priced, nothing else is."""
    w = World(2, pyth=(0,), sequencer=True)
    w.all(2000)
    w.wait(1)
    w.build(maxAge=AGE)
    t = w.now
    w.sequencer.push(1)
    shown = say(w, 2001)
    w.primary.store(shown[0])
    for question in ("latest", "commitment"):
        assert w.ask(question) == ("InGrace", (2**256 - 1,))
    w.sequencer.push(0)
    until = w.now + 600
    assert w.ask("latest") == w.ask("commitment") == ("InGrace", (until,))
    assert w.show(t, *shown) == (2001 * E18, t + 10, True)
    w.at(until)
    w.all(2002)
    assert w.ask("latest") == (2002 * E18, until) and w.ask("commitment") == (1,)


# --- at creation


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"id": b"\x01".rjust(32, b"\0")}, "SourceSilent"),
        ({"decimals": 7}, "DecimalsDiffer"),
        ({"decimals": 19}, b"decimals"),
        ({"heartbeat": 0}, b"heartbeat"),
        ({"confidence": 0}, b"confidence"),
        ({"confidence": 10**9 + 1}, b"confidence"),
    ],
)
def test_a_price_of_pyth_that_is_refused(changes: dict[str, Any], error: Any) -> None:
    w = World(2, pyth=(0,))
    w.all(2000)
    name, values = w.build_error(primary=w.config(w.primary, **changes))
    assert name == error if isinstance(error, str) else (name, values[0].rstrip(b"\0")) == ("SettingInvalid", error)


@pytest.mark.parametrize(("decimals", "confidence"), [(18, 1), (0, 10**9)])
def test_settings_at_the_ends_of_their_ranges_are_taken(decimals: int, confidence: int) -> None:
    """2e11 of the last of 18 decimals, or of whole units, and validators that say the same."""
    w = World(2, pyth=(0,))
    index = 2 * 10**11 * 10 ** (18 - decimals)
    for _ in range(2):
        for feed in w.validators:
            feed.push(Fraction(index, E18))
        w.primary.push(2000, exponent=-decimals)
        w.wait(1)
    w.build(primary=w.config(w.primary, decimals=decimals, confidence=confidence, heartbeat=1), maxAge=AGE)
    assert w.ask("latest") == (index, w.now - 1)


def test_row_22_the_exponent_is_held_against_the_decimals_declared() -> None:
    w = World(2, pyth=(0,))
    for feed in w.validators:
        feed.push(2000)
    w.primary.push(2000, exponent=8)
    name, values = w.build_error()
    assert (name, values[1:]) == ("DecimalsDiffer", (8, 2**256 - 8))
    w.primary.fail()
    assert w.build_error() == ("SourceSilent", (w.primary.mock.address,))


def test_pyth_alone_is_refused_and_a_pool_as_primary() -> None:
    """Nothing would tell that it jumped; and a mean has no first observation."""
    w = World(pyth=(0,))
    w.all(2000)
    assert w.build_error() == ("SettingInvalid", (b"validators".ljust(32, b"\0"), 0))
    assert w.build_error(primary=w.config(w.primary, kind=Kind.UNISWAP)) == ("CannotBePrimary", (2,))


def test_at_birth_a_price_must_stand_undisputed() -> None:
    w = World(2, pyth=(0, 1))
    w.all(2000)
    w.wait(1)
    for feed in w.validators:
        feed.push(1000)
    w.wait(1)
    w.primary.push(2000)
    assert w.build_error() == ("PriceInvalid", (2000 * 10**8,))


# --- a validator


def test_a_validator_is_its_first_price_from_the_primarys_on() -> None:
    w = world(pyth=(1, 2))
    t = w.now
    before = w.validators[0].publish(1, at=t + 9)
    p, a, b = say(w, 2000, 2000, 1)
    assert w.show(t, p, a, b) == (2000 * E18, t + 10, True)
    assert w.show(t, p, a, None) == (2000 * E18, t + 10, True)
    assert w.show(t, p, before, b) == ("QuorumNotShown", (0, 1, 1))
    later = w.validators[0].publish(1)
    w.wait(1)
    assert w.show(t, p, later, b) == ("QuorumNotShown", (0, 1, 1))


@pytest.mark.parametrize("late", [0, 1])
def test_a_validator_that_speaks_too_late_disagrees(late: int) -> None:
    w = world(pyth=(1, 2))
    t = w.now
    w.wait(10)
    p = w.primary.push(2000)
    w.wait(CADENCE + late)
    a, b = (v.publish(2000) for v in w.validators)
    assert w.show(t, p, a, b)[2] is (late == 0)


def test_row_32_nobody_voids_by_showing_less() -> None:
    """Two of four: what has not been shown may still agree, so that only enough disagreement disputes."""
    w = world(pyth=(1, 2, 3), validators=4)
    t = w.now
    p, a, b, c, d = say(w, 2000, 2000, 1, 1, 1)
    assert w.show(t, p, a, b, c, d) == (2000 * E18, t + 10, False)
    assert w.show(t, p, None, b, c, d) == (2000 * E18, t + 10, False)
    assert w.show(t, p, a, None, c, d) == ("QuorumNotShown", (1, 1, 2))
    assert w.show(t, p, a, b, None, d) == ("QuorumNotShown", (1, 1, 2))
    assert w.show(t, p, None, None, None, d) == ("QuorumNotShown", (0, 3, 2))
    assert w.show(t, p, a, b, c, ID | 2) == ("QuorumNotShown", (1, 1, 2))


def test_a_validators_last_price_stands_for_now() -> None:
    w = world(pyth=(1, 2))
    for v in w.validators:
        v.push(2000)
    w.wait(CADENCE)
    w.primary.push(2000)
    assert w.ask("latest") == (2000 * E18, w.now)
    w.wait(1)
    assert w.ask("latest") == ("PriceDisputed", (2000 * E18, 0, 1))
    w.validators[0].push(2000, confidence=10**12)
    assert w.ask("latest")[0] == "PriceDisputed"
    w.validators[1].push(2000)
    w.validators[0].fail()
    assert w.ask("latest")[0] == 2000 * E18


# --- the clock of an outage


def test_an_idle_pull_feed_is_no_outage() -> None:
    """Its silence on chain proves nothing: one witness starts the clock, and two days later the clock starts again."""
    w = world()
    w.wait(AGE + 1)
    assert w.check_outage() == (False, ["OutageStarted"])
    w.wait(2 * DAY)
    assert w.check_outage() == (False, ["OutageStarted"])
    assert w.model.clock.started == w.now


def test_row_39_who_brings_a_newer_price_clears_the_clock() -> None:
    w = world()
    w.wait(AGE + 1)
    w.check_outage()
    start = w.now
    while w.now < start + DAY - DAY // 8:
        w.wait(DAY // 8)
        assert w.check_outage() == (False, [])
    w.at(start + DAY - 1)
    w.all(2100)
    assert w.check_outage() == (False, ["OutageCleared"])
    assert w.model.last.index == 2100 * E18


def test_row_41_a_primary_that_is_silent_for_every_witness_ends_the_oracle() -> None:
    w = world()
    last = w.model.last
    w.wait(AGE + 1)
    w.check_outage()
    start = w.now
    while w.now < start + DAY:
        w.wait(DAY // 8)
        told = w.check_outage()
    assert told == (True, ["Ended"])
    assert w.ask("final_price") == (True, last.index, last.time)


def test_an_old_price_brought_late_does_not_clear_the_clock() -> None:
    w = world()
    w.wait(AGE)
    old = w.primary.publish(2100)
    w.wait(1)
    w.check_outage()
    w.wait(1)
    for v in w.validators:
        v.push(2100)
    w.primary.store(old)
    assert w.ask("latest")[0] == 2100 * E18
    assert w.check_outage() == (False, [])
    assert w.model.clock.started == w.now - 1


# --- one outcome


@pytest.mark.parametrize("pyth", [(0,), (1,), (1, 2), (0, 1), (0, 1, 2)])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**64 - 1))
def test_rows_10_30_32_whatever_is_shown_has_one_outcome(pyth: tuple[int, ...], seed: int) -> None:
    """Every combination of rounds and updates is offered in the model, at several moments: accepted ones all agree."""
    rng = random.Random(seed)
    w = world(pyth)
    for _ in range(rng.randrange(4)):
        act(w, rng)
    after, phase = w.now, w.ask("commitment")[0]
    outcomes = set()
    for _ in range(8):
        act(w, rng)
        for shown in offers(w):
            answer = w.modelled(after, *shown, phase=phase)
            if len(answer) == 3:
                outcomes.add(answer)
    assert len(outcomes) <= 1, outcomes


def offers(w: World) -> list[tuple[Any, ...]]:
    """Every id of a feed, every update of Pyth, and none."""
    each = [[None, *f.updates] if isinstance(f, PythPrice) else ids(f) for f in w.feeds]
    return [(p, a, b) for p in each[0] for a in each[1] for b in each[2]]


def act(w: World, rng: random.Random) -> None:
    """A source speaks, on chain or off, or moves; and time goes on."""
    feed = rng.choice(w.feeds)
    price = rng.choice([2000, 2005, 2030])
    if isinstance(feed, PythPrice):
        update = feed.publish(price, at=max(feed.updates[-1].published, w.now - rng.choice([0, 0, 1, 5])))
        if rng.random() < 0.3:
            feed.store(update)
    else:
        kind = rng.choice(["push", "push", "push", "phase", "retired", "outage"])
        if kind == "push":
            feed.push(price, observed=w.now - rng.choice([0, 1, 5]))
        elif kind == "phase":
            feed.new_phase()
        elif kind == "retired":
            feed.push(price, phase=rng.choice(list(feed.model.phases)))
        else:
            w.check_outage()
    w.wait(rng.choice([0, 1, 1, 7, 12]))


@pytest.mark.parametrize(("pyth", "validators"), [((0,), 2), ((1, 2), 2), ((0, 1), 2), ((0, 2, 3), 4), ((1, 4), 4)])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**64 - 1))
def test_contract_equals_model(pyth: tuple[int, ...], validators: int, seed: int) -> None:
    rng = random.Random(seed)
    w = world(pyth, validators)
    for _ in range(25):
        act(w, rng)
        if rng.random() < 0.1:
            w.wait(rng.choice([60, 600, HEARTBEAT, DAY // 8, DAY + 1]))
        if rng.random() < 0.2:
            pull = w.feeds[rng.choice(pyth)]
            pull.publish(rng.choice([0, -1, 2000, 9000]), confidence=rng.choice([0, 10**9, 10**12]))
        if rng.random() < 0.3:
            pull = w.feeds[rng.choice(pyth)]
            pull.store(rng.choice(pull.updates))
        w.ask("latest")
        w.ask("commitment")
        if rng.random() < 0.3:
            w.check_outage()
        for _ in range(2):
            seen = [u.published for u in w.primary.updates] if 0 in pyth else [r[1] for r in w.primary.model.phases[1]]
            after = max(0, rng.choice([w.now, *seen[-4:]]) + rng.choice([-1, 0, 1]))
            w.show(after, *(some(feed, rng) for feed in w.feeds))


def some(feed: Any, rng: random.Random) -> Any:
    """What may be shown of a source: near the end of its history."""
    if isinstance(feed, PythPrice):
        return rng.choice([None, *feed.updates[-3:], *feed.updates[-3:]])
    return rng.choice(ids(feed)[-4:])


# --- a contract that is no Pyth


def wild(w: World, price: int, confidence: int, published: int) -> None:
    """The primary's contract answers with these words, which Pyth's types do not hold."""
    answer = (price, confidence, -8, published)
    w.chain.set_code(w.primary.mock.address, code_of({"getPriceUnsafe(bytes32)": answer}))


@pytest.mark.parametrize(
    ("price", "confidence"), [(2**63, 0), (2**255 - 1, 0), (2000 * 10**8, 2**64), (2000 * 10**8, 2**256 - 1)]
)
def test_row_8_words_beyond_their_types_are_no_price(price: int, confidence: int) -> None:
    w = world()
    wild(w, 2000 * 10**8, 0, w.now)
    assert answer_of(w.contract.call.latest) == (2000 * E18, w.now)
    wild(w, price, confidence, w.now)
    assert answer_of(w.contract.call.latest)[0] == "PriceInvalid"


def test_a_price_that_was_never_published_is_none() -> None:
    w = World(2, pyth=(0,))
    w.all(2000)
    wild(w, 2000 * 10**8, 0, 0)
    assert answer_of(w._deploy, w.settings()) == ("SourceSilent", (w.primary.mock.address,))
