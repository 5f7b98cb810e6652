"""What tests of the pool share: its shares, its worth from the positions themselves, and a small one."""

from __future__ import annotations

from typing import Any

import pytest

from bulkhead.chain import Revert, RevmChain
from bulkhead.protocol import MarketTerms
from tests.unit.exits.expect import carry_now, equity_down, unit_of, up
from tests.world import ONE, World

VIRTUAL = 10**6
DEVIATION = ONE // 200
MILLION = 10**6


def refusal(call: Any, *args: Any, **more: Any) -> tuple:
    with pytest.raises(Revert) as refused:
        call(*args, **more)
    return (refused.value.name, *refused.value.values)


def worth_of(world: World, index: int, *positions: str) -> int:
    """Worth from the positions themselves."""
    market, pool = world.perpetual.market, world.perpetual.pool
    value = sum(pool.call.liquidity())
    for position in positions:
        p = market.call.positionOf(position)
        gain = equity_down(p, carry_now(world), index, unit_of(world)) - p.margin
        value -= max(-p.margin, min(p.reserve, gain))
    return value


def hidden_up(world: World, index: int, net: int) -> int:
    return up(net * index // unit_of(world) * DEVIATION, ONE)


def small(terms: MarketTerms | None = None) -> World:
    """A pool of which nine tenths can be put to work by one order."""
    world = World(RevmChain(), terms=terms)
    pool, u = world.perpetual.pool, world.unit
    pool.send.redeem(990_000 * u * VIRTUAL, world.provider, world.provider, sender=world.provider)
    assert pool.call.liquidity() == (0, 10_000 * u)
    return world
