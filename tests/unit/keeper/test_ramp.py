"""Margins that follow volatility: the index misses nobody and names nobody in vain, whatever the feed does."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkhead.chain import Contract, RevmChain
from bulkhead.chain.address import to_bytes
from bulkhead.keeper.bounds import Bounds
from bulkhead.keeper.health import is_liquidatable
from bulkhead.keeper.index import Index
from bulkhead.keeper.ramp import Ramp, rate_of
from bulkhead.keeper.state_reader import series_of
from bulkhead.keeper.terms import Terms
from bulkhead.model.interfaces.market import Position, Status
from bulkhead.model.interfaces.volatility_feed import VolatilityState
from bulkhead.model.libraries import book, exponential
from bulkhead.model.libraries.logarithm import ln
from bulkhead.model.margin.volatility_feed import MAX_VARIANCE, ramped_at
from tests.unit.keeper.volatile import VolatileWorld
from tests.world import ONE

INTERVAL = 600
variances = st.integers(0, MAX_VARIANCE) | st.sampled_from((0, 2**40, MAX_VARIANCE))


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 10 * ONE),
    st.integers(1, 10**6),
    st.integers(1, 10**7),  # a feed starts at 1,000 % at most
    st.lists(st.tuples(st.integers(1, 2 * 86_400), variances), max_size=6),
    st.integers(0, 86_400),
    st.integers(0, 86_400),
)
def test_no_ramp_rises_above_its_bound(
    ramp: int, floor: int, start: int, updates: list[tuple[int, int]], before: int, seconds: int
) -> None:
    """As `VolatilityFeed._advance` carries it on: whatever variances are found, whenever, from a moment on."""
    decay = exponential.decay(ln(ONE + ramp, ONE) // 3_600)
    r = Ramp(floor * 10**12, decay, INTERVAL)
    begun = 1_800_000_000
    state = VolatilityState(MAX_VARIANCE, 0, next=begun // INTERVAL + 1, ramped=start, offset=0)
    now = begun + before
    then, highest = now + seconds, r.highest(r.at(state, now), seconds)
    time = now
    for after, variance in updates:
        time = min(then, time + after % (seconds + 1))
        ramped = r.at(state, time)
        assert ramped <= highest
        next_ = time // INTERVAL + 1
        state = VolatilityState(variance, 0, next=next_, ramped=ramped // 10**12, offset=time - (next_ - 1) * INTERVAL)
    assert r.at(state, then) <= highest
    assert r.at(state, then) == ramped_at(state, floor * 10**12, decay, INTERVAL, then)


@cache
def world() -> tuple[VolatileWorld, Terms, int]:
    w = VolatileWorld(RevmChain())
    return w, Terms.of(w.market), w.chain.snapshot()


@pytest.mark.parametrize("seed", range(12))
def test_what_the_index_finds_is_what_the_contract_liquidates(seed: int) -> None:
    """Over paths of prices and updates of the feed, between sweeps: none is missed, and none is named wrongly."""
    w, terms, _ = world()
    with w.chain.isolated():
        follow_a_path(w, terms, random.Random(seed))


def follow_a_path(w: VolatileWorld, terms: Terms, draw: random.Random) -> None:
    contract, feed = w.volatile.market, terms.feed
    assert feed is not None
    index, held = Index(terms.unit), list[str]()
    for _ in range(12):
        size = draw.choice((1, -1)) * draw.randrange(1, 20) * ONE
        margin = abs(size) // ONE * draw.randrange(250, 500)
        held.append(w.open(size, margin, abs(size) // ONE * 500, market=w.volatile))
    for vault in held:
        index.put(to_bytes(vault), position(contract.call.positionOf(vault)))
    rates, found = set[int](), set[str]()
    for step in range(45):
        last = int(w.feed.proxy.call.latestRoundData()[1]) * 10**10
        w.price(int(last * (1 + draw.choice((0, 0.002, 0.01)) * draw.choice((1, -1)))), after=draw.randrange(60, 900))
        if draw.random() < 0.7 and feed.volatility.due().update:
            feed.volatility.update()
        now = w.chain.timestamp
        price, _ = w.oracle.call.latest()
        terms.look(now)
        assert feed.level.value == feed.volatility.contract.call.ramped()
        series = series_of(contract.call.seriesOf(0))
        if now > index.until:
            index.sweep(Bounds.until(series, terms.fastest, terms.highest_rate(3_600), now, now + 3_600), now + 3_600)
        carry, model = book.carry_at(series, now), terms.margin_model
        rates.add(rate_of(model))
        rows = index.liquidatable(
            price,
            now,
            Bounds.at(carry, rate_of(model)),
            lambda p, price=price, carry=carry: is_liquidatable(p, price, carry, terms.margin_model, terms.unit),
        )
        named_now = {vault for vault, _ in index.vaults(rows)}
        taken = {vault for vault in held if liquidates(contract, vault)}
        assert named_now == set(map(to_bytes, taken)), step
        found |= taken
    assert len(rates) > 20 and max(rates) > 1.5 * min(rates)
    assert 0 < len(found) < len(held)


def liquidates(contract: Contract, vault: str) -> bool:
    return bool(contract.call.liquidate([vault]) == 1)


def position(p: Any) -> Position:
    names = ("margin", "reserve", "status", "size", "entry", "series", "time", "funding", "borrowing")
    margin, reserve, status, *rest = (int(getattr(p, name)) for name in names)
    return Position(margin, reserve, Status(status), *rest)
