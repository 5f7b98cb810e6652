"""Settlement prices: every branch and every error, on the real oracle, equal to the twin (REQ-34)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bulkhead.chain import Revert
from bulkhead.model.instruments.expiry_fixing import SAMPLES, STEP, ExpiryFixing
from bulkhead.model.instruments.perpetual import ParameterInvalid
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


def test_no_proofs_fix_nothing() -> None:
    world = ready()
    world.settle_prices(EXPIRY, PRICES)
    assert do(world, "prove", EXPIRY, []) == ()
    assert fixed(world) is None
