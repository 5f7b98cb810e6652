"""Twin of UniswapSource.sol: the time-weighted price of one Uniswap v3 pool. `now` is the block's time."""

from __future__ import annotations

from typing import NamedTuple

from bulkhead.model.integers import MAX_UINT32
from bulkhead.model.libraries import tick_price
from bulkhead.model.libraries.tick_price import MAX_TICK
from bulkhead.model.oracles.errors import SettingInvalid
from bulkhead.model.oracles.source import Bounds, SourceConfig
from bulkhead.model.oracles.uniswap_pool import UniswapPool


class Feed(NamedTuple):
    """A pinned pool. `inverted`: the price is that of token1; decimals: of the underlying, of the other token."""

    pool: UniswapPool
    window: int
    inverted: bool
    decimals: int
    other_decimals: int


def pin(c: SourceConfig, now: int) -> tuple[Feed, Bounds]:
    """Checks a configuration against the pool and pins its tokens' decimals. Raises SettingInvalid."""
    if c.heartbeat == 0:
        raise SettingInvalid("window", 0)
    if c.remember < c.heartbeat:
        raise SettingInvalid("remember", c.remember)
    if c.block_time == 0:
        raise SettingInvalid("blockTime", 0)
    if c.largest <= c.smallest:
        raise SettingInvalid("largest", c.largest)
    if c.at.failing:
        raise SettingInvalid("pool", c.at.address)
    if c.at.cardinality * c.block_time < c.remember + c.block_time:
        raise SettingInvalid("cardinality", c.at.cardinality)
    decimals = c.at.decimals[::-1] if c.inverted else c.at.decimals
    for places in decimals:
        if places > 18:
            raise SettingInvalid("decimals", places)
    feed = Feed(c.at, c.heartbeat, c.inverted, *decimals)
    if means(feed, c.remember - c.heartbeat, now) is None:
        raise SettingInvalid("remember", c.remember)
    return feed, Bounds(c.smallest, c.largest)


def as_of(feed: Feed, bounds: Bounds, time: int, now: int) -> tuple[bool, int]:
    """shown, and the index of the window that ended at `time`; 0 where it is at or beyond a bound."""
    mean = None if time > now else means(feed, now - time, now)
    if mean is None:
        return False, 0
    index = tick_price.at(mean[0], 10 ** (18 + feed.decimals - feed.other_decimals))
    return True, index if bounds.smallest < index < bounds.largest else 0


def means(feed: Feed, ago: int, now: int) -> tuple[int, int] | None:
    """The mean tick, rounded down, and the seconds per unit of liquidity, Q128, of the window that ended `ago`
    seconds ago; None where they are not shown."""
    if ago + feed.window > MAX_UINT32:
        return None
    before, after = feed.pool.observe(now, ago + feed.window), feed.pool.observe(now, ago)
    if before is None or after is None:
        return None
    ticks = after[0] - before[0]
    tick = (-ticks if feed.inverted else ticks) // feed.window
    return (tick, after[1] - before[1]) if -MAX_TICK <= tick <= MAX_TICK else None
