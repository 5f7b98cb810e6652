"""Twin of AnySource.sol: a source of any kind. `now` is the block's time."""

from __future__ import annotations

from enum import IntEnum

from bulkhead.model.oracles import chainlink_source, pyth_source, uniswap_source
from bulkhead.model.oracles.source import Bounds, Feed, Kind, Round, SourceConfig, Walk


class Way(IntEnum):
    """How a validator answers: as it is shown, as it is now, or as it is found without proofs."""

    SHOWN = 0
    CURRENT = 1
    FOUND = 2


def pin(s: SourceConfig, now: int) -> tuple[Feed, Bounds]:
    """Checks a configuration against its source and pins it."""
    if s.kind == Kind.CHAINLINK:
        return chainlink_source.pin(s, now)
    if s.kind == Kind.PYTH:
        return pyth_source.pin(s)
    pool, bounds = uniswap_source.pin(s, now)
    return Feed(Kind.UNISWAP, pool, s.heartbeat, 18, s.composed), bounds


def load_newest(feed: Feed, bounds: Bounds, now: int) -> Round:
    """The newest price of what can be a primary."""
    return (chainlink_source.load_newest if feed.is_push else pyth_source.load_stored)(feed, bounds, now)


def as_shown(
    feed: Feed, bounds: Bounds, source: int, phase: int, time: int, id: int, *, now: int, kept: pyth_source.Kept
) -> tuple[bool, int]:
    """Is it shown, and its index: by a round's id in a proof, as a pool remembers, or as it was proven before."""
    if feed.is_push:
        shown, r = chainlink_source.as_of(feed, bounds, phase, time, id, now)
        return shown, r.index
    if feed.kind == Kind.UNISWAP:
        return uniswap_source.as_of(feed.at, bounds, time, now)
    index, at = pyth_source.proven(source, time, kept)
    return at != 0, index if at <= time + feed.heartbeat else 0


def current(feed: Feed, bounds: Bounds, phase: int, now: int) -> int:
    """By the newest round, the mean until now, or what Pyth has stored; 0 where that is none or too old."""
    if feed.is_push:
        return chainlink_source.current(feed, bounds, phase, now)
    return _unproven(feed, bounds, now, now)


def as_found(feed: Feed, bounds: Bounds, walk: Walk, phase: int, time: int, now: int) -> int:
    """By a walk back through rounds, as a pool remembers, or as Pyth has stored; 0 where nothing is found."""
    if feed.is_push:
        return chainlink_source.find(feed, bounds, walk, phase, time, now)
    return _unproven(feed, bounds, time, now)


def _unproven(feed: Feed, bounds: Bounds, time: int, now: int) -> int:
    """What Pyth has stored stands for its price no farther away than the heartbeat."""
    if feed.kind == Kind.UNISWAP:
        return uniswap_source.as_of(feed.at, bounds, time, now)[1]
    r = pyth_source.load_stored(feed, bounds, now)
    return r.index if abs(r.observed - time) <= feed.heartbeat else 0
