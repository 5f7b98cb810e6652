"""What a market shows to its instrument and to its margin model, word by word."""

from __future__ import annotations

from typing import Any

import pytest

from bulkhead.chain import Revert
from tests.unit.market.helpers import TOKEN, requested
from tests.unit.market.instrument import market_held_to, market_of, say, say_margin, sum_of_words
from tests.world import ONE, PRICE, World

INDEX, TIME, LONG, SHORT, RESERVED, IDLE, RATE, ELAPSED = range(1, 9)


def test_the_margin_model_sees_what_is_open_and_not_what_is_pending(world: World) -> None:
    market = market_held_to(world, sum_of_words({LONG: 1_000}))  # 10,000 for 10 that are open
    first, _ = (requested(world, market=market) for _ in range(2))  # 2,000 of margin each
    world.execute(first, world.price(PRICE), market)
    with pytest.raises(Revert) as caught:
        requested(world, market=market)
    assert (caught.value.name, caught.value.values[1]) == ("MarginTooSmall", 10_000 * TOKEN)


@pytest.mark.parametrize("looks", [True, False])
def test_a_margin_model_is_shown_the_market_where_it_looks_at_it(world: World, looks: bool) -> None:
    asked = sum_of_words({LONG: 40, SHORT: 1, RESERVED: 10**9, IDLE: 10**8})
    market = market_held_to(world, sum_of_words({}), looks=looks)
    position = requested(world, market=market)
    world.execute(position, world.price(PRICE), market)
    say_margin(world, asked, looks)
    reserved, idle = market.pool.call.liquidity()
    required = -(-(40 * 10 * ONE + 10**9 * reserved + 10**8 * idle) * TOKEN // ONE)
    if not looks:
        market.market.send.removeMargin(position, 1_800 * TOKEN, sender=world.trader)
        return
    with pytest.raises(Revert) as caught:
        market.market.send.removeMargin(position, 1_800 * TOKEN, sender=world.trader)
    assert (caught.value.name, caught.value.values[1]) == ("MarginTooSmall", required)


def test_a_linear_family_is_asked_neither_for_mark_nor_cap(world: World) -> None:
    market = market_of(world, isLinear=(1,), mark=(1,), cap=(0,))
    position = requested(world, market=market)
    opened = world.execute(position, world.price(PRICE), market).event("Opened").args
    assert (opened.entry, opened.reserve) == (PRICE, 5_000 * TOKEN)
    assert market.pool.call.worth(PRICE + 100 * ONE, 0) == market.pool.call.worth(PRICE, 0) - 1_000 * TOKEN
    market.market.send.removeMargin(position, 100 * TOKEN, sender=world.trader)
    world.price(1_810 * ONE)
    world.wait(12)
    (exited,) = market.market.send.liquidate([position], sender=world.keeper).events_of("Exited")
    assert (exited.args.mark, exited.args.size) == (1_810 * ONE, 10 * ONE)


WEIGHTS = {INDEX: 1, TIME: 10**12, LONG: 7, SHORT: 11, RESERVED: 10**10, IDLE: 10**8}


def test_a_liquidation_is_priced_by_what_those_before_it_in_the_batch_left(world: World) -> None:
    priced = sum_of_words(WEIGHTS, 10**6)
    market = market_of(world, premium=priced)
    longs = [requested(world, market=market) for _ in range(2)]
    short = requested(world, -3 * ONE, 1_000, 3_000, market=market)
    proof = world.price(PRICE)
    for position in (*longs, short):
        world.execute(position, proof, market)
    world.price(PRICE)
    world.wait(600)  # the price is not of this block
    _, time = world.oracle.call.latest()
    fallen = {"mark": (1_830 * ONE,)}

    def liquidated(premium: tuple[int, ...] | bytes) -> list[Any]:
        say(world, premium=premium, **fallen)
        with world.chain.isolated():
            receipt = market.market.send.liquidate(longs, sender=world.keeper)
            return [event.args for event in receipt.events_of("Exited")]

    reserved, idle = market.pool.call.liquidity()
    held, before, exits = 20 * ONE, market.market.call.positionOf(longs[0]), liquidated(priced)
    for place, exit_ in enumerate(exits):
        words = {INDEX: PRICE, TIME: time, LONG: held, SHORT: 3 * ONE, RESERVED: reserved, IDLE: idle}
        premium = sum(WEIGHTS[word] * value for word, value in words.items()) // 10**6
        assert liquidated((premium,))[place] == exit_ != liquidated((premium + 10**9,))[place]
        held -= exit_.size
        reserved -= before.reserve * exit_.size // before.size
        idle += exit_.toPool
    assert len(exits) == 2 and exits[0][2:] != exits[1][2:]


def test_rates_are_fixed_by_what_a_trade_leaves(world: World) -> None:
    weights = {INDEX: 1, TIME: 10**11, LONG: 7, SHORT: 11, RESERVED: 10**10, IDLE: 10**8, RATE: 1, ELAPSED: 10**16}
    market = market_of(world, hasCarry=(1,), carry=sum_of_words(weights, 10**10))
    fixed = world.chain.timestamp
    for size, open_ in ((10 * ONE, (10 * ONE, 0)), (-3 * ONE, (10 * ONE, 3 * ONE))):
        position = requested(world, size, market=market)
        fixed = world.chain.timestamp if open_[1] == 0 else fixed  # where a series begins, too
        world.execute(position, world.price(PRICE), market)
        now, (reserved, idle) = world.chain.timestamp, market.pool.call.liquidity()
        words = {INDEX: PRICE, TIME: now, LONG: open_[0], SHORT: open_[1], RESERVED: reserved, IDLE: idle}
        words |= {RATE: 0, ELAPSED: now - fixed}
        carry, fixed = market.market.call.seriesOf(0).carry, now
        assert carry >> 136 & 2**40 - 1 == sum(weights[word] * value for word, value in words.items()) // 10**10
