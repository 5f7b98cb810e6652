"""Sources of different kinds together: some lie or are silent, and the primary's first price is used all the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_world import DAY, E8, E18, HEARTBEAT, WINDOW, PoolPrice, PythPrice, World, answer_of
from test_pyth import AGE, some

from bulkhead.build import artifacts
from bulkhead.chain import RevmChain
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.model.oracles.oracle_settings import Composition
from bulkhead.model.oracles.source import Kind
from bulkhead.protocol import OracleTerms
from bulkhead.protocol.config import source

#: Which sources are Pyth's and which are pools, of 0 (the primary) and validators from 1 on.
TWO: dict[str, dict[str, Any]] = {
    "push": {},
    "pull": {"pyth": (0, 1, 2)},
    "push and pool": {"pools": (2,)},
    "pull, push and pool": {"pyth": (0,), "pools": (1,)},
    "push, pull and pool": {"pyth": (1,), "pools": (2,)},
}
FOUR: dict[str, dict[str, Any]] = {
    "push": {},
    "pull": {"pyth": range(5)},
    "mixed": {"pyth": (0, 1), "pools": (2,)},
}
#: The largest price that Pyth can say with 8 decimals.
MOST = 2**62 / 10**8
FACTORS = [10.0**power for power in (-8, -4, -1, 1, 4, 8)] + [0.5, 0.98, 1.02, 2.0]


def world(validators: int, **kinds: Any) -> World:
    """All sources at 2000 for longer than a pool's window, then the oracle."""
    w = World(validators, **kinds)
    w.all(2000)
    w.wait(WINDOW)
    w.all(2000)
    w.wait(1)
    return w.build(maxAge=AGE if 0 in kinds.get("pyth", ()) else HEARTBEAT + 60)


def told(w: World, feeds: dict[int, float | None], wait: int = 60) -> tuple[int, list[Any]]:
    """A time, and what can be shown of the prices after it: 2000 from all but `feeds`, where None is silence.

    Pools are off for a window before, so that nothing but the lie is in their mean.
    """
    for i, factor in feeds.items():
        if isinstance(w.feeds[i], PoolPrice) and factor is not None:
            w.feeds[i].push(2000 * factor)
    w.wait(WINDOW)
    after = w.now
    w.wait(wait)
    shown: list[Any] = []
    for i, feed in enumerate(w.feeds):
        factor = feeds.get(i, 1)
        if isinstance(feed, PoolPrice):
            if factor is None:
                feed.fail()
            shown.append(None)
        elif factor is None and i:
            feed.fail()
            shown.append(None)
        elif factor is not None:
            shown.append(feed.push(min(2000 * factor, MOST) if isinstance(feed, PythPrice) else 2000 * factor))
        else:
            shown.append(None)
    w.wait(1)
    return after, shown


