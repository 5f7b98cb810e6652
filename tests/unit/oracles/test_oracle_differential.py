"""Contract against model on random histories of rounds; and that at most one round, and one outcome, can be proven."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_world import Feed, World, answer_of, world

from bulkhead.model.oracles.oracle import encode_proof


def act(w: World, rng: random.Random) -> str:
    """One random thing that happens to the feeds or the clock; returns its kind."""
    kind = rng.choices(
        ["push", "lie", "all", "wait", "phase", "retired", "fail", "heal", "outage", "sequencer"],
        [10, 3, 6, 10, 1, 2, 1, 2, 4, 1],
    )[0]
    feed: Feed = rng.choice(w.feeds)
    price = rng.choice([2000, 2000, 2001, 1999, 2020, 1980, 2021, 2200, 2201])
    if kind == "push":
        lag = rng.choice([0, 0, 1, 12, 30, -5, w.now])
        feed.push(price, observed=max(0, w.now - lag))
    elif kind == "lie":
        feed.push(rng.choice([0, -1, 1, 9000, 10**12]))
    elif kind == "all":
        w.all(price)
    elif kind == "wait":
        w.wait(rng.choice([1, 1, 2, 12, 12, 30, 600, 3600, 3661, 10_800, 86_400, 86_401]))
    elif kind == "phase":
        feed.new_phase()
    elif kind == "retired":
        feed.push(price, phase=rng.choice(list(feed.model.phases)))
    elif kind == "fail":
        feed.fail(rng.choice(["reverts", "nothing", "burns"]))
    elif kind == "heal":
        feed.fail("none")
    elif kind == "outage":
        w.check_outage()
    elif w.sequencer:
        w.sequencer.push(rng.choice([0, 0, 1]))
    return kind


def some_round(feed: Feed, rng: random.Random) -> int:
    """An id near the end of some phase of the feed, sometimes none."""
    phase = rng.choice(list(feed.model.phases))
    return rng.choice(
        [0, phase << 64, *(phase << 64 | max(0, len(feed.model.phases[phase]) + d) for d in (-3, -2, -1, 0, 1))]
    )


@pytest.mark.parametrize("validators", [0, 2, 4])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**64 - 1))
def test_contract_equals_model(validators: int, seed: int) -> None:
    rng = random.Random(seed)
    w = world(validators, sequencer=seed % 3 == 0)
    for _ in range(40):
        act(w, rng)
        w.ask("latest")
        w.ask("commitment")
        w.compare()
        for _ in range(4):
            times = [t for _, seen, sent in w.primary.model.phases[1][-4:] for t in (seen, sent)]
            after = max(0, rng.choice([w.now, *times]) + rng.choice([-1, 0, 1]))
            rounds = [some_round(feed, rng) for feed in w.feeds]
            w.first(after, *rounds, phase=rng.choice(list(w.primary.model.phases)))


@pytest.mark.parametrize("validators", [0, 2])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**64 - 1))
def test_rows_10_30_32_all_proofs_at_all_times_have_one_outcome(validators: int, seed: int) -> None:
    """Every combination of rounds is offered in the model, at several moments: those accepted all say the same."""
    rng = random.Random(seed)
    w = world(validators)
    for _ in range(rng.randrange(8)):
        act_live(w, rng)
    after, phase = w.now, max(w.primary.model.phases)
    outcomes = set()
    for _ in range(12):
        act_live(w, rng)
        for p in ids(w.primary):
            if validators == 0:
                outcomes.add(answer_of(w.model.first_after, phase, after, encode_proof(p)))
            else:
                for a in ids(w.validators[0]):
                    for b in ids(w.validators[1]):
                        outcomes.add(answer_of(w.model.first_after, phase, after, encode_proof(p, (a, b))))
    assert len([o for o in outcomes if len(o) == 3]) <= 1, outcomes


def ids(feed: Feed) -> list[int]:
    """Every id of a feed, those just beyond, and 0."""
    return [0] + [p << 64 | i for p, rounds in feed.model.phases.items() for i in range(len(rounds) + 2)]


def act_live(w: World, rng: random.Random) -> None:
    """Rounds only; no feed dies, and time goes on after each."""
    kind = rng.choice(["push", "push", "push", "all", "phase", "retired", "outage"])
    feed = rng.choice(w.feeds)
    price = rng.choice([2000, 2005, 2030])
    if kind == "push":
        feed.push(price, observed=w.now - rng.choice([0, 1, 5, 20]))
    elif kind == "all":
        w.all(price)
    elif kind == "phase":
        feed.new_phase()
    elif kind == "retired":
        feed.push(price, phase=rng.choice(list(feed.model.phases)))
    else:
        w.check_outage()
    w.wait(rng.choice([0, 1, 1, 7, 30]))
