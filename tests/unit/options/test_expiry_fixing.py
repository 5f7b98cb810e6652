"""Settlement prices: every branch and every error, on the real oracle, equal to the twin (REQ-34)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bulkhead.chain import Receipt, Revert
from bulkhead.model.instruments.expiry_fixing import SAMPLES, STEP, ExpiryFixing
from bulkhead.model.instruments.perpetual import ParameterInvalid
from tests.unit.market.instrument import code_of
from tests.unit.options.options_world import DAY, E18, EXPIRY, HOUR, MINUTE, START, WEEK, WINDOW, OptionsWorld, ready

LIFE = 2 * HOUR
PRICES = [2_000.0, 2_010.0, 1_990.0, 2_005.0, 2_020.0, 1_996.0]


def do(world: OptionsWorld, name: str, *args: Any) -> Any:
    told = world.same(world.fixing, world.fixing_twin, name, *args)
    samples, until = world.fixing.call.samplesOf(EXPIRY)
    twin, foreseen = world.fixing_twin.samples_of(EXPIRY)
    assert ([tuple(one) for one in samples], until) == ([tuple(one) for one in twin], foreseen)
    assert tuple(world.fixing.call.fixingOf(EXPIRY)) == world.fixing_twin.fixing_of(EXPIRY)
    return told


def told_by(receipt: Receipt) -> list[tuple[str, tuple[Any, ...]]]:
    return [(event.name, tuple(event.args)) for event in receipt.events]


def fixed(world: OptionsWorld) -> int | None:
    known, index = world.fixing.call.fixingOf(EXPIRY)
    return int(index) if known else None


@pytest.mark.parametrize("life", [MINUTE, 2 * DAY + 1])
def test_a_life_out_of_its_range_is_refused(life: int) -> None:
    world = OptionsWorld()
    with pytest.raises(Revert) as caught:
        world.deployment.deploy("ExpiryFixing", world.contract.address, life)
    assert (caught.value.name, tuple(caught.value.values)) == ("ParameterInvalid", ("life", life))
    with pytest.raises(ParameterInvalid, match=str(life)):
        ExpiryFixing(world.model, life, world.block)


@pytest.mark.parametrize("life", [MINUTE + 1, 2 * DAY])
def test_a_life_at_the_ends_of_its_range_is_taken_and_told(life: int) -> None:
    world = OptionsWorld()
    ask = world.deployment.deploy("ExpiryFixing", world.contract.address, life).call
    assert (ask.ORACLE(), ask.LIFE(), ask.WINDOW(), ask.SAMPLES(), ask.STEP()) == (
        world.contract.address, life, WINDOW, SAMPLES, STEP,
    )  # fmt: skip


def test_the_mean_of_six_in_any_order_by_any_number_of_calls() -> None:
    means = set()
    for seed, parts in enumerate(([[0, 1, 2, 3, 4, 5]], [[5], [3, 4], [0], [1, 2]], [[2, 0], [2, 5, 1], [3], [4]])):
        world = ready()
        world.settle_prices(EXPIRY, PRICES)
        proofs = world.proofs(EXPIRY)
        for part in parts:
            assert fixed(world) is None
            assert do(world, "prove", EXPIRY, [proofs[i] if i in part else b"" for i in range(SAMPLES)]) == ()
        means.add(fixed(world))
        assert do(world, "prove", EXPIRY, proofs) == ("AlreadyFixed", (EXPIRY,))
        assert do(world, "resolve", EXPIRY) == ("AlreadyFixed", (EXPIRY,)), seed
    assert means == {sum(int(p) for p in PRICES) * E18 // 6}


def test_more_proofs_than_samples_and_proofs_of_another_round_are_refused() -> None:
    world = ready()
    world.settle_prices(EXPIRY, PRICES)
    proofs = world.proofs(EXPIRY)
    assert do(world, "prove", EXPIRY, [*proofs, b""]) == ("TooManyProofs", (7, 6))
    for i, j in itertools.permutations(range(SAMPLES), 2):
        wrong = [proofs[j] if k == i else b"" for k in range(SAMPLES)]
        assert do(world, "prove", EXPIRY, wrong)[0] == "ProofInvalid"
    assert fixed(world) is None


def test_a_sample_is_not_there_before_its_time() -> None:
    world = ready()
    do(world, "bind", EXPIRY)
    told = do(world, "prove", EXPIRY, [(1 << 64 | 2).to_bytes(32, "big")])
    assert told == ("PriceNotThereYet", (EXPIRY - WINDOW,))


def test_what_was_not_bound_ahead_cannot_be_proven_and_is_taken_again() -> None:
    world = ready()
    world.settle_prices(EXPIRY, PRICES, bind=False)
    assert do(world, "bind", EXPIRY) == ("NothingToBind", (EXPIRY,))
    assert do(world, "prove", EXPIRY, [world.proof_after(EXPIRY - WINDOW, 1)])[0] == "ProofInvalid"
    until = EXPIRY + LIFE
    assert do(world, "resolve", EXPIRY) == ("SamplesNotExpired", (EXPIRY, until))
    world.tick(after=until - world.now)
    assert do(world, "resolve", EXPIRY) == ("SamplesNotExpired", (EXPIRY, until))
    world.tick(after=1)
    assert do(world, "prove", EXPIRY, []) == ("SamplesExpired", (EXPIRY, until))
    assert do(world, "resolve", EXPIRY) == ()
    samples, _ = world.fixing_twin.samples_of(EXPIRY)
    assert all(one.phase == 1 and one.time > world.now for one in samples)
    for price, sample in zip(PRICES, samples, strict=True):
        world.tick(price, after=sample.time + 30 - world.now)
    assert world.fix(EXPIRY) == () and fixed(world) == sum(int(p) for p in PRICES) * E18 // 6


@pytest.mark.parametrize("seconds", [59, 60])
def test_samples_are_taken_again_from_the_next_but_one_full_minute_on_however_often(seconds: int) -> None:
    world = ready()
    world.go(EXPIRY + LIFE - MINUTE)
    for _ in range(2):
        _, until = world.fixing_twin.samples_of(EXPIRY)
        world.tick(after=until + seconds - world.now)
        assert do(world, "resolve", EXPIRY) == ()
        samples, again = world.fixing_twin.samples_of(EXPIRY)
        first = (world.now // MINUTE + 2) * MINUTE
        assert [one.time for one in samples] == [first + i * STEP for i in range(SAMPLES)]
        assert again == first + WINDOW + LIFE


def test_events_tell_what_is_bound_sampled_fixed_and_renewed() -> None:
    """Of a disputed sample the price is 0; what was proven before, or is not shown, is not told again."""
    world = ready()
    world.go(EXPIRY - WINDOW - MINUTE)
    assert told_by(world.fixing.send.bind(EXPIRY)) == [("Bound", (EXPIRY, EXPIRY - WINDOW, 1))]
    world.fixing_twin.bind(EXPIRY)
    for i, price in enumerate([*PRICES[:3], 5_000.0, *PRICES[4:]]):
        world.tick(price, after=EXPIRY - WINDOW + i * STEP + MINUTE - world.now)
        world.tick(PRICES[i], after=MINUTE)
    proofs = world.proofs(EXPIRY)
    indices = [0 if i == 3 else int(PRICES[i]) * E18 for i in range(SAMPLES)]
    with world.chain.isolated():
        sampled = [("Sampled", (EXPIRY, i, indices[i])) for i in range(SAMPLES)]
        assert told_by(world.fixing.send.prove(EXPIRY, [b"", *proofs[1:]])) == sampled[1:]
        assert told_by(world.fixing.send.prove(EXPIRY, proofs)) == [sampled[0], sampled[3]]
        world.tick(after=EXPIRY + LIFE + 1 - world.now)
        assert told_by(world.fixing.send.resolve(EXPIRY)) == [("Fixed", (EXPIRY, sum(indices) // 5))]
    world.at(EXPIRY + LIFE + 1)
    start = EXPIRY + LIFE + 2 * MINUTE
    assert told_by(world.fixing.send.resolve(EXPIRY)) == [("Renewed", (EXPIRY, start)), ("Bound", (EXPIRY, start, 1))]


def test_a_new_phase_within_the_window_is_bound_for_what_lies_ahead() -> None:
    """Rounds of the retired aggregator prove nothing for samples that were bound to the new one."""
    world = ready()
    world.go(EXPIRY - WINDOW - MINUTE)
    do(world, "bind", EXPIRY)
    for i, price in enumerate(PRICES):
        if i == 3:
            world.primary.new_phase()
            world.primary.push(price)
            world.wait(30)
            world.primary.push(price)
            assert do(world, "bind", EXPIRY) == ()
        at = EXPIRY - WINDOW + i * STEP + MINUTE
        world.tick(price, after=at - world.now)
        if i >= 3:
            world.primary.push(price * 2, phase=1)
    world.tick(after=EXPIRY + MINUTE - world.now)
    samples, _ = world.fixing_twin.samples_of(EXPIRY)
    assert [one.phase for one in samples] == [1, 1, 1, 2, 2, 2]
    proofs = [world.proof_after(one.time, one.phase) for one in samples]
    assert do(world, "prove", EXPIRY, [b""] * 4 + [world.proof_after(samples[4].time, 1)])[0] == "ProofInvalid"
    assert do(world, "prove", EXPIRY, proofs) == ()
    assert fixed(world) is not None


def test_five_of_six_are_enough_once_the_time_to_prove_is_over() -> None:
    world = ready()
    world.settle_prices(EXPIRY, PRICES)
    proofs = world.proofs(EXPIRY)
    do(world, "prove", EXPIRY, [*proofs[:2], b"", *proofs[3:]])
    assert fixed(world) is None
    world.tick(after=EXPIRY + LIFE + 1 - world.now)
    assert do(world, "resolve", EXPIRY) == ()
    assert fixed(world) == sum(int(p) for i, p in enumerate(PRICES) if i != 2) * E18 // 5


def test_with_four_of_six_only_the_missing_ones_are_taken_again() -> None:
    world = ready()
    world.settle_prices(EXPIRY, PRICES)
    do(world, "prove", EXPIRY, [b"", b"", *world.proofs(EXPIRY)[2:]])
    world.tick(2_500, after=EXPIRY + LIFE + 1 - world.now)
    assert do(world, "resolve", EXPIRY) == ()
    samples, _ = world.fixing_twin.samples_of(EXPIRY)
    world.tick(2_500, after=samples[1].time + MINUTE - world.now)
    first = [world.proof_after(one.time, one.phase) for one in samples[:2]]
    assert do(world, "prove", EXPIRY, first) == ()
    assert fixed(world) == (sum(int(p) for p in PRICES[2:]) + 5_000) * E18 // 6


def test_of_samples_taken_again_only_the_missing_ones_are_bound_anew() -> None:
    world = ready()
    world.settle_prices(EXPIRY, PRICES)
    do(world, "prove", EXPIRY, world.proofs(EXPIRY)[:4])
    world.at(EXPIRY + LIFE + 1)
    world.primary.new_phase()
    world.primary.push(2_000)
    start = EXPIRY + LIFE + 2 * MINUTE
    with world.chain.isolated():
        told = told_by(world.fixing.send.resolve(EXPIRY))
        assert told == [("Renewed", (EXPIRY, start)), ("Bound", (EXPIRY, start + 4 * STEP, 2))]
    assert do(world, "resolve", EXPIRY) == ()
    assert [one.phase for one in world.fixing_twin.samples_of(EXPIRY)[0]] == [1] * 4 + [2] * 2
    world.primary.new_phase()
    world.tick(after=start + 4 * STEP - world.now)  # in its own second a sample lies ahead no more
    assert do(world, "bind", EXPIRY) == ()
    assert [one.phase for one in world.fixing_twin.samples_of(EXPIRY)[0]] == [1] * 4 + [2, 3]
    world.tick(after=STEP)
    assert do(world, "bind", EXPIRY) == ("NothingToBind", (EXPIRY,))


def test_a_phase_takes_its_own_sixteen_bits() -> None:
    """The largest, all of whose bits are ones, gives way to one of a single bit, from the fourth sample on."""
    world = ready()
    for time, phase in ((EXPIRY - WINDOW - 1, 2**16 - 1), (EXPIRY - WINDOW + 2 * STEP, 1), (EXPIRY - STEP - 1, 2**15)):
        world.at(time)
        world.chain.set_code(world.primary.mock.address, code_of({"phaseId()": (phase,)}))
        world.fixing.send.bind(EXPIRY)
    samples, _ = world.fixing.call.samplesOf(EXPIRY)
    assert [one.phase for one in samples] == [2**16 - 1] * 3 + [1] * 2 + [2**15]
    assert not any(one.proven for one in samples)


def test_a_disputed_price_does_not_count() -> None:
    world = ready()
    jumps = [*PRICES[:3], 5_000.0, *PRICES[4:]]
    world.go(EXPIRY - WINDOW - MINUTE)
    do(world, "bind", EXPIRY)
    for i, price in enumerate(jumps):
        world.tick(price, after=EXPIRY - WINDOW + i * STEP + MINUTE - world.now)
        world.tick(PRICES[i], after=MINUTE)
    world.tick(after=EXPIRY + MINUTE - world.now)
    assert do(world, "prove", EXPIRY, world.proofs(EXPIRY)) == ()
    assert [one.proven for one in world.fixing_twin.samples_of(EXPIRY)[0]] == [True] * 3 + [False] + [True] * 2
    world.tick(after=EXPIRY + LIFE + 1 - world.now)
    assert do(world, "resolve", EXPIRY) == ()
    assert fixed(world) == sum(int(p) for i, p in enumerate(PRICES) if i != 3) * E18 // 5


def test_nothing_is_fixed_after_the_end_of_the_oracle() -> None:
    world = ready()
    world.settle_prices(EXPIRY, PRICES)
    proofs = world.proofs(EXPIRY)
    do(world, "prove", EXPIRY, proofs[:5])
    for _ in range(20):
        world.wait(15 * MINUTE)
        world.contract.send.checkOutage()
        world.model.check_outage()
    assert world.model.final_price()[0]
    assert do(world, "resolve", EXPIRY) == ("OracleEnded", ())
    assert do(world, "bind", EXPIRY + WEEK) == ("OracleEnded", ())
    assert fixed(world) is None and START < EXPIRY


def test_the_sum_holds_six_of_the_largest_prices() -> None:
    world = ready(decimals=18)
    world.walk(3.3e20)  # of at most 2 ** 128 units of 1e-18
    world.settle_prices(EXPIRY, [3.3e20] * SAMPLES)
    assert world.fix(EXPIRY) == ()
    assert fixed(world) == round(3.3e20 * E18) > 2**130 // SAMPLES


def test_no_proofs_fix_nothing() -> None:
    world = ready()
    world.settle_prices(EXPIRY, PRICES)
    assert do(world, "prove", EXPIRY, []) == ()
    assert fixed(world) is None