def liars(validators: int, factors: list[float]) -> Iterator[dict[int, float | None]]:
    """Every way in which up to half of the validators lie or are silent."""
    for count in range(validators // 2 + 1):
        for who in combinations(range(1, validators + 1), count):
            for how in product([None, *factors], repeat=count):
                yield dict(zip(who, how, strict=True))


def used(w: World, after: int, shown: list[Any]) -> None:
    """The primary's first price is used, and the newest one, too."""
    phase = w.ask("commitment")[0]
    assert w.show(after, *shown, phase=phase) == (2000 * E18, w.now - 1, True)
    assert w.ask("latest") == (2000 * E18, w.now - 1)
    assert w.check_outage()[0] is False and w.model.clock.started == 0


@pytest.mark.parametrize("kinds", TWO)
def test_rows_1_2_41_one_validator_of_two_lies_by_any_factor_or_is_silent(kinds: str) -> None:
    for feeds in liars(2, FACTORS):
        w = world(2, **TWO[kinds])
        used(w, *told(w, feeds))


@pytest.mark.parametrize("kinds", FOUR)
def test_rows_1_2_41_two_validators_of_four_lie_by_any_factor_or_are_silent(kinds: str) -> None:
    for feeds in liars(4, [0.98, 10.0**8]):
        w = world(4, **FOUR[kinds])
        used(w, *told(w, feeds))


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("kinds", TWO)
def test_rows_1_8_a_primary_that_lies_is_used_for_nothing(kinds: str, factor: float) -> None:
    w = world(2, **TWO[kinds])
    last = w.model.last
    after, shown = told(w, {0: factor})
    answer = w.show(after, *shown, phase=w.ask("commitment")[0])
    assert len(answer) == 3 and answer[2] is False
    assert w.ask("latest")[0] in ("PriceDisputed", "PriceInvalid")
    assert w.check_outage() == (False, ["OutageStarted"])
    assert (w.model.last.index, w.model.last.time >= last.time) == (last.index, True)


@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("kinds", TWO)
def test_row_41_a_primary_that_lies_or_is_silent_ends_the_oracle(kinds: str, silent: bool) -> None:
    w = world(2, **TWO[kinds])
    w.wait(HEARTBEAT + 61)
    if not silent:
        w.primary.push(9000)
    w.check_outage()
    start, index = w.model.clock.started, w.model.last.index
    while w.now < start + DAY:
        w.wait(DAY // 8)
        for feed in w.feeds[0 if silent else 1 :]:
            if feed is not w.primary:
                feed.push(2000)
        if not silent:
            w.primary.push(9000)
        assert w.ask("latest")[0].startswith("Price") or w.model.clock.ended
        ended = w.check_outage()
    assert ended == (True, ["Ended"])
    assert w.ask("final_price")[:2] == (True, index)
    assert index == 2000 * E18


def test_row_19_after_an_outage_nothing_old_is_used() -> None:
    """Every kind: what stood before the silence is too old for `latest`, whichever source comes back first."""
    for kinds in TWO.values():
        w = world(2, **kinds)
        w.wait(HEARTBEAT + 61)
        for feed in w.validators:
            feed.push(2000)
        assert w.ask("latest")[0] == "PriceStale"
        w.primary.push(2000)
        w.wait(1)
        assert w.ask("latest")[0] == 2000 * E18


# --- a pool


def test_what_a_pool_has_forgotten_is_not_shown() -> None:
    w = world(2, pools=(1, 2))
    after, shown = told(w, {})
    assert w.show(after, *shown)[2] is True
    time = w.now - 1
    for v in w.validators:  # a ring of 400 is full of trades after 400 blocks
        for i in range(400):
            w.wait(12)
            v.push(2000 if i % 2 else 2001)
    assert w.show(after, *shown) == ("QuorumNotShown", (0, 2, 1))
    w.validators[0].fail()
    assert w.show(after, *shown) == ("QuorumNotShown", (0, 2, 1))
    assert time < w.now


def test_a_pool_that_remembers_too_little_is_refused() -> None:
    w = World(2, pools=(1,))
    w.all(2000)
    configs = [w.config(feed) for feed in w.validators]
    configs[0]["remember"] = 10 * WINDOW
    name, (setting, value) = w.build_error(validators=configs)
    assert (name, setting.rstrip(b"\0"), value) == ("SettingInvalid", b"cardinality", 400)


def test_a_pool_is_no_primary() -> None:
    w = World(2, pools=(1,))
    w.all(2000)
    assert w.build_error(primary=w.config(w.validators[0])) == ("CannotBePrimary", (Kind.UNISWAP,))


# --- contract and model, whatever happens


def act(w: World, rng: random.Random) -> None:
    pool: PoolPrice = rng.choice([feed for feed in w.feeds if isinstance(feed, PoolPrice)])
    kind = rng.choice(["trade", "wait", "other", "other"])
    if kind == "trade":
        pool.push(rng.choice([2000, 2010, 1900, 4000]))
    elif kind == "wait":
        w.wait(rng.choice([12, 60, WINDOW, HEARTBEAT]))
    else:
        other = rng.choice([feed for feed in w.feeds if not isinstance(feed, PoolPrice)])
        other.push(rng.choice([2000, 2005, 2030]))


@pytest.mark.parametrize("kinds", ["push and pool", "pull, push and pool", "push, pull and pool"])
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**64 - 1))
def test_contract_equals_model(kinds: str, seed: int) -> None:
    rng = random.Random(seed)
    w = world(2, **TWO[kinds])
    offer: Callable[[Any], Any] = lambda feed: None if isinstance(feed, PoolPrice) else some(feed, rng)  # noqa: E731
    for _ in range(25):
        act(w, rng)
        w.ask("latest")
        if rng.random() < 0.2:
            w.check_outage()
        for _ in range(2):
            first = offer(w.primary)
            after = max(0, w._time_of(first) + rng.choice([-61, -1, 0]))
            w.show(after, first, *(offer(feed) for feed in w.validators))


# --- the aggregator that Chainlink publishes for tests


def test_an_aggregator_without_phases_validates_and_is_a_leg_but_no_primary() -> None:
    """Its rounds are numbered from 1 on, without a phase above: nothing that a commit could be bound to."""
    chain, made = RevmChain(), artifacts()
    chain.set_time(1_800_000_000)
    primary = chain.deploy(made["FeedProxyMock"], 8)
    others = [chain.deploy(made["MockV3Aggregator"], 8, answer * E8) for answer in (2000, 2000, 1)]
    for _ in range(2):
        chain.set_time(chain.timestamp + 60)
        primary.send.push(2000 * E8, chain.timestamp, chain.timestamp)
        for feed, answer in zip(others, (2000, 2000, 1), strict=True):
            feed.send.updateAnswer(answer * E8)
    first, second, leg = (source(feed.address) for feed in others)
    settings = OracleTerms().encoded(primary.address, 8) | {"validators": [first, second], "leg": leg, "quorum": 1}
    settings |= {"composition": Composition.DIVIDE, "spread": E18 // 100}
    oracle = chain.deploy(made["Oracle"], settings)
    after = chain.timestamp
    chain.set_time(after + 60)
    primary.send.push(2010 * E8, after + 60, after + 60)
    chain.set_time(after + 61)
    proof = encode_proof(1 << 64 | 3, (3, 3, 3))
    assert tuple(oracle.call.firstAfter(1, after, proof)) == (2010 * E18, after + 60, True)
    others[0].send.updateRoundData(4, 1, after + 61, after + 61)
    assert tuple(oracle.call.firstAfter(1, after, proof)) == (2010 * E18, after + 60, True)
    assert tuple(oracle.call.latest()) == (2010 * E18, after + 60)
    told = answer_of(chain.deploy, made["Oracle"], OracleTerms().encoded(others[1].address, 8))
    assert told == ("CannotBePrimary", (Kind.CHAINLINK,))
