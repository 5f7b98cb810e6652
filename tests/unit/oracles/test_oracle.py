"""Every branch and every error of Oracle.sol and ChainlinkSource.sol. Attack rows by number."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from oracle_world import E8, E18, HEARTBEAT, NO_MAX, World, answer_of

from bulkhead.chain import Rejected, Revert
from bulkhead.model.oracles.oracle import encode_proof
from tests.unit.market.instrument import code_of

ID = 1 << 64
DAY = 86_400


def world(validators: int = 0, **build: Any) -> World:
    """Two rounds of every feed at 2000, a minute apart, then the oracle."""
    w = World(validators, **{key: build.pop(key) for key in ("sequencer", "decimals", "composition") if key in build})
    w.all(2000)
    w.wait(60)
    w.all(2000)
    if "primary" in build:
        build["primary"] = w.config(w.primary, **build["primary"])
    return w.build(**build)


# --- settings


@pytest.mark.parametrize(
    ("validators", "changes", "name"),
    [
        (1, {}, "validators"),
        (3, {}, "validators"),
        (6, {}, "validators"),
        (0, {"quorum": 1}, "quorum"),
        (2, {"quorum": 0}, "quorum"),
        (2, {"quorum": 2}, "quorum"),
        (0, {"deviation": E18}, "deviation"),
        (2, {"spread": 0}, "spread"),
        (2, {"spread": E18}, "spread"),
        (0, {"jumpLimit": 0}, "jumpLimit"),
        (0, {"jumpLimit": E18}, "jumpLimit"),
        (0, {"maxAge": 0}, "maxAge"),
        (0, {"outageLimit": HEARTBEAT, "maxAge": HEARTBEAT}, "outageLimit"),
        (0, {"base": bytes(32)}, "base"),
        (0, {"quote": bytes(32)}, "quote"),
        (0, {"primary": {"heartbeat": 0}}, "heartbeat"),
        (0, {"primary": {"smallest": 5, "largest": 5}}, "largest"),
        (0, {"primary": {"largest": NO_MAX + 1}}, "largest"),
    ],
)
def test_setting_out_of_range(validators: int, changes: dict[str, Any], name: str) -> None:
    w = World(validators)
    w.all(2000)
    value = changes.get(name, validators)
    if "primary" in changes:
        value = changes["primary"][name]
        changes = {"primary": w.config(w.primary, **changes["primary"])}
    if isinstance(value, bytes):
        value = 0
    assert w.build_error(**changes) == ("SettingInvalid", (name.encode().ljust(32, b"\0"), value))


@pytest.mark.parametrize(
    ("validators", "changes"),
    [
        (2, {"jumpLimit": 0}),
        (2, {"jumpLimit": E18}),
        (0, {"spread": 0}),
        (0, {"spread": E18}),
        (0, {"grace": 0}),
    ],
)
def test_settings_that_nothing_goes_by_may_be_anything(validators: int, changes: dict[str, int]) -> None:
    w = world(validators, **changes)
    assert w.ask("latest") == (2000 * E18, w.now)


@pytest.mark.parametrize(
    ("validators", "changes"),
    [
        (0, {"deviation": 0, "jumpLimit": 1, "maxAge": 1, "outageLimit": 2}),
        (0, {"deviation": E18 - 1, "jumpLimit": E18 - 1, "maxAge": DAY - 1, "outageLimit": DAY}),
        (2, {"spread": 1, "quorum": 1}),
        (4, {"spread": E18 - 1, "quorum": 1}),
        (4, {"quorum": 3}),
        (0, {"sequencer": True, "grace": 1}),
    ],
)
def test_settings_at_the_ends_of_their_ranges_are_taken_and_told(validators: int, changes: dict[str, Any]) -> None:
    w = world(validators, **changes)
    told = {name: getattr(w.contract.call, name)() for name in changes if name != "sequencer"}
    assert told == {name: value for name, value in changes.items() if name != "sequencer"}
    assert w.ask("latest") == (2000 * E18, w.now)


def test_grace_is_needed_with_a_sequencer() -> None:
    assert World(sequencer=True).build_error(grace=0)[1][0].rstrip(b"\0") == b"grace"


@pytest.mark.parametrize("decimals", [0, 6, 9, 27])
def test_row_22_decimals_other_than_8_and_18_are_refused(decimals: int) -> None:
    assert World(decimals=decimals).build_error() == ("SettingInvalid", (b"decimals".ljust(32, b"\0"), decimals))


@pytest.mark.parametrize(("decimals", "declared"), [(8, 18), (18, 8), (8, 6)])
def test_row_22_a_feed_with_other_decimals_than_declared(decimals: int, declared: int) -> None:
    w = World(decimals=decimals)
    w.all(2000)
    config = w.config(w.primary, decimals=declared, largest=10**20)
    assert w.build_error(primary=config) == ("DecimalsDiffer", (w.primary.mock.address, declared, decimals))


@pytest.mark.parametrize("decimals", [8, 18])
def test_row_22_the_index_has_18_decimals_whatever_the_feed(decimals: int) -> None:
    assert world(decimals=decimals).ask("latest")[0] == 2000 * E18


def test_a_dead_feed_at_birth() -> None:
    w = World()
    w.all(2000)
    w.primary.fail()
    assert w.build_error() == ("DecimalsDiffer", (w.primary.mock.address, 8, 0))


def test_no_price_at_birth() -> None:
    w = World()
    assert w.build_error() == ("SourceSilent", (w.primary.mock.address,))
    w.primary.push(2000)  # the first of a phase: nothing confirms it
    assert w.build_error() == ("PriceInvalid", (2000 * E8,))


def test_settings_are_readable() -> None:
    w = world(2)
    read = w.contract.call
    assert (read.heartbeat(), read.deviation(), read.spread()) == (HEARTBEAT, E18 // 200, E18 // 100)
    assert (read.quorum(), read.validators(), read.maxAge()) == (1, 2, HEARTBEAT + 60)
    assert (read.jumpLimit(), read.grace(), read.outageLimit()) == (E18 // 10, 600, DAY)


# --- the first price after a time


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


# --- validators


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


@pytest.mark.parametrize("more", [0, 1])
def test_a_jump_is_measured_to_the_last_of_18_decimals(more: int) -> None:
    w = world(decimals=18)
    t = w.now
    w.wait(60)
    p = w.primary.push(Fraction(2200 * E18 + more, E18))
    assert w.first(t, p) == (2200 * E18 + more, t + 60, more == 0)


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


def test_answers_of_20000_bytes_are_not_copied() -> None:
    w, t, (p, _, b) = three((2000, 2000, 2000))
    w.validators[0].mock.send.fail(4)
    assert tuple(w.contract.call.latest()) == (2000 * E18, t + 10)
    proof = encode_proof(p, (0, b))
    told = answer_of(w.contract.call.firstAfter, 1, t, proof)
    assert told == (2000 * E18, t + 10, True)  # zeros are no round: dead


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


# --- latest


def test_latest_ages() -> None:
    w = world()
    t = w.now
    w.wait(HEARTBEAT + 60)
    assert w.ask("latest") == (2000 * E18, t)
    w.wait(1)
    assert w.ask("latest") == ("PriceStale", (t, HEARTBEAT + 60))


@pytest.mark.parametrize("fault", ["reverts", "burns", "nothing"])
def test_a_dead_primary(fault: str) -> None:
    w = world()
    w.primary.fail(fault)
    assert w.ask("latest") == ("PriceStale", (0, HEARTBEAT + 60))
    assert w.ask("commitment") == ("PriceStale", (0, HEARTBEAT + 60))
    assert w.first(w.now, ID | 2)[0] == "ProofInvalid"
    assert w.check_outage() == (False, ["OutageStarted"])


@pytest.mark.parametrize(
    ("id_", "told"),
    [
        (2**80, ("PriceStale", (0, HEARTBEAT + 60))),
        (0, ("PriceJumped", (2000 * E18, 0))),  # a round, but with none before it
    ],
)
def test_a_primary_whose_newest_round_has_an_impossible_id(id_: int, told: Any) -> None:
    w = world()
    t = w.now
    w.wait(10)
    w.chain.set_code(w.primary.mock.address, always(id_, 2000 * E8, w.now, w.now, id_))
    assert answer_of(w.contract.call.latest) == told
    assert [event.name for event in w.contract.send.checkOutage().events] == ["OutageStarted"]
    assert tuple(w.contract.call.last()) == (2000 * E18, t)


def test_the_largest_id_that_a_round_may_have() -> None:
    w = world()
    w.chain.set_code(w.primary.mock.address, always(2**80 - 1, 2000 * E8, w.now, w.now, 2**80 - 1))
    assert answer_of(w.contract.call.latest) == (2000 * E18, w.now)


def test_a_phase_of_more_than_16_bits_is_none() -> None:
    w = world()
    w.chain.set_code(w.primary.mock.address, always(2**16 - 1))
    assert w.contract.call.commitment() == 2**16 - 1
    w.chain.set_code(w.primary.mock.address, always(2**16))
    assert answer_of(w.contract.call.commitment) == ("PriceStale", (0, HEARTBEAT + 60))


def always(*words: int) -> bytes:
    """Code that answers every question with the same words."""
    code = b""
    for i, word in enumerate(words):
        code += b"\x7f" + word.to_bytes(32, "big") + b"\x60" + bytes([32 * i]) + b"\x52"  # MSTORE
    return code + b"\x60" + bytes([32 * len(words)]) + b"\x5f\xf3"  # RETURN


# --- sequencer


def test_row_25_sequencer_down_then_grace() -> None:
    w = world(sequencer=True)
    assert w.sequencer is not None
    t = w.now
    w.wait(10)
    r = w.primary.push(2000)
    w.sequencer.push(1)
    for question in ("latest", "commitment"):
        assert w.ask(question) == ("InGrace", (2**256 - 1,))
    w.wait(100)
    w.sequencer.push(0)
    until = w.now + 600
    assert w.ask("latest") == w.ask("commitment") == ("InGrace", (until,))
    w.at(until - 1)
    assert w.ask("latest") == ("InGrace", (until,))
    assert w.first(t, r)[2] is True  # what was bound before is not touched
    w.at(until)
    assert w.ask("latest") == (2000 * E18, t + 10) and w.ask("commitment") == (1,)
    for since in (0, w.now + 1):  # up since no time, or since one to come
        w.sequencer.push(0, observed=since, transmitted=w.now)
        assert w.ask("latest") == ("InGrace", (2**256 - 1,))
    w.sequencer.fail()
    assert w.ask("latest") == ("InGrace", (2**256 - 1,))


# --- the clock of an outage


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


def test_starving_the_call_of_gas_starts_no_outage() -> None:
    w = world(2)
    for gas in range(21_000, 120_000, 1_500):
        with w.chain.isolated():
            try:
                w.contract.send.checkOutage(gas=gas)
            except (Revert, Rejected):
                continue
            assert w.contract.call.clock().started == 0


def test_too_little_gas_is_told_with_what_there_must_be() -> None:
    """At the first question to a feed: then it gets a hundred thousand, and twenty are left for what follows."""
    w = world()
    told = set()
    for gas in range(130_000, 150_000, 1_000):
        try:
            w.chain.send(w.contract.address, w.contract.encode.latest(), gas=gas)
        except Revert as revert:
            told.add((revert.name, revert.values[1]))
            assert revert.values[0] < 120_000
    assert told == {("GasTooLow", 120_000)}
